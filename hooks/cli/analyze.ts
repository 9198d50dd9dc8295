// operator-hooks analyze: asks Prometheus, and says by its exit code whether the answers are as they should be. A WebApp's
// analysis Jobs run it (docs/rollouts.md); by hand it tries a query out before a rollout depends on it.
import * as z from 'zod'
import { describeProblems, parse } from '../sdk/schema.ts'
import { type Manual, readDuration, runCommand, usageError } from './command.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. It knows no kinds, so that a Job's pod starts fast. */
export function run(args: string[]): Promise<number> {
  return analyze(args, processShell([]))
}

/** An answer could not be had, or there was none: asking again may help. */
const undetermined = 3

const manual = {
  name: 'analyze',
  summary: 'Asks Prometheus and says whether the answers lie where they should.',
  usage: '--address URL --query PROMQL [--min NUMBER] [--max NUMBER] | --metric JSON [--metric JSON …]',
  flags: {
    address: { type: 'string', value: 'URL', help: 'the Prometheus, such as http://prometheus.monitoring.svc:9090' },
    query: { type: 'string', value: 'PROMQL', help: 'what is asked: one number, or one for each of some series' },
    min: { type: 'string', value: 'NUMBER', help: 'least that is good' },
    max: { type: 'string', value: 'NUMBER', help: 'most that is good' },
    metric: {
      type: 'string',
      multiple: true,
      value: 'JSON',
      help: 'all of it in one, for several: {"name", "address", "query", "min", "max"}',
    },
    timeout: { type: 'string', default: '10s', value: 'TIME', help: 'how long an answer may take' },
  },
  notes: [
    'Exit codes: 0 every answer is good; 1 at least one is not; 2 usage; 3 an answer could not be had, or had no number.',
    'PROMETHEUS_TOKEN in the environment is sent as a bearer token; it never shows in what is printed.',
  ],
} as const satisfies Manual

const metricSchema = z
  .strictObject({
    name: z.string().min(1).default('query'),
    address: z.url({ protocol: /^https?$/ }),
    query: z.string().min(1),
    min: z.number().optional(),
    max: z.number().optional(),
  })
  .refine(({ min, max }) => min !== undefined || max !== undefined, { message: 'give min, max or both' })

type Metric = z.output<typeof metricSchema>

/** Runs the command in a given shell; `token` is the bearer token. */
export function analyze(args: readonly string[], shell: Shell, token = process.env.PROMETHEUS_TOKEN): Promise<number> {
  return runCommand(manual, args, shell, async ({ metric, timeout, ...one }) => {
    const seconds = readDuration('--timeout', timeout)
    const single = one.address ?? one.query ?? one.min ?? one.max
    if ((single !== undefined) === metric.length > 0) {
      throw usageError('ask by --address and --query, or by --metric; one of the two')
    }
    const metrics = single === undefined ? metric.map(readJson) : [readFlags(one)]
    const results = await Promise.all(metrics.map((each) => ask(each, seconds, token)))
    for (const { good, text } of results) {
      const { green, red } = shell.paint
      shell.out(`${good ? green('✓') : red('✗')} ${text}`)
    }
    if (results.some(({ good }) => good === false)) return exitCodes.failure
    return results.every(({ good }) => good) ? exitCodes.ok : undetermined
  })
}

function readJson(text: string): Metric {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw usageError(`--metric takes JSON, not ${JSON.stringify(text)}`)
  }
  return checked(value, '--metric')
}

function readFlags({
  address,
  query,
  min,
  max,
}: Record<'address' | 'query' | 'min' | 'max', string | undefined>): Metric {
  const number = (flag: string, text: string | undefined) => {
    if (text === undefined) return undefined
    if (text.trim() === '' || !Number.isFinite(Number(text)))
      throw usageError(`--${flag} takes a number, not "${text}"`)
    return Number(text)
  }
  return checked({ address, query, min: number('min', min), max: number('max', max) }, 'flags')
}

function checked(value: unknown, source: string): Metric {
  const { value: metric, problems } = parse(metricSchema, value, source)
  if (problems !== undefined) throw usageError(describeProblems(problems))
  return metric
}

/** `good` is undefined when nothing can be said. */
interface Result {
  good: boolean | undefined
  text: string
}

async function ask(metric: Metric, seconds: number, token: string | undefined): Promise<Result> {
  const { name } = metric
  const answer = await fetchAnswer(metric, seconds, token).catch((error: unknown) => ({ fault: messageOf(error) }))
  if ('fault' in answer) return { good: undefined, text: `${name}: ${answer.fault}` }
  const { values } = answer
  if (values.length === 0) return { good: undefined, text: `${name}: no data` }
  const bounds = boundsOf(metric)
  const unknown = values.find((value) => Number.isNaN(value))
  if (unknown !== undefined) return { good: undefined, text: `${name}: not a number, and should be ${bounds}` }
  const bad = values.find((value) => value < (metric.min ?? -Infinity) || value > (metric.max ?? Infinity))
  return bad === undefined
    ? { good: true, text: `${name}: ${values.join(', ')} is ${bounds}` }
    : { good: false, text: `${name}: ${bad} is not ${bounds}` }
}

function boundsOf({ min, max }: Metric): string {
  if (min === undefined) return `at most ${max}`
  return max === undefined ? `at least ${min}` : `between ${min} and ${max}`
}

// https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
const answerSchema = z.union([
  z.object({
    status: z.literal('success'),
    data: z.union([
      z.object({ resultType: z.literal('scalar'), result: z.tuple([z.number(), z.string()]) }),
      z.object({
        resultType: z.literal('vector'),
        result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })),
      }),
    ]),
  }),
  z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() }),
])

async function fetchAnswer({ address, query }: Metric, seconds: number, token: string | undefined) {
  const response = await fetch(`${address.replace(/\/+$/, '')}/api/v1/query`, {
    method: 'POST',
    headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: new URLSearchParams({ query }),
    signal: AbortSignal.timeout(seconds * 1000),
  })
  const body: unknown = await response.json().catch(() => undefined)
  const answer = answerSchema.safeParse(body)
  if (!answer.success) return { fault: `${address} answered ${response.status}, and not with numbers` }
  if (answer.data.status === 'error') return { fault: `${answer.data.errorType}: ${answer.data.error}` }
  const { data } = answer.data
  const texts = data.resultType === 'scalar' ? [data.result[1]] : data.result.map(({ value }) => value[1])
  return { values: texts.map(numberOf) }
}

/** As Prometheus writes numbers: 0.5, 1e-7, +Inf, -Inf, NaN. */
function numberOf(text: string): number {
  if (/^[+-]?Inf$/.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  return text.trim() === '' ? Number.NaN : Number(text)
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  return error.cause instanceof Error ? error.cause.message || String(Reflect.get(error.cause, 'code')) : error.message
}
