// The agent of MongoDB: begins the replica set, keeps its members those that are wanted, answers the kubelet's probes, and
// says what its member is.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Role } from '../../sdk/roles.ts'
import type { EngineAgent, MakeAgent, Step } from '../agent.ts'
import { required } from '../agent.ts'
import { type Action, decide, type Observation, questions, type Target } from './decide.ts'
import { serveProbes } from './probes.ts'
import { type Hello, type OwnServer, otherServer, ownServer, type Reach } from './server.ts'

/** What an agent has to know. */
export interface Surroundings {
  /** Names the replica set, and begins the names of its pods. */
  set: string
  /** Number of the own pod. */
  ordinal: number
  /** Host and port of the own server, for its own pod. */
  own: string
  /** Host and port by which members, and clients, know a pod's server. */
  host(ordinal: number): string
  /** File that holds a `Target`. */
  members: string
  /** File that is told what the member is: primary, replica or none. */
  roleFile: string
  /** How servers are reached, and who logs in. */
  reach: Reach
  /** Where the kubelet asks. */
  probePort: number
  /** Milliseconds until the members are looked at again, when nothing was to be done or something failed. */
  rest: number
}

/**
 * REPLICA_SET names the set and begins the names of its pods; SERVER_ADDRESS is the own server's, MEMBER_ADDRESS that of
 * every member with {} for the pod's number; MEMBERS_FILE holds a `Target`, SUPERUSER_FOLDER the administrator's passwords;
 * ROLE_FILE is told what the member is; TLS is "required" where servers take nothing else; PROBE_PORT is where the kubelet asks.
 */
export const makeAgent: MakeAgent = ({ env }) => {
  const set = required(env, 'REPLICA_SET')
  const ordinal = ordinalOf(required(env, 'POD_NAME'))
  const address = required(env, 'MEMBER_ADDRESS')
  const folder = required(env, 'SUPERUSER_FOLDER')
  return agentOf({
    ...{ set, ordinal, own: required(env, 'SERVER_ADDRESS'), members: required(env, 'MEMBERS_FILE') },
    roleFile: required(env, 'ROLE_FILE'),
    host: (number) => address.replace('{}', String(number)),
    reach: {
      ...{ tls: env.TLS === 'required', administrator: 'root', passwords: () => passwordsIn(folder) },
      timeouts: { question: 2000, change: 20_000 },
    },
    ...{ probePort: Number(required(env, 'PROBE_PORT')), rest: 2000 },
  })
}

/** The agent of one member. */
export function agentOf(surroundings: Surroundings): EngineAgent {
  const { set, ordinal, host, reach, rest } = surroundings
  const server = ownServer(surroundings.own, reach)
  const probes = serveProbes(surroundings.probePort)

  let note: string | undefined
  let work: Promise<void> | undefined
  let next = 0
  // Beside the questions after the own state: a change of the members waits for others, and a role may change meanwhile.
  const keep = async (own: Hello['server']) => {
    try {
      const action = await decision({ server, reach, set, ordinal, own, host, target: targetIn(surroundings.members) })
      note = noteOf(action)
      await carryOut(action, server)
      next = action.do === 'nothing' ? performance.now() + rest : 0
    } catch (error) {
      note = [note, error instanceof Error ? error.message : 'unknown error'].filter(Boolean).join(': ')
      next = performance.now() + rest
    } finally {
      work = undefined
    }
  }
  let before = ''
  let told: string | undefined
  const tell = (role: Role | 'none') => {
    if (role !== told) writeFileSync(surroundings.roleFile, role)
    told = role
  }
  return {
    async step(): Promise<Step> {
      const { server: own, hosts } = await server.hello()
      probes.saw(own)
      const state = own.is === 'member' ? own.state : own.is
      if (state !== before) next = 0
      before = state
      if (work === undefined && performance.now() >= next) work = keep(own)
      const text = [state === 'outside' ? 'in no replica set' : state.toUpperCase(), note].filter(Boolean).join('; ')
      tell(own.is !== 'member' ? 'none' : own.state === 'primary' ? 'primary' : 'replica')
      if (own.is !== 'member') return { role: undefined, state: text }
      if (own.state !== 'primary') return { role: 'replica', state: text }
      return { role: 'primary', state: `${text} of ${hosts.length}`, others: otherPods({ set, ordinal, host }, hosts) }
    },
    async close() {
      // The driver opens again what is asked after it was closed.
      await work
      await Promise.all([server.close(), probes.close()])
    },
  }
}

interface View extends Pick<Observation, 'set' | 'ordinal' | 'own' | 'host' | 'target'> {
  server: OwnServer
  reach: Reach
}

async function decision({ server, reach, ...view }: View): Promise<Action> {
  const { own, ordinal, host } = view
  const leads = own.is === 'member' && own.state === 'primary'
  const begins = own.is === 'outside' && ordinal === 0
  const administrator = leads || begins ? await server.logIn() : false
  const seen = begins ? { ...view, own: { is: own.is, holds: await server.holdings() } } : view
  const config = leads && administrator ? { config: await server.config() } : {}
  const asked = questions({ ...seen, ...config })
  const answers = await Promise.all(
    asked.map(async (number) => [number, await otherServer(host(number), reach)] as const),
  )
  return decide({ ...seen, ...config, administrator, others: new Map(answers) })
}

async function carryOut(action: Action, server: OwnServer): Promise<void> {
  switch (action.do) {
    case 'initiate':
      return server.initiate(action.config)
    case 'create administrator':
      return server.createAdministrator()
    case 'reconfigure':
      return server.reconfigure(action.config)
    case 'step down':
      return server.stepDown()
    case 'nothing':
  }
}

function noteOf(action: Action): string | undefined {
  if (action.do === 'initiate') return 'beginning the replica set'
  if (action.do === 'create administrator') return 'creating the administrator'
  return action.because
}

function otherPods({ set, ordinal, host }: Pick<Observation, 'set' | 'ordinal' | 'host'>, hosts: readonly string[]) {
  const numbers = Array.from({ length: hosts.length + 10 }, (_, number) => number)
  return numbers.filter((one) => one !== ordinal && hosts.includes(host(one))).map((one) => `${set}-${one}`)
}

function ordinalOf(pod: string): number {
  const ordinal = Number(/-(\d+)$/.exec(pod)?.[1])
  if (Number.isInteger(ordinal)) return ordinal
  throw new Error(`the environment variable POD_NAME has to end with the pod's number, and is "${pod}"`)
}

// The one in force, and that before the last rotation, which the server may still have.
function passwordsIn(folder: string): string[] {
  return ['superuser-password', 'superuser-password-previous'].flatMap((name) => {
    try {
      return [readFileSync(join(folder, name), 'utf8').replace(/\n$/, '')]
    } catch {
      return []
    }
  })
}

function targetIn(path: string): Target {
  const { members, initialized } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Target>
  if (typeof members !== 'number' || !Number.isInteger(members) || members < 1 || typeof initialized !== 'boolean') {
    throw new Error(`${path} has to hold {"members": 3, "initialized": true}`)
  }
  return { members, initialized }
}
