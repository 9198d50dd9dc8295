// `operator-hooks serve` with the kinds of these tests, for tests that need a process.
import { run } from '../../hooks/cli/serve.ts'
import { definitions } from './kinds.ts'

process.exitCode = await run(process.argv.slice(2), definitions)
