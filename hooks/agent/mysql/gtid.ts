// Sets of transactions: https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html#replication-gtids-concepts-gtid-sets

/** Intervals of transaction numbers, both ends included and in order, by what they are numbers of: a UUID, or `UUID:tag`. */
export type GtidSet = ReadonlyMap<string, readonly Interval[]>
export type Interval = readonly [first: bigint, last: bigint]

/** Reads the text of a set; throws an Error that shows the part that is none. */
export function parseGtids(text: string): GtidSet {
  const found = new Map<string, Interval[]>()
  for (const part of text.split(',').map((each) => each.trim().toLowerCase())) {
    if (part === '') continue
    const [uuid = '', ...more] = part.split(':')
    let source = uuid
    for (const one of more) {
      const numbers = /^(\d+)(?:-(\d+))?$/.exec(one)
      if (numbers !== null) {
        const first = BigInt(numbers[1] ?? '')
        const intervals = found.get(source) ?? []
        intervals.push([first, BigInt(numbers[2] ?? first)])
        found.set(source, intervals)
      } else if (/^[a-z_][a-z0-9_]{0,31}$/.test(one)) source = `${uuid}:${one}`
      else throw new Error(`"${part}" is no set of transactions`)
    }
    if (more.length === 0) throw new Error(`"${part}" is no set of transactions`)
  }
  return new Map([...found].map(([source, intervals]) => [source, merged(intervals)]))
}

/** The set of what is given one by one. */
export function setOf(parts: readonly (readonly [source: string, interval: Interval])[]): GtidSet {
  const found = new Map<string, Interval[]>()
  for (const [source, interval] of parts) {
    const intervals = found.get(source)
    if (intervals === undefined) found.set(source, [interval])
    else intervals.push(interval)
  }
  return new Map([...found].map(([source, intervals]) => [source, merged(intervals)]))
}

/** As MySQL writes it. */
export function textOf(set: GtidSet): string {
  return [...set]
    .map(([source, intervals]) =>
      [source, ...intervals.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))].join(':'),
    )
    .join(',')
}

/** The transactions of either set. */
export function unionOf(one: GtidSet, other: GtidSet): GtidSet {
  const all = new Map(one)
  for (const [source, intervals] of other) all.set(source, merged([...(all.get(source) ?? []), ...intervals]))
  return all
}

/** Whether `whole` has every transaction of `part`. */
export function includes(whole: GtidSet, part: GtidSet): boolean {
  return [...part].every(([source, intervals]) => {
    const there = whole.get(source) ?? []
    return intervals.every(([first, last]) => there.some(([from, to]) => from <= first && last <= to))
  })
}

/** Whether any transaction is of this UUID, with whatever tag. */
export function comesFrom(set: GtidSet, uuid: string): boolean {
  return [...set.keys()].some((source) => source.split(':')[0] === uuid.toLowerCase())
}

function merged(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = []
  for (const [first, last] of [...intervals].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const before = result.at(-1)
    if (before !== undefined && first <= before[1] + 1n) {
      result[result.length - 1] = [before[0], last > before[1] ? last : before[1]]
    } else result.push([first, last])
  }
  return result
}
