// From the start of the process to its first answer, as scale-to-zero has it.
import { spawnSync } from 'node:child_process'
import { createCaller } from './caller.ts'
import { median, quantile } from './measure.ts'
import { rounded, type Section } from './report.ts'
import { recordRequests } from './requests.ts'
import { type Image, startService, unbundled } from './service.ts'

/** Goal: the first sync is answered within 150 ms of the start of the process. */
export async function benchStart(image: Image, { runs = 15 }: { runs?: number } = {}): Promise<Section> {
  const [request] = await recordRequests(1)
  if (request === undefined) throw new Error('there is no request to send')
  const body = Buffer.from(request.body)
  const { NODE_COMPILE_CACHE: _, ...withoutCache } = image.env
  const variants = [
    { title: 'the image: bundle and compile cache', program: image.bundle, env: image.env },
    { title: 'bundle alone', program: image.bundle, env: withoutCache },
    { title: 'unbundled, from source', program: unbundled, env: withoutCache },
  ]
  const results = variants.map(() => ({ listening: [] as number[], answered: [] as number[], cpu: [] as number[] }))
  const once = async (program: string, env: Readonly<Record<string, string>>) => {
    const caller = createCaller()
    const started = performance.now()
    const service = await startService(program, env)
    try {
      const listening = performance.now() - started
      await caller.post(`${service.url}${request.path}`, body)
      return { listening, answered: performance.now() - started, cpu: service.cpuMs() }
    } finally {
      caller.close()
      await service.stop()
    }
  }
  const empty = { answered: [] as number[], cpu: [] as number[] }
  for (let run = -1; run < runs; run++) {
    const nothing = emptyProgram()
    if (run >= 0) {
      empty.answered.push(nothing.milliseconds)
      empty.cpu.push(nothing.cpu)
    }
    for (const [index, { program, env }] of variants.entries()) {
      const times = await once(program, env)
      // The first of each brings files into the page cache and warms up this client.
      if (run < 0) continue
      results[index]?.listening.push(times.listening)
      results[index]?.answered.push(times.answered)
      results[index]?.cpu.push(times.cpu)
    }
  }
  const row = (title: string, listening: string, answered: readonly number[], cpu: readonly number[]) => [
    title,
    listening,
    Math.min(...answered),
    median(answered),
    quantile(answered, 0.9),
    median(cpu),
  ]
  const rows = [
    row('Node.js itself: an empty program, until it has ended', '–', empty.answered, empty.cpu),
    ...variants.map(({ title }, index) => {
      const { listening = [], answered = [], cpu = [] } = results[index] ?? {}
      return row(title, rounded(median(listening)), answered, cpu)
    }),
  ]
  return {
    name: 'start',
    about: `From the start of the process until the first sync of a Database is answered, ${runs} runs of each in turns. Time on the clock follows whatever else the machine does; the best run and the CPU time do so least.`,
    tables: [
      {
        title: 'Cold start',
        columns: ['', 'listening p50 ms', 'first answer, best ms', 'p50 ms', 'p90 ms', 'CPU ms'],
        rows,
      },
    ],
    goals: [
      {
        what: 'first answer of the image, best run',
        value: Math.min(...(results[0]?.answered ?? [])),
        limit: 150,
        unit: 'ms',
        sense: 'at most',
      },
    ],
  }
}

function emptyProgram(): { milliseconds: number; cpu: number } {
  const started = performance.now()
  const program = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000)'
  const { stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
  return { milliseconds: performance.now() - started, cpu: Number(stdout) }
}
