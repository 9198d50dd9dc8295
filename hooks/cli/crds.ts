// operator-hooks crds: the CustomResourceDefinitions, for a cluster without the repository at hand.
import { customResourceDefinition } from '../generate/crd.ts'
import { definitions } from '../kinds/index.ts'
import { type Manual, runCommand } from './command.ts'
import { manifestsFlag } from './flags.ts'
import { chosenDefinitions, printManifests } from './print.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return crds(args, processShell(definitions))
}

const manual = {
  name: 'crds',
  summary: 'Prints the CustomResourceDefinitions of all kinds, or of those named.',
  usage: '[KIND …] [flags]',
  positionals: 'KIND',
  flags: { output: manifestsFlag },
  notes: ['operator-hooks crds | kubectl apply --server-side -f -'],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function crds(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ output }, names) => {
    const composites = shell.definitions.filter((definition) => definition.controller === 'composite')
    const chosen = chosenDefinitions(names, composites)
    const manifests = chosen.flatMap((one) => (one.controller === 'composite' ? [customResourceDefinition(one)] : []))
    printManifests(manifests, output, shell)
    return exitCodes.ok
  })
}
