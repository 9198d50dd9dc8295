// What a command has to do with the outside: where it writes, how wide and colourful that is, and what kinds it knows.
import { styleText } from 'node:util'
import type { Definition } from '../sdk/definition.ts'

/** Exit codes of every command; `plan --detailed-exitcode` has a meaning of its own for 2. */
export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const

/** Colours, or nothing at all where they would only be noise. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

/** The surroundings of a command: tests give it others. */
export interface Shell {
  readonly definitions: readonly Definition[]
  /** Writes a line to standard output. */
  out(line: string): void
  /** Writes a line to standard error. */
  err(line: string): void
  /** Writes as it is, without a line's end: for pictures that move. */
  write(text: string): void
  /** True when a person watches standard output. */
  readonly interactive: boolean
  readonly columns: number
  readonly rows: number
  readonly paint: Paint
  /** For standard error. */
  readonly paintError: Paint
  /** All of standard input. */
  stdin(): Promise<string>
}

/**
 * The shell of this process. Colours go to terminals only; NO_COLOR takes them away and FORCE_COLOR brings them
 * (https://no-color.org).
 */
export function processShell(definitions: readonly Definition[]): Shell {
  const { stdout, stderr, stdin } = process
  // A reader that went away (`| head`) is no fault of ours.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exit()
    })
  }
  return {
    definitions,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
    write: (text) => void stdout.write(text),
    interactive: stdout.isTTY === true,
    get columns() {
      return stdout.columns ?? 120
    },
    get rows() {
      return stdout.rows ?? 40
    },
    paint: paintFor(stdout),
    paintError: paintFor(stderr),
    async stdin() {
      const chunks: Buffer[] = []
      for await (const chunk of stdin) chunks.push(Buffer.from(chunk))
      return Buffer.concat(chunks).toString('utf8')
    },
  }
}

/** Paint for a stream; for no stream, none. */
export function paintFor(stream?: NodeJS.WriteStream): Paint {
  const style = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    stream === undefined ? text : styleText(format, text, { stream })
  return {
    bold: style('bold'),
    dim: style('dim'),
    red: style('red'),
    green: style('green'),
    yellow: style('yellow'),
    cyan: style('cyan'),
  }
}
