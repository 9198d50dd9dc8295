// One fault in one world: what clients saw of it, and what the data says afterwards.
import { setTimeout as wait } from 'node:timers/promises'
import {
  acknowledged,
  type Line,
  lostRows,
  type Overlap,
  overlaps,
  type Takeover,
  takeover,
  writeGap,
} from './evaluate.ts'
import type { Fault } from './scenarios.ts'
import type { Member, World } from './world.ts'

export interface Outcome {
  /** Longest time in which nothing could be written, in seconds. */
  readonly gap: number
  /** From the stroke until the last attempt to write that failed, in seconds; 0 where none did. */
  readonly failing: number
  /** From the stroke until every member was well again, in seconds. */
  readonly healthy: number
  /** When another member was the primary, for its server and for Services. */
  readonly takeover: Takeover
  /** Rows that clients were told are written, and how many of them are gone. */
  readonly acknowledged: number
  readonly lost: number
  /** Moments at which two members took writes. */
  readonly overlaps: readonly Overlap[]
  /** Members whose rows are not the primary's, each with the difference. */
  readonly diverged: readonly string[]
  /** What clients were told while they could not write: message and how often. */
  readonly errors: Readonly<Record<string, number>>
}

/** Waits until all is well, strikes, takes it back, waits until all is well again, and looks at the data. */
export async function measure(world: World, fault: Fault): Promise<Outcome> {
  const { witness } = world
  await world.untilHealthy(180)
  await fault.prepare?.(world)
  const mark = witness.lines.length
  const before = await world.primary()
  const struck = Date.now()
  const release = await fault.strike(world)
  try {
    await fault.last?.(world)
  } finally {
    await release?.()
  }
  const well = await world.untilHealthy(300)
  const lines = witness.lines.slice(mark)
  const ids = acknowledged(lines)
  const first = ids.reduce((least, id) => Math.min(least, id), Number.POSITIVE_INFINITY)
  const primary = await world.primary()
  const present = await witness.rows(primary.ip, first)
  const failed = lines.filter(({ kind, ok }) => kind === 'write' && !ok)
  return {
    gap: writeGap(lines, struck),
    failing: failed.reduce((last, { end }) => Math.max(last, (end - struck) / 1000), 0),
    healthy: Math.max(0, (well - struck) / 1000),
    takeover: takeover(lines, struck, before.uid),
    acknowledged: ids.length,
    lost: lostRows(lines, present).length,
    overlaps: overlaps(lines),
    diverged: await differences(world, primary, first),
    errors: errorsOf(failed),
  }
}

/** Replicas lag, so they get a while to have what the primary has; what it has not, they never may. */
async function differences(world: World, primary: Member, first: number): Promise<string[]> {
  const replicas = (await world.pods()).filter(({ uid }) => uid !== primary.uid)
  const found = await Promise.all(
    replicas.map(async ({ name, ip }) => {
      let difference = ''
      for (let tries = 0; tries < 15; tries++) {
        const before = await world.witness.rows(primary.ip, first)
        const theirs = new Set(await world.witness.rows(ip, first))
        const after = new Set(await world.witness.rows(primary.ip, first))
        const missing = before.filter((id) => !theirs.has(id)).length
        const more = [...theirs].filter((id) => !after.has(id)).length
        if (missing + more === 0) return ''
        difference = `${name} has ${missing} rows less and ${more} more than ${primary.name}`
        await wait(1000)
      }
      return difference
    }),
  )
  return found.filter(Boolean)
}

function errorsOf(failed: readonly Line[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { error = '' } of failed) {
    // Addresses and numbers of ports differ from one to the next.
    const text = error.replaceAll(/\d+\.\d+\.\d+\.\d+(:\d+)?/g, '…').slice(0, 160)
    counts[text] = (counts[text] ?? 0) + 1
  }
  return counts
}

/** What an outcome breaks, in sentences; `factor` stretches the goals for a machine that does other work besides. */
export function complaints(world: World, fault: Fault, outcome: Outcome, factor: number): string[] {
  const goal = fault.goals[world.engine]
  const strict = mayLoseNothing(world, fault)
  return [
    ...(goal !== undefined && !(outcome.gap <= goal * factor)
      ? [`nothing could be written for ${outcome.gap} s; the goal is ${goal} s, and ${goal * factor} s are let pass`]
      : []),
    ...(strict && outcome.lost > 0 ? [`${outcome.lost} of ${outcome.acknowledged} acknowledged rows are lost`] : []),
    ...outcome.overlaps.slice(0, 3).map(({ member, meanwhile }) => `${member} took a write while ${meanwhile} did`),
    ...outcome.diverged,
  ]
}

/** Where a primary waits for others before it acknowledges a row, and where it hands over in good order. */
export function mayLoseNothing({ engine, synchronous }: Pick<World, 'engine' | 'synchronous'>, fault: Fault): boolean {
  return synchronous || engine === 'mysql' || fault.neverLoses === true
}
