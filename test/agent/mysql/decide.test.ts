// Who begins a group, who joins one and who waits: by example, and as a property over whatever may happen to members.
import fc from 'fast-check'
import t from 'tap'
import { decide, type Observation, type Situation } from '../../../hooks/agent/mysql/decide.ts'
import { parseGtids } from '../../../hooks/agent/mysql/gtid.ts'

const group = '11111111-2222-8333-8444-555555555555'

const fresh: Observation = {
  state: 'OFFLINE',
  quorum: false,
  primary: false,
  members: [],
  gtids: parseGtids(''),
  joined: false,
  schemas: false,
  tables: false,
  registry: [],
}
/** One that was in the group and has its transactions up to this number. */
const member = (last: number, registry: readonly number[], more: Partial<Observation> = {}): Observation => ({
  ...fresh,
  gtids: parseGtids(`${group}:1-${last}`),
  joined: true,
  schemas: true,
  tables: true,
  registry,
  ...more,
})
const online = (last: number, registry: readonly number[], primary = false) =>
  member(last, registry, { state: 'ONLINE', quorum: true, primary })

const situation = (
  self: number,
  own: Observation,
  peers: Record<number, Observation> = {},
  more: Partial<Situation> = {},
): Situation => ({
  self,
  own,
  peers: new Map(Object.entries(peers).map(([ordinal, peer]) => [Number(ordinal), peer])),
  initialized: true,
  forced: undefined,
  ...more,
})

t.test('the first time, the pod 0 begins and the others wait for it', async (t) => {
  const first = { initialized: false }
  t.match(decide(situation(0, fresh, { 1: fresh, 2: fresh }, first)), { action: 'bootstrap' })
  t.match(decide(situation(0, fresh, {}, first)), { action: 'bootstrap' }, 'pods that cannot run hold up nobody')
  t.match(decide(situation(1, fresh, { 0: fresh }, first)), { action: 'wait', reason: /member 0 begins/ })
  t.match(decide(situation(1, fresh, {}, first)), { action: 'wait' })
})

t.test('who is new takes a clone, who was there before only what he lacks', async (t) => {
  const peers = { 0: online(9, [0, 2], true), 2: online(9, [0, 2]) }
  t.same(
    decide(situation(1, fresh, peers)),
    { action: 'clone', primary: 0, donors: [2, 0] },
    'of the primary if nobody else can',
  )
  t.same(decide(situation(1, member(5, [0, 1, 2]), peers)), { action: 'join', primary: 0, seeds: [0, 2] })
  t.match(decide(situation(1, fresh, { 2: online(9, [0, 2]) })), { action: 'wait', reason: /no primary/ })
})

t.test('who is back before the group knows that it was gone joins when it does', async (t) => {
  const group = (members: readonly number[]) => ({
    0: { ...online(9, [0, 1, 2], true), members },
    2: { ...online(9, [0, 1, 2]), members: [0, 1, 2] },
  })
  const own = member(9, [0, 1, 2])
  t.match(decide(situation(1, own, group([0, 1, 2]))), { action: 'wait', reason: /still counts it in/ })
  t.match(decide(situation(1, own, group([0, 2]))), { action: 'join' }, 'by the primary, who is asked to let it in')
  t.match(decide(situation(1, fresh, group([0, 1, 2]))), { action: 'clone' }, 'a copy can be taken meanwhile')
})

t.test('no data of its own is thrown away', async (t) => {
  const peers = { 0: online(9, [0], true) }
  t.match(decide(situation(1, { ...fresh, schemas: true, tables: true }, peers)), {
    action: 'wait',
    reason: /tables of its own/,
  })
  t.match(decide(situation(1, member(12, [0, 1]), peers)), { action: 'wait', reason: /transactions that the group/ })
})

t.test('a single database becomes the first member, with its data', async (t) => {
  const single = { ...fresh, schemas: true, tables: true }
  t.match(decide(situation(0, single, {})), { action: 'bootstrap' })
})

t.test('an empty pod 0 of a database that had data begins nothing', async (t) => {
  t.match(decide(situation(0, fresh, {})), { action: 'wait', reason: /it is empty/ })
  const two = { 1: member(9, [0, 1, 2]), 2: member(9, [0, 1, 2]) }
  t.match(decide(situation(0, fresh, two)), { action: 'wait', reason: /member 1 begins/ })
  t.match(decide(situation(1, two[1], { 0: fresh, 2: two[2] })), { action: 'bootstrap' }, 'who has the data does')
})

t.test(
  'who came back empty may have had more than the others, unless more than half of them are still there',
  async (t) => {
    const reason = /^member 0 may have had later transactions and lost all data; .*go-on-with/
    const left = member(9, [0, 1])
    t.match(decide(situation(1, left, { 0: fresh })), { action: 'wait', reason })
    t.match(decide({ ...situation(1, left, { 0: fresh }), forced: 1 }), { action: 'bootstrap' })
  },
)

t.test('a copy that never was a member begins nothing, and nobody waits for it', async (t) => {
  const copy = member(9, [0])
  t.match(decide(situation(1, copy, { 0: member(8, [0]) })), { action: 'wait', reason: /member 1 has a copy/ })
  t.match(decide(situation(1, copy, { 0: member(9, [0]) })), {
    action: 'wait',
    reason: 'the member 0 begins the group',
  })
  t.match(decide(situation(0, member(9, [0]), { 1: copy })), { action: 'bootstrap' })
  t.match(decide(situation(0, member(9, [0]))), { action: 'bootstrap' })
})

t.test(
  'after all were gone, the one with every transaction begins, when each that could have more was asked',
  async (t) => {
    const all = { 0: member(7, [0, 1, 2]), 1: member(9, [0, 1, 2]), 2: member(9, [0, 1, 2]) }
    const as = (self: 0 | 1 | 2, without: number[] = []) =>
      decide(
        situation(
          self,
          all[self],
          Object.fromEntries(
            Object.entries(all).filter(([one]) => Number(one) !== self && !without.includes(Number(one))),
          ),
        ),
      )
    t.match(as(0), { action: 'wait', reason: 'the member 1 begins the group' })
    t.match(as(1), { action: 'bootstrap' })
    t.match(as(2), { action: 'wait' })
    t.match(as(1, [2]), {
      action: 'wait',
      reason: /^member 2 may have later transactions and cannot be asked; .*go-on-with/,
    })
    t.match(
      decide({ ...situation(1, all[1], { 0: all[0] }), forced: 1 }),
      { action: 'bootstrap' },
      'a person may know better',
    )
    t.match(decide({ ...situation(0, all[0], { 1: all[1] }), forced: 1 }), { action: 'wait' })
    t.match(
      decide(situation(0, member(9, [0, 1]), { 1: member(8, [0, 1]), 2: member(3, [0, 1, 2]) })),
      { action: 'bootstrap' },
      'who left long ago has no say',
    )
    t.match(decide(situation(0, member(9, [0]))), { action: 'bootstrap' }, 'a group of one begins by itself')
    const one = { ...member(5, [0, 1]), gtids: parseGtids(`${group}:1-5:8`) }
    const other = { ...member(5, [0, 1]), gtids: parseGtids(`${group}:1-6`) }
    t.match(decide(situation(0, one, { 1: other })), { action: 'wait', reason: /none has every transaction/ })
  },
)

t.test('what is in a group is left alone, what failed begins anew, and a group in doubt is waited for', async (t) => {
  t.same(decide(situation(0, online(9, [0], true))), { action: 'none' })
  t.same(decide(situation(0, member(9, [0], { state: 'RECOVERING' }))), { action: 'none' })
  t.same(decide(situation(0, member(9, [0], { state: 'ERROR' }))), { action: 'stop' })
  const doubtful = member(9, [0, 1, 2], { state: 'ONLINE', quorum: false, primary: true })
  t.match(decide(situation(1, member(9, [0, 1, 2]), { 0: doubtful, 2: member(9, [0, 1, 2]) }, { forced: 1 })), {
    ...{ action: 'wait', reason: /no majority/ },
  })
})

// A world of three members whose data is the list of transactions that they have. A transaction may be an entry of the
// registry. What the agents see of one another is arbitrary, and between a decision and its deed anything may happen but to
// the member itself.
interface Member {
  alive: boolean
  data: number[]
  joined: boolean
  group: Group | undefined
  decided: ReturnType<typeof decide> | undefined
}
interface Group {
  members: Set<number>
  primary: number
}

class World {
  readonly members: Member[] = [0, 1, 2].map(() => this.empty())
  readonly registries = new Map<number, readonly number[]>()
  readonly acknowledged = new Set<number>()
  initialized = false
  #last = 0

  empty(): Member {
    return { alive: true, data: [], joined: false, group: undefined, decided: undefined }
  }

  at(ordinal: number): Member {
    const found = this.members[ordinal]
    if (found === undefined) throw new Error(`there is no member ${ordinal}`)
    return found
  }

  groups(): Group[] {
    return [...new Set(this.members.flatMap(({ group }) => group ?? []))]
  }

  observation(ordinal: number): Observation {
    const { data, joined, group: current } = this.at(ordinal)
    const state = current === undefined ? 'OFFLINE' : 'ONLINE'
    const gtids = parseGtids(data.map((number) => `${group}:${number}`).join())
    const own = { schemas: data.length > 0, tables: data.length > 0, joined }
    return {
      state,
      quorum: true,
      primary: current?.primary === ordinal,
      members: [...(current?.members ?? [])],
      gtids,
      ...own,
      registry: this.registryOf(data),
    }
  }

  registryOf(data: readonly number[]): readonly number[] {
    return data.map((number) => this.registries.get(number)).findLast((entries) => entries !== undefined) ?? []
  }

  /** A transaction of the group's primary reaches all that are in the group. */
  write(group: Group, registry?: readonly number[]): void {
    this.#last += 1
    if (registry === undefined) this.acknowledged.add(this.#last)
    else this.registries.set(this.#last, registry)
    for (const ordinal of group.members) this.at(ordinal).data.push(this.#last)
  }

  /** Some stop at once; a group that loses its majority by that is none any more. */
  crash(ordinals: readonly number[]): void {
    for (const group of this.groups()) {
      const left = [...group.members].filter((each) => !ordinals.includes(each))
      if (left.length * 2 > group.members.size) {
        group.members = new Set(left)
        if (!group.members.has(group.primary)) group.primary = Math.min(...left)
      } else for (const each of group.members) this.at(each).group = undefined
    }
    for (const ordinal of ordinals)
      Object.assign(this.at(ordinal), { alive: false, group: undefined, decided: undefined })
  }

  look(ordinal: number, visible: readonly number[]): void {
    const member = this.at(ordinal)
    if (!member.alive || member.group !== undefined || member.decided !== undefined) return
    const peers = new Map(
      visible.flatMap((each) =>
        each !== ordinal && this.at(each).alive ? [[each, this.observation(each)] as const] : [],
      ),
    )
    const own = this.observation(ordinal)
    const decided = decide({ self: ordinal, own, peers, initialized: this.initialized, forced: undefined })
    if (decided.action === 'bootstrap' || decided.action === 'clone' || decided.action === 'join')
      member.decided = decided
  }

  act(ordinal: number): void {
    const member = this.at(ordinal)
    const { decided } = member
    member.decided = undefined
    if (!member.alive || member.group !== undefined || decided === undefined) return
    if (decided.action === 'bootstrap') {
      member.group = { members: new Set([ordinal]), primary: ordinal }
      member.joined = true
      this.write(member.group, [ordinal])
      this.initialized = true
    }
    if (decided.action !== 'clone' && decided.action !== 'join') return
    const group = this.at(decided.primary).group
    if (group === undefined || group.primary !== decided.primary) return
    const others = this.registryOf(this.at(group.primary).data).filter((each) => each !== ordinal)
    if (decided.action === 'clone') {
      this.write(group, others)
      const donor = decided.donors.find((each) => group.members.has(each))
      if (donor !== undefined) Object.assign(member, { data: [...this.at(donor).data], joined: true })
      return
    }
    // Group Replication refuses who has transactions that the group does not have.
    if (!member.data.every((number) => this.at(group.primary).data.includes(number))) return
    this.write(group, [...others, ordinal])
    member.data = [...this.at(group.primary).data]
    member.group = group
    group.members.add(ordinal)
  }

  upkeep(): void {
    for (const group of this.groups()) this.write(group, [...group.members])
  }
}

const everyone = [0, 1, 2]
const ordinal = fc.constantFrom(...everyone)
// Mostly all are seen, or a number that is anything.
const ordinals = fc.oneof({ weight: 3, arbitrary: fc.constant(everyone) }, fc.uniqueArray(ordinal))
// Who is new looks and acts twice, for its copy and to join.
const often = ['look', 'look', 'look', 'look', 'look', 'act', 'act', 'act', 'start', 'start'] as const
const kinds = [...often, 'write', 'crash', 'upkeep', 'lose'] as const
const happening = fc.record({ what: fc.constantFrom(...kinds), ordinal, ordinals })

t.test('whatever happens, there is never a second group, and none without what was acknowledged', async (t) => {
  let begun = 0
  let large = 0
  fc.assert(
    fc.property(fc.array(happening, { minLength: 40, maxLength: 200, size: 'max' }), (happenings) => {
      const world = new World()
      for (const { what, ordinal, ordinals } of happenings) {
        const before = world.groups().length
        const kept = new Set(world.members.flatMap(({ data }) => data))
        if (what === 'look') world.look(ordinal, ordinals)
        if (what === 'act') for (const each of ordinals) world.act(each)
        if (what === 'write') for (const group of world.groups()) world.write(group)
        if (what === 'crash') world.crash(ordinals)
        if (what === 'start') for (const each of ordinals) world.at(each).alive = true
        if (what === 'upkeep') world.upkeep()
        // A claim is lost with its pod, and comes back empty.
        if (what === 'lose') {
          world.crash([ordinal])
          world.members[ordinal] = { ...world.empty(), alive: false }
        }
        const now = world.groups()
        if (now.length > 1) throw new Error('there are two groups')
        const [group] = now
        if (before === 0 && group !== undefined) {
          begun += 1
          const data = new Set(world.at(group.primary).data)
          const lost = [...world.acknowledged].filter((number) => kept.has(number) && !data.has(number))
          if (lost.length > 0) throw new Error(`the group began without ${lost.join()}`)
        }
        if (group !== undefined && group.members.size > 1) large += 1
      }
    }),
    { numRuns: 3000 },
  )
  t.ok(begun > 200, `${begun} times a group began`)
  t.ok(large > 500, `${large} times it had several members`)
})
