// A replica set of servers that answer as MongoDB's manual says that mongod does, in what the agent asks of them:
// https://www.mongodb.com/docs/manual/reference/command/nav-replication/. They hold users and a configuration, and no data.
import type { Document } from 'mongodb'
import { login, Refusal, type Session, serve } from './mongowire.ts'

interface Config {
  _id: string
  version: number
  members: { _id: number; host: string; votes?: number; priority?: number }[]
}

/** One server. What tests change of it, it then answers. */
interface Mongod {
  readonly number: number
  /** Where its own pod's agent reaches it. */
  readonly local: string
  /** Takes connections and answers nothing. */
  frozen: boolean
  /** Name and password. */
  users: Map<string, string>
  config: Config | undefined
  state: 'primary' | 'secondary' | 'startup'
}

export interface Mongods {
  readonly all: readonly Mongod[]
  host(number: number): string
  /** Commands that changed something, in their order: `0 replSetInitiate`. */
  readonly changes: string[]
  /** Of one that was stopped. */
  start(mongod: Mongod | undefined): Promise<void>
  /** Nobody listens there any more. */
  stop(mongod: Mongod | undefined): Promise<void>
  close(): Promise<void>
}

// Each has an address of its own, and one port for all, as pods do.
const host = (number: number) => `127.0.0.1${number}`

/** Starts `count` servers, of which none is in a replica set or has a user. */
export async function startMongods(count: number, port: number): Promise<Mongods> {
  const changes: string[] = []
  const all = Array.from({ length: count }, (_, number): Mongod => {
    const users = new Map<string, string>()
    return { number, local: `127.0.0.2${number}:${port}`, frozen: false, users, config: undefined, state: 'startup' }
  })
  const running = new Map<Mongod, (() => Promise<void>)[]>()
  const stop = async (mongod: Mongod | undefined) => {
    const ends = mongod === undefined ? [] : (running.get(mongod) ?? [])
    await Promise.all(ends.map((end) => end()))
  }
  const start = async (mongod: Mongod | undefined) => {
    if (mongod === undefined) return
    const answer = (local: boolean) => (command: Document, session: Session) =>
      mongod.frozen ? undefined : respond({ mongod, all, changes, local, port }, command, session)
    running.set(mongod, [
      await serve(host(mongod.number), port, answer(false)),
      await serve(`127.0.0.2${mongod.number}`, port, answer(true)),
    ])
  }
  for (const mongod of all) await start(mongod)
  return {
    ...{ all, changes, start, stop, host: (number) => `${host(number)}:${port}` },
    close: async () => {
      await Promise.all(all.map(stop))
    },
  }
}

interface Place {
  mongod: Mongod
  all: readonly Mongod[]
  changes: string[]
  /** Asked from its own host. */
  local: boolean
  port: number
}

function respond(place: Place, command: Document, session: Session): Document {
  const { mongod, changes, local } = place
  const [name = ''] = Object.keys(command)
  const isAdministrator = session.user !== undefined
  // As long as there is no user, whoever comes from the same host may begin: the localhost exception.
  const begins = local && mongod.users.size === 0
  const only = (allowed: boolean) => {
    if (!allowed) throw new Refusal(13, `not authorized on admin to execute command ${name}`)
  }
  const change = (allowed: boolean) => {
    only(allowed)
    changes.push(`${mongod.number} ${name}`)
  }
  switch (name) {
    case 'hello':
    case 'ismaster':
      return hello(place, command)
    case 'ping':
    case 'endSessions':
    case 'connectionStatus':
      return {}
    case 'saslStart':
    case 'saslContinue':
      return login(command, session, mongod.users)
    case 'replSetGetStatus':
      only(isAdministrator || begins)
      if (mongod.config === undefined) throw new Refusal(94, 'no replset config has been received')
      if (memberOf(place) === undefined)
        throw new Refusal(93, 'Our replica set config is invalid or we are not a member')
      return { set: mongod.config._id, myState: 1 }
    case 'replSetGetConfig':
      only(isAdministrator)
      return { config: mongod.config }
    case 'replSetInitiate':
      change(isAdministrator || begins)
      if (mongod.config !== undefined) throw new Refusal(23, 'already initialized')
      Object.assign(mongod, { config: command.replSetInitiate, state: 'primary' })
      return {}
    case 'createUser':
      change(isAdministrator || begins)
      if (mongod.state !== 'primary') throw new Refusal(10107, 'not primary')
      mongod.users.set(command.createUser, command.pwd)
      return {}
    case 'replSetReconfig':
      change(isAdministrator)
      reconfigure(place, command.replSetReconfig)
      return {}
    case 'replSetStepDown':
      change(isAdministrator)
      stepDown(place)
      return {}
    default:
      throw new Refusal(59, `no such command: '${name}'`)
  }
}

function memberOf({ mongod, port }: Place) {
  return mongod.config?.members.find((member) => member.host === `${host(mongod.number)}:${port}`)
}

const facts = { maxBsonObjectSize: 16777216, maxMessageSizeBytes: 48000000, maxWriteBatchSize: 100000 }
const versions = { minWireVersion: 0, maxWireVersion: 25, logicalSessionTimeoutMinutes: 30, helloOk: true }

function hello(place: Place, { saslSupportedMechs }: Document): Document {
  const { mongod } = place
  const { config, state } = mongod
  const mechanisms = saslSupportedMechs === undefined ? {} : { saslSupportedMechs: ['SCRAM-SHA-256'] }
  const common = { ...facts, ...versions, ...mechanisms }
  if (config === undefined || memberOf(place) === undefined) {
    const info = 'Does not have a valid replica set config'
    return { isWritablePrimary: false, ismaster: false, secondary: false, info, isreplicaset: true, ...common }
  }
  const primary = state === 'primary'
  return {
    ...{ setName: config._id, setVersion: config.version, hosts: config.members.map((member) => member.host) },
    ...{ isWritablePrimary: primary, ismaster: primary, secondary: state === 'secondary' },
    ...{ me: memberOf(place)?.host, ...common },
  }
}

function reconfigure({ mongod, all, port }: Place, next: Config): void {
  const { config } = mongod
  if (mongod.state !== 'primary' || config === undefined) throw new Refusal(10107, 'not primary')
  if (next.version <= config.version) throw new Refusal(103, 'the version has to grow')
  const voters = ({ members }: Config) => members.filter(({ votes = 1 }) => votes > 0).map((member) => member.host)
  const [was, is] = [voters(config), voters(next)]
  const changed = [...was.filter((one) => !is.includes(one)), ...is.filter((one) => !was.includes(one))]
  if (changed.length > 1)
    throw new Refusal(103, 'Non force replica set reconfig can only add or remove at most 1 voting member')
  if (new Set(next.members.map(({ _id }) => _id)).size < next.members.length) throw new Refusal(103, 'duplicate _id')
  for (const one of all) {
    const own = `${host(one.number)}:${port}`
    const joins = next.members.some((member) => member.host === own)
    const leaves = config.members.some((member) => member.host === own)
    if (joins || leaves) one.config = next
    if (joins && !leaves) Object.assign(one, { state: 'secondary', users: mongod.users })
  }
}

function stepDown({ mongod, all }: Place): void {
  const heir = all.find((one) => one !== mongod && one.config !== undefined && one.state === 'secondary')
  if (heir === undefined) throw new Refusal(262, 'no electable secondaries caught up')
  mongod.state = 'secondary'
  heir.state = 'primary'
}
