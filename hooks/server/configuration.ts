// The service's configuration: one table from which flags, environment variables, bounds, error sentences and
// --help all follow. A value is taken from its flag, else from its environment variable, else it is the default.
import { parseArgs } from 'node:util'
import type { Authentication } from './authentication.ts'

/** One setting of the service. */
interface Option<Value> {
  /** What stands for the value in --help; without one it is a switch. */
  placeholder?: string
  summary: string
  fallback: Value
  /** Environment variables that count too, after the option's own (PORT). */
  alias?: string
  /** True: only an environment variable, because command lines can be seen by others. */
  environmentOnly?: boolean
  /** Throws a RangeError that says what is allowed: it follows the flag and the value in the sentence. */
  read(text: string): Value
}

// What a reference to an image is made of, and the star.
const imagePattern = /^[A-Za-z0-9*][A-Za-z0-9._/:@*-]*$/

/** Every setting, by the name that it has in the code: `metricsPort` is --metrics-port and OPERATOR_HOOKS_METRICS_PORT. */
const options = {
  host: text('ADDRESS', '127.0.0.1', 'address to listen on; 0.0.0.0 in a container'),
  port: { ...integer('PORT', 8080, 0, 65535, 'port to listen on; 0 takes a free one', 'a port'), alias: 'PORT' },
  metricsPort: optional(integer('PORT', 0, 0, 65535, 'a second listener for /metrics and the probes alone', 'a port')),
  auth: optional(
    choice<Authentication>(
      'MODE',
      'none',
      ['token', 'mtls', 'token+mtls', 'none'],
      'what a caller of /hooks/ must show; unless given, whatever there are files for',
    ),
  ),
  tokensFile: path('bearer tokens that are accepted, one a line; read again when it changes'),
  tokens: { ...path('the same, in the variable itself'), placeholder: 'TOKENS', environmentOnly: true },
  tlsCertFile: path('certificate chain (PEM); with it the service speaks HTTPS; read again when it changes'),
  tlsKeyFile: path('private key of the certificate (PEM)'),
  tlsClientCaFile: path('authorities (PEM) whose client certificates are accepted'),
  reloadSeconds: integer('SECONDS', 10, 1, 3600, 'how often tokens and certificates are looked at'),
  credentialKeysFile: path(
    'keys that credentials are derived with: lines of id:base64 (32 bytes or more), the first is current',
  ),
  credentialKeys: { ...path('the same, in the variable itself'), placeholder: 'KEYS', environmentOnly: true },
  ephemeralCredentialKeys: flag(
    'derive credentials with a key made at the start: for development, they change with every start',
  ),
  admission: choice<'off' | 'open' | 'mtls'>(
    'MODE',
    'off',
    ['off', 'open', 'mtls'],
    'answer what the API server asks at /admission/ and /conversion/: not at all, to anybody, or to client certificates',
  ),
  quotaWarnings: flag(
    'warn at admission of what a namespace has no quota left for (needs the service account of deploy)',
  ),
  imageRegistry: text('PREFIX', '', 'prefix for images that name no registry'),
  suiteImage: text(
    'IMAGE',
    '',
    "the suite's own image, for Jobs that run one of its commands; unless given, operator-hooks:<version>",
  ),
  postgresqlAgentImage: text(
    'IMAGE',
    '',
    'image with Patroni and pgBackRest, for PostgreSQL that is replicated; unless given, operator-hooks-postgresql-agent:<version>',
  ),
  allowedImages: list(
    'PATTERNS',
    imagePattern,
    'images that may run, separated by commas: * is anything within a part of the path, ** anything; unless given, all',
  ),
  bodyLimitMib: integer('MIB', 16, 1, 1024, 'largest request body'),
  maxInFlight: integer('COUNT', 64, 1, 100000, 'requests that are worked on at a time; more are answered 429'),
  maxEventLoopDelayMs: integer('MS', 1000, 10, 60000, 'above such a delay requests are answered 429'),
  retryAfterSeconds: integer('SECONDS', 2, 1, 3600, 'the Retry-After of a 429'),
  syncTimeoutSeconds: integer('SECONDS', 10, 1, 300, 'budget of a sync: the webhook timeout of its controller'),
  finalizeTimeoutSeconds: integer('SECONDS', 10, 1, 300, 'the same of a finalize'),
  customizeTimeoutSeconds: integer('SECONDS', 10, 1, 300, 'the same of a customize'),
  drainSeconds: integer(
    'SECONDS',
    2,
    0,
    300,
    'how long a stopping service still listens and answers 429, while it leaves its Service',
  ),
  graceSeconds: integer('SECONDS', 25, 1, 3600, 'when a stop is given up: below terminationGracePeriodSeconds'),
  events: flag('write Kubernetes Events about what is done (needs the service account of deploy)'),
  logLevel: choice('LEVEL', 'info', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'what is logged'),
}

/** The settings of one service, checked. */
export type Configuration = { readonly [Name in keyof typeof options]: (typeof options)[Name]['fallback'] }

/** What is wrong with a configuration: one sentence a fault, a line each. */
export interface ConfigurationError extends Error {
  readonly name: 'ConfigurationError'
}

export function isConfigurationError(error: unknown): error is ConfigurationError {
  return error instanceof Error && error.name === 'ConfigurationError'
}

/** An error that stops the start with these sentences. */
export function configurationError(sentences: readonly string[]): ConfigurationError {
  return Object.assign(new Error(sentences.join('\n')), { name: 'ConfigurationError' as const })
}

/**
 * Reads the configuration from command-line arguments and environment variables; throws a ConfigurationError that
 * tells every fault at once. An empty variable counts as absent, as templates leave them.
 */
export function readConfiguration(args: readonly string[], env: NodeJS.ProcessEnv): Configuration {
  const problems: string[] = []
  const given = readFlags(args, problems)
  const entries = Object.entries(options).map(([name, option]) => {
    const source = [
      [`--${kebab(name)}`, given[kebab(name)]],
      [variable(name), env[variable(name)]],
      [alias(option), env[alias(option)]],
    ].find(([, value]) => value !== undefined && value !== '')
    if (source === undefined) return [name, option.fallback]
    const [from, value = ''] = source
    try {
      return [name, option.read(value)]
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      problems.push(`${from}: ${error.message}`)
      return [name, option.fallback]
    }
  })
  const configuration = Object.fromEntries(entries) as Configuration
  if (problems.length === 0) problems.push(...contradictions(configuration))
  if (problems.length > 0) throw configurationError(problems)
  return configuration
}

/** The text of `serve --help`. */
export function configurationHelp(): string {
  const rows = Object.entries(options).map(([name, option]) => {
    const value = 'placeholder' in option ? ` ${option.placeholder}` : ''
    const left = 'environmentOnly' in option ? `${variable(name)}${value}` : `--${kebab(name)}${value}`
    const fallback = [undefined, '', false].includes(option.fallback as undefined) || Array.isArray(option.fallback)
    const allowed = 'allowed' in option ? ` (${option.allowed})` : ''
    return [left, `${option.summary}${allowed}${fallback ? '' : `; default ${option.fallback}`}`]
  })
  const width = Math.max(...rows.map(([left = '']) => left.length))
  return rows.map(([left = '', right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

function contradictions(c: Configuration): string[] {
  const problems: string[] = []
  const keys = [c.credentialKeysFile, c.credentialKeys, c.ephemeralCredentialKeys || undefined]
  const count = keys.filter((one) => one !== undefined).length
  if (count === 0) {
    problems.push(
      'there are no keys to derive credentials with: give --credential-keys-file (lines of id:base64, 32 random bytes or more), or --ephemeral-credential-keys for development',
    )
  }
  if (count > 1)
    problems.push('give one of --credential-keys-file, OPERATOR_HOOKS_CREDENTIAL_KEYS and --ephemeral-credential-keys')
  if ((c.tlsCertFile === undefined) !== (c.tlsKeyFile === undefined)) {
    problems.push('--tls-cert-file and --tls-key-file go together')
  }
  if (c.admission === 'mtls' && c.tlsClientCaFile === undefined) {
    problems.push('--admission=mtls needs --tls-client-ca-file')
  }
  if (c.quotaWarnings && c.admission === 'off') problems.push('--quota-warnings needs --admission')
  if (c.tlsClientCaFile !== undefined && c.tlsCertFile === undefined) {
    problems.push('--tls-client-ca-file needs --tls-cert-file and --tls-key-file')
  }
  if (c.tokensFile !== undefined && c.tokens !== undefined) {
    problems.push('give one of --tokens-file and OPERATOR_HOOKS_TOKENS')
  }
  const tokens = c.tokensFile !== undefined || c.tokens !== undefined
  const clients = c.tlsClientCaFile !== undefined
  const auth = authenticationOf(c)
  if (auth === undefined) {
    problems.push(
      'nothing says who may call the hooks: give --tokens-file and/or --tls-client-ca-file, or --auth=none to let anybody',
    )
  } else {
    if (auth.includes('token') && !tokens) problems.push(`--auth=${auth} needs --tokens-file`)
    if (auth.includes('mtls') && !clients) problems.push(`--auth=${auth} needs --tls-client-ca-file`)
    if (!auth.includes('token') && tokens)
      problems.push(`--auth=${auth} leaves the tokens unused: take one of them away`)
    if (!auth.includes('mtls') && clients && c.admission !== 'mtls') {
      problems.push(`--auth=${auth} leaves --tls-client-ca-file unused: take one of them away`)
    }
  }
  if (c.drainSeconds >= c.graceSeconds) problems.push('--drain-seconds must be below --grace-seconds')
  return problems
}

/** Who may call: as --auth says, or else whatever the files are for; undefined when nothing says so. */
export function authenticationOf(c: Configuration): Authentication | undefined {
  if (c.auth !== undefined) return c.auth
  const tokens = c.tokensFile !== undefined || c.tokens !== undefined
  const clients = c.tlsClientCaFile !== undefined
  if (tokens) return clients ? 'token+mtls' : 'token'
  return clients ? 'mtls' : undefined
}

function readFlags(args: readonly string[], problems: string[]): Record<string, string | undefined> {
  const flags = Object.fromEntries(
    Object.entries(options)
      .filter(([, option]) => !('environmentOnly' in option))
      .map(([name, option]) => [
        kebab(name),
        { type: 'placeholder' in option ? ('string' as const) : ('boolean' as const) },
      ]),
  )
  try {
    const { values } = parseArgs({ args: [...args], options: flags, strict: true, allowPositionals: false })
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]))
  } catch (error) {
    problems.push(`${error instanceof Error ? error.message : error} (--help lists what there is)`)
    return {}
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

function variable(name: string): string {
  return `OPERATOR_HOOKS_${kebab(name).replaceAll('-', '_').toUpperCase()}`
}

function alias(option: object): string {
  return 'alias' in option && typeof option.alias === 'string' ? option.alias : ''
}

function text(placeholder: string, fallback: string, summary: string): Option<string> {
  return { placeholder, fallback, summary, read: (value) => value }
}

function list(placeholder: string, item: RegExp, summary: string): Option<readonly string[]> {
  return {
    placeholder,
    fallback: [],
    summary,
    read(value) {
      const items = value.split(',').map((one) => one.trim())
      const wrong = items.find((one) => !item.test(one))
      if (wrong === undefined) return items
      throw new RangeError(`${JSON.stringify(wrong)} is no pattern of images, such as registry.example.com/team/**`)
    },
  }
}

function path(summary: string): Option<string | undefined> {
  return { placeholder: 'FILE', fallback: undefined, summary, read: (value) => value }
}

function flag(summary: string): Option<boolean> {
  return {
    fallback: false,
    summary,
    read(value) {
      if (value === 'true') return true
      if (value === 'false') return false
      throw new RangeError(`${JSON.stringify(value)} is neither true nor false`)
    },
  }
}

function integer(
  placeholder: string,
  fallback: number,
  from: number,
  to: number,
  summary: string,
  what = 'a whole number',
) {
  const allowed = `${from}–${to}`
  const option: Option<number> & { allowed: string } = {
    placeholder,
    fallback,
    summary,
    allowed,
    read(value) {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
      if (number >= from && number <= to) return number
      throw new RangeError(`${JSON.stringify(value)} is not ${what} (${allowed})`)
    },
  }
  return option
}

function optional<Value, Given extends Option<Value>>(
  option: Given & Option<Value>,
): Omit<Given, 'fallback'> & Option<Value | undefined> {
  return { ...option, fallback: undefined }
}

function choice<Value extends string>(placeholder: string, fallback: Value, values: readonly Value[], summary: string) {
  const allowed = values.join(', ')
  const option: Option<Value> & { allowed: string } = {
    placeholder,
    fallback,
    summary,
    allowed,
    read(value) {
      const found = values.find((one) => one === value)
      if (found !== undefined) return found
      throw new RangeError(`${JSON.stringify(value)} is not one of ${allowed}`)
    },
  }
  return option
}
