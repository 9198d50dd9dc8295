// Which binary logs lead from a copy of the data to a point in time, and where to stop.
import type { Log } from './binlog.ts'
import { type GtidSet, includes, textOf, unionOf } from './gtid.ts'

export type Replay =
  | { logs: readonly Log[]; all: string; stopBefore: string; failure?: undefined }
  | { failure: string; logs?: undefined }

/**
 * Every server's logs are in order, and each says what came before it: so a log can follow when all of that is there
 * already. `until` in milliseconds since 1970; undefined: all there is.
 */
export function replay(copied: GtidSet, logs: readonly Log[], until: number | undefined): Replay {
  const chosen: Log[] = []
  let known = copied
  let rest = [...logs].sort((one, other) => compare(one, other))
  while (true) {
    const reachable: GtidSet = known
    // Of the server before it by preference: its logs go on without a seam.
    const server = chosen.at(-1)?.server
    const possible = rest.filter(({ previous }) => includes(reachable, previous))
    const next = possible.find((log) => log.server === server) ?? possible[0]
    if (next === undefined) break
    rest = rest.filter((log) => log !== next)
    if (includes(reachable, next.transactions)) {
      // What it adds is that until its end there was nothing else.
      chosen.push({ ...next, transactions: new Map() })
      continue
    }
    chosen.push(next)
    known = unionOf(reachable, next.transactions)
  }
  const needed = chosen.filter(({ transactions }) => transactions.size > 0)
  const all = textOf(needed.reduce<GtidSet>((sum, log) => unionOf(sum, log.transactions), new Map()))
  if (until === undefined) return { logs: needed, all, stopBefore: '' }
  const later = chosen.reduce<GtidSet>((sum, log) => unionOf(sum, log.later), new Map())
  const end = Math.max(0, ...chosen.map((log) => log.end))
  if (later.size === 0 && end * 1000 < until) {
    const when =
      end === 0 ? 'nothing of the log was archived since the copy' : `what is archived ends at ${timeOf(end)}`
    const gap =
      rest.length === 0 ? '' : `; ${rest.length} later logs do not follow on it, since some before them are missing`
    return { failure: `${when}${gap}` }
  }
  return { logs: needed, all, stopBefore: textOf(later) }
}

function timeOf(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

function compare(one: Log, other: Log): number {
  if (one.server !== other.server) return one.server < other.server ? -1 : 1
  return numberOf(one) - numberOf(other)
}

// From 999999 on a number has more digits.
function numberOf({ name }: Log): number {
  return Number(name.slice(name.lastIndexOf('.') + 1))
}
