// operator-hooks controllers: what tells Metacontroller to call the hooks, for a cluster without the repository at hand.
import { type ControllerOptions, controllerName, controllerOf } from '../generate/controllers.ts'
import { controllerRbac, metacontrollerRbac } from '../generate/rbac.ts'
import { definitions } from '../kinds/index.ts'
import { type Manual, runCommand, usageError } from './command.ts'
import { manifestsFlag } from './flags.ts'
import { chosenDefinitions, printManifests, readService } from './print.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return controllers(args, processShell(definitions))
}

const manual = {
  name: 'controllers',
  summary: 'Prints the CompositeControllers and DecoratorControllers of all kinds, or of those named.',
  usage: '[KIND …] [flags]',
  positionals: 'KIND',
  flags: {
    url: { type: 'string', value: 'URL', help: 'call the hooks there, such as http://127.0.0.1:8080' },
    service: {
      type: 'string',
      value: 'NAMESPACE/NAME[:PORT]',
      help: 'call them at this Service (default operator-hooks/operator-hooks)',
    },
    rbac: { type: 'boolean', help: "print Metacontroller's permissions for them first" },
    output: manifestsFlag,
  },
  notes: ['operator-hooks controllers --rbac | kubectl apply -f -'],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function controllers(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ url, service, rbac, output }, names) => {
    const options = optionsOf(url, service)
    const chosen = chosenDefinitions(names, shell.definitions)
    const roleName =
      chosen.length === shell.definitions.length ? 'metacontroller' : chosen.map(controllerName).join('-')
    const permissions = rbac ? [...metacontrollerRbac(), ...controllerRbac(`operator-hooks-${roleName}`, chosen)] : []
    printManifests([...permissions, ...chosen.map((one) => controllerOf(one, options))], output, shell)
    return exitCodes.ok
  })
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
