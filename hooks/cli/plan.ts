// operator-hooks plan: what applying a resource would do to a cluster, before it is applied.
import { definitions } from '../kinds/index.ts'
import type { KubernetesObject, ObjectReference } from '../sdk/kubernetes.ts'
import { connect } from './cluster.ts'
import { inputError, type Manual, runCommand, usageError } from './command.ts'
import { describePlace, readSources } from './documents.ts'
import { contextFlag, filenameFlag, kubeconfigFlag, reportFlag } from './flags.ts'
import { type ChildForecast, type Forecast, type ForecastOptions, forecast } from './forecast.ts'
import { credentialsFromFile } from './keys.ts'
import { observeSubjects } from './observe.ts'
import { describeDifference } from './present.ts'
import { exitCodes, type Paint, processShell, type Shell } from './shell.ts'
import { describeProblem, findProblems, placeOf, type Subject, sortSources } from './suite.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return plan(args, processShell(definitions))
}

/** With --detailed-exitcode, as `terraform plan` has it: 2 says that there is something to do. */
const somethingToDo = 2

const manual = {
  name: 'plan',
  summary: 'Shows what applying resources would create, change and remove. Nothing is written.',
  usage: '-f FILE [-f FILE …] [--observed FILE | --kubeconfig FILE --context NAME] [flags]',
  flags: {
    filename: filenameFlag,
    observed: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: 'objects that exist, as kubectl get -o yaml prints them, instead of a cluster; /dev/null: none',
    },
    kubeconfig: kubeconfigFlag,
    context: contextFlag,
    namespace: {
      type: 'string',
      short: 'n',
      value: 'NAME',
      help: "for resources that name none; default the context's, then default",
    },
    output: reportFlag,
    'detailed-exitcode': {
      type: 'boolean',
      help: 'exit with 2 when there is something to do, and with 1 for every error',
    },
    'credential-keys-file': {
      type: 'string',
      value: 'FILE',
      help: "the service's keys; without them passwords are taken from the Secrets that exist",
    },
    'image-registry': { type: 'string', default: '', value: 'PREFIX', help: "the service's --image-registry" },
  },
  notes: [
    [
      'Exit codes: 0 applying works; 1 the API server would refuse it, the kind would hold, or a child cannot be',
      'changed; 2 usage. With --detailed-exitcode, as in terraform: 0 nothing to do, 1 an error of any kind, 2 something to do.',
    ].join('\n'),
    'What Secrets hold is never shown.',
  ],
} as const satisfies Manual

/** Runs the command in a given shell. */
export async function plan(args: readonly string[], shell: Shell): Promise<number> {
  const detailed = args.includes('--detailed-exitcode')
  let changes = false
  const code = await runCommand(manual, args, shell, async (values) => {
    if (values.filename.length === 0) throw usageError('which resource? Give its file with -f')
    if (values.observed.length > 0 && (values.kubeconfig ?? values.context) !== undefined) {
      throw usageError('--observed takes the place of a cluster: leave out --kubeconfig and --context')
    }
    const reader = values.observed.length > 0 ? undefined : await connect(values.kubeconfig, values.context)
    const sources = await readSources(values.filename, shell)
    const { subjects, others } = sortSources(sources, shell.definitions, values.namespace ?? reader?.namespace)
    const problems = subjects.flatMap((subject) => findProblems(subject).map((problem) => ({ subject, problem })))
    if (problems.length > 0) {
      for (const { subject, problem } of problems) shell.err(describeProblem(subject, problem, shell.paintError))
      if (values.output === 'json') {
        const refused = problems.map(({ subject, problem }) => {
          const { file, line, column } = placeOf(subject, problem)
          return { ...problem, file, line, column }
        })
        shell.out(JSON.stringify({ refused, plans: [] }, undefined, 2))
      }
      return exitCodes.failure
    }
    const file = values['credential-keys-file']
    const options: Omit<ForecastOptions, 'observed'> = {
      definitions: shell.definitions,
      subjects,
      others,
      settings: { imageRegistry: values['image-registry'] },
      now: new Date(),
      ...(file === undefined ? {} : { credentials: await credentialsFromFile(file) }),
    }
    const observed =
      reader === undefined
        ? (await readSources(values.observed, shell)).map(({ object }) => object)
        : await observeSubjects(reader, options)
    refuseOrphans(subjects, observed)
    const plans = await forecast({ ...options, observed })
    if (values.output === 'json') shell.out(JSON.stringify({ plans }, undefined, 2))
    else tell(plans, subjects, shell)
    if (plans.some(isFailure)) return exitCodes.failure
    changes = plans.some(isChange)
    return exitCodes.ok
  })
  if (!detailed) return code
  // A pipeline must not take a mistyped flag for a plan with changes.
  if (code === exitCodes.usage) return exitCodes.failure
  return code === exitCodes.ok && changes ? somethingToDo : code
}

function isFailure({ refused, held, children, errors }: Forecast): boolean {
  return (
    refused !== undefined ||
    held !== undefined ||
    errors.length > 0 ||
    children.some(({ action }) => action === 'blocked')
  )
}

function isChange({ action, children }: Forecast): boolean {
  return action !== 'none' || children.length > 0
}

/** Children without their parent would be taken for somebody else's. */
function refuseOrphans(subjects: readonly Subject[], observed: readonly KubernetesObject[]): void {
  for (const { object } of subjects) {
    const { name, namespace } = object.metadata
    const isParent = (other: { kind: string; metadata: KubernetesObject['metadata'] }) =>
      other.kind === object.kind && other.metadata.name === name && other.metadata.namespace === namespace
    if (observed.some(isParent)) continue
    const child = observed.find((other) =>
      other.metadata.ownerReferences?.some((owner) => owner.kind === object.kind && owner.name === name),
    )
    if (child === undefined) continue
    const { kind, metadata } = child
    throw inputError(
      `--observed has ${kind} ${metadata.name} of ${object.kind} ${name}, but not ${object.kind} ${name} itself`,
    )
  }
}

function tell(plans: readonly Forecast[], subjects: readonly Subject[], shell: Shell): void {
  plans.forEach((one, index) => {
    const subject = subjects[index]
    if (subject !== undefined) tellOne(one, subject, shell)
  })
  const { bold } = shell.paint
  shell.out(bold(totals(plans)))
}

function tellOne(one: Forecast, { source }: Subject, shell: Shell): void {
  const { paint } = shell
  const indent = (lines: readonly string[], depth: number) => lines.map((line) => `${' '.repeat(depth)}${line}`)
  const words = {
    create: paint.green('is created'),
    change: paint.yellow('changes'),
    none: paint.dim('stays as it is'),
  }
  const refused = one.refused === undefined ? undefined : paint.red('is refused')
  shell.out(`${paint.bold(titleOf(one.parent))} ${refused ?? words[one.action]}`)
  for (const line of indent(
    one.fields.flatMap((field) => describeDifference(field, paint)),
    4,
  ))
    shell.out(line)
  if (one.refused !== undefined) {
    for (const { field, message } of one.refused.causes) {
      const what = field === '' ? message : `${field}: ${message}`
      shell.err(describePlace(source.place(field), `${shell.paintError.red('error:')} ${what}`))
    }
    if (one.refused.causes.length === 0) shell.err(`${shell.paintError.red('error:')} ${one.refused.message}`)
  }
  if (one.held !== undefined) {
    shell.out(`  ${paint.red('✗ held')}: ${one.held.reason}: ${one.held.message}`)
    shell.out(`    ${paint.dim('all of its children stay as they were last applied')}`)
  }
  for (const child of one.children) for (const line of indent(describeChild(child, paint), 2)) shell.out(line)
  if (one.unchanged > 0)
    shell.out(
      `  ${paint.dim(`= ${one.unchanged} ${one.unchanged === 1 ? 'child stays' : 'children stay'} as they are`)}`,
    )
  for (const text of one.errors) shell.out(`  ${paint.red('✗')} ${text}`)
  shell.out('')
}

function describeChild(child: ChildForecast, paint: Paint): string[] {
  const signs = {
    create: paint.green('+'),
    change: paint.yellow('~'),
    replace: paint.red('±'),
    remove: paint.red('-'),
    blocked: paint.red('✗'),
  }
  const words = {
    create: 'is created',
    change: 'changes',
    replace: 'is deleted and made again',
    remove: child.kind === 'PersistentVolumeClaim' ? `is removed${paint.red(', with its data')}` : 'is removed',
    blocked: `cannot be brought there: ${child.reason}`,
  }
  const remarks = [
    ...(child.restartsPods ? [paint.red(child.action === 'remove' ? 'its pods go' : 'restarts its pods')] : []),
    ...(child.drift ? [paint.cyan('repairs what somebody else changed')] : []),
  ]
  const remark = remarks.length === 0 ? '' : `: ${remarks.join(', ')}`
  return [
    `${signs[child.action]} ${paint.bold(`${child.kind}/${child.name}`)} ${words[child.action]}${remark}`,
    ...child.fields.flatMap((field) => describeDifference(field, paint)).map((line) => `    ${line}`),
  ]
}

function totals(plans: readonly Forecast[]): string {
  const children = plans.flatMap((one) => one.children)
  const count = (...actions: ChildForecast['action'][]) =>
    children.filter(({ action }) => actions.includes(action)).length
  const refused = plans.filter((one) => one.refused !== undefined).length
  const restarts = children.filter(({ restartsPods }) => restartsPods).length
  const unchanged = plans.reduce((sum, one) => sum + one.unchanged, 0)
  const parts = [
    [refused, 'refused'],
    [count('blocked'), 'blocked'],
    [count('create'), 'to create'],
    [count('change'), 'to change'],
    [count('replace'), 'to replace'],
    [count('remove'), 'to remove'],
    [restarts, restarts === 1 ? 'restarts its pods' : 'restart their pods'],
    [unchanged, 'unchanged'],
  ] as const
  const told = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`)
  const idle = !plans.some(isChange) && !plans.some(isFailure)
  return `Plan: ${idle ? 'nothing to do' : told.join(', ')}`
}

function titleOf({ kind, namespace, name }: ObjectReference): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}
