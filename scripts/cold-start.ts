// How long a start of the bundle takes until its first answer, as scale-to-zero has it:
//   node scripts/cold-start.ts [--runs=20] [--bundle=dist/operator-hooks.mjs] [--sample=FILE.yaml]
// Measured from the start of the process until the answer to the first sync of a sample is there, without and with a
// compile cache.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { parseAllDocuments } from 'yaml'

const root = join(import.meta.dirname, '..')

export interface HookRequest {
  /** Such as /hooks/database/sync. */
  readonly path: string
  readonly body: unknown
}

export interface ColdStart {
  /** Milliseconds from the start of the process until it listens. */
  readonly listening: number
  /** Milliseconds from the start of the process until its first answer was read. */
  readonly answered: number
  /** Milliseconds of CPU that it took until then, whatever else the machine was doing; NaN where /proc does not tell. */
  readonly cpu: number
}

/**
 * Starts a bundle once, asks it for `request` (or for /readyz without one) and stops it. `cache` is a folder for Node's
 * compile cache. Throws when it does not listen within 10 s or answers anything but 200.
 */
export async function coldStart(bundle: string, request?: HookRequest, cache?: string): Promise<ColdStart> {
  const started = performance.now()
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  const service = spawn(
    process.execPath,
    [bundle, 'serve', '--port=0', '--auth=none', '--ephemeral-credential-keys', '--drain-seconds=0'],
    { stdio: ['ignore', 'pipe', 'inherit'], env: cache ? { ...env, NODE_COMPILE_CACHE: cache } : env },
  )
  const gone = new Promise((resolve) => service.on('exit', resolve))
  const tooLong = setTimeout(() => service.kill('SIGKILL'), 10_000)
  try {
    for await (const line of createInterface(service.stdout)) {
      const { msg, url } = JSON.parse(line) as { msg: string; url: string }
      if (msg !== 'listening') continue
      const listening = performance.now() - started
      const answer = request
        ? await fetch(url + request.path, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(request.body),
          })
        : await fetch(`${url}/readyz`)
      const text = await answer.text()
      if (answer.status !== 200) throw new Error(`the first answer was ${answer.status}: ${text}`)
      return { listening, answered: performance.now() - started, cpu: cpuOf(service.pid) }
    }
    throw new Error(`${bundle} did not listen within 10 s`)
  } finally {
    clearTimeout(tooLong)
    service.kill('SIGTERM')
    await gone
  }
}

// The first number of schedstat is a thread's time on a CPU in nanoseconds.
function cpuOf(pid: number | undefined): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    const times = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
    return times.reduce((sum, time) => sum + time, 0) / 1e6
  } catch {
    return Number.NaN
  }
}

/** What Metacontroller asks about the first resource of a YAML file when nothing of it exists yet. */
export function firstSync(file: string): HookRequest {
  const sample = parseAllDocuments(readFileSync(file, 'utf8'))[0]?.toJS() as { kind: string; metadata: object }
  const metadata = {
    namespace: 'default',
    uid: '00000000-0000-4000-8000-000000000001',
    generation: 1,
    ...sample.metadata,
  }
  return {
    path: `/hooks/${sample.kind.toLowerCase()}/sync`,
    body: { controller: {}, parent: { ...sample, metadata }, children: {}, related: {}, finalizing: false },
  }
}

/** The value below which a share of the others lies, by the nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20' },
      bundle: { type: 'string', default: join(root, 'dist', 'operator-hooks.mjs') },
      sample: { type: 'string', default: join(root, 'hooks', 'kinds', 'database', 'samples', 'postgresql.yaml') },
    },
  })
  const request = firstSync(values.sample)
  const cache = mkdtempSync(join(tmpdir(), 'compile-cache-'))
  // Our own first request warms fetch, and the bundle's files come into the page cache.
  await coldStart(values.bundle, request, cache)
  const kinds: Record<string, ColdStart[]> = { 'no cache': [], 'compile cache': [] }
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [name, results] of Object.entries(kinds)) {
      results.push(await coldStart(values.bundle, request, name === 'no cache' ? undefined : cache))
    }
  }
  rmSync(cache, { recursive: true, force: true })
  for (const [name, results] of Object.entries(kinds)) {
    const say = (of: number[]) => `best ${Math.min(...of).toFixed(0)} ms, p50 ${quantile(of, 0.5).toFixed(0)} ms`
    const answered = say(results.map((one) => one.answered))
    const cpu = say(results.map((one) => one.cpu))
    process.stdout.write(`${name.padEnd(14)} first answer ${answered}; of it CPU ${cpu}\n`)
  }
}
