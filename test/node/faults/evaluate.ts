// What the witness's lines say: how long nothing could be written, what was lost, and whether two members ever took
// writes at once. Pure, so that it is tested without a cluster.

/** One line of the witness (test/node/go/witness): an attempt or a look. Times are milliseconds since 1970. */
export interface Line {
  readonly n: number
  readonly kind: 'created' | 'write' | 'patient' | 'probe' | 'state' | 'pods'
  readonly start: number
  readonly end: number
  /** Of probes and states: the pod. */
  readonly member?: string
  readonly uid?: string
  readonly id?: number
  readonly ok: boolean
  readonly error?: string
  readonly state?: MemberState
  readonly pods?: readonly MemberPod[]
}

interface MemberState {
  readonly primary: boolean
  readonly online: number
  readonly word: string
}

interface MemberPod {
  readonly name: string
  readonly uid: string
  readonly ip: string
  readonly role: string
  readonly node: string
  readonly ready: boolean
  /** It has a deletion timestamp. */
  readonly going: boolean
}

/**
 * The longest time in seconds, ending after `from`, in which no row was acknowledged through the primary Service.
 * Infinity where none was after `from`.
 */
export function writeGap(lines: readonly Line[], from: number): number {
  const ends = lines
    .filter(({ kind, ok }) => kind === 'write' && ok)
    .map(({ end }) => end)
    .sort((one, other) => one - other)
  if (!ends.some((end) => end > from)) return Number.POSITIVE_INFINITY
  let longest = 0
  for (const [index, end] of ends.entries()) {
    if (end > from) longest = Math.max(longest, end - Math.min(ends[index - 1] ?? from, end))
  }
  return longest / 1000
}

/** How long it took others to take over, in seconds from `from` on; undefined where none did. */
export interface Takeover {
  /** Until another member than `primary` took a write. */
  readonly writable: number | undefined
  /** Until the label said that it is the primary. */
  readonly labelled: number | undefined
}

/** `primary` is the uid of the pod that was it. */
export function takeover(lines: readonly Line[], from: number, primary: string): Takeover {
  const seconds = (line: Line | undefined) => (line === undefined ? undefined : (line.end - from) / 1000)
  const later = lines.filter(({ start }) => start > from)
  return {
    writable: seconds(later.find(({ kind, ok, uid }) => kind === 'probe' && ok && uid !== primary)),
    labelled: seconds(later.find(({ pods }) => pods?.some(({ uid, role }) => role === 'primary' && uid !== primary))),
  }
}

/** Ids of rows that were acknowledged to whoever wrote them: none of them may ever be missing. */
export function acknowledged(lines: readonly Line[]): number[] {
  return lines.flatMap(({ id, ok }) => (ok && id !== undefined ? [id] : []))
}

/** Acknowledged rows that are not there. */
export function lostRows(lines: readonly Line[], present: readonly number[]): number[] {
  const there = new Set(present)
  return acknowledged(lines).filter((id) => !there.has(id))
}

/** Two members that took writes at once. */
export interface Overlap {
  /** When the one took a write … */
  readonly at: number
  readonly member: string
  /** … that the other had taken writes shortly before, and took writes shortly after. */
  readonly meanwhile: string
}

/** Members are probed five times a second: one that is writable is seen to be so well within this time. */
const shortlyMs = 1000

/**
 * Every write that one pod took while another pod was taking writes: the other had acknowledged one before this one was
 * sent, and acknowledged one that was sent after this one was acknowledged, both within a second. A hand-over, however
 * quick, has no such write: the old primary takes none after the new one took its first.
 */
export function overlaps(lines: readonly Line[]): Overlap[] {
  const taken = lines
    .filter(({ kind, ok, uid }) => kind === 'probe' && ok && uid !== undefined)
    .sort((one, other) => one.start - other.start)
  const found: Overlap[] = []
  for (const one of taken) {
    const others = new Set(taken.filter(({ uid }) => uid !== one.uid).map(({ uid }) => uid))
    for (const uid of others) {
      const theirs = taken.filter((line) => line.uid === uid)
      const before = theirs.some(({ end }) => end < one.start && one.start - end <= shortlyMs)
      const after = theirs.some(({ start }) => start > one.end && start - one.end <= shortlyMs)
      if (before && after) {
        found.push({ at: one.end, member: String(one.member), meanwhile: String(theirs[0]?.member) })
      }
    }
  }
  return found
}

/** Follows the lines as they come and knows since when all members have been well. */
export function healthWatch(engine: string, members: number) {
  let pods: readonly MemberPod[] = []
  const states = new Map<string, Line>()
  let since: number | undefined
  let complaint = 'nothing was seen yet'

  const look = (now: number): string | undefined => {
    if (pods.length !== members) return `${pods.length} of ${members} pods are there`
    for (const { name, uid, ready, going } of pods) {
      if (going || !ready) return `${name} is not ready`
      const line = states.get(uid)
      if (line?.state === undefined) return `${name} does not answer: ${line?.error ?? 'nothing yet'}`
      if (now - line.end > staleMs) return `${name} has not answered for ${now - line.end} ms`
      const problem = memberProblem(engine, line.state, members)
      if (problem !== undefined) return `${name}: ${problem}`
    }
    const primaries = pods.filter(({ uid }) => states.get(uid)?.state?.primary === true)
    if (members > 1 && primaries.length !== 1) return `${primaries.length} members say that they are the primary`
    if (members > 1) {
      const labelled = pods.filter(({ role }) => role === 'primary')
      if (labelled.length !== 1 || labelled[0]?.uid !== primaries[0]?.uid) {
        return `the label says ${labelled.map(({ name }) => name).join(' and ') || 'nobody'} is the primary`
      }
    }
    return undefined
  }

  return {
    take(line: Line): void {
      if (line.kind === 'pods' && line.pods !== undefined) pods = line.pods
      if (line.kind === 'state' && line.uid !== undefined) states.set(line.uid, line)
      const problem = look(line.end)
      if (problem !== undefined) {
        complaint = problem
        since = undefined
      } else {
        since ??= line.end
      }
    },
    /** Milliseconds since 1970 from which on all has been well; undefined while it is not. */
    since: () => since,
    /** What is not well, or was not last. */
    complaint: () => complaint,
  }
}

/** Members are asked twice a second, and an answer may take 1.5 s. */
const staleMs = 3000

function memberProblem(engine: string, { primary, online, word }: MemberState, members: number): string | undefined {
  if (members === 1) return undefined
  if (engine === 'mysql') {
    if (word !== 'ONLINE') return `is ${word}`
    return online === members ? undefined : `sees ${online} of ${members} members ONLINE`
  }
  if (!primary) return word === 'streaming' ? undefined : `its WAL receiver is ${word}`
  return online >= members - 1 ? undefined : `${online} of ${members - 1} replicas stream`
}
