// A Database that begins with what a backup holds: where that is looked for, who waits for it, and what is said of it.
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import t from 'tap'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import {
  change,
  child,
  conditionOf,
  createWorld,
  inventory,
  namespace,
  runPods,
  type Spec,
  settle,
  statusOf,
  type World,
} from './world.ts'

const s3 = { bucket: 'backups', endpoint: 'https://s3.storage.svc:9000', credentialsSecret: { name: 's3' } }
const lying = { backup: { database: 'old', destination: { s3 } } }

function recovering(recovery: Spec = { source: lying }, spec: Spec = {}): World {
  const world = createWorld({ bootstrap: { recovery }, ...spec })
  world.related['Pod.v1'] = {}
  world.related['DatabaseBackup.example.com/v1'] = {}
  settle(world)
  return world
}

function jobsOf(world: World): KubernetesObject[] {
  return Object.values(world.children['Job.batch/v1'] ?? {})
}

function jobOf(world: World): KubernetesObject {
  const [job] = jobsOf(world)
  if (job === undefined) throw new Error('there is no Job')
  return job
}

/** What its pod told, and how the Job ended; without a condition it runs. */
function end(world: World, container: string, message: string, condition?: 'Complete' | 'Failed'): void {
  const job = jobOf(world)
  world.related['Pod.v1'] = {
    [`${namespace}/pod`]: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'pod',
        namespace,
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'job', uid: String(job.metadata.uid) }],
      },
      status: { containerStatuses: [{ name: container, state: { terminated: { message } } }] },
    },
  }
  if (condition === undefined) return
  job.status = { conditions: [{ type: condition, status: 'True', lastTransitionTime: '2026-03-01T12:00:00Z' }] }
}

const said = (world: World, type = 'Recovered') => {
  const { status, reason, message } = conditionOf(world, type) ?? {}
  return { status, reason, message }
}

t.test('the backup goes into the database when it runs, once, and is never done again', async (t) => {
  const world = recovering()
  t.same(jobsOf(world), [], 'nothing runs yet that it could go into')
  t.match(said(world), { status: 'False', reason: 'Restoring' })
  runPods(world)
  settle(world)
  t.match(jobOf(world).metadata.name, /^orders-restore-[0-9a-f]{10}$/)
  t.ok(inventory(world).includes('NetworkPolicy/orders-restore'))
  t.match(said(world, 'Ready'), { status: 'False', reason: 'Restoring' })
  t.match(said(world, 'Available'), { status: 'False', reason: 'Restoring' }, 'users and backups wait')
  t.equal(statusOf(world).phase, 'Restoring')

  end(world, 'restore', '{"name":"old-20260301T013000Z.tar","bytes":2048,"seconds":7}', 'Complete')
  settle(world)
  const recovery = {
    phase: 'Recovered',
    backup: 'old-20260301T013000Z.tar',
    size: 2048,
    durationSeconds: 7,
    completionTime: '2026-03-01T12:00:00Z',
  }
  t.same(statusOf(world).recovery, recovery)
  t.match(said(world), { status: 'True', reason: 'Recovered' })
  t.match(said(world, 'Ready'), { status: 'True' })
  t.match(said(world, 'Available'), { status: 'True' })
  t.notOk(inventory(world).includes('NetworkPolicy/orders-restore'))

  world.children['Job.batch/v1'] = {}
  world.related['Pod.v1'] = {}
  settle(world)
  t.same(jobsOf(world), [])
  t.same(statusOf(world).recovery, recovery)
  change(world, { bootstrap: undefined })
  settle(world)
  t.match(said(world, 'Ready'), { status: 'True' })
})

t.test('its owner is shut out until the backup is in it', async (t) => {
  for (const [engine, version, closed, open] of [
    ['postgresql', '15.4', /NOLOGIN PASSWORD/, /%I LOGIN PASSWORD/],
    ['mysql', '8.4', /ACCOUNT LOCK;\nGRANT/, /ACCOUNT UNLOCK;/],
    ['mongodb', '7.0', /const roles = \[\]/, /const roles = \["dbOwner"\]/],
  ] as const) {
    const world = recovering(undefined, { engine, version })
    const accounts = () => (child(world, 'ConfigMap', 'orders-config').data as Record<string, string>)['accounts.sh']
    t.match(accounts(), closed)
    runPods(world)
    settle(world)
    const { template } = jobOf(world).spec as JobSpec
    t.match(template.spec?.containers[0]?.command?.[2], open, 'the Job opens it')
    end(world, 'restore', '{}', 'Complete')
    settle(world)
    t.match(accounts(), open)
    t.notMatch(accounts(), closed)
  }
})

t.test('no schedule backs up what is not recovered', async (t) => {
  const world = recovering(undefined, { backup: { enabled: true, destination: { s3 } } })
  const suspended = () => (child(world, 'DatabaseBackup', 'orders-backup').spec as { suspend: boolean }).suspend
  t.equal(suspended(), true)
  runPods(world)
  settle(world)
  end(world, 'restore', '{}', 'Complete')
  settle(world)
  t.equal(suspended(), false)
})

t.test('a failure says what is wrong, and keeps its Job; another source is another Job', async (t) => {
  for (const [container, message, expected] of [
    [
      'fetch',
      'BackupNotFound: there is no backup of old in s3://backups/x',
      { reason: 'BackupNotFound', message: /^there is no backup of old/ },
    ],
    [
      'fetch',
      'DecryptionFailed: x cannot be decrypted',
      { reason: 'DecryptionFailed', message: /^x cannot be decrypted/ },
    ],
    [
      'check',
      'BackupCorrupt: x cannot be read to its end: unexpected EOF',
      { reason: 'BackupCorrupt', message: /unexpected EOF/ },
    ],
    ['restore', 'NotEmpty: the database app holds 3 tables', { reason: 'NotEmpty', message: /holds 3 tables/ }],
    [
      'restore',
      'pg_restore: processing\npg_restore: error: no space',
      { reason: 'RestoreFailed', message: /^restore: pg_restore: error: no space/ },
    ],
    ['fetch', 'Nonsense: something', { reason: 'RestoreFailed', message: /Nonsense/ }],
  ] as const) {
    const world = recovering()
    runPods(world)
    settle(world)
    end(world, container, message)
    settle(world)
    t.match(said(world), { status: 'False', ...expected })
    t.match(said(world).message, /it is tried again$/)
    end(world, container, message, 'Failed')
    settle(world)
    t.match(said(world), { status: 'False', ...expected })
    t.match(said(world).message, /delete Job\/orders-restore-[0-9a-f]+ to try again$/)
    t.match(said(world, 'Ready'), { status: 'False', reason: 'RecoveryFailed', message: expected.message })
    t.equal(statusOf(world).phase, 'Failed')
    t.match(said(world, 'Stalled'), { status: 'True', reason: 'RecoveryFailed' })
    t.match(said(world, 'Reconciling'), { status: 'False', reason: 'Stalled' })
    const before = jobOf(world).metadata.name
    change(world, { bootstrap: { recovery: { source: lying, backupName: 'old-20260101T000000Z.tar' } } })
    settle(world)
    t.equal(jobsOf(world).length, 1)
    t.not(jobOf(world).metadata.name, before)
    t.match(said(world), { reason: 'Restoring' })
  }
})

t.test('a DatabaseBackup says where its backups lie; without one that is said', async (t) => {
  const world = recovering({ source: { backupRef: { name: 'nightly' } } })
  runPods(world)
  settle(world)
  t.match(said(world), { status: 'False', reason: 'BackupNotFound', message: /there is no DatabaseBackup "nightly"/ })
  t.match(said(world, 'Ready'), { reason: 'RecoveryFailed' })
  t.same(jobsOf(world), [])
  world.related['DatabaseBackup.example.com/v1'] = {
    [`${namespace}/nightly`]: {
      apiVersion: 'example.com/v1',
      kind: 'DatabaseBackup',
      metadata: { name: 'nightly', namespace },
      spec: {
        databaseRef: { name: 'old' },
        schedule: '@daily',
        destination: { claim: { name: 'dumps' } },
        encryption: { secretName: 'phrase' },
      },
    },
  }
  settle(world)
  const { template } = jobOf(world).spec as JobSpec
  const [fetch] = template.spec?.initContainers ?? []
  const env = Object.fromEntries((fetch?.env ?? []).map(({ name, value }) => [name, value]))
  t.match(env, { BACKUP_SERIES: 'old_nightly', BACKUP_REMOTE: '/backup/old', BACKUP_SUFFIX: '.tar' })
  t.match(template.spec?.volumes, [
    { name: 'scripts' },
    {},
    {},
    {},
    {},
    { persistentVolumeClaim: { claimName: 'dumps', readOnly: true } },
    { secret: { secretName: 'phrase' } },
  ])
})

t.test('a DatabaseBackup whose backups are physical is no source of a dump', async (t) => {
  const world = recovering({ source: { backupRef: { name: 'nightly' } } })
  world.related['DatabaseBackup.example.com/v1'] = {
    [`${namespace}/nightly`]: {
      apiVersion: 'example.com/v1',
      kind: 'DatabaseBackup',
      metadata: { name: 'nightly', namespace },
      spec: { databaseRef: { name: 'old' }, method: 'physical', destination: { s3 } },
    },
  }
  settle(world)
  t.match(said(world), {
    status: 'False',
    reason: 'PhysicalBackup',
    message: /by source\.backup, with method: physical/,
  })
})

t.test('a database that was there before is left alone', async (t) => {
  const world = createWorld()
  settle(world)
  runPods(world)
  settle(world)
  // The CRD refuses it, unless the one that is installed is older than this.
  change(world, { bootstrap: { recovery: { source: lying } } })
  settle(world)
  t.same(jobsOf(world), [])
  t.match(said(world, 'Ready'), { status: 'True' })
  t.equal(conditionOf(world, 'Recovered'), undefined)
})

t.test('what never was recovered leaves no last backup, which would pass for the latest', async (t) => {
  const world = recovering(undefined, { deletionPolicy: 'BackupAndRetain', backup: { destination: { s3 } } })
  runPods(world)
  settle(world)
  settle(world, true)
  t.notOk(inventory(world).includes('Job/orders-final-backup'))
})
