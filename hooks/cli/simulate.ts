// operator-hooks simulate: what becomes of a resource in a cluster, told as a timeline, with failures if one wants them.
import { definitions } from '../kinds/index.ts'
import type { KubernetesObject, ObjectReference } from '../sdk/kubernetes.ts'
import { createSimulator, isApiError, type Simulator } from '../simulator/index.ts'
import type { PodBehaviour } from '../simulator/standins/index.ts'
import { inputError, type Manual, oneOf, readDuration, runCommand, usageError } from './command.ts'
import { describePlace, readSources, type SourceObject } from './documents.ts'
import { filenameFlag, reportFlag } from './flags.ts'
import { installationOf } from './installation.ts'
import { credentialsFromFile } from './keys.ts'
import { standInCredentials } from './passwords.ts'
import { pictureOf, stateOf } from './picture.ts'
import { brief, describeDifference, drawTree } from './present.ts'
import { createRecorder } from './recordings.ts'
import { referenceTo } from './references.ts'
import { tellProblems } from './render.ts'
import { exitCodes, type Paint, processShell, type Shell } from './shell.ts'
import { type Happening, happeningOf } from './story.ts'
import { didYouMean } from './suggest.ts'
import { type Subject, sortSources, titleOf } from './suite.ts'
import { inProcessTransport } from './transport.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return simulate(args, processShell(definitions))
}

const behaviours: readonly PodBehaviour[] = ['run', 'stay-pending', 'crash', 'never-ready', 'succeed', 'fail']

const manual = {
  name: 'simulate',
  summary: 'Applies resources to a simulated cluster and tells what happens.',
  usage: '-f FILE [-f FILE …] [--for 10m] [flags]',
  flags: {
    filename: filenameFlag,
    namespace: { type: 'string', short: 'n', default: 'default', value: 'NAME', help: 'for resources that name none' },
    for: { type: 'string', default: '10m', value: 'TIME', help: "how much of the cluster's time to go through" },
    at: { type: 'string', multiple: true, value: 'TIME=ACTION', help: 'later: apply:FILE, scale:N or delete' },
    fail: {
      type: 'string',
      multiple: true,
      value: 'WHAT=HOW',
      help: `how pods behave: pod=HOW for all, or Kind/name=HOW (name may end in *); HOW is ${oneOf(behaviours)}`,
    },
    record: { type: 'string', value: 'FOLDER', help: 'write every hook request and its answer there, for replay' },
    output: reportFlag,
    'credential-keys-file': { type: 'string', value: 'FILE', help: "the service's keys; stand-ins otherwise" },
    'image-registry': { type: 'string', default: '', value: 'PREFIX', help: 'for images that name no registry' },
  },
  notes: [
    [
      'Exit codes: 0 every resource is ready in the end (or gone, if it was deleted); 1 one is not, or was refused;',
      '2 usage.',
    ].join('\n'),
    [
      'For instance, a replica that never comes up, and a backup that fails at night:',
      '  operator-hooks simulate -f db.yaml --at 2m=scale:3 --fail StatefulSet/db=never-ready',
      "  operator-hooks simulate -f db.yaml --for 1d --fail 'Job/db-backup*=fail'",
    ].join('\n'),
  ],
} as const satisfies Manual

/** Something to do at a time. */
interface Step {
  readonly seconds: number
  readonly title: string
  run(simulator: Simulator): Promise<void>
}

/** A happening, and when: seconds since the start. */
type Entry = { readonly at: number } & Happening

/** Runs the command in a given shell. */
export function simulate(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async (values) => {
    if (values.filename.length === 0) throw usageError('which resource? Give its file with -f')
    const seconds = readDuration('--for', values.for)
    const failures = values.fail.map(readFailure)
    const sources = await readSources(values.filename, shell)
    const { subjects, others } = sortSources(sources, shell.definitions, values.namespace)
    if (tellProblems(subjects, shell)) return exitCodes.failure
    const later = await Promise.all(values.at.map((text) => readStep(text, subjects, values.namespace, shell)))
    const file = values['credential-keys-file']
    const credentials = file === undefined ? standInCredentials() : await credentialsFromFile(file)
    const settings = { imageRegistry: values['image-registry'] }
    const recorder = values.record === undefined ? undefined : await createRecorder(values.record)
    const recorded: Promise<void>[] = []
    const simulator: Simulator = createSimulator({
      transport: inProcessTransport(
        shell.definitions,
        () => ({ now: new Date(simulator.clock.now()), credentials, settings }),
        ({ parent, response }, asked) => {
          const { name = '' } = parent.metadata
          if (recorder !== undefined)
            recorded.push(recorder({ ...asked, now: simulator.clock.stamp(), response, name }))
        },
      ),
    })
    try {
      const start = simulator.clock.now()
      const timeline: Entry[] = []
      const tell = values.output === 'text' ? (entry: Entry) => tellEntry(entry, shell) : () => {}
      const record = (happening: Happening) => {
        const entry = { at: Math.round((simulator.clock.now() - start) / 100) / 10, ...happening }
        timeline.push(entry)
        tell(entry)
      }
      for (const object of installationOf(shell.definitions, 'http://hooks')) await simulator.apply(object)
      await prepare(simulator, subjects, others, failures)
      await simulator.pass(0)
      simulator.store.onWrite((write) => {
        const happening = happeningOf(write)
        if (happening !== undefined && !isOfCluster(write.reference)) record(happening)
      })
      const steps = [...subjects.map(firstStep), ...later.sort((one, other) => one.seconds - other.seconds)]
      for (const step of steps) {
        await simulator.pass(step.seconds - (simulator.clock.now() - start) / 1000)
        record({ what: 'progress', subject: step.title, text: '', fields: [] })
        await step.run(simulator)
      }
      await simulator.pass(Math.max(0, seconds - (simulator.clock.now() - start) / 1000))
      await Promise.all(recorded)
      return await conclude(simulator, subjects, timeline, values.output, shell)
    } finally {
      simulator.stop()
    }
  })
}

/** What is there before the resources come: their namespaces, and whatever else the files hold. */
async function prepare(
  simulator: Simulator,
  subjects: readonly Subject[],
  others: readonly KubernetesObject[],
  failures: readonly Failure[],
): Promise<void> {
  const objects = [...subjects.map(({ object }) => object), ...others]
  const namespaces = new Set(objects.flatMap(({ metadata: { namespace } }) => namespace ?? []))
  for (const name of namespaces) await simulator.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  for (const object of others) await simulator.apply(object)
  for (const { kinds, name, behaviour } of failures) {
    for (const kind of kinds)
      for (const namespace of namespaces) await simulator.behave({ kind, namespace, name }, behaviour)
  }
}

async function conclude(
  simulator: Simulator,
  subjects: readonly Subject[],
  timeline: readonly Entry[],
  output: string,
  shell: Shell,
): Promise<number> {
  const objects = simulator.store.all()
  const parents = await Promise.all(subjects.map(({ object }) => simulator.get(referenceTo(object))))
  const there = parents.filter((parent) => parent !== undefined)
  const ready = there.every((parent) => stateOf(parent).good !== false)
  if (output === 'json') {
    const resources = subjects.map(({ object }, index) => {
      const parent = parents[index]
      const own = objects.filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ uid }) => uid === parent?.metadata.uid),
      )
      const children = own.map((child) => ({ ...referenceTo(child), state: stateOf(child).text }))
      return { ...referenceTo(object), exists: parent !== undefined, status: parent?.status, children }
    })
    shell.out(JSON.stringify({ timeline, resources, ready }, undefined, 2))
  } else {
    shell.out('')
    for (const { object } of subjects.filter((_, index) => parents[index] === undefined)) {
      shell.out(`${titleOf(object)} ${shell.paint.dim('is gone')}`)
    }
    for (const line of drawTree(pictureOf(there, objects, shell.paint), shell.paint)) shell.out(line)
  }
  return ready ? exitCodes.ok : exitCodes.failure
}

function tellEntry({ at, what, subject, text, fields }: Entry, { out, paint }: Shell): void {
  const signs = {
    created: paint.green('+'),
    changed: paint.yellow('~'),
    removed: paint.red('-'),
    progress: paint.cyan('•'),
    failure: paint.red('✗'),
    status: paint.bold('●'),
  }
  const told = fields.length === 1 && fields[0] !== undefined ? oneLine(fields[0], paint) : ''
  out(`${paint.dim(clockOf(at).padStart(8))} ${signs[what]} ${paint.bold(subject)} ${text}${told}`.trimEnd())
  if (told !== '') return
  for (const line of fields.flatMap((field) => describeDifference(field, paint))) out(`${' '.repeat(13)}${line}`)
}

function oneLine(field: Happening['fields'][number], paint: Paint): string {
  const lines = describeDifference(field, paint)
  return lines.length === 1 ? `: ${lines[0]}` : ''
}

/** `2:05`, `1:00:00`, `2d 01:00:00`. */
function clockOf(seconds: number): string {
  const whole = Math.floor(seconds)
  const two = (number: number) => String(number).padStart(2, '0')
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60]
  const rest = two(whole % 60)
  if (days > 0) return `${days}d ${two(hours)}:${two(minutes)}:${rest}`
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`
}

/** What a cluster does for itself is no part of the story. */
function isOfCluster({ kind, name }: ObjectReference): boolean {
  return (
    [
      'Namespace',
      'CustomResourceDefinition',
      'CompositeController',
      'DecoratorController',
      'ControllerRevision',
    ].includes(kind) || name === 'kube-root-ca.crt'
  )
}

function firstStep({ object, source }: Subject): Step {
  return applyStep(0, object, source)
}

function applyStep(seconds: number, object: KubernetesObject, source: SourceObject): Step {
  return {
    seconds,
    title: `kubectl apply ${titleOf(object)}`,
    async run(simulator) {
      try {
        await simulator.apply(object)
      } catch (error) {
        if (!isApiError(error)) throw error
        const [cause] = error.causes
        throw inputError(describePlace(source.place(cause?.field ?? ''), error.message))
      }
    },
  }
}

async function readStep(text: string, subjects: readonly Subject[], namespace: string, shell: Shell): Promise<Step> {
  const [time = '', action = ''] = text.split(/=(.*)/s)
  const [verb, argument = ''] = action.split(/:(.*)/s)
  const seconds = readDuration('--at', time)
  if (verb === 'delete' && argument === '') {
    return { seconds, title: 'kubectl delete', run: (simulator) => onEach(subjects, (one) => simulator.delete(one)) }
  }
  if (verb === 'scale' && /^\d+$/.test(argument)) {
    const patch = { spec: { replicas: Number(argument) } }
    const run = (simulator: Simulator) => onEach(subjects, (one) => simulator.patch(one, patch, 'scale'))
    return { seconds, title: `kubectl scale --replicas=${argument}`, run }
  }
  if (verb === 'apply' && argument !== '') {
    const changed = sortSources(await readSources([argument], shell), shell.definitions, namespace)
    if (tellProblems(changed.subjects, shell)) throw inputError(`--at ${text}: the file above is refused`)
    const steps = changed.subjects.map(({ object, source }) => applyStep(seconds, object, source))
    const title = steps.map((step) => step.title).join(', ')
    return {
      seconds,
      title,
      run: async (simulator) => {
        for (const step of steps) await step.run(simulator)
      },
    }
  }
  throw usageError(`--at takes a time and apply:FILE, scale:N or delete, such as 2m=scale:3, not ${brief(text)}`)
}

async function onEach(subjects: readonly Subject[], action: (one: ObjectReference) => Promise<unknown>): Promise<void> {
  for (const { object } of subjects) {
    try {
      await action(referenceTo(object))
    } catch (error) {
      if (!isApiError(error)) throw error
      throw inputError(`${titleOf(object)}: ${error.message}`)
    }
  }
}

interface Failure {
  readonly kinds: readonly string[]
  readonly name: string
  readonly behaviour: PodBehaviour
}

const workloads = ['StatefulSet', 'Deployment', 'Job']

function readFailure(text: string): Failure {
  const [what = '', how = ''] = text.split('=')
  const behaviour = behaviours.find((known) => known === how)
  if (behaviour === undefined) {
    throw usageError(
      `--fail ${text}: "${how}" is no behaviour of a pod: there is ${oneOf(behaviours)}${didYouMean(how, behaviours)}`,
    )
  }
  if (/^pods?$/i.test(what)) return { kinds: workloads, name: '*', behaviour }
  const [kind = '', name = '*'] = what.split('/')
  if (!workloads.includes(kind)) {
    throw usageError(
      `--fail ${text}: takes pod, or ${oneOf(workloads)} and a name, such as StatefulSet/db${didYouMean(kind, workloads)}`,
    )
  }
  return { kinds: [kind], name, behaviour }
}
