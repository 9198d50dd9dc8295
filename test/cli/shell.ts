// A shell that keeps what a command prints.
import { paintFor, type Shell } from '../../hooks/cli/shell.ts'
import { cache } from './cache.ts'

/** A shell without colours; `stdin` is what standard input holds. */
export function recordingShell(stdin = ''): Shell & { output(): string; errors(): string } {
  const out: string[] = []
  const err: string[] = []
  return {
    definitions: [cache],
    out: (line) => void out.push(`${line}\n`),
    err: (line) => void err.push(`${line}\n`),
    write: (text) => void out.push(text),
    interactive: false,
    columns: 120,
    rows: 40,
    paint: paintFor(),
    paintError: paintFor(),
    stdin: async () => stdin,
    output: () => out.join(''),
    errors: () => err.join(''),
  }
}
