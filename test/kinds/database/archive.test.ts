// Physical backups of PostgreSQL: what pods get for them, what is refused, and how a Database begins with one.
import { spawnSync } from 'node:child_process'
import type { StatefulSetSpec } from 'kubernetes-types/apps/v1.js'
import type { Container, PodSpec } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import {
  ask,
  change,
  child,
  conditionOf,
  createWorld,
  findChild,
  namespace,
  runPods,
  type Spec,
  settle,
  statusOf,
  type World,
} from './world.ts'

const s3 = {
  bucket: 'backups',
  endpoint: 'https://s3.storage.svc:9000',
  forcePathStyle: true,
  credentialsSecret: { name: 's3' },
}
const encryption = { secretName: 'phrase' }
const physical = { method: 'physical', enabled: true, destination: { s3 }, encryption }
const lying = { database: 'old', method: 'physical', destination: { s3: { ...s3, prefix: 'dumps' } }, encryption }

function podOf(world: World): PodSpec {
  const { template } = child(world, 'StatefulSet', 'orders').spec as StatefulSetSpec
  if (template.spec === undefined) throw new Error('there is no pod')
  return template.spec
}

function dataOf(world: World): Record<string, string> {
  return child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
}

function made(spec: Spec): World {
  const world = createWorld(spec)
  world.related['Pod.v1'] = {}
  settle(world)
  return world
}

const names = (containers: readonly Container[] | undefined) => containers?.map(({ name }) => name)

t.test('every pod archives its log, and a sidecar takes backups, single or replicated', async (t) => {
  for (const replicas of [1, 3]) {
    const world = made({ backup: physical, replicas })
    const pod = podOf(world)
    t.same(names(pod.initContainers), ['agent', 'backup', 'configuration'])
    t.equal(pod.initContainers?.[1]?.restartPolicy, 'Always')
    t.equal(pod.volumes?.filter(({ name }) => name === 'agent').length, 1)
    const mounted = pod.containers[0]?.volumeMounts?.map(({ name }) => name) ?? []
    t.equal(new Set(mounted).size, mounted.length, 'no volume is mounted twice')
    t.ok(mounted.includes('store') && mounted.includes('agent'))
    const data = dataOf(world)
    t.match(data['postgresql.conf'], "archive_mode = 'on'")
    t.match(data['postgresql.conf'], `archive_command = 'bash /scripts/pgbackrest.sh archive-push "%p"'`)
    const configuration = data['pgbackrest.conf'] ?? ''
    for (const line of [
      'repo1-path=/shop/orders/physical',
      'repo1-s3-endpoint=s3.storage.svc',
      'repo1-storage-port=9000',
      'repo1-s3-uri-style=path',
      'repo1-cipher-type=aes-256-cbc',
      'repo1-retention-full-type=time',
      'repo1-retention-full=7',
    ]) {
      t.ok(configuration.split('\n').includes(line), line)
    }
    t.match(configuration, /^\[orders-[0-9a-f]{10}\]$/m)
    t.notMatch(JSON.stringify(pod), /secretKeyRef":\{"name":"s3"/, 'keys are files, renewed without a restart')
    for (const name of ['pgbackrest.sh', 'backup-agent.sh']) {
      const { status, stderr } = spawnSync('bash', ['-n'], { input: data[name], encoding: 'utf8' })
      t.equal(status, 0, `${name}: ${stderr}`)
      t.notMatch(data[name], /undefined|\[object/)
    }
  }
})

t.test('a change of method rolls the pods once; without it nothing of it is there', async (t) => {
  const world = made({})
  const before = JSON.stringify(podOf(world))
  t.notMatch(before, /pgbackrest|store/)
  change(world, { backup: physical })
  settle(world)
  t.not(JSON.stringify(podOf(world)), before)
  change(world, { backup: undefined })
  settle(world)
  t.equal(JSON.stringify(podOf(world)), before)
})

t.test('another Database of the same name has an archive of its own', async (t) => {
  const stanza = (world: World) => /^\[(orders-.*)\]$/m.exec(dataOf(world)['pgbackrest.conf'] ?? '')?.[1]
  const first = made({ backup: physical })
  const second = createWorld({ backup: physical })
  second.parent.metadata.uid = 'f2f8a3c4-0000-4000-8000-000000000002'
  settle(second)
  t.ok(stanza(first))
  t.not(stanza(first), stanza(second))
})

t.test('refused, where it cannot be', async (t) => {
  const refused: [Spec, RegExp][] = [
    [
      { engine: 'mongodb', version: '8.0', backup: physical },
      /^spec\.backup\.method: physical backups are for postgresql and mysql/,
    ],
    [
      { backup: { method: 'physical', destination: { claim: { name: 'c' } } } },
      /^spec\.backup\.destination: physical backups go to S3 by https/,
    ],
    [
      { backup: { method: 'physical', destination: { s3: { ...s3, endpoint: 'http://s3:80' } } } },
      /^spec\.backup\.destination: .* https/,
    ],
    [{ backup: { method: 'physical' } }, /^spec\.backup\.destination: physical backups go to S3/],
    [
      { backup: physical, parameters: { archive_command: 'true' } },
      /^spec\.parameters\.archive_command: cannot be set/,
    ],
    [
      {
        bootstrap: {
          recovery: { source: { backup: { ...lying, method: 'logical' } }, targetTime: '2026-03-01T12:00:00Z' },
        },
      },
      /^spec\.bootstrap\.recovery\.targetTime: a dump is of one time only/,
    ],
    [
      { bootstrap: { recovery: { source: { backupRef: { name: 'b' } }, targetTime: '2026-03-01T12:00:00Z' } } },
      /^spec\.bootstrap\.recovery\.targetTime: /,
    ],
    [
      { bootstrap: { recovery: { source: { backup: lying }, targetTime: 'yesterday' } } },
      /targetTime: must be a time as RFC 3339/,
    ],
    [
      { bootstrap: { recovery: { source: { backup: lying }, targetTime: '2026-13-01T12:00:00Z' } } },
      /targetTime: is no time/,
    ],
    [{ bootstrap: { recovery: { source: {} } } }, /recovery\.source: give either backupRef or backup/],
    [
      { engine: 'mongodb', version: '8.0', bootstrap: { recovery: { source: { backup: lying } } } },
      /source\.backup\.method: physical backups are for postgresql and mysql/,
    ],
  ]
  for (const [spec, message] of refused) {
    const { hold } = ask(createWorld(spec))
    t.match(hold?.message, message)
  }
})

function restored(world: World, status: Spec): void {
  world.related['Pod.v1'] = {
    [`${namespace}/orders-0`]: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'orders-0', namespace },
      status: { initContainerStatuses: [{ name: 'restore', ...status }] },
    },
  }
}

t.test('the first pod restores before its engine starts, once', async (t) => {
  const recovery = { source: { backup: lying }, targetTime: '2026-03-01T12:00:00Z' }
  const world = made({ bootstrap: { recovery } })
  t.same(names(podOf(world).initContainers), ['agent', 'restore', 'configuration'])
  const script = () => dataOf(world)['restore.sh'] ?? ''
  t.equal(spawnSync('bash', ['-n'], { input: script(), encoding: 'utf8' }).stderr, '')
  t.match(script(), "TARGET='2026-03-01T12:00:00Z'")
  t.match(dataOf(world)['source.conf'], /^repo1-path=\/dumps\/physical$/m)
  t.match(dataOf(world)['accounts.sh'], /%I LOGIN PASSWORD/, 'it is complete when it begins')
  t.equal(findChild(world, 'NetworkPolicy', 'orders-restore'), undefined)
  t.match(conditionOf(world, 'Recovered'), { status: 'False', reason: 'Restoring' })

  restored(world, {
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 1, message: 'TargetNotCovered: targetTime lies after it' } },
  })
  settle(world)
  t.match(conditionOf(world, 'Recovered'), {
    status: 'False',
    reason: 'TargetNotCovered',
    message: /^targetTime lies after it/,
  })
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'RecoveryFailed' })

  restored(world, {
    state: {
      terminated: {
        exitCode: 0,
        finishedAt: '2026-03-01T13:00:00Z',
        message: '{"name":"20260301-010000F","bytes":7,"seconds":3}',
      },
    },
  })
  const before = JSON.stringify(podOf(world))
  runPods(world)
  settle(world)
  t.match(statusOf(world).recovery, {
    phase: 'Recovered',
    backup: '20260301-010000F',
    completionTime: '2026-03-01T13:00:00Z',
  })
  t.match(conditionOf(world, 'Ready'), { status: 'True' })
  t.match(script(), /\nexit 0\n$/, 'whatever becomes of a volume')
  t.equal(JSON.stringify(podOf(world)), before, 'no pod is rolled for that')
})

t.test('whether the log is archived is what a pod of its own sees', async (t) => {
  const world = made({ backup: physical })
  t.match(conditionOf(world, 'ContinuousArchiving'), { status: 'Unknown' })
  runPods(world)
  const watch = child(world, 'StatefulSet', 'orders-archiving')
  watch.status = { replicas: 1, readyReplicas: 1 }
  settle(world)
  t.match(conditionOf(world, 'ContinuousArchiving'), { status: 'True' })
  child(world, 'StatefulSet', 'orders-archiving').status = { replicas: 1, readyReplicas: 0 }
  settle(world)
  t.match(conditionOf(world, 'ContinuousArchiving'), {
    status: 'False',
    reason: 'ArchivingFails',
    message: /orders-archiving-0/,
  })
  t.match(conditionOf(world, 'Ready'), { status: 'True' }, 'the database itself serves')
})
