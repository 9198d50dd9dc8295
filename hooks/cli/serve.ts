// operator-hooks serve: the hook service as a process.
import { suite } from '../kinds/index.ts'
import type { Definition } from '../sdk/definition.ts'
import { configurationHelp, isConfigurationError, readConfiguration } from '../server/configuration.ts'
import { serve } from '../server/index.ts'

/** Runs until it is told to stop; exit code 2 for a configuration that is not fit. `served` is every kind of the suite. */
export async function run(args: string[], served: readonly Definition[] = suite): Promise<number | undefined> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(help)
    return 0
  }
  try {
    await serve(served, readConfiguration(args, process.env))
    return undefined
  } catch (error) {
    if (!isConfigurationError(error)) throw error
    console.error(error.message)
    return 2
  }
}

const help = `operator-hooks serve: answers Metacontroller's hooks

${configurationHelp()}

Every flag is an environment variable too: --max-in-flight is OPERATOR_HOOKS_MAX_IN_FLIGHT; a flag goes before it.
PORT is honoured after both. Traces are sent when OTEL_EXPORTER_OTLP_ENDPOINT is set.`
