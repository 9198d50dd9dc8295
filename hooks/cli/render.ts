// operator-hooks render: the children of a resource as YAML, without a cluster.
import { stringify } from 'yaml'
import { definitions } from '../kinds/index.ts'
import type { Credentials } from '../sdk/credentials.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { firstAnswer } from './answer.ts'
import { inputError, type Manual, runCommand, usageError } from './command.ts'
import { describePlace, readSources } from './documents.ts'
import { filenameFlag, manifestsFlag } from './flags.ts'
import { credentialsFromFile } from './keys.ts'
import { isSecret, maskSecret } from './mask.ts'
import { standInCredentials } from './passwords.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'
import { describeProblem, findProblems, type Subject, sortSources, titleOf } from './suite.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return render(args, processShell(definitions))
}

const manual = {
  name: 'render',
  summary: 'Prints the children that a resource gets at first, after validation and defaulting.',
  usage: '-f FILE [-f FILE …] [flags]',
  flags: {
    filename: filenameFlag,
    namespace: { type: 'string', short: 'n', default: 'default', value: 'NAME', help: 'for resources that name none' },
    output: manifestsFlag,
    'show-secrets': { type: 'boolean', help: 'print what Secrets hold instead of a mask' },
    'credential-keys-file': {
      type: 'string',
      value: 'FILE',
      help: "the service's keys, to derive the passwords it would",
    },
    'image-registry': { type: 'string', default: '', value: 'PREFIX', help: 'for images that name no registry' },
  },
  notes: [
    'Exit codes: 0 printed; 1 the resource is refused, each problem being told with its file, line and column; 2 usage.',
    "Passwords depend on the service's key and on the resource's uid, which a cluster gives it: those shown here are\nnever those of a cluster unless --credential-keys-file is given and the resource carries its metadata.uid.",
  ],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function render(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async (values) => {
    if (values.filename.length === 0) throw usageError('which resource? Give its file with -f')
    const sources = await readSources(values.filename, shell)
    const { subjects } = sortSources(sources, shell.definitions, values.namespace)
    if (tellProblems(subjects, shell)) return exitCodes.failure
    const file = values['credential-keys-file']
    const credentials = file === undefined ? standInCredentials() : await credentialsFromFile(file)
    const settings = { imageRegistry: values['image-registry'] }
    const rendered = subjects.map((subject) => ({
      subject,
      children: childrenOf(
        subject,
        subjects.map(({ object }) => object),
        credentials,
        settings,
      ),
    }))
    const show = values['show-secrets'] ? (child: KubernetesObject) => child : maskSecret
    if (values.output === 'json') {
      const items = rendered.flatMap(({ children }) => children.map(show))
      shell.out(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, undefined, 2))
    } else {
      for (const { subject, children } of rendered) {
        for (const child of children) {
          shell.out(`---\n# ${titleOf(child)}, of ${titleOf(subject.object)}`)
          shell.out(stringify(show(child), { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd())
        }
      }
    }
    const secrets = rendered.some(({ children }) => children.some(isSecret))
    if (secrets) shell.err(shell.paintError.dim(secretsNote(values['show-secrets'], file)))
    return exitCodes.ok
  })
}

/** Tells every problem of the subjects on standard error; true when there was one. */
export function tellProblems(subjects: readonly Subject[], shell: Shell): boolean {
  const told = subjects.flatMap((subject) =>
    findProblems(subject).map((problem) => describeProblem(subject, problem, shell.paintError)),
  )
  for (const text of told) shell.err(text)
  return told.length > 0
}

function childrenOf(
  { definition, object, source }: Subject,
  beside: readonly KubernetesObject[],
  credentials: Credentials,
  settings: { imageRegistry: string },
): KubernetesObject[] {
  const { children, hold } = firstAnswer(definition, object, { now: new Date(), credentials, settings }, beside)
  if (hold !== undefined) {
    throw inputError(describePlace(source.place('spec'), `${titleOf(object)} is held: ${hold.reason}: ${hold.message}`))
  }
  const { namespace } = object.metadata
  return children.map(({ apiVersion, kind, metadata, ...rest }) => {
    const { name, ...others } = metadata
    const placed = namespace === undefined ? { name, ...others } : { name, namespace, ...others }
    return { apiVersion, kind, metadata: placed, ...rest }
  })
}

function secretsNote(shown: boolean, keysFile: string | undefined): string {
  if (!shown) return 'What Secrets hold is masked; --show-secrets prints it.'
  if (keysFile === undefined)
    return "The passwords are stand-ins: real ones need the service's key (--credential-keys-file)."
  return "The passwords hold for this uid and key only: a cluster's own resource has another uid."
}
