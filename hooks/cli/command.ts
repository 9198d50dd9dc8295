// What all commands share: reading the command line, --help, and how errors leave the process.
import { parseArgs } from 'node:util'
import { exitCodes, type Shell } from './shell.ts'
import { didYouMean } from './suggest.ts'

/** One flag of a command, as util.parseArgs wants it, and its line in the help. */
export interface Flag {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  readonly default?: string
  /** What stands behind the flag in the help: `FILE`. */
  readonly value?: string
  /** The only values it takes. */
  readonly choices?: readonly string[]
  readonly help: string
}

export type Flags = Readonly<Record<string, Flag>>

/** What a command is and what it takes. */
export interface Manual<Known extends Flags = Flags> {
  readonly name: string
  /** One line. */
  readonly summary: string
  /** What follows the command's name: `-f FILE [flags]`. */
  readonly usage: string
  readonly flags: Known
  /** What positional arguments are called; a command without it takes none. */
  readonly positionals?: string
  /** Paragraphs below the flags: exit codes, examples. */
  readonly notes?: readonly string[]
}

/** The values of a command line, typed by the flags. */
export type Values<Known extends Flags> = {
  readonly [Name in keyof Known]: ValueOf<Known[Name]>
}

type ValueOf<One extends Flag> = One extends { multiple: true }
  ? readonly string[]
  : One extends { type: 'boolean' }
    ? boolean
    : One extends { default: string }
      ? string
      : string | undefined

/** A mistake in how a command was called: exit code 2. */
export function usageError(message: string): Error {
  return Object.assign(new Error(message), { name: 'UsageError' })
}

/** Something that a command was given is not as it should be, said in whole sentences: exit code 1. */
export function inputError(message: string): Error {
  return Object.assign(new Error(message), { name: 'InputError' })
}

/** True for a mistake in how a command was called. */
function isUsageError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'UsageError'
}

/**
 * Runs a command: reads `args`, prints the help when asked, and turns what `body` throws into lines on standard
 * error and an exit code. What is neither a mistake in the call nor in the input is a defect and goes on as it is.
 */
export async function runCommand<const Known extends Flags>(
  manual: Manual<Known>,
  args: readonly string[],
  shell: Shell,
  body: (values: Values<Known>, positionals: readonly string[]) => Promise<number>,
): Promise<number> {
  try {
    const { help, values, positionals } = readArguments(manual, args)
    if (help) {
      shell.out(helpOf(manual))
      return exitCodes.ok
    }
    return await body(values, positionals)
  } catch (error) {
    const { red } = shell.paintError
    if (isUsageError(error)) {
      shell.err(`${red('error:')} ${error.message}`)
      shell.err(`"operator-hooks ${manual.name} --help" lists what it takes.`)
      return exitCodes.usage
    }
    // What a simulated API server refuses was in what it was given.
    if (error instanceof Error && (error.name === 'InputError' || error.name === 'ApiError')) {
      shell.err(`${red('error:')} ${error.message}`)
      return exitCodes.failure
    }
    throw error
  }
}

/** Reads a command line. Throws a usage error that names the flag and, where one is near, the one that was meant. */
function readArguments<const Known extends Flags>(
  manual: Manual<Known>,
  args: readonly string[],
): { help: boolean; values: Values<Known>; positionals: readonly string[] } {
  const flags: Flags = { ...manual.flags, help: helpFlag }
  const { values, positionals } = parse(flags, args, manual.positionals !== undefined)
  for (const [name, { choices, multiple }] of Object.entries(flags)) {
    const value = values[name]
    if (multiple && value === undefined) values[name] = []
    if (typeof value !== 'string' || choices === undefined || choices.includes(value)) continue
    throw usageError(`--${name} takes ${oneOf(choices)}, not "${value}"${didYouMean(value, choices)}`)
  }
  return { help: values.help === true, values: values as Values<Known>, positionals }
}

/** The text of --help. */
function helpOf({ name, summary, usage, flags, notes = [] }: Manual): string {
  const all: Flags = { ...flags, help: helpFlag }
  const rows = Object.entries(all).map(([flag, { short, value, help, choices, ...rest }]) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${flag}${value === undefined ? '' : ` ${value}`}`
    const facts = [
      ...(choices === undefined ? [] : [choices.join('|')]),
      ...(rest.default === undefined ? [] : [`default ${rest.default}`]),
    ]
    return { left, right: facts.length === 0 ? help : `${help} (${facts.join(', ')})` }
  })
  const width = Math.max(...rows.map(({ left }) => left.length))
  return [
    summary,
    '',
    `Usage: operator-hooks ${name} ${usage}`,
    '',
    'Flags:',
    ...rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`),
    ...notes.flatMap((note) => ['', note]),
  ].join('\n')
}

/** `a, b or c`. */
export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/**
 * Reads a length of time such as 90s, 10m, 1h30m or 2d, in seconds.
 * @param flag what it was given for: it starts the message of the usage error
 */
export function readDuration(flag: string, text: string): number {
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    throw usageError(`${flag} takes a length of time such as 90s, 10m, 1h30m or 2d, not "${text}"`)
  }
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ''] ?? 0), 0)
}

const helpFlag = { type: 'boolean', short: 'h', help: 'show this' } as const satisfies Flag

function parse(flags: Flags, args: readonly string[], allowPositionals: boolean) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: flags, allowPositionals, strict: true })
    return { values: { ...values } as Record<string, unknown>, positionals }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw usageError(explain(error, flags))
  }
}

function explain(error: Error, flags: Flags): string {
  const code: unknown = Reflect.get(error, 'code')
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? ''
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const known = Object.keys(flags).map((name) => `--${name}`)
    return `there is no flag ${quoted}${didYouMean(quoted, known)}`
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
    return `"${quoted}" is not expected here${'filename' in flags ? ': files are given with -f' : ''}`
  }
  // "Option '-f, --filename <value>' argument missing" and its like name the flag well enough.
  return error.message.split('\n')[0] ?? error.message
}
