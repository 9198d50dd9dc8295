// The agent of MongoDB against servers that speak its protocol: the driver is the real one, the servers are made up.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import pino from 'pino'
import t, { type Test } from 'tap'
import type { EngineAgent, Step } from '../../hooks/agent/agent.ts'
import { agentOf, makeAgent } from '../../hooks/agent/mongodb/agent.ts'
import { freePort } from '../kinds/database/shells.ts'
import { type Mongods, startMongods } from './replicaset.ts'

interface Pods {
  mongods: Mongods
  /** One agent's next look. */
  look(number: number): Promise<Step>
  /** Has an agent look until its state is like that. */
  looks(number: number, state: RegExp): Promise<Step>
  /** Ends all agents and starts them anew. */
  restart(): Promise<void>
  /** Lets all agents look until what is asked is so. */
  until(what: string, is: () => boolean): Promise<void>
  /** What the mounted files say. */
  want(members: number, initialized?: boolean): void
  passwords(...known: string[]): void
  probe(number: number, path: string): Promise<number>
  /** What an agent told its pod. */
  told(number: number): string
}

async function pods(t: Test, count: number): Promise<Pods> {
  const mongods = await startMongods(count, await freePort())
  const folder = t.testdir({})
  const files = { folder, members: join(folder, 'members.json') }
  let passwords = ['first']
  const ports = await Promise.all(mongods.all.map(() => freePort()))
  const start = (): EngineAgent[] =>
    mongods.all.map(({ number, local }) =>
      agentOf({
        ...{ set: 'orders', ordinal: number, own: local, host: mongods.host, members: files.members },
        roleFile: join(files.folder, `role-${number}`),
        reach: {
          ...{ tls: false, administrator: 'root', passwords: () => passwords },
          timeouts: { question: 500, change: 10_000 },
        },
        ...{ probePort: ports[number] ?? 0, rest: 20 },
      }),
    )
  let agents = start()
  const stop = () => Promise.all(agents.map((agent) => agent.close()))
  t.teardown(async () => {
    await stop()
    await mongods.close()
  })
  const look = (number: number) => agents[number]?.step() ?? Promise.reject(new Error(`there is no agent ${number}`))
  const made: Pods = {
    mongods,
    look,
    async looks(number, state) {
      for (let tries = 0; ; tries++) {
        const step = await look(number).catch((error: Error) => ({ role: undefined, state: error.message }))
        if (state.test(step.state)) return step
        if (tries > 400) throw new Error(`not within 8 s: ${state}, but ${step.state}`)
        await wait(20)
      }
    },
    async restart() {
      await stop()
      agents = start()
    },
    async until(what, is) {
      for (let tries = 0; !is(); tries++) {
        if (tries > 400) throw new Error(`not within 8 s: ${what}; ${mongods.changes.join(', ')}`)
        await Promise.allSettled(agents.map((agent) => agent.step()))
        await wait(20)
      }
    },
    want: (members, initialized = false) => writeFileSync(files.members, JSON.stringify({ members, initialized })),
    passwords(...known) {
      passwords = known
    },
    told: (number) => readFileSync(join(files.folder, `role-${number}`), 'utf8'),
    probe: async (number, path) => (await fetch(`http://127.0.0.1:${ports[number]}${path}`)).status,
  }
  return made
}

const membersOf = ({ mongods }: Pods, number: number) =>
  mongods.all[number]?.config?.members.map(({ _id }) => _id) ?? []

t.test('three fresh servers become one replica set', async (t) => {
  const set = await pods(t, 3)
  set.want(3)
  const first = await set.looks(0, /^in no replica set/)
  t.equal(first.role, undefined, 'nobody has a role before')
  t.equal(await set.probe(0, '/alive'), 200)
  t.equal(await set.probe(0, '/ready'), 503)
  await set.until('three members', () => membersOf(set, 2).length === 3)
  t.same(membersOf(set, 0), [0, 1, 2])
  t.same(set.mongods.changes, ['0 replSetInitiate', '0 createUser', '0 replSetReconfig', '0 replSetReconfig'])
  t.same([...(set.mongods.all[0]?.users ?? [])], [['root', 'first']])
  const { role, others } = await set.looks(0, /^PRIMARY/)
  t.same({ role, others }, { role: 'primary', others: ['orders-1', 'orders-2'] })
  t.equal((await set.looks(2, /^SECONDARY/)).role, 'replica')
  t.equal(await set.probe(2, '/ready'), 200)
})

t.test('agents that begin anew begin nothing twice', async (t) => {
  const set = await pods(t, 3)
  set.want(1)
  await set.until('an administrator', () => set.mongods.all[0]?.users.size === 1)
  set.want(3)
  await set.restart()
  await set.until('three members', () => membersOf(set, 2).length === 3)
  await set.restart()
  for (let times = 0; times < 3; times++) await set.looks(0, /^PRIMARY/)
  t.same(set.mongods.changes, ['0 replSetInitiate', '0 createUser', '0 replSetReconfig', '0 replSetReconfig'])
})

t.test('a database that was alone keeps its users, and other pods are added as they come', async (t) => {
  const set = await pods(t, 3)
  const [first, second, third] = set.mongods.all
  first?.users.set('root', 'first')
  await set.mongods.stop(second)
  set.want(3, true)
  await set.until('those that answer', () => membersOf(set, 0).length === 2)
  t.same(membersOf(set, 0), [0, 2])
  t.equal(third?.users, first?.users)
  await set.mongods.start(second)
  await set.until('the one that came later', () => membersOf(set, 0).length === 3)
  t.notOk(set.mongods.changes.includes('0 createUser'))
})

t.test('an empty folder where there was data begins nothing', async (t) => {
  const set = await pods(t, 2)
  set.want(2, true)
  await set.looks(0, /the Database has had data, this server has none/)
  t.same(set.mongods.changes, [])
})

t.test('a first pod without data waits for the members that there are', async (t) => {
  const set = await pods(t, 3)
  const [, second, third] = set.mongods.all
  const members = [1, 2].map((number) => ({ _id: number, host: set.mongods.host(number) }))
  const config = { _id: 'orders', version: 7, members }
  const users = new Map([['root', 'first']])
  Object.assign(second ?? {}, { config, users, state: 'secondary' })
  Object.assign(third ?? {}, { config, users, state: 'secondary' })
  // Not even where nobody has told the pod that there was data.
  set.want(3, false)
  await set.looks(0, /waiting for the primary to add it/)
  Object.assign(third ?? {}, { state: 'primary' })
  await set.until('it is added', () => membersOf(set, 2).length === 3)
  t.same(set.mongods.changes, ['2 replSetReconfig'])
})

t.test('to scale in, a primary that has to go steps down, and one after another leaves', async (t) => {
  const set = await pods(t, 3)
  set.want(3)
  await set.until('three members', () => membersOf(set, 2).length === 3)
  const [first, , third] = set.mongods.all
  Object.assign(first ?? {}, { state: 'secondary' })
  Object.assign(third ?? {}, { state: 'primary' })
  set.want(1, true)
  await set.until('one member', () => membersOf(set, 0).length === 1)
  t.same(membersOf(set, 0), [0])
  t.same(set.mongods.changes.slice(4), ['2 replSetStepDown', '0 replSetReconfig', '0 replSetReconfig'])
  t.equal((await set.looks(2, /^in no replica set/)).role, undefined, 'who has left has no role')
  await Promise.all([set.looks(0, /^PRIMARY/), set.looks(1, /^in no replica set/)])
  t.same([0, 1, 2].map(set.told), ['primary', 'none', 'none'], 'which scripts of the pod are told')
  set.want(3, true)
  await set.until('they are back', () => membersOf(set, 0).length === 3)
  t.same(membersOf(set, 0), [0, 1, 2])
})

t.test('passwords change while the agents run', async (t) => {
  const set = await pods(t, 2)
  set.want(1)
  await set.until('an administrator', () => set.mongods.all[0]?.users.size === 1)
  // The Secret is there before anybody has told the server.
  set.passwords('second', 'first')
  await set.restart()
  set.want(2, true)
  await set.until('two members', () => membersOf(set, 0).length === 2)
  set.mongods.all[0]?.users.set('root', 'second')
  await set.restart()
  set.want(1, true)
  await set.until('one member', () => membersOf(set, 0).length === 1)
  t.notOk(set.mongods.changes.slice(2).some((change) => change.includes('createUser')))
})

t.test('users that are another Database’s are left alone', async (t) => {
  const set = await pods(t, 1)
  set.mongods.all[0]?.users.set('root', 'of another')
  set.want(1)
  await set.looks(0, /neither password of the administrator is right/)
  Object.assign(set.mongods.all[0] ?? {}, {
    config: { _id: 'orders', version: 1, members: [{ _id: 0, host: set.mongods.host(0) }] },
    state: 'primary',
  })
  const { role } = await set.looks(0, /can log in with neither password/)
  t.equal(role, 'primary', 'clients are led to it all the same')
  t.same([...(set.mongods.all[0]?.users ?? [])], [['root', 'of another']])
})

t.test('nothing is known of a server that does not answer', async (t) => {
  const set = await pods(t, 1)
  set.want(1)
  await set.until('a primary', () => set.mongods.all[0]?.users.size === 1)
  Object.assign(set.mongods.all[0] ?? {}, { frozen: true })
  await t.rejects(set.look(0))
  Object.assign(set.mongods.all[0] ?? {}, { frozen: false })
  t.equal((await set.looks(0, /^PRIMARY/)).role, 'primary')
})

t.test('what is wrong in the environment is said', async (t) => {
  const make = (env: NodeJS.ProcessEnv) => () => makeAgent({ env, logger: pino({ enabled: false }) })
  t.throws(make({}), /REPLICA_SET is not set/)
  t.throws(make({ REPLICA_SET: 'orders', POD_NAME: 'orders' }), /POD_NAME has to end with the pod's number/)
})
