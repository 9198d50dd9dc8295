// A physical DatabaseBackup: of PostgreSQL a Job that asks the database's own sidecar, for an archive that is there; of MySQL
// one that copies the data files itself.
import { spawnSync } from 'node:child_process'
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import t from 'tap'
import { databaseBackup } from '../../../hooks/kinds/databasebackup/index.ts'
import type { Condition } from '../../../hooks/sdk/conditions.ts'
import { createCredentials } from '../../../hooks/sdk/credentials.ts'
import { evaluateComposite } from '../../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../../hooks/sdk/observed.ts'

const destination = { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } }
const encryption = { secretName: 'phrase' }

function answerTo(
  spec: Record<string, unknown>,
  backup: Record<string, unknown>,
  more: Record<string, KubernetesObject[]> = {},
  engine: Record<string, unknown> = { engine: 'postgresql', version: '15.4' },
) {
  const database = {
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { name: 'orders', namespace: 'shop', uid: 'uid-db' },
    spec: { ...engine, storage: { size: '1Gi' }, backup },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'ReplicasReady', message: '' }] },
  }
  const byName = (objects: KubernetesObject[] = []) =>
    Object.fromEntries(objects.map((one) => [`shop/${one.metadata.name}`, one]))
  return evaluateComposite(
    databaseBackup,
    {
      controller: { apiVersion: 'v1', kind: 'C', metadata: {} },
      parent: {
        apiVersion: 'example.com/v1',
        kind: 'DatabaseBackup',
        metadata: { name: 'now', namespace: 'shop', uid: 'uid-1', generation: 1 },
        spec: { databaseRef: { name: 'orders' }, method: 'physical', destination, encryption, ...spec },
      },
      children: Object.fromEntries(databaseBackup.children.map((type) => [groupKey(type), {}])),
      related: {
        'Database.example.com/v1': { 'shop/orders': database },
        'Job.batch/v1': byName(more.jobs),
        'Pod.v1': byName(more.pods),
      },
      finalizing: false,
    },
    {
      now: new Date('2026-03-01T12:00:00Z'),
      credentials: createCredentials([{ id: 'first', secret: new Uint8Array(32).fill(1) }]),
      settings: { imageRegistry: '' },
    },
  )
}

const physical = { method: 'physical', destination, encryption }

t.test('its Job asks the database, and needs neither keys nor room', async (t) => {
  const { response } = answerTo({}, physical)
  const job = response.children.find(({ kind }) => kind === 'Job')
  if (job === undefined) throw new Error('there is no Job')
  const { template } = job.spec as JobSpec
  const [request, ...others] = template.spec?.containers ?? []
  t.same([others, template.spec?.initContainers], [[], []])
  t.same(
    template.spec?.volumes?.map(({ name }) => name),
    ['superuser-credentials', 'tmp'],
  )
  const { status, stderr } = spawnSync('bash', ['-n'], { input: request?.command?.[2], encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const policy = response.children.find(({ kind }) => kind === 'NetworkPolicy')
  t.notMatch(JSON.stringify(policy), '443', 'it does not reach the store')
})

/** The Job of a backup that is done, and its pod with what it told. */
function endedWith(message: string) {
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'now-once', namespace: 'shop', uid: 'job-1' },
    status: { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: '2026-03-01T12:00:09Z' }] },
  }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'now-once', uid: 'job-1' }],
    },
    status: { containerStatuses: [{ name: 'finish', state: { terminated: { message } } }] },
  }
  return { jobs: [job], pods: [pod] }
}

t.test('what the sidecar told is its status, and where the backup lies', async (t) => {
  const ended = endedWith('{"name":"20260301-120000F","bytes":3735776,"seconds":4,"verified":false}')
  const { response } = answerTo({}, physical, ended)
  const { lastBackup } = response.status as { lastBackup: Record<string, unknown> }
  t.match(lastBackup, { name: '20260301-120000F', size: 3735776, durationSeconds: 4, encrypted: true })
  t.match(
    lastBackup.location,
    /^s3:\/\/backups\/shop\/orders\/physical\/backup\/orders-[0-9a-f]{10}\/20260301-120000F$/,
  )
})

t.test('it goes where the Database archives to, and nowhere else', async (t) => {
  for (const backup of [
    {},
    { ...physical, encryption: undefined },
    { ...physical, destination: { s3: { bucket: 'other' } } },
  ]) {
    const { hold, response } = answerTo({}, backup)
    t.match(hold, { reason: 'NoArchive', message: /spec\.backup has to say method: physical/ })
    t.same(response.children, [])
    const { conditions } = response.status as { conditions: Condition[] }
    t.equal(conditions.find(({ type }) => type === 'Ready')?.reason, 'NoArchive')
  }
})

t.test('that of MySQL copies, from a replica by preference, with an account that can do nothing else', async (t) => {
  const mysql = { engine: 'mysql', version: '8.4.3', parameters: { 'innodb-page-size': '8K', max_connections: 10 } }
  const pod = (spec: Record<string, unknown>) => {
    const { response } = answerTo(spec, physical, {}, mysql)
    const job = response.children.find(({ kind }) => kind === 'Job')
    const found = (job?.spec as JobSpec | undefined)?.template.spec
    if (found === undefined) throw new Error('there is no Job')
    return { ...found, all: [...(found.initContainers ?? []), ...found.containers], response }
  }
  const plain = pod({})
  t.same(
    plain.all.map(({ name }) => name),
    ['dump', 'finish'],
  )
  const env = (index: number) =>
    Object.fromEntries((plain.all[index]?.env ?? []).map(({ name, value }) => [name, value]))
  t.equal(env(0).DONORS, 'orders-readonly.shop.svc orders.shop.svc')
  t.match(env(1).BACKUP_REMOTE, /^store:backups\/shop\/orders\/physical\/orders-[0-9a-f]{10}$/)
  t.notMatch(JSON.stringify(plain), 'superuser', 'the administrator has no part in it')
  t.match(plain.all[0]?.command?.[2], "'--innodb-page-size=8K'", 'what cannot be another where files are copied')
  t.notMatch(plain.all[0]?.command?.[2], 'max-connections')
  const policy = plain.response.children.find(({ kind }) => kind === 'NetworkPolicy')
  t.match(JSON.stringify(policy), '443', 'it reaches the store itself')

  const verified = pod({ verify: true })
  t.same(
    verified.all.map(({ name }) => name),
    ['dump', 'store', 'verify', 'finish'],
  )
  for (const { name, command: [shell = '', , script = ''] = [] } of [...plain.all, ...verified.all]) {
    const { status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
    t.equal(status, 0, `${name}: ${stderr}`)
    t.notMatch(script, /undefined|\[object/)
  }
})

t.test('where a copy of MySQL lies is its folder', async (t) => {
  const ended = endedWith('{"name":"orders_now-20260301T120000Z","bytes":2461678,"seconds":9,"verified":true}')
  const mysql = { engine: 'mysql', version: '8.4.3' }
  const { response } = answerTo({ verify: true }, physical, ended, mysql)
  const { lastBackup } = response.status as { lastBackup: Record<string, unknown> }
  t.match(lastBackup, { size: 2461678, verified: true })
  t.match(
    lastBackup.location,
    /^s3:\/\/backups\/shop\/orders\/physical\/orders-[0-9a-f]{10}\/orders_now-20260301T120000Z$/,
  )
})

t.test(
  'with verify its pod restores what was taken, with the credentials of the store, and says so at last',
  async (t) => {
    const { response } = answerTo({ verify: true, workSize: '5Gi' }, physical)
    const job = response.children.find(({ kind }) => kind === 'Job')
    const {
      initContainers = [],
      containers = [],
      volumes = [],
    } = (job?.spec as JobSpec | undefined)?.template.spec ?? {}
    t.same(
      [...initContainers, ...containers].map(({ name }) => name),
      ['dump', 'agent', 'verify', 'finish'],
    )
    t.same(
      volumes.map(({ name }) => name),
      ['superuser-credentials', 'tmp', 'scratch', 'agent', 'scripts', 'configuration', 'store'],
    )
    t.match(volumes.find(({ name }) => name === 'scratch')?.emptyDir, { sizeLimit: '5Gi' })
    for (const { name, command = [] } of [...initContainers, ...containers]) {
      if (command[0] !== 'bash') continue
      const { status, stderr } = spawnSync('bash', ['-n'], { input: command[2], encoding: 'utf8' })
      t.equal(status, 0, `${name}: ${stderr}`)
    }
    const [dump, , verify, finish] = [...initContainers, ...containers]
    t.notOk(dump?.volumeMounts?.some(({ name }) => name === 'store'))
    t.ok(verify?.volumeMounts?.some(({ name }) => name === 'store'))
    t.notOk(finish?.volumeMounts?.some(({ name }) => name === 'store'))
    const policy = response.children.find(({ kind }) => kind === 'NetworkPolicy')
    t.match(JSON.stringify(policy), '443', 'it reaches the store')
  },
)
