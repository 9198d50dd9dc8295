// What a Database says of itself, as its StatefulSet, claims and DatabaseBackup go through their states.
import t from 'tap'
import { replicationLabel } from '../../../hooks/sdk/roles.ts'
import {
  change,
  child,
  conditionOf,
  createWorld,
  namespace,
  running,
  runPods,
  settle,
  statusOf,
  step,
  type World,
} from './world.ts'

const phaseOf = (world: World) => statusOf(world).phase

t.test('from Pending over Creating to Running', async (t) => {
  const world = createWorld({ replicas: 2 })
  step(world)
  t.match(statusOf(world), { phase: 'Pending', replicas: 0, readyReplicas: 0 })
  t.notOk(statusOf(world).endpoints)
  settle(world)
  t.equal(phaseOf(world), 'Creating')
  runPods(world, 0)
  settle(world)
  t.match(statusOf(world), { phase: 'Creating', replicas: 2, readyReplicas: 0 })
  t.match(conditionOf(world, 'Available'), { status: 'False' })
  runPods(world, 1)
  settle(world)
  t.match(statusOf(world), { phase: 'Creating', readyReplicas: 1 }, 'one of two is not yet all that was asked for')
  t.match(conditionOf(world, 'Available'), { status: 'True' })
  runPods(world)
  settle(world)
  t.match(statusOf(world), {
    phase: 'Running',
    replicas: 2,
    readyReplicas: 2,
    version: '13.8',
    endpoints: { primary: 'orders.shop.svc:5432', readonly: ['orders-readonly.shop.svc:5432'] },
    credentials: { secretName: 'orders-secret', keyId: 'first', rotation: 0 },
    selector: /app.kubernetes.io\/instance=orders/,
    observedGeneration: 1,
  })
  t.match(conditionOf(world, 'Ready'), { status: 'True', reason: 'Running' })
  t.match(conditionOf(world, 'Reconciling'), { status: 'False' })
})

t.test('scaling out and in', async (t) => {
  const world = running()
  change(world, { replicas: 3 })
  settle(world)
  t.equal(phaseOf(world), 'Scaling')
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Scaling', message: /from 1 to 3/ })
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 1 }, 'first it becomes a member itself')
  t.match(conditionOf(world, 'Replicated'), { status: 'False', reason: 'ScalingWaits', message: /^orders-0 / })
  runPods(world)
  settle(world)
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 3 })
  runPods(world, 2)
  settle(world)
  t.equal(phaseOf(world), 'Scaling', 'until all are ready')
  t.match(conditionOf(world, 'Replicated'), { status: 'False', reason: 'MembersMissing', message: /^orders-2 / })
  runPods(world)
  settle(world)
  t.match(statusOf(world), {
    phase: 'Running',
    replicas: 3,
    topology: {
      primary: 'orders-0',
      members: [
        { name: 'orders-0', role: 'primary', ready: true },
        { name: 'orders-1', role: 'replica', ready: true },
        { name: 'orders-2', role: 'replica', ready: true },
      ],
    },
  })
  t.match(conditionOf(world, 'Replicated'), { status: 'True' })

  runPods(world, 0)
  change(world, { replicas: 1 })
  settle(world)
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 3 }, 'while none that stays could take over')
  t.match(conditionOf(world, 'Replicated'), { status: 'False', reason: 'ScalingWaits', message: /^orders-0 / })
  t.equal(phaseOf(world), 'Scaling')
  runPods(world)
  settle(world)
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 1 })
  runPods(world)
  settle(world)
  t.equal(phaseOf(world), 'Running')
  t.match(conditionOf(world, 'Replicated'), { status: 'True' }, 'with one member it is still what it was')
})

t.test('databases of an earlier build that stood by for one another become members, the first first', async (t) => {
  const world = running()
  change(world, { replicas: 3 })
  settle(world)
  const set = child(world, 'StatefulSet', 'orders')
  // As that build left it: three pods, and no member among them.
  const { spec } = set as unknown as {
    spec: { replicas: number; template: { metadata: { labels: Record<string, string> } } }
  }
  spec.replicas = 3
  for (const label of [replicationLabel, 'example.com/cluster']) delete spec.template.metadata.labels[label]
  runPods(world)
  settle(world)
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 1 })
  runPods(world)
  settle(world)
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 3 })
})

t.test('another version within the series', async (t) => {
  const world = running()
  change(world, { version: '13.9' })
  settle(world)
  t.equal(phaseOf(world), 'Updating')
  t.equal(statusOf(world).version, '13.8', 'what runs, until all run the new one')
  const set = child(world, 'StatefulSet', 'orders')
  set.status = {
    ...(set.status as object),
    observedGeneration: set.metadata.generation,
    updateRevision: 'b',
    currentRevision: 'a',
    updatedReplicas: 0,
  }
  settle(world)
  t.equal(phaseOf(world), 'Updating')
  runPods(world)
  settle(world)
  t.match(statusOf(world), { phase: 'Running', version: '13.9' })
})

t.test('counts of an earlier generation do not count', async (t) => {
  const world = running()
  change(world, { resources: { limits: { memory: '2Gi' } } })
  settle(world)
  t.match(conditionOf(world, 'Ready'), { status: 'False' }, 'the StatefulSet controller has not looked yet')
})

t.test('pods that fail after they ran', async (t) => {
  const world = running({ replicas: 2 })
  runPods(world, 1)
  settle(world)
  t.equal(phaseOf(world), 'Running')
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Degraded', message: '1 of 2 replicas are ready' })
  runPods(world, 0)
  settle(world)
  t.equal(phaseOf(world), 'Failed')
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Unavailable' })
  t.ok(statusOf(world).endpoints, 'where it will be again')
  runPods(world)
  settle(world)
  t.equal(phaseOf(world), 'Running')
})

t.test('stopped and started again', async (t) => {
  const world = running()
  change(world, { suspend: true })
  settle(world)
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Suspending' })
  runPods(world)
  settle(world)
  t.match(statusOf(world), { phase: 'Pending', replicas: 0 })
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Suspended' })
  t.match(conditionOf(world, 'Reconciling'), { status: 'False', reason: 'Suspended' })
  change(world, { suspend: false })
  settle(world)
  t.match(conditionOf(world, 'Reconciling'), { status: 'True' })
  runPods(world)
  settle(world)
  t.equal(phaseOf(world), 'Running')
})

t.test('a deleted StatefulSet comes back, and the status says so meanwhile', async (t) => {
  const world = running()
  world.children['StatefulSet.apps/v1'] = {}
  const { writes } = step(world)
  t.same(writes, ['create StatefulSet/orders'])
  t.match(conditionOf(world, 'Ready'), { status: 'False' })
})

t.test('backups as their DatabaseBackup sees them', async (t) => {
  const world = running({ backup: { enabled: true, destination: { claim: { name: 'store' } } } })
  const seen = (status: object) => {
    child(world, 'DatabaseBackup', 'orders-backup').status = status
    settle(world)
    return conditionOf(world, 'LastBackupSucceeded')
  }
  const last = (status: string, reason: string, message = '') => ({
    conditions: [{ type: 'LastBackupSucceeded', status, reason, message }],
  })
  t.match(seen({}), { status: 'Unknown', reason: 'NoBackupYet', message: /0 2 \* \* \*/ })
  t.match(seen({ phase: 'Running', ...last('Unknown', 'NoBackupYet') }), { status: 'Unknown', reason: 'Running' })
  const times = {
    lastScheduleTime: '2026-03-01T02:00:00Z',
    lastBackup: { completionTime: '2026-03-01T02:05:00Z' },
  }
  t.match(seen({ ...times, ...last('True', 'Succeeded') }), { status: 'True', reason: 'Succeeded' })
  t.same(statusOf(world).backup, {
    lastScheduleTime: '2026-03-01T02:00:00Z',
    lastSuccessfulTime: '2026-03-01T02:05:00Z',
  })
  t.match(
    seen({ ...times, phase: 'Running', ...last('True', 'Succeeded') }),
    { status: 'True', reason: 'Running' },
    'the one before still counts',
  )
  t.match(seen({ ...times, ...last('False', 'Failed', 'dump: refused') }), {
    status: 'False',
    reason: 'Failed',
    message: 'dump: refused',
  })
  t.match(conditionOf(world, 'Ready'), { status: 'True' }, 'a database without a backup serves all the same')
})

t.test('a larger size: claims grow by a Job that may do nothing else', async (t) => {
  const world = running({ replicas: 2 })
  t.match(conditionOf(world, 'StorageExpanded'), { status: 'True' })
  change(world, { storage: { size: '2Gi' } })
  settle(world)
  t.match(conditionOf(world, 'StorageExpanded'), { status: 'False', reason: 'Expanding' })
  t.match(child(world, 'NetworkPolicy', 'orders-grow').spec, {
    podSelector: { matchLabels: { 'app.kubernetes.io/component': 'maintenance' } },
    egress: [{ ports: [{ port: 443 }, { port: 6443 }] }],
  })
  const role = child(world, 'Role', 'orders-grow')
  t.same(role.rules, [
    {
      apiGroups: [''],
      resources: ['persistentvolumeclaims'],
      resourceNames: ['data-orders-0', 'data-orders-1'],
      verbs: ['get', 'patch'],
    },
  ])
  const [job] = Object.values(world.children['Job.batch/v1'] ?? {})
  if (job === undefined) throw new Error('there is no Job')
  const jobSpec = job.spec as { template: { spec: { containers: { args: string[] }[] } } }
  const args = jobSpec.template.spec.containers[0]?.args
  t.match(args, ['patch', 'persistentvolumeclaim', 'data-orders-0', 'data-orders-1'])
  t.match(args?.at(-1), '"storage":"2Gi"')
  const set = child(world, 'StatefulSet', 'orders')
  t.match(
    set.spec,
    { volumeClaimTemplates: [{ spec: { resources: { requests: { storage: '1Gi' } } } }] },
    'templates never change',
  )

  job.status = { conditions: [{ type: 'Failed', status: 'True' }] }
  settle(world)
  t.match(conditionOf(world, 'StorageExpanded'), {
    status: 'False',
    reason: 'ExpansionRefused',
    message: /StorageClass/,
  })
  t.equal(phaseOf(world), 'Running')

  for (const claim of Object.values(world.claims)) claim.spec = { resources: { requests: { storage: '2Gi' } } }
  settle(world)
  t.match(conditionOf(world, 'StorageExpanded'), { status: 'False', reason: 'Resizing' })
  t.same(world.children['Job.batch/v1'], {}, 'neither Job nor rights are left')
  t.same(
    Object.keys(world.children['Role.rbac.authorization.k8s.io/v1'] ?? {}),
    ['shop/orders'],
    "but the members' own",
  )
  for (const claim of Object.values(world.claims)) claim.status = { phase: 'Bound', capacity: { storage: '2Gi' } }
  settle(world)
  t.match(conditionOf(world, 'StorageExpanded'), { status: 'True', reason: 'SizeReached' })
  t.match(statusOf(world), { storage: { size: '2Gi' } })

  change(world, { replicas: 3 })
  settle(world)
  runPods(world)
  settle(world)
  t.match(
    conditionOf(world, 'StorageExpanded'),
    { reason: 'Expanding', message: /data-orders-2$/ },
    'a new replica begins with the old size',
  )
})

t.test('volumes without room are named, with what to do', async (t) => {
  const world = running({ replicas: 3 })
  t.match(conditionOf(world, 'StorageFull'), { status: 'False', reason: 'RoomLeft' })
  const fill = (...pods: string[]) => {
    for (const name of Object.keys(world.pods)) delete world.pods[name]
    for (const name of pods) {
      const labels = { 'app.kubernetes.io/instance': 'orders', 'example.com/storage': 'full' }
      world.pods[`${namespace}/${name}`] = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels } }
    }
    settle(world)
  }
  fill('orders-2')
  t.match(conditionOf(world, 'StorageFull'), {
    status: 'True',
    reason: 'NoRoomLeft',
    message: 'data-orders-2 has no room left: raise spec.storage.size above 1Gi, or make room',
  })
  t.match(conditionOf(world, 'Ready'), { status: 'True' }, "a replica's room is not the primary's")
  fill('orders-2', 'orders-0')
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'StorageFull', message: /^data-orders-0, .* have / })
  runPods(world, 0)
  settle(world)
  t.match(conditionOf(world, 'Ready'), {
    status: 'False',
    reason: 'StorageFull',
    message: /^0 of 3 replicas are ready.*; data-orders-0/,
  })
  runPods(world)
  fill()
  t.match(conditionOf(world, 'StorageFull'), { status: 'False' })
  t.match(conditionOf(world, 'Ready'), { status: 'True' })
  t.notOk(conditionOf(running(), 'StorageFull'), 'of a single one nobody tells')
})

t.test('a claim that is not bound yet cannot be asked to grow', async (t) => {
  const world = running()
  for (const claim of Object.values(world.claims)) claim.status = { phase: 'Pending' }
  change(world, { storage: { size: '2Gi' } })
  settle(world)
  t.same(world.children['Job.batch/v1'], {})
  t.match(conditionOf(world, 'StorageExpanded'), { status: 'False', reason: 'Resizing' })
})

t.test('nothing in a status moves by itself', async (t) => {
  const world = running({ replicas: 2 })
  const before = JSON.stringify(world.parent.status)
  world.now = new Date('2027-01-01T00:00:00Z')
  t.same(step(world).writes, [])
  t.equal(JSON.stringify(world.parent.status), before)
})

t.test(
  'a rotation changes every password, keeps the one before for the engine, and waits until the engine runs',
  async (t) => {
    const world = running()
    const data = () => child(world, 'Secret', 'orders-secret').data as Record<string, string>
    const first = { ...data() }
    runPods(world, 0)
    change(world, { credentials: { rotation: 1 } })
    settle(world)
    t.same(data(), first, 'the engine could not be told')
    runPods(world)
    settle(world)
    t.not(data().password, first.password)
    t.equal(data()['superuser-password-previous'], first['superuser-password'])
    t.match(statusOf(world).credentials, { rotation: 1, previous: { keyId: 'first', rotation: 0 } })
    const second = { ...data() }
    settle(world)
    t.same(data(), second)
  },
)

t.test('passwords stay with their key until they are rotated', async (t) => {
  const world = running()
  const data = () => child(world, 'Secret', 'orders-secret').data as Record<string, string>
  const before = { ...data() }
  world.keys = [{ id: 'second', secret: new Uint8Array(32).fill(2) }, ...world.keys]
  t.same(step(world).writes, [])
  change(world, { credentials: { rotation: 1 } })
  settle(world)
  t.match(statusOf(world).credentials, { keyId: 'second', rotation: 1, previous: { keyId: 'first', rotation: 0 } })
  t.not(data().password, before.password)
  world.keys = [{ id: 'second', secret: new Uint8Array(32).fill(2) }]
  settle(world)
  t.notOk(data()['superuser-password-previous'], 'the old key is not needed any more')
  world.keys = [{ id: 'third', secret: new Uint8Array(32).fill(3) }]
  const { writes } = step(world)
  t.same(writes, [], 'with the key gone nothing changes')
  t.match(conditionOf(world, 'Stalled'), { status: 'True', reason: 'CredentialKeyMissing' })
  t.ok(world.children['Secret.v1']?.[`${namespace}/orders-secret`])
})
