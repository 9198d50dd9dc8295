// `npm run bench`: measures and prints tables with ratios and whether the goals are reached.
import { parseArgs } from 'node:util'
import type { FailoverOptions } from './failover.ts'
import { benchHook } from './hook.ts'
import { benchHttp } from './http.ts'
import { benchMemory } from './memory.ts'
import { asJson, asMarkdown, type Section } from './report.ts'
import { type Image, makeImage } from './service.ts'
import { benchStart } from './start.ts'

const help = `npm run bench [-- PART … [--output markdown|json]]

Without a part: hook, http, memory and start, about a minute and a half.

  hook     one sync in process: parse, evaluate, stringify
  http     one sync over HTTP: answered anew, answered 304
  memory   memory and requests per second over 10,000 different parents
  start    cold start to the first answer
  cluster  200 Databases on a real control plane, against a plain client; several minutes
  load     1000 WebApps: until all are ready, drift repaired, an outage; some fifteen minutes
  resync   what an unchanged Database costs each time it is looked at; two minutes
  exporter what being scraped costs PostgreSQL and MySQL in pods; some ten minutes; Linux and root
  flags    Metacontroller's flags: children per second and CPU for each set; several minutes
  databases how long Databases in real pods take until they are Ready, and what an engine does there beside the same one
             bare: half an hour. Linux and root.  --engine=postgresql,mysql  --repeat=5  --only=ready,throughput
  failover how long databases in real pods cannot be written to when something happens to them; hours. Linux and root
             --engine=postgresql,mysql  --only=deleted,frozen  --repeat=5  --members=3  --nodes=2
             --mode=async,sync  --keep=FOLDER for what the client saw in each run
  all      all of these but databases and failover`

interface Arguments {
  readonly engine: string
  readonly only: string
  readonly repeat: string
  readonly members: string
  readonly nodes: string
  readonly mode: string
  readonly keep?: string | undefined
}

const parts: Record<string, (image: () => Promise<Image>, given: Arguments) => Promise<Section>> = {
  hook: () => benchHook(),
  http: async (image) => benchHttp(await image()),
  memory: async (image) => benchMemory(await image()),
  start: async (image) => benchStart(await image()),
  cluster: async (image) => (await import('./cluster.ts')).benchCluster(await image()),
  load: async (image) => (await import('./load.ts')).benchLoad(await image()),
  resync: async (image) => (await import('./resync.ts')).benchResync(await image()),
  exporter: async () => (await import('./exporter.ts')).benchExporter(),
  flags: async (image) => (await import('./flags.ts')).benchFlags(await image()),
  databases: async (_, given) => {
    const { engines, repeat, only } = failoverOptions(given)
    return (await import('./engines.ts')).benchEngines({ engines, repeat, only })
  },
  failover: async (_, given) => (await import('./failover.ts')).benchFailover(failoverOptions(given)),
}
const long = ['databases', 'failover']
const usual = ['hook', 'http', 'memory', 'start']

process.exitCode = await main(process.argv.slice(2))

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      output: { type: 'string', default: 'markdown' },
      engine: { type: 'string', default: 'postgresql,mysql' },
      only: { type: 'string', default: '' },
      repeat: { type: 'string', default: '5' },
      members: { type: 'string', default: '3' },
      nodes: { type: 'string', default: '2' },
      mode: { type: 'string', default: 'async,sync' },
      keep: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const unknown = positionals.find((name) => name !== 'all' && !Object.hasOwn(parts, name))
  if (unknown !== undefined || !['markdown', 'json'].includes(values.output)) {
    const what = unknown === undefined ? `--output=${values.output} is not known` : `there is no part "${unknown}"`
    process.stderr.write(`${what}\n\n${help}\n`)
    return 2
  }
  const chosen = positionals.includes('all')
    ? Object.keys(parts).filter((name) => !long.includes(name))
    : positionals.length > 0
      ? positionals
      : usual
  let made: Promise<Image> | undefined
  const image = () => {
    made ??= makeImage()
    return made
  }
  const sections: Section[] = []
  try {
    for (const name of chosen) {
      process.stderr.write(`${name} …\n`)
      const section = await parts[name]?.(image, values)
      if (section === undefined) continue
      sections.push(section)
      if (values.output === 'markdown') process.stdout.write(`${asMarkdown(section)}\n\n`)
    }
    if (values.output === 'json') process.stdout.write(`${asJson(sections)}\n`)
  } finally {
    ;(await made)?.remove()
  }
  return 0
}

function failoverOptions({ engine, only, repeat, members, nodes, mode, keep }: Arguments): FailoverOptions {
  return {
    engines: chosenOf('engine', engine, ['postgresql', 'mysql']),
    only: only.split(',').filter(Boolean),
    repeat: countOf('repeat', repeat),
    members: countOf('members', members),
    nodes: countOf('nodes', nodes),
    modes: chosenOf('mode', mode, ['async', 'sync']),
    keep,
  }
}

function chosenOf<Name extends string>(flag: string, text: string, known: readonly Name[]): Name[] {
  return text.split(',').map((word) => {
    const found = known.find((name) => name === word)
    if (found === undefined) throw new Error(`--${flag}: "${word}" is none of ${known.join(', ')}`)
    return found
  })
}

function countOf(flag: string, text: string): number {
  if (!/^[1-9][0-9]?$/.test(text)) throw new Error(`--${flag}=${text}: a number from 1 to 99 is wanted`)
  return Number(text)
}
