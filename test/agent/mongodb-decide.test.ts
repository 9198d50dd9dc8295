// What the agent of MongoDB decides, in every situation that can be thought of.
import fc from 'fast-check'
import t from 'tap'
import {
  type Action,
  decide,
  maxVoters,
  type Observation,
  questions,
  type ReplicaSetConfig,
  type Server,
} from '../../hooks/agent/mongodb/decide.ts'

const host = (number: number) => `orders-${number}.orders-headless.shop.svc:27017`
const primary: Server = { is: 'member', state: 'primary' }
const secondary: Server = { is: 'member', state: 'secondary' }
const fresh: Server = { is: 'outside', holds: 'nothing' }

function configOf(numbers: readonly number[]): ReplicaSetConfig {
  const members = numbers.map((number) => ({ _id: number, host: host(number), votes: 1, priority: 1 }))
  return { _id: 'orders', version: 5, members, settings: { electionTimeoutMillis: 10000 } }
}

function see(observation: Partial<Omit<Observation, 'others'>> & { others?: Record<number, Server> }): Action {
  return decide({
    ...{ set: 'orders', ordinal: 0, own: fresh, target: { members: 3, initialized: false } },
    ...{ administrator: false, host },
    ...observation,
    others: new Map(Object.entries(observation.others ?? {}).map(([number, server]) => [Number(number), server])),
  })
}

t.test('a replica set is begun by the first pod, with itself alone', async (t) => {
  t.same(see({ others: { 1: fresh, 2: { is: 'absent' } } }), {
    do: 'initiate',
    config: { _id: 'orders', version: 1, members: [{ _id: 0, host: host(0) }] },
  })
  t.equal(see({ ordinal: 1 }).do, 'nothing')
})

t.test('and with the data that it has, where it was alone before', async (t) => {
  const target = { members: 3, initialized: true }
  const own: Server = { is: 'outside', holds: 'database' }
  // Replicas that never replicated hold databases of their own, to which no client was led.
  t.equal(see({ own, target, administrator: true, others: { 1: own, 2: fresh } }).do, 'initiate')
})

t.test('where there is a doubt, none is begun, and it is said why', async (t) => {
  const cases: [string, Parameters<typeof see>[0], RegExp][] = [
    ['another is a member', { others: { 6: secondary } }, /waiting for the primary/],
    ['another does not answer', { others: { 3: { is: 'silent' } } }, /orders-3.* does not say/],
    ['it was one', { own: { is: 'outside', holds: 'former member' } }, /waiting for the primary/],
    ['another was one', { others: { 1: { is: 'outside', holds: 'former member' } } }, /orders-1.* holds what it had/],
    ['another has a database', { others: { 2: { is: 'outside', holds: 'database' } } }, /orders-2.* holds a database/],
    ['its data is gone', { target: { members: 3, initialized: true } }, /has had data, this server has none/],
    ['its data is foreign', { own: { is: 'outside', holds: 'unknown' } }, /neither password/],
    ['it does not answer', { own: { is: 'silent' } }, /does not answer/],
  ]
  for (const [title, observation, because] of cases) {
    const action = see(observation)
    t.match(action, { do: 'nothing', because }, title)
  }
})

t.test('members of the user’s own stay, and count', async (t) => {
  const config = configOf([0, 1, 2])
  const arbiter = { _id: 9, host: 'arbiter.elsewhere:27017', arbiterOnly: true, votes: 1, priority: 0 }
  const at = (members: number, others: Record<number, Server>, more = config) =>
    see({ own: primary, administrator: true, config: more, target: { members, initialized: true }, others })
  const withArbiter = { ...config, members: [...config.members, arbiter] }
  t.equal(at(3, {}, withArbiter).do, 'nothing')
  t.match(at(2, {}, withArbiter), { config: { members: [{ _id: 0 }, { _id: 1 }, { _id: 9 }] } })
  const seven = { ...configOf([0, 1, 2, 3, 4, 5]), members: [...configOf([0, 1, 2, 3, 4, 5]).members, arbiter] }
  const added = at(7, { 6: fresh }, seven)
  t.match(added.do === 'reconfigure' && added.config.members.at(-1), { _id: 6, votes: 0, priority: 0 })
})

t.test('a pod that is a member of something else is not taken in', async (t) => {
  const action = see({ own: primary, administrator: true, config: configOf([0, 1]), others: { 2: secondary } })
  t.match(action, { do: 'nothing', because: /orders-2.* says that it is one/ })
})

t.test('a primary that is to go waits for one that can follow', async (t) => {
  const at = (others: Record<number, Server>) =>
    see({
      ...{ ordinal: 2, own: primary, administrator: true, config: configOf([0, 1, 2]) },
      ...{ target: { members: 1, initialized: true }, others },
    })
  t.equal(at({ 0: secondary }).do, 'step down')
  t.equal(at({ 0: { is: 'member', state: 'syncing' } }).do, 'nothing')
  t.equal(at({ 0: { is: 'silent' } }).do, 'nothing')
})

const server: fc.Arbitrary<Server> = fc.oneof(
  fc.constantFrom<Server>({ is: 'silent' }, { is: 'absent' }),
  fc.constantFrom('nothing', 'database', 'former member', 'unknown').map((holds): Server => ({ is: 'outside', holds })),
  fc.constantFrom('primary', 'secondary', 'syncing').map((state): Server => ({ is: 'member', state })),
)

t.test('whatever it sees, it asks before it decides, and changes one member at a time', async () => {
  fc.assert(
    fc.property(
      ...[fc.nat(6), server, fc.array(server, { minLength: 7, maxLength: 7 }), fc.boolean()],
      ...[fc.record({ members: fc.integer({ min: 1, max: 7 }), initialized: fc.boolean() })],
      ...[fc.option(fc.uniqueArray(fc.nat(6), { minLength: 1 }), { nil: undefined })],
      (ordinal, own, servers, administrator, target, given) => {
        // A primary is in its own configuration.
        const numbers = given && [...new Set([...given, ordinal])]
        const config = administrator && numbers !== undefined ? { config: configOf(numbers) } : {}
        const base = { set: 'orders', ordinal, own, target, administrator, host, ...config }
        const asked = questions(base)
        const others = new Map(asked.map((number) => [number, servers[number] ?? { is: 'silent' as const }]))
        const action = decide({ ...base, others })
        if (action.do === 'initiate') {
          // Every pod that may be there was asked, and is known to be no member.
          return (
            ordinal === 0 &&
            asked.length === 6 &&
            servers.slice(1).every(({ is }) => is === 'outside' || is === 'absent')
          )
        }
        if (action.do !== 'reconfigure') return action.do !== 'step down' || ordinal >= target.members
        if (numbers === undefined || own.is !== 'member' || own.state !== 'primary') return false
        const is = action.config.members.map((member) => member.host)
        const added = is.filter((one) => !numbers.map(host).includes(one))
        const removed = numbers.map(host).filter((one) => !is.includes(one))
        return (
          added.length + removed.length === 1 &&
          action.config.version === 6 &&
          !removed.includes(host(ordinal)) &&
          new Set(action.config.members.map(({ _id }) => _id)).size === is.length &&
          action.config.members.filter(({ votes }) => votes === 1).length <= maxVoters &&
          'settings' in action.config
        )
      },
    ),
  )
})
