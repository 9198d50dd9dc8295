// operator-hooks agent: runs beside a member of a replicated Database, in its pod, and is no part of the hook service.
import { type MakeAgent, required } from '../agent/agent.ts'
import { runLoop } from '../agent/main.ts'
import { apiAccess, podsOf } from '../agent/pod.ts'
import { isFull, roomIn } from '../agent/volume.ts'
import { createLogger } from '../server/logger.ts'
import { inputError, type Manual, oneOf, runCommand, usageError } from './command.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'
import { didYouMean } from './suggest.ts'

/** Runs the command in this process's own terminal. It knows no kinds. */
export async function run(args: string[]): Promise<number> {
  const code = await agent(args, processShell([]))
  // What it was just about to do ends with it: the engine has ended before.
  process.exit(code)
}

// Each is a client of one engine, which nothing else loads.
const engines: Record<string, () => Promise<{ makeAgent: MakeAgent }>> = {
  mongodb: () => import('../agent/mongodb/agent.ts'),
  mysql: () => import('../agent/mysql/agent.ts'),
}

const manual = {
  name: 'agent',
  summary: "Keeps a member of a replicated Database in its group, and its pod's label true.",
  usage: `${Object.keys(engines).join('|')} [flags]`,
  positionals: 'ENGINE',
  flags: {
    period: { type: 'string', default: '500', value: 'MS', help: 'milliseconds between two looks at the member' },
    patience: {
      type: 'string',
      default: '3000',
      value: 'MS',
      help: 'milliseconds after which a member that does not answer loses its role',
    },
  },
  notes: [
    'It runs as a sidecar in the pods of a Database and reads POD_NAME, POD_NAMESPACE, DATA_FOLDER and what its engine needs from',
    'the environment. It ends with SIGTERM.',
  ],
} as const satisfies Manual

/** Runs the command in a given shell until the process is told to end. */
export function agent(args: readonly string[], shell: Shell, env = process.env): Promise<number> {
  return runCommand(manual, args, shell, async ({ period, patience }, [name, ...more]) => {
    const load = name !== undefined && Object.hasOwn(engines, name) ? engines[name] : undefined
    if (load === undefined || more.length > 0) {
      const known = Object.keys(engines)
      const given = [name, ...more].filter((word) => word !== undefined).join(' ')
      throw usageError(`one engine is wanted, ${oneOf(known)}, not "${given}"${didYouMean(given, known)}`)
    }
    const times = { period: milliseconds('--period', period), patience: milliseconds('--patience', patience) }
    const logger = createLogger('info')
    const { makeAgent } = await load()
    const made = fit(() => {
      const folder = required(env, 'DATA_FOLDER')
      return {
        agent: makeAgent({ env, logger }),
        pods: podsOf(apiAccess(env)),
        isFull: async (before: boolean) => isFull(await roomIn(folder), before),
      }
    })
    const end = new AbortController()
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => end.abort())
    await runLoop({ ...made, ...times, logger, signal: end.signal })
    return exitCodes.ok
  })
}

function milliseconds(flag: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 50 || value > 60_000) {
    throw usageError(`${flag} takes whole milliseconds from 50 to 60000, not "${text}"`)
  }
  return value
}

function fit<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw inputError(error instanceof Error ? error.message : String(error))
  }
}
