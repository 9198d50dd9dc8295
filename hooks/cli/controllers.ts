// operator-hooks controllers: what tells Metacontroller to call the hooks, for a cluster without the repository at hand.
import { customTypes, optionalTypes } from '../generate/apis.ts'
import { type ControllerOptions, controllerName, controllerOf } from '../generate/controllers.ts'
import { controllerRbac, metacontrollerRbac } from '../generate/rbac.ts'
import { suite } from '../kinds/index.ts'
import { type Definition, hookName, parentType } from '../sdk/definition.ts'
import { type ClusterReader, connect } from './cluster.ts'
import { type Manual, runCommand, usageError } from './command.ts'
import { contextFlag, kubeconfigFlag, manifestsFlag } from './flags.ts'
import { chosenDefinitions, printManifests, readService } from './print.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return controllers(args, processShell(suite))
}

const manual = {
  name: 'controllers',
  summary:
    'Prints the CompositeControllers and DecoratorControllers of all that any cluster can have, of those named, or of those that fit a cluster.',
  usage: '[KIND …] [flags]',
  positionals: 'KIND',
  flags: {
    url: { type: 'string', value: 'URL', help: 'call the hooks there, such as http://127.0.0.1:8080' },
    service: {
      type: 'string',
      value: 'NAMESPACE/NAME[:PORT]',
      help: 'call them at this Service (default operator-hooks/operator-hooks)',
    },
    'token-secret': {
      type: 'string',
      value: 'NAMESPACE/NAME[:KEY]',
      help: 'Secret with the bearer token that Metacontroller shows the hooks (key "token" unless given)',
    },
    'for-cluster': {
      type: 'boolean',
      help: 'those whose APIs a cluster serves; on standard error, what it lacks for the others',
    },
    kubeconfig: kubeconfigFlag,
    context: contextFlag,
    rbac: { type: 'boolean', help: "print Metacontroller's permissions for them first" },
    output: manifestsFlag,
  },
  notes: [
    'operator-hooks controllers --rbac | kubectl apply -f -',
    'Metacontroller starts no controller that names a kind which the cluster lacks. --for-cluster reads what it serves:\n  operator-hooks controllers --for-cluster --rbac | kubectl apply -f -',
  ],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function controllers(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ url, service, rbac, output, ...values }, names) => {
    const { 'for-cluster': forCluster, 'token-secret': secret, kubeconfig, context } = values
    const options = { ...optionsOf(url, service), ...(secret === undefined ? {} : { token: tokenOf(secret) }) }
    if (!forCluster && (kubeconfig ?? context) !== undefined) {
      throw usageError('--kubeconfig and --context say which cluster --for-cluster is about: give that too')
    }
    const everywhere = shell.definitions.filter((one) => optionalTypes(one, shell.definitions).length === 0)
    const wanted = chosenDefinitions(names, names.length > 0 || forCluster ? shell.definitions : everywhere)
    const chosen = forCluster ? await fitting(wanted, await connect(kubeconfig, context), shell) : wanted
    const all = names.length === 0
    const roleName = all ? 'metacontroller' : chosen.map(controllerName).join('-')
    const permissions = rbac ? [...metacontrollerRbac(), ...controllerRbac(`operator-hooks-${roleName}`, chosen)] : []
    printManifests([...permissions, ...chosen.map((one) => controllerOf(one, options))], output, shell)
    return exitCodes.ok
  })
}

/** Those of which the cluster serves every kind; what it lacks for the others is told. */
async function fitting(
  definitions: readonly Definition[],
  reader: ClusterReader,
  shell: Shell,
): Promise<readonly Definition[]> {
  const fit: Definition[] = []
  for (const definition of definitions) {
    const own =
      definition.controller === 'composite' ? [{ ...parentType(definition), resource: definition.plural }] : []
    const missing: string[] = []
    for (const type of [...own, ...customTypes(definition)]) {
      if (!(await reader.serves(type))) missing.push(`${type.kind} (${type.apiVersion})`)
    }
    if (missing.length === 0) fit.push(definition)
    else shell.err(`${hookName(definition)} is left out: ${reader.title} serves no ${missing.join(', no ')}`)
  }
  return fit
}

function tokenOf(secret: string): { namespace: string; name: string; key: string } {
  const [, namespace, name, key = 'token'] = /^([a-z0-9-]+)\/([a-z0-9.-]+)(?::([A-Za-z0-9._-]+))?$/.exec(secret) ?? []
  if (namespace === undefined || name === undefined) {
    throw usageError(`--token-secret takes NAMESPACE/NAME or NAMESPACE/NAME:KEY, not "${secret}"`)
  }
  return { namespace, name, key }
}

function optionsOf(url: string | undefined, service: string | undefined): ControllerOptions {
  if (url !== undefined && service !== undefined) throw usageError('give either --url or --service')
  if (url !== undefined) {
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
      throw usageError(`--url takes an address such as http://127.0.0.1:8080, not "${url}"`)
    }
    return { url }
  }
  if (service === undefined) return {}
  return { service: readService(service) }
}
