// How long a database cannot be written to when something happens to it: test/node/faults, again and again.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeCluster } from '../node/cluster.ts'
import { complaints, mayLoseNothing, measure, type Outcome } from '../node/faults/measure.ts'
import { type Fault, faults } from '../node/faults/scenarios.ts'
import type { EngineName } from '../node/faults/world.ts'
import { type Worlds, worldsOn } from '../node/faults/worlds.ts'
import { median } from './measure.ts'
import { tell, withNodes } from './nodes.ts'
import { rounded, type Section, type Table } from './report.ts'

export interface FailoverOptions {
  /** postgresql, mysql. */
  readonly engines: readonly EngineName[]
  /** Names of faults; all where it is empty. */
  readonly only: readonly string[]
  readonly repeat: number
  readonly members: number
  readonly nodes: number
  /** Whether replication is asynchronous, synchronous, or one after the other. MySQL's is what it is. */
  readonly modes: readonly ('async' | 'sync')[]
  /** Folder for what the witness told in each run, a file of JSON lines each: to explain what stands out. */
  readonly keep: string | undefined
}

/** Measures on a cluster of its own. What fails is told in the table, and the rest goes on. */
export function benchFailover(options: FailoverOptions): Promise<Section> {
  const unknown = options.only.find((name) => !faults.some((fault) => fault.name === name))
  if (unknown !== undefined) {
    throw new Error(`--only: "${unknown}" is none of ${faults.map(({ name }) => name).join(', ')}`)
  }
  if (options.keep !== undefined) mkdirSync(options.keep, { recursive: true })
  return withNodes(options.nodes, (cluster) => measureOn(cluster, options))
}

async function measureOn(cluster: NodeCluster, options: FailoverOptions): Promise<Section> {
  const tables: Table[] = []
  const goals: Section['goals'][number][] = []
  for (const engine of options.engines) {
    // Group Replication acknowledges what a majority has: there is no other mode.
    for (const mode of engine === 'mysql' ? (['sync'] as const) : options.modes) {
      const synchronous = engine !== 'mysql' && mode === 'sync'
      const series = await repeat(worldsOn(cluster, { engine, members: options.members, synchronous }), options)
      tables.push(
        tableOf(`${engine} ${cluster.versions[engine]}${engine === 'mysql' ? '' : `, ${mode}hronous`}`, series),
      )
      goals.push(
        ...goalsOf(engine === 'mysql' ? engine : `${engine} ${mode}`, engine, synchronous, options.members, series),
      )
    }
  }
  return {
    name: 'failover',
    about: `${options.members} members on ${options.nodes === 1 ? 'one node' : `${options.nodes} nodes`} of this machine. A client inserts a row every 100 ms through the primary Service, each by a new connection, and another probes each member five times a second. The write gap is the longest time without an acknowledged row.`,
    tables,
    goals,
  }
}

interface Series {
  readonly fault: Fault
  readonly outcomes: readonly Outcome[]
  readonly failures: readonly string[]
}

async function repeat(worlds: Worlds, { only, repeat, members, keep }: FailoverOptions): Promise<Series[]> {
  const series: Series[] = []
  // Where no database comes up twice in a row, none will for the faults that are left.
  let unopened = 0
  const end = () => worlds.end().catch((problem: Error) => tell(problem.message))
  for (const fault of faults) {
    if (only.length > 0 ? !only.includes(fault.name) : fault.needsReplicas && members === 1) continue
    const outcomes: Outcome[] = []
    const failures: string[] = []
    for (let round = 1; round <= repeat && unopened < 2; round++) {
      const what = `${fault.name} ${round}/${repeat}`
      const begun = performance.now()
      const took = () => `${Math.round((performance.now() - begun) / 1000)} s`
      try {
        unopened += 1
        const world = await worlds.suiting(fault)
        unopened = 0
        const { engine, synchronous, witness } = world
        const mark = witness.lines.length
        const outcome = await measure(world, fault).finally(() => {
          if (keep === undefined) return
          const text = witness.lines.slice(mark).map((line) => `${JSON.stringify(line)}\n`)
          const file = `${engine}${synchronous ? '-sync' : ''}-${fault.name}-${round}.jsonl`
          writeFileSync(join(keep, file), text.join(''))
        })
        outcomes.push(outcome)
        tell(`${engine}${synchronous ? ' synchronous' : ''} ${what}, ${took()}: ${summary(outcome)}`)
        for (const complaint of complaints(world, fault, outcome, 1)) tell(`    ${complaint}`)
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error))
        tell(`${what}, ${took()}, failed: ${failures.at(-1)}`)
        await end()
      }
    }
    series.push({ fault, outcomes, failures })
  }
  await end()
  return series
}

/** What each fault may cost, and what none of them may. */
function goalsOf(
  database: string,
  engine: EngineName,
  synchronous: boolean,
  members: number,
  series: readonly Series[],
): Section['goals'] {
  const none = { limit: 0, unit: '', sense: 'at most' } as const
  const strict = series.filter(({ fault }) => mayLoseNothing({ engine, synchronous }, fault))
  const sum = (of: readonly Series[], count: (outcome: Outcome) => number) =>
    of.flatMap(({ outcomes }) => outcomes).reduce((total, outcome) => total + count(outcome), 0)
  return [
    ...series.flatMap(({ fault, outcomes }) => {
      const limit = fault.goals[engine]
      if (limit === undefined || outcomes.length === 0 || members === 1) return []
      const gaps = outcomes.map(({ gap }) => gap)
      const what = `${database}, ${fault.title}: median write gap (at worst ${rounded(Math.max(...gaps))} s)`
      return [{ what, value: median(gaps), limit, unit: 's' as const, sense: 'at most' as const }]
    }),
    { what: `${database}: acknowledged rows lost where none may be`, value: sum(strict, ({ lost }) => lost), ...none },
    {
      what: `${database}: moments with two primaries, and members with other rows`,
      value: sum(series, ({ overlaps, diverged }) => overlaps.length + diverged.length),
      ...none,
    },
    {
      what: `${database}: runs that failed`,
      value: series.reduce((total, { failures }) => total + failures.length, 0),
      ...none,
    },
  ]
}

function summary({ gap, failing, healthy, takeover, acknowledged, lost, overlaps, errors }: Outcome): string {
  const told = Object.entries(errors)
    .sort(([, one], [, other]) => other - one)
    .slice(0, 3)
    .map(([error, count]) => `\n    ${count} × ${error}`)
    .join('')
  const { writable, labelled } = takeover
  const other =
    writable === undefined ? 'no other' : `another writable after ${writable} s, labelled ${labelled ?? '–'} s`
  return `gap ${gap} s, ${other}, failing until ${failing} s, well after ${healthy} s, ${lost} of ${acknowledged} lost, ${overlaps.length} overlaps${told}`
}

function tableOf(title: string, series: readonly Series[]): Table {
  const range = (values: readonly number[]) =>
    values.length === 0
      ? '–'
      : `${rounded(Math.min(...values))} / ${rounded(median(values))} / ${rounded(Math.max(...values))}`
  const sum = (values: readonly number[]) => values.reduce((one, other) => one + other, 0)
  return {
    title: `${title}: seconds, each as minimum / median / maximum`,
    columns: [
      'event',
      'n',
      'write gap',
      'goal',
      'last failed write',
      'all healthy',
      'rows lost',
      'two primaries',
      'failed runs',
    ],
    rows: series.map(({ fault, outcomes, failures }) => [
      fault.title,
      String(outcomes.length),
      range(outcomes.map(({ gap }) => gap)),
      Object.values(fault.goals).length === 0 ? '' : String(goalOf(fault, title)),
      range(outcomes.map(({ failing }) => failing)),
      range(outcomes.map(({ healthy }) => healthy)),
      `${sum(outcomes.map(({ lost }) => lost))} of ${sum(outcomes.map(({ acknowledged }) => acknowledged))}`,
      String(sum(outcomes.map(({ overlaps, diverged }) => overlaps.length + diverged.length))),
      String(failures.length),
    ]),
  }
}

const goalOf = (fault: Fault, title: string) => fault.goals[title.startsWith('mysql') ? 'mysql' : 'postgresql']
