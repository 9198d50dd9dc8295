// What the agent of one member does, given what it sees: pure, so that every situation can be put to it.
//
// A replica set is begun once, by the first pod, with itself alone; the agent of whoever is the primary then adds the
// others and removes those that are no longer wanted, one at a time, as MongoDB allows no more than one vote to change:
// https://www.mongodb.com/docs/manual/reference/command/replSetReconfig/

/** What there is at one pod's address. */
export type Server =
  /** There is none: no such name, or nobody listens there. */
  | { is: 'absent' }
  /** There may be one, and it does not answer. */
  | { is: 'silent' }
  /** A server that is in no replica set, as far as it knows. */
  | { is: 'outside'; holds: Holdings }
  /** A member: `syncing` is every state that serves nobody, as after it was added. */
  | { is: 'member'; state: 'primary' | 'secondary' | 'syncing' }

/** What is in the data folder of a server outside. */
export type Holdings =
  /** Nothing: it has no users, and has never been in a replica set. */
  | 'nothing'
  /** A database with this Database's administrator, that was never replicated. */
  | 'database'
  /** What it had when it was removed from this Database's replica set. */
  | 'former member'
  /** Users, and the administrator's passwords are not theirs. For another pod's server: perhaps nothing at all. */
  | 'unknown'

/** Some fields of a replica set's configuration; the others are given back as they came. */
export interface ReplicaSetConfig {
  _id: string
  version: number
  members: ConfigMember[]
  [other: string]: unknown
}

interface ConfigMember {
  _id: number
  host: string
  votes?: number
  [other: string]: unknown
}

/** What is wanted of the replica set: it reaches the pod as a file. */
export interface Target {
  /** Pods 0 to members - 1 are to be members. */
  members: number
  /** Whether the Database has been ready once, so that there is data somewhere. */
  initialized: boolean
}

export interface Observation {
  /** Name of the replica set. */
  set: string
  /** Number of the own pod. */
  ordinal: number
  own: Server
  /** By the numbers of their pods: those that `questions` asked for. */
  others: ReadonlyMap<number, Server>
  target: Target
  /** Whether the administrator can log in to the own server. */
  administrator: boolean
  /** Of the own server, where it is the primary and the administrator can log in. */
  config?: ReplicaSetConfig
  /** Host and port by which members, and clients, know a pod's server. */
  host(ordinal: number): string
}

export type Action =
  | { do: 'nothing'; because?: string }
  | { do: 'initiate'; config: ReplicaSetConfig }
  | { do: 'create administrator' }
  | { do: 'reconfigure'; config: ReplicaSetConfig; because: string }
  | { do: 'step down'; because: string }

/** A replica set has at most so many members that vote: https://www.mongodb.com/docs/manual/reference/limits/ */
export const maxVoters = 7

/** The numbers of the pods whose servers have to be asked before anything is decided. */
export function questions({
  own,
  ordinal,
  target,
  config,
  host,
}: Omit<Observation, 'others' | 'set' | 'administrator'>): number[] {
  const others = range(Math.max(target.members, maxVoters)).filter((other) => other !== ordinal)
  // Whoever may hold the data: also pods that are about to be scaled away.
  if (own.is === 'outside' && ordinal === 0) return others
  if (own.is !== 'member' || own.state !== 'primary' || config === undefined) return []
  const isIn = (one: number) => config.members.some((member) => member.host === host(one))
  if (ordinal >= target.members) return others.filter((other) => other < target.members && isIn(other))
  return others.filter((other) => other < target.members && !isIn(other))
}

/** The next thing to do; one at a time, since each changes what is seen. */
export function decide(observation: Observation): Action {
  const { own, ordinal } = observation
  if (own.is === 'silent' || own.is === 'absent') return { do: 'nothing', because: 'the server does not answer' }
  if (own.is === 'outside') return ordinal === 0 ? begin(observation, own.holds) : waitToBeAdded
  if (own.state !== 'primary') return { do: 'nothing' }
  if (!observation.administrator) return { do: 'create administrator' }
  return observation.config === undefined ? { do: 'nothing' } : keepMembers(observation, observation.config)
}

const waitToBeAdded: Action = { do: 'nothing', because: 'waiting for the primary to add it' }

// Twice begun is split for good, and begun on an empty folder is the data gone: where there is a doubt, people decide.
function begin({ set, others, target, host }: Observation, holds: Holdings): Action {
  const wait = (because: string): Action => ({ do: 'nothing', because })
  if ([...others.values()].some(({ is }) => is === 'member') || holds === 'former member') return waitToBeAdded
  if (holds === 'unknown') {
    return wait(
      "no replica set is begun: the data is another Database's, neither password of the administrator is right",
    )
  }
  for (const [other, server] of others) {
    if (server.is === 'silent') return wait(`no replica set is begun: ${host(other)} does not say whether it is in one`)
    if (server.is !== 'outside') continue
    if (server.holds === 'former member') {
      return wait(`no replica set is begun: ${host(other)} holds what it had as a member of this one`)
    }
    if (server.holds === 'database' && holds === 'nothing') {
      return wait(`no replica set is begun: ${host(other)} holds a database, and this server none`)
    }
  }
  if (holds === 'nothing' && target.initialized) {
    return wait('no replica set is begun: the Database has had data, this server has none, and no other member answers')
  }
  return { do: 'initiate', config: { _id: set, version: 1, members: [{ _id: 0, host: host(0) }] } }
}

function keepMembers({ ordinal, others, target, host }: Observation, config: ReplicaSetConfig): Action {
  const numbers = new Map(range(256).map((number) => [host(number), number]))
  const surplus = config.members
    .map((member) => numbers.get(member.host) ?? -1)
    .filter((number) => number >= target.members)
    .sort((one, other) => other - one)
  if (surplus.includes(ordinal)) {
    const heir = [...others].some(([, server]) => server.is === 'member' && server.state === 'secondary')
    return heir
      ? { do: 'step down', because: 'another is to be the primary: this member is to be removed' }
      : { do: 'nothing', because: 'to be removed as soon as another can be the primary' }
  }
  const [last] = surplus
  if (last !== undefined) {
    const members = config.members.filter((member) => member.host !== host(last))
    return reconfigured(config, members, `removing ${host(last)}`)
  }
  const missing = [...others].filter(([other]) => other < target.members)
  for (const [other, server] of missing) {
    if (server.is !== 'outside') continue
    return reconfigured(config, [...config.members, newMember(config, other, host(other))], `adding ${host(other)}`)
  }
  const foreign = missing.find(([, { is }]) => is === 'member')
  return foreign === undefined
    ? { do: 'nothing' }
    : { do: 'nothing', because: `${host(foreign[0])} is no member of this replica set, and says that it is one` }
}

// Before it has all the data MongoDB itself lets it neither vote nor be elected (from 5.0 on), whatever is written here:
// https://www.mongodb.com/docs/manual/reference/replica-configuration/#mongodb-rsconf-rsconf.members-n-.votes
function newMember({ members }: ReplicaSetConfig, ordinal: number, host: string): ConfigMember {
  const taken = members.map(({ _id }) => _id)
  const _id = taken.includes(ordinal) ? Math.max(...taken) + 1 : ordinal
  // More than the pods vote where somebody added members of his own.
  const voters = members.filter(({ votes = 1 }) => votes > 0).length
  return voters < maxVoters ? { _id, host, votes: 1, priority: 1 } : { _id, host, votes: 0, priority: 0 }
}

function reconfigured(config: ReplicaSetConfig, members: ConfigMember[], because: string): Action {
  return { do: 'reconfigure', config: { ...config, version: config.version + 1, members }, because }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index)
}
