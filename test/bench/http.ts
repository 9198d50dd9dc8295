// One sync over HTTP, as the image serves it: answered anew, answered 304, and what a bare server does that only parses
// and stringifies.
import { createCaller } from './caller.ts'
import { childrenOf, kilobytes } from './hook.ts'
import { interleave, type Measured, median, quantile, ratios, spread } from './measure.ts'
import type { Section } from './report.ts'
import { recordRequests } from './requests.ts'
import { type Image, startBareServer, startService } from './service.ts'

/** Goal: a request that is answered 304 costs a fifth of one that is answered anew, or less. */
export async function benchHttp(image: Image, { rounds = 15 }: { rounds?: number } = {}): Promise<Section> {
  const recorded = await recordRequests(30)
  const bodies = recorded.map(({ body }) => Buffer.from(body))
  const caller = createCaller()
  const service = await startService(image.bundle, image.env)
  try {
    const url = `${service.url}${recorded[0]?.path}`
    const answers = await Promise.all(bodies.map((body) => caller.post(url, body)))
    const named = recorded.map(({ name }, index) => [name, JSON.parse(answers[index]?.body ?? '')])
    const bare = await startBareServer(Object.fromEntries(named))
    try {
      const pick = (index: number) => index % bodies.length
      const ask = async (at: string, index: number, status: number, etag?: string) => {
        const answer = await caller.post(at, bodies[pick(index)] ?? Buffer.alloc(0), etag)
        if (answer.status !== status) throw new Error(`${at} answered ${answer.status} instead of ${status}`)
      }
      const measured = await interleave(
        [
          { name: 'bare', cpuMs: bare.cpuMs, run: (index) => ask(bare.url, index, 200) },
          { name: 'sync', cpuMs: service.cpuMs, run: (index) => ask(url, index, 200) },
          { name: 'kept', cpuMs: service.cpuMs, run: (index) => ask(url, index, 304, answers[pick(index)]?.etag) },
        ],
        { rounds, runs: 150, warmUp: 3 },
      )
      const row = (title: string, { times, cpu }: Measured) => [
        title,
        quantile(times, 0.5),
        quantile(times, 0.99),
        median(cpu),
        (1000 / median(cpu)).toFixed(0),
        spread(ratios({ times, cpu }, measured.bare)),
      ]
      return {
        name: 'http',
        about: `One sync over HTTP: the bundle as the image runs it (compile cache, bearer token checked), one connection kept alive, requests of ${kilobytes(recorded.map(({ body }) => body))} with ${childrenOf(recorded.map(({ body }) => body))} children; ${rounds} rounds in turns of 150 requests each. CPU is the service's own, all threads; a request's share of it says how many one core can answer in a second.`,
        tables: [
          {
            title: 'Over HTTP',
            columns: ['', 'p50 ms', 'p99 ms', 'CPU ms', 'requests/s of one core', 'ratio of CPU'],
            rows: [
              row('bare server: JSON.parse and JSON.stringify', measured.bare),
              row('sync, answered anew (200)', measured.sync),
              row('sync, not modified (304)', measured.kept),
            ],
          },
        ],
        goals: [
          {
            what: 'CPU of a sync that is answered anew, against one that is answered 304',
            value: median(ratios(measured.sync, measured.kept)),
            limit: 5,
            unit: '×',
            sense: 'at least',
          },
        ],
      }
    } finally {
      await bare.stop()
    }
  } finally {
    caller.close()
    await service.stop()
  }
}
