// operator-hooks demo: the real hook service with a cluster around it, and a tour of what it does.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { readSamples } from '../generate/samples.ts'
import { definitions } from '../kinds/index.ts'
import type { Definition } from '../sdk/definition.ts'
import type { KubernetesObject, ObjectType } from '../sdk/kubernetes.ts'
import { groupKey } from '../sdk/observed.ts'
import { inputError, type Manual, runCommand, usageError } from './command.ts'
import { controlPlane, type Place, simulated } from './demo/place.ts'
import { createScreen } from './demo/screen.ts'
import { interruption, isInterruption, type Step, tour } from './demo/tour.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return demo(args, processShell(definitions))
}

const manual = {
  name: 'demo',
  summary: 'Starts the hook service with a cluster around it, and shows what it does.',
  usage: '[flags]',
  flags: {
    port: {
      type: 'string',
      default: '8080',
      value: 'PORT',
      help: 'port of the hook service on 127.0.0.1; 0 takes a free one',
    },
    stay: { type: 'boolean', help: 'go on after the tour without a terminal too, until a signal comes' },
    cluster: {
      type: 'boolean',
      help: 'on a real control plane (built once, which takes minutes) instead of the simulator',
    },
  },
  notes: [
    'At a terminal it stays until Ctrl-C, to be asked with curl and kubectl; elsewhere it ends after the tour.',
    'Exit codes: 0 every step of the tour happened; 1 one did not, or the port is taken; 2 usage; 130 interrupted.',
  ],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function demo(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ port: portText, cluster: real, stay }) => {
    const port = Number(portText)
    if (!/^\d+$/.test(portText) || port > 65535)
      throw usageError(`--port takes a number from 0 to 65535, not "${portText}"`)
    const samples = samplesOf(shell.definitions)
    const interrupted = interrupts()
    try {
      shell.err(
        shell.paintError.dim(
          real ? 'Starting a control plane …' : 'Starting the hook service and a simulated cluster …',
        ),
      )
      const place = real
        ? await controlPlane(root, shell.definitions, port, samples)
        : await simulated(shell.definitions, port, shell.interactive)
      try {
        if (interrupted.signal.aborted) return interruptedCode
        return await show(place, samples, stay || shell.interactive, interrupted.signal, shell)
      } finally {
        await place.stop()
      }
    } finally {
      interrupted.end()
    }
  })
}

const interruptedCode = 130
const root = join(import.meta.dirname, '..', '..')

async function show(
  place: Place,
  samples: readonly KubernetesObject[],
  stay: boolean,
  signal: AbortSignal,
  shell: Shell,
): Promise<number> {
  const { paint } = shell
  const screen = createScreen(shell)
  screen.tell(`${paint.bold('operator-hooks')} answers ${place.metacontroller} at ${paint.cyan(place.url)}`)
  screen.tell('')
  let steps: readonly Step[]
  try {
    steps = await tour({
      cluster: place.cluster,
      samples,
      childTypes: childTypesOf(shell.definitions, samples),
      screen,
      paint,
      stepSeconds: place.pace.stepSeconds,
      now: place.now,
      async rest() {
        if (shell.interactive) await wait(place.pace.restMilliseconds)
        // A signal is heard only when the event loop comes round.
        await wait(0)
        if (signal.aborted) throw interruption()
      },
    })
  } catch (error) {
    if (!isInterruption(error)) throw error
    return interruptedCode
  } finally {
    screen.end()
  }
  const failed = steps.filter(({ done }) => !done)
  shell.out('')
  for (const line of curlCommands(place.url, samples)) shell.out(line)
  if (!stay) return failed.length === 0 ? exitCodes.ok : exitCodes.failure
  shell.out('')
  shell.out(place.hint)
  shell.out(paint.dim('Ctrl-C ends it.'))
  await goOn(place, signal)
  return failed.length === 0 ? exitCodes.ok : exitCodes.failure
}

/** The cluster goes on, a second a second. */
async function goOn({ cluster }: Place, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await wait(1000, undefined, { signal }).catch(() => undefined)
    if (!signal.aborted) await cluster.pass(1)
  }
}

/** The samples that the tour tells of. */
const told: Readonly<Record<string, readonly string[]>> = {
  Database: ['test-postgres', 'events', 'orders'],
  WebApp: ['sample-app'],
}

function samplesOf(known: readonly Definition[]): KubernetesObject[] {
  const folder = join(root, 'hooks', 'kinds')
  if (!existsSync(folder))
    throw inputError('the demo needs a checkout of the repository: its samples are in hooks/kinds')
  const samples = readSamples(folder)
  const kinds = known.flatMap((definition) => (definition.controller === 'composite' ? [definition.kind] : []))
  return kinds.flatMap((kind) =>
    (told[kind] ?? []).map((name) => {
      const sample = samples.find(({ object }) => object.kind === kind && object.metadata.name === name)
      if (sample === undefined) throw inputError(`${folder} has no sample ${kind}/${name}`)
      return sample.object
    }),
  )
}

function childTypesOf(known: readonly Definition[], samples: readonly KubernetesObject[]): readonly ObjectType[] {
  const kinds = new Set(samples.map(({ kind }) => kind))
  const types = known.flatMap((definition) =>
    definition.controller === 'composite' && kinds.has(definition.kind) ? definition.children : [],
  )
  return [...new Map(types.map((type) => [groupKey(type), type])).values()]
}

/** Three commands that work as they stand, in the folder that the demo was started in. */
function curlCommands(url: string, [sample]: readonly KubernetesObject[]): string[] {
  const kind = sample?.kind.toLowerCase() ?? ''
  const payloads = ['sync-new', 'sync-running', 'finalize'].flatMap((name) => {
    const file = join(root, 'test', 'fixtures', kind, `${name}.json`)
    return existsSync(file) ? [{ file: relative(process.cwd(), file), hook: name.replace(/-.*/, '') }] : []
  })
  const commands = payloads.map(
    ({ file, hook }) =>
      `  curl --silent --header 'content-type: application/json' --data @${file} ${url}/hooks/${kind}/${hook}`,
  )
  return commands.length === 0 ? [] : ['Ask a hook yourself:', ...commands]
}

/** Ctrl-C and SIGTERM, until `end`. A second one ends at once, as it would without us. */
function interrupts(): { signal: AbortSignal; end(): void } {
  const controller = new AbortController()
  const abort = () => {
    end()
    controller.abort()
  }
  const end = () => {
    process.off('SIGINT', abort)
    process.off('SIGTERM', abort)
  }
  process.on('SIGINT', abort)
  process.on('SIGTERM', abort)
  return { signal: controller.signal, end }
}
