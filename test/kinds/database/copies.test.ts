// Physical backups of MySQL: what its servers get for them, how the log is archived, what is refused, and how a Database
// begins with one.
import { spawnSync } from 'node:child_process'
import type { StatefulSetSpec } from 'kubernetes-types/apps/v1.js'
import type { PodSpec } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import {
  ask,
  change,
  child,
  conditionOf,
  createWorld,
  namespace,
  runPods,
  type Spec,
  settle,
  statusOf,
  type World,
} from './world.ts'

const destination = {
  s3: { bucket: 'backups', endpoint: 'https://s3.storage.svc:9000', credentialsSecret: { name: 's3' } },
}
const encryption = { secretName: 'phrase' }
const physical = { method: 'physical', enabled: true, destination, encryption }
const lying = { database: 'old', method: 'physical', destination, encryption }
const mysql = { engine: 'mysql', version: '8.4.3' }

function podOf(world: World): PodSpec {
  const { template } = child(world, 'StatefulSet', 'orders').spec as StatefulSetSpec
  if (template.spec === undefined) throw new Error('there is no pod')
  return template.spec
}

function dataOf(world: World): Record<string, string> {
  return child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
}

function made(spec: Spec): World {
  const world = createWorld({ ...mysql, ...spec })
  world.related['Pod.v1'] = {}
  settle(world)
  return world
}

const keysOf = (world: World) => Object.keys(child(world, 'Secret', 'orders-secret').data as Record<string, string>)

t.test('a server that is to be copied has the plug-in and an account for it, single or in a group', async (t) => {
  for (const replicas of [1, 3]) {
    const world = made({ backup: physical, replicas })
    const { 'my.cnf': options, 'accounts.sh': accounts } = dataOf(world)
    t.match(options, /^plugin_load_add = .*mysql_clone\.so"?$/m)
    t.match(options, /^gtid_mode = ON$/m)
    t.match(accounts, "GRANT BACKUP_ADMIN ON *.* TO 'operator_hooks_backup'@'%';")
    t.ok(keysOf(world).includes('backup-password'))
    const pod = podOf(world)
    const sidecars = pod.initContainers?.filter(({ name }) => name.endsWith('-logs'))
    t.same(
      sidecars?.map(({ name, restartPolicy }) => [name, restartPolicy]),
      [
        ['close-logs', 'Always'],
        ['upload-logs', 'Always'],
      ],
    )
    const [, upload] = sidecars ?? []
    t.match(JSON.stringify(upload?.env), /store:backups\/[^"]*\/orders\/physical\/orders-[0-9a-f]{10}"/)
    t.notMatch(JSON.stringify(pod), /secretKeyRef":\{"name":"s3"/, 'keys are files, renewed without a restart')
    t.equal(upload?.volumeMounts?.find(({ name }) => name === 'data')?.readOnly, true)
    t.equal(/role 2>/.test(dataOf(world)['close-logs.sh'] ?? ''), replicas > 1, 'of a group the primary archives')
    for (const [shell, name] of [
      ['bash', 'close-logs.sh'],
      ['sh', 'upload-logs.sh'],
    ] as const) {
      const { status, stderr } = spawnSync(shell, ['-n'], { input: dataOf(world)[name], encoding: 'utf8' })
      t.equal(status, 0, `${name}: ${stderr}`)
    }
    t.match(conditionOf(world, 'ContinuousArchiving'), { status: 'Unknown' })
    runPods(world)
    child(world, 'StatefulSet', 'orders-archiving').status = { replicas: 1, readyReplicas: 0 }
    settle(world)
    t.match(conditionOf(world, 'ContinuousArchiving'), { status: 'False', reason: 'ArchivingFails' })
  }
})

t.test('who does not ask for it gets none of it, and who does restarts once', async (t) => {
  const world = made({})
  const restart = () =>
    (child(world, 'StatefulSet', 'orders').spec as StatefulSetSpec).template.metadata?.annotations?.[
      'example.com/restart-hash'
    ]
  const first = restart()
  t.notMatch(JSON.stringify(dataOf(world)), /mysql_clone|operator_hooks_backup/)
  t.notMatch(JSON.stringify(podOf(world)), /-logs|rclone/)
  t.notOk(keysOf(world).includes('backup-password'))
  change(world, { backup: physical })
  settle(world)
  t.not(restart(), first)
})

t.test('refused, where it cannot be', async (t) => {
  const refused: [Spec, RegExp][] = [
    [
      { backup: { method: 'physical', destination: { claim: { name: 'c' } } } },
      /^spec\.backup\.destination: .* S3 by https/,
    ],
    [{ backup: physical, version: '8.0.29' }, /^spec\.version: is 8\.0\.29, .* need 8\.0\.30/],
    [{ backup: physical, parameters: { gtid_mode: 'OFF' } }, /^spec\.parameters\.gtid_mode: cannot be set/],
    [{ backup: physical, parameters: { 'skip-log-bin': 'ON' } }, /^spec\.parameters\.skip-log-bin: cannot be set/],
    [{ credentials: { username: 'operator_hooks_backup' } }, /^spec\.credentials\.username: must not be a name that/],
  ]
  for (const [spec, message] of refused) {
    const { hold } = ask(createWorld({ ...mysql, ...spec }))
    t.match(hold?.message, message)
  }
})

function told(world: World, container: string, state: Spec): void {
  world.related['Pod.v1'] = {
    [`${namespace}/orders-0`]: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'orders-0', namespace },
      status: { initContainerStatuses: [{ name: container, ...state }] },
    },
  }
}

t.test('the first pod fetches and restores before its server starts, once', async (t) => {
  for (const replicas of [1, 3]) {
    const recovery = { source: { backup: lying }, targetTime: '2026-03-01T12:00:00Z' }
    const world = made({ bootstrap: { recovery }, replicas })
    const names = podOf(world).initContainers?.map(({ name }) => name) ?? []
    t.same(names.slice(-4), ['fetch', 'replay', 'restore', 'configuration'])
    const [fetch, , restore] = podOf(world).initContainers?.slice(-4) ?? []
    t.match(JSON.stringify(fetch?.env), 'store:backups/shop/old/physical')
    t.notMatch(JSON.stringify(fetch), 'secretKeyRef', 'a Secret that is missing keeps no pod from starting')
    const run = restore?.volumeMounts?.find(({ mountPath }) => mountPath === '/var/run/mysqld')
    t.equal(run?.subPath, 'restore', 'no agent takes its server for the one that serves')
    for (const name of ['fetch.sh', 'restore.sh']) {
      const { status, stderr } = spawnSync(name === 'fetch.sh' ? 'sh' : 'bash', ['-n'], {
        input: dataOf(world)[name],
        encoding: 'utf8',
      })
      t.equal(status, 0, `${name}: ${stderr}`)
      t.notMatch(dataOf(world)[name], /undefined|\[object/)
    }
    t.match(dataOf(world)['accounts.sh'], 'ACCOUNT UNLOCK', 'it is complete when it begins')
    t.match(conditionOf(world, 'Recovered'), { status: 'False', reason: 'Restoring' })

    const failed = (message: string) => ({
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 1, message } },
    })
    told(world, 'fetch', failed('DecryptionFailed: it cannot be decrypted'))
    settle(world)
    t.match(conditionOf(world, 'Recovered'), {
      reason: 'DecryptionFailed',
      message: /^it cannot be decrypted; it is tried/,
    })
    told(world, 'restore', failed('VersionMismatch: the backup is of MySQL 9.1.0'))
    settle(world)
    t.match(conditionOf(world, 'Recovered'), { status: 'False', reason: 'VersionMismatch' })
    told(world, 'replay', failed('TargetNotCovered: targetTime cannot be reached'))
    settle(world)
    t.match(conditionOf(world, 'Recovered'), { status: 'False', reason: 'TargetNotCovered' })
    const annotation = () =>
      (child(world, 'StatefulSet', 'orders').spec as StatefulSetSpec).template.metadata?.annotations?.[
        'example.com/recovery'
      ]
    const first = annotation()
    change(world, { bootstrap: { recovery: { ...recovery, targetTime: '2026-03-01T11:00:00Z' } }, replicas })
    settle(world)
    t.not(annotation(), first, 'what was corrected is tried by another pod')
    told(world, 'fetch', { state: { terminated: { exitCode: 0 } } })
    settle(world)
    t.match(conditionOf(world, 'Recovered'), { status: 'False', reason: 'Restoring' }, 'fetched is not restored')

    const message = '{"name":"old-20260301T010000Z","bytes":7,"seconds":3}'
    told(world, 'restore', { state: { terminated: { exitCode: 0, finishedAt: '2026-03-01T13:00:00Z', message } } })
    const before = JSON.stringify(podOf(world))
    runPods(world)
    settle(world)
    t.match(statusOf(world).recovery, { phase: 'Recovered', backup: 'old-20260301T010000Z', size: 7 })
    t.match(dataOf(world)['restore.sh'], /\nexit 0\n$/, 'whatever becomes of a volume')
    t.equal(dataOf(world)['fetch.sh'], 'exit 0\n')
    t.equal(JSON.stringify(podOf(world)), before, 'no pod is rolled for that')
  }
})
