// Short commands whose output is wanted.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What the command writes to its standard output; an error holds what it wrote to the other. */
export async function output([program = '', ...args]: readonly string[], timeoutSeconds = 120): Promise<string> {
  const { stdout } = await run(program, args, { maxBuffer: 64 * 1024 ** 2, timeout: timeoutSeconds * 1000 })
  return stdout
}
