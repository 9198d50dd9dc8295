// One sync in this process: parse, evaluate, stringify, against what no hook can do without.
import { evaluateComposite } from '../../hooks/sdk/evaluate.ts'
import type { CompositeRequest } from '../../hooks/sdk/wire.ts'
import { tagger } from '../../hooks/server/etag.ts'
import { checkComposite } from '../../hooks/server/request.ts'
import { interleave, median, quantile, ratios, spread } from './measure.ts'
import type { Section } from './report.ts'
import { databaseDefinition, environment, recordRequests } from './requests.ts'

/**
 * Goals: a sync costs at most 2.5 times what parsing its request and stringifying its answer cost, and a request that is
 * answered 304 a fifth of a sync or less.
 */
export async function benchHook({ rounds = 20 }: { rounds?: number } = {}): Promise<Section> {
  const definition = databaseDefinition()
  const bodies = (await recordRequests(30)).map(({ body }) => body)
  const body = (index: number) => bodies[index % bodies.length] ?? ''
  const evaluate = (text: string) => {
    const { request, fault } = checkComposite(definition, false, JSON.parse(text))
    if (fault !== undefined) throw new Error(fault)
    return evaluateComposite(definition, request, { ...environment, now: new Date() })
  }
  const evaluations = bodies.map(evaluate)
  const busy = evaluations.find(({ changes, hold }) => changes.length > 0 || hold !== undefined)
  if (busy !== undefined) throw new Error(`a Database that runs still changes: ${JSON.stringify(busy.changes)}`)
  const responses = evaluations.map(({ response }) => response)
  const answers = responses.map((response) => JSON.stringify(response))
  const tag = tagger('salt', '/hooks/database/sync')
  // A socket gives a body in pieces of 64 KiB at most.
  const pieces = bodies.map((text) => [Buffer.from(text.slice(0, 65_536)), Buffer.from(text.slice(65_536))])
  const measured = await interleave(
    [
      {
        name: 'parse',
        run: (index) => [JSON.parse(body(index)), JSON.stringify(responses[index % responses.length])],
      },
      { name: 'sync', run: (index) => JSON.stringify(evaluate(body(index)).response) },
      { name: 'request', run: (index) => JSON.stringify(JSON.parse(body(index)) as CompositeRequest) },
      { name: 'tag', run: (index) => tag(pieces[index % pieces.length] ?? []) },
    ],
    { rounds, runs: 150, warmUp: 3 },
  )
  const titles = {
    parse: 'JSON.parse of the request, JSON.stringify of the answer',
    request: 'JSON.parse and JSON.stringify of the request',
    sync: 'one sync: parse, check, evaluate, stringify',
    tag: 'not modified (304): the tag of the request',
  }
  const rows = (['parse', 'request', 'sync', 'tag'] as const).map((name) => {
    const { times, cpu } = measured[name]
    const factor = name === 'parse' ? '1' : spread(ratios(measured[name], measured.parse))
    return [titles[name], micro(quantile(times, 0.5)), micro(quantile(times, 0.99)), micro(median(cpu)), factor]
  })
  return {
    name: 'hook',
    about: `One sync of a Database that runs, in process: ${bodies.length} Databases of three engines with every option in use, requests of ${kilobytes(bodies)} with ${childrenOf(bodies)} children, answers of ${kilobytes(answers)}; ${rounds} rounds in turns of 150 runs each. Ratios are of CPU time, the middle half of the rounds in brackets.`,
    tables: [{ title: 'In process', columns: ['', 'p50 µs', 'p99 µs', 'CPU µs', 'ratio'], rows }],
    goals: [
      {
        what: 'CPU of one sync, against JSON.parse of its request and JSON.stringify of its answer',
        value: median(ratios(measured.sync, measured.parse)),
        limit: 2.5,
        unit: '×',
        sense: 'at most',
      },
      {
        what: 'CPU of one sync, against finding by its tag that it is not modified',
        value: median(ratios(measured.sync, measured.tag)),
        limit: 5,
        unit: '×',
        sense: 'at least',
      },
    ],
  }
}

/** `31–48 kB` */
export function kilobytes(texts: readonly string[]): string {
  const sizes = texts.map((text) => Buffer.byteLength(text) / 1000)
  return `${Math.min(...sizes).toFixed(0)}–${Math.max(...sizes).toFixed(0)} kB`
}

/** `9–10` */
export function childrenOf(bodies: readonly string[]): string {
  const counts = bodies.map((body) => {
    const groups = Object.values((JSON.parse(body) as CompositeRequest).children)
    return groups.reduce((sum, group) => sum + Object.keys(group).length, 0)
  })
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  return least === most ? String(least) : `${least}–${most}`
}

function micro(milliseconds: number): string {
  return (milliseconds * 1000).toFixed(0)
}
