// operator-hooks binlogs: which binary logs of MySQL lead from a copy to a point in time. It runs in the first pod of a
// Database that begins with a physical backup, between the container that fetched and the one that restores.
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Log, type Reader, readLog } from '../agent/mysql/binlog.ts'
import { parseGtids } from '../agent/mysql/gtid.ts'
import { replay } from '../agent/mysql/replay.ts'
import { type Manual, runCommand, usageError } from './command.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. It knows no kinds. */
export function run(args: string[]): Promise<number> {
  return binlogs(args, processShell([]))
}

const manual = {
  name: 'binlogs',
  summary: 'Finds the binary logs of MySQL that lead from a copy of its data to a point in time.',
  usage: 'FOLDER [flags]',
  positionals: 'FOLDER',
  flags: {
    result: { type: 'string', value: 'FILE', help: 'where to write why it cannot be done, beside standard error' },
  },
  notes: [
    'FOLDER holds the file request, with lines gtids= (those of the copy) and until= (RFC 3339, or empty), and the logs as binlogs/SERVER/NAME. Writes the file replay: a line all= with their transactions, a line stop= with those before which to stop, and a line log= for each log, in order. Without a request it does nothing.',
  ],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function binlogs(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ result }, [folder, ...more]) => {
    if (folder === undefined || more.length > 0) throw usageError('one folder is wanted')
    const request = join(folder, 'request')
    if (!existsSync(request)) return exitCodes.ok
    const lines = readFileSync(request, 'utf8').split('\n')
    const given = (name: string) => lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
    const until = given('until') === '' ? undefined : Date.parse(given('until'))
    const fail = (reason: string, message: string): number => {
      if (result !== undefined) writeFileSync(result, `${reason}: ${message}`)
      shell.err(message)
      return exitCodes.failure
    }
    let logs: Log[]
    try {
      logs = logsBelow(join(folder, 'binlogs'), until)
    } catch (error) {
      return fail('BackupCorrupt', error instanceof Error ? error.message : String(error))
    }
    const found = replay(parseGtids(given('gtids')), logs, until)
    if (found.failure !== undefined) {
      return fail('TargetNotCovered', `targetTime ${given('until')} cannot be reached: ${found.failure}`)
    }
    const text = [
      `all=${found.all}`,
      `stop=${found.stopBefore}`,
      ...found.logs.map(({ server, name }) => `log=${server}/${name}`),
    ]
    writeFileSync(join(folder, 'replay'), `${text.join('\n')}\n`)
    return exitCodes.ok
  })
}

function logsBelow(folder: string, until: number | undefined): Log[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((server) =>
    readdirSync(join(folder, server)).map((name) => {
      const file = openSync(join(folder, server, name), 'r')
      try {
        return readLog(server, name, bufferedReader(file), until)
      } finally {
        closeSync(file)
      }
    }),
  )
}

// Headers are read one after the other: a call for each would take minutes for a large log.
function bufferedReader(file: number): Reader {
  const buffer = new Uint8Array(4 << 20)
  let from = 0
  let size = 0
  return (offset, length) => {
    if (offset < from || offset + length > from + size) {
      from = offset
      size = readSync(file, buffer, 0, buffer.length, offset)
    }
    return buffer.subarray(offset - from, Math.min(offset - from + length, size))
  }
}
