// operator-hooks version: what is installed, and what it answers for.
import { suite } from '../kinds/index.ts'
import { hookName, parentType } from '../sdk/definition.ts'
import { thisBuild } from '../server/build.ts'
import { type Manual, runCommand } from './command.ts'
import { reportFlag } from './flags.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return version(args, processShell(suite))
}

const manual = {
  name: 'version',
  summary: 'Prints the version, the build and the kinds that it answers for.',
  usage: '[flags]',
  flags: {
    output: reportFlag,
  },
} as const satisfies Manual

/** Runs the command in a given shell. */
export function version(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ output }) => {
    const kinds = shell.definitions.map((definition) => ({
      name: hookName(definition),
      controller: definition.controller,
      ...(definition.controller === 'composite' ? parentType(definition) : {}),
    }))
    const { version, id } = thisBuild()
    const known = { version, build: id, node: process.version, kinds }
    if (output === 'json') {
      shell.out(JSON.stringify(known, undefined, 2))
      return exitCodes.ok
    }
    shell.out(`operator-hooks ${version} (build ${id}, Node ${process.version})`)
    for (const { name, apiVersion, kind } of kinds)
      shell.out(`  ${kind === undefined ? name : `${kind} (${apiVersion})`}`)
    return exitCodes.ok
  })
}
