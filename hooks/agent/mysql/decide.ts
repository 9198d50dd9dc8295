// What a member does next, from what it sees of itself and of its peers. Nothing here asks or changes anything.
//
// A group must never exist twice. So one is begun only
// - the first time, by the pod 0, when the Database never had one;
// - after all members were gone, by the one that has every transaction, when each that could have more was asked.
// Which could have more is written in the data itself: members enter themselves in a table of the group before they join
// it (registry.ts), so who has the last transactions has the last list as well.
import { type GtidSet, includes } from './gtid.ts'

/** As performance_schema.replication_group_members has it. */
export type MemberState = 'ONLINE' | 'RECOVERING' | 'OFFLINE' | 'ERROR' | 'UNREACHABLE'

/** What one server says of itself. */
export interface Observation {
  state: MemberState
  /** In its view of the group more than half of the members can be reached: false where the group cannot go on. */
  quorum: boolean
  /** It is the one that takes writes. */
  primary: boolean
  /** Ordinals of the members of the group that it is in, as it sees them; its own where it is in none. */
  members: readonly number[]
  /** Transactions that it has: executed, or received from the group. */
  gtids: GtidSet
  /** It was in this Database's group before. */
  joined: boolean
  /** It has schemas besides the server's own. */
  schemas: boolean
  /** It has tables in them. */
  tables: boolean
  /** Ordinals of the members that its copy of the registry names. */
  registry: readonly number[]
}

export interface Situation {
  /** The own ordinal. */
  self: number
  own: Observation
  /** By ordinal: of every other member that answered. */
  peers: ReadonlyMap<number, Observation>
  /** A primary was ready at some time: there is data somewhere. */
  initialized: boolean
  /** A person said that this member's data is what the Database goes on with. */
  forced: number | undefined
}

export type Decision =
  /** All is well, or takes its course. */
  | { action: 'none' }
  /** Leave what failed, so as to begin anew. */
  | { action: 'stop' }
  | { action: 'bootstrap' }
  /** Takes the whole data of one of them in place of the own, and joins afterwards. */
  | { action: 'clone'; primary: number; donors: readonly number[] }
  | { action: 'join'; primary: number; seeds: readonly number[] }
  | { action: 'wait'; reason: string }

export function decide(situation: Situation): Decision {
  const { self, own, peers, forced } = situation
  if (own.state === 'ERROR') return { action: 'stop' }
  if (own.state !== 'OFFLINE') return { action: 'none' }
  const working = ordinals(peers, ({ state, quorum }) => state === 'ONLINE' && quorum)
  if (working.length > 0) return joinTo(working, situation)
  // It will work again, or know that it does not, within seconds.
  const unsure = ordinals(peers, ({ state }) => state === 'ONLINE' || state === 'RECOVERING' || state === 'UNREACHABLE')
  if (unsure.length > 0) return wait(`the group of ${list(unsure)} has no majority now`)
  if (forced !== undefined) {
    return forced === self ? { action: 'bootstrap' } : wait(`the member ${forced} was told to begin the group`)
  }
  const everyone = new Map([...peers, [self, own]])
  const joined = [...everyone].filter(([, { joined }]) => joined)
  return joined.length === 0 ? firstTime(situation) : again(joined, everyone, situation)
}

function joinTo(seeds: readonly number[], { self, own, peers }: Situation): Decision {
  const primary = seeds.find((ordinal) => peers.get(ordinal)?.primary)
  if (primary === undefined) return wait(`the group of ${list(seeds)} has no primary that answers`)
  if (!own.joined) {
    if (own.tables) return wait(`it has tables of its own, which the group of ${list(seeds)} does not have`)
    // A copy costs the one that gives it, and the primary has enough to do.
    return { action: 'clone', primary, donors: [...seeds.filter((ordinal) => ordinal !== primary), primary] }
  }
  const ahead = seeds.every((ordinal) => {
    const peer = peers.get(ordinal)
    return peer === undefined || !includes(peer.gtids, own.gtids)
  })
  if (ahead) return wait(`it has transactions that the group of ${list(seeds)} does not have`)
  // What stopped at once is counted in until it was silent for five seconds. Who comes back before is not let in by the group
  // ("Old incarnation found"), and hears of that only when 30 seconds are over.
  if (peers.get(primary)?.members.includes(self)) return wait(`the group of ${list(seeds)} still counts it in`)
  return { action: 'join', primary, seeds }
}

function firstTime({ self, own, initialized }: Situation): Decision {
  if (self !== 0) return wait('the member 0 begins the group')
  // The data of a single database, which becomes the group's.
  if (own.schemas || !initialized) return { action: 'bootstrap' }
  return wait(`it is empty, and the data that the Database had is with another member; ${choice}`)
}

function again(
  joined: readonly (readonly [number, Observation])[],
  everyone: ReadonlyMap<number, Observation>,
  { self }: Situation,
): Decision {
  const ahead = joined.filter(([, { gtids }]) => joined.every(([, other]) => includes(gtids, other.gtids)))
  if (ahead.length === 0) {
    return wait(`of ${list(joined.map(([ordinal]) => ordinal))} none has every transaction; ${choice}`)
  }
  const entered = new Set(ahead.flatMap(([, { registry }]) => registry))
  const missing = [...entered].filter((each) => !everyone.has(each))
  if (missing.length > 0) return wait(`${list(missing)} may have later transactions and cannot be asked; ${choice}`)
  // What is acknowledged is with more than half of the members. Who comes back empty is no witness of what it had.
  const lost = [...entered].filter((each) => !everyone.get(each)?.joined)
  if (lost.length * 2 >= entered.size && lost.length > 0) {
    return wait(`${list(lost)} may have had later transactions and lost all data; ${choice}`)
  }
  // Who is not entered has a copy and never joined with it: it does not know of who came after, and nobody of it. Where nobody
  // is entered yet, nobody took a copy.
  const leading = ahead.map(([ordinal]) => ordinal)
  const able = leading.filter((ordinal) => entered.size === 0 || entered.has(ordinal))
  if (able.length === 0) return wait(`${list(leading)} has a copy with transactions that no member has; ${choice}`)
  const first = Math.min(...able)
  return first === self ? { action: 'bootstrap' } : wait(`the member ${first} begins the group`)
}

const choice = "where that stays so, the Database's annotation example.com/go-on-with names the pod that begins"

function ordinals(peers: Situation['peers'], wanted: (peer: Observation) => boolean): number[] {
  return [...peers]
    .filter(([, peer]) => wanted(peer))
    .map(([ordinal]) => ordinal)
    .sort((one, other) => one - other)
}

function wait(reason: string): Decision {
  return { action: 'wait', reason }
}

function list(members: readonly number[]): string {
  const sorted = [...members].sort((one, other) => one - other)
  return `${sorted.length === 1 ? 'member' : 'members'} ${sorted.join(', ')}`
}
