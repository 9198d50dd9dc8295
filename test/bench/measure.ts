// Measuring on a machine that others use too: cases take turns, so that whatever else goes on hits all of them alike; CPU
// time is compared rather than time on the clock; and every figure comes with its spread over the rounds.

/** One of the things that are compared. */
export interface Case {
  readonly name: string
  /** Does it once; `index` counts up over the whole measurement. */
  run(index: number): unknown
  /** Milliseconds of CPU that what is measured has used so far; those of this process unless given. */
  cpuMs?(): number
}

export interface Measured {
  /** Milliseconds on the clock, of each single run. */
  readonly times: readonly number[]
  /** Milliseconds of CPU for one run, averaged over each round. */
  readonly cpu: readonly number[]
}

export interface Plan {
  readonly rounds: number
  /** How often each case runs in a round. */
  readonly runs: number
  /** Rounds before the first that counts, for the compiler to warm up. */
  readonly warmUp?: number
}

/** Runs all cases in turns. */
export async function interleave<Name extends string>(
  cases: readonly (Case & { readonly name: Name })[],
  { rounds, runs, warmUp = 1 }: Plan,
): Promise<Record<Name, Measured>> {
  const results = Object.fromEntries(cases.map(({ name }) => [name, { times: [], cpu: [] }])) as unknown as Record<
    Name,
    { times: number[]; cpu: number[] }
  >
  for (let round = -warmUp; round < rounds; round++) {
    for (const { name, run, cpuMs = ownCpuMs } of round % 2 === 0 ? cases : cases.toReversed()) {
      const times: number[] = []
      const before = cpuMs()
      for (let index = 0; index < runs; index++) {
        const started = performance.now()
        const pending = run((round + warmUp) * runs + index)
        if (pending instanceof Promise) await pending
        times.push(performance.now() - started)
      }
      const cpu = (cpuMs() - before) / runs
      if (round < 0) continue
      results[name].times.push(...times)
      results[name].cpu.push(cpu)
    }
  }
  return results
}

/** The value that a share of the others does not exceed, by the nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** How often more CPU one takes than another: round by round, since a round's two had the same neighbours. */
export function ratios(of: Measured, to: Measured): number[] {
  return of.cpu.map((value, round) => value / (to.cpu[round] ?? Number.NaN))
}

/** `1.52 (1.49–1.58)`: the median, and between which values the middle half lies. */
export function spread(values: readonly number[], digits = 2): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(values, share).toFixed(digits))
  return `${middle} (${low}–${high})`
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
