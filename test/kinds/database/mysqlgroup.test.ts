// What the hooks make of a MySQL Database with several members: what its pods are given, and what the agent is told.
import t from 'tap'
import {
  ask,
  change,
  child,
  conditionOf,
  createWorld,
  finish,
  running,
  type Spec,
  settle,
  type World,
} from './world.ts'

interface Container {
  name: string
  args?: string[]
  command?: string[]
  volumeMounts: { name: string }[]
}
interface PodSpec {
  initContainers: Container[]
  containers: Container[]
  volumes: { name: string }[]
}

const data = (world: World) =>
  (child(world, 'ConfigMap', 'orders-config') as { data?: Record<string, string> }).data ?? {}
const pod = (world: World) =>
  (child(world, 'StatefulSet', 'orders').spec as { template: { spec: PodSpec } }).template.spec
const agentFile = (world: World) => JSON.parse(data(world)['agent.json'] ?? '') as Record<string, unknown>
const group = { engine: 'mysql', version: '8.4.3', replicas: 3 }

t.test('members are of one group, which has the Database’s own name', async (t) => {
  const world = createWorld(group)
  settle(world)
  const name = agentFile(world).group
  t.match(name, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  t.match(data(world)['my.cnf'], `loose_group_replication_group_name = ${name}\n`)
  const other = createWorld(group)
  other.parent.metadata.uid = 'another'
  settle(other)
  t.not(agentFile(other).group, name, 'a Database of the same name later is another one')
})

t.test('the agent runs beside the official image, and alone has the token', async (t) => {
  const world = running(group)
  const { initContainers, containers } = pod(world)
  const agent = initContainers.find((container) => container.name === 'agent')
  t.same(agent?.args, ['agent', 'mysql'])
  t.match(agent, { restartPolicy: 'Always', image: /operator-hooks/ })
  t.match(containers[0], { name: 'database', image: 'mysql:8.4.3' })
  const holders = [...initContainers, ...containers].filter(({ volumeMounts }) =>
    volumeMounts.some((mount) => mount.name === 'token'),
  )
  t.same(
    holders.map((container) => container.name),
    ['agent'],
  )
  t.match(child(world, 'Role', 'orders'), {
    rules: [{ resources: ['pods'], verbs: ['get', 'patch'], resourceNames: ['orders-0', 'orders-1', 'orders-2'] }],
  })
})

t.test('the agent is told what it may have to know, without a restart', async (t) => {
  const world = createWorld(group)
  settle(world)
  t.match(agentFile(world), { name: 'orders', domain: 'orders-headless.shop.svc', replicas: 3, initialized: false })
  const before = JSON.stringify(pod(world))
  finish(world)
  t.match(agentFile(world), { initialized: true }, 'it was ready: an empty pod 0 has lost something from now on')
  change(world, { replicas: 5 })
  finish(world)
  t.match(agentFile(world), { replicas: 5 })
  t.notOk('forced' in agentFile(world))
  for (const [chosen, ordinal] of [
    ['orders-1', 1],
    ['orders-9', undefined],
    ['other-1', undefined],
    ['orders-01', undefined],
  ] as const) {
    world.parent.metadata.annotations = { 'example.com/go-on-with': chosen }
    settle(world)
    t.equal(agentFile(world).forced, ordinal, chosen)
  }
  t.equal(JSON.stringify(pod(world)), before)
})

t.test('a single database has none of it', async (t) => {
  const world = running({ engine: 'mysql', version: '8.4.3' })
  t.notMatch(data(world)['my.cnf'], /group_replication|gtid_mode/)
  t.notOk('agent.json' in data(world))
  t.notOk(pod(world).initContainers.some((container) => container.name === 'agent'))
})

t.test('what members have to agree on cannot be set', async (t) => {
  for (const name of [
    'gtid_mode',
    'group_replication_consistency',
    'loose-group_replication_group_name',
    'server-id',
  ]) {
    const world = createWorld({ ...group, parameters: { [name]: 'ON' } })
    ask(world)
    settle(world)
    t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'InvalidParameter', message: new RegExp(name) })
  }
  const single = createWorld({ engine: 'mysql', version: '8.4.3', parameters: { gtid_mode: 'ON' } })
  settle(single)
  t.not(conditionOf(single, 'Ready')?.reason, 'InvalidParameter', 'a single one may')
})

t.test('a member of a group has the memory that it takes to be one', async (t) => {
  const small = { limits: { memory: '512Mi' } }
  const world = createWorld({ ...group, resources: small })
  ask(world)
  settle(world)
  t.match(conditionOf(world, 'Ready'), { reason: 'TooLittleMemory', message: /spec\.resources\.limits\.memory.*768Mi/ })
  const single = createWorld({ engine: 'mysql', version: '8.4.3', resources: small })
  settle(single)
  t.not(conditionOf(single, 'Ready')?.reason, 'TooLittleMemory', 'a single one may have less')
})

t.test('an earlier 8.0 than members can be of is refused', async (t) => {
  const reasonOf = (spec: Spec) => {
    const world = createWorld({ ...group, ...spec })
    ask(world)
    settle(world)
    return conditionOf(world, 'Ready')
  }
  t.match(reasonOf({ version: '8.0.26' }), { reason: 'VersionTooOld', message: /spec\.version.*8\.0\.26.*8\.0\.27/ })
  for (const spec of [{ version: '8.0.27' }, { version: '8.0' }, { version: '8.0.26', replicas: 1 }]) {
    t.not(reasonOf(spec)?.reason, 'VersionTooOld', JSON.stringify(spec))
  }
})
