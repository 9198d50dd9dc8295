// Flags, variables, bounds and sentences.
import t from 'tap'
import {
  authenticationOf,
  configurationHelp,
  isConfigurationError,
  readConfiguration,
} from '../../hooks/server/configuration.ts'
import { parseKeys } from '../../hooks/server/keys.ts'

const enough = ['--auth=none', '--ephemeral-credential-keys']
const key = Buffer.alloc(32, 1).toString('base64')

function problems(args: readonly string[], env: NodeJS.ProcessEnv = {}): string[] {
  try {
    readConfiguration(args, env)
    return []
  } catch (error) {
    if (isConfigurationError(error)) return error.message.split('\n')
    throw error
  }
}

t.test('a flag goes before its variable, that before PORT, and that before the default', async (t) => {
  const port = (args: string[], env: NodeJS.ProcessEnv) => readConfiguration([...enough, ...args], env).port
  t.equal(port([], {}), 8080)
  t.equal(port([], { PORT: '7000' }), 7000)
  t.equal(port([], { PORT: '7000', OPERATOR_HOOKS_PORT: '7001' }), 7001)
  t.equal(port(['--port', '7002'], { PORT: '7000', OPERATOR_HOOKS_PORT: '7001' }), 7002)
  t.equal(port([], { PORT: '' }), 8080, 'an empty variable is none')
  t.equal(
    readConfiguration([], { OPERATOR_HOOKS_AUTH: 'none', OPERATOR_HOOKS_EPHEMERAL_CREDENTIAL_KEYS: 'true' }).auth,
    'none',
  )
  t.equal(readConfiguration(enough, {}).metricsPort, undefined)
  t.equal(readConfiguration([...enough, '--metrics-port=0'], {}).metricsPort, 0)
})

t.test('a bad value is a sentence with where it came from and what is allowed', async (t) => {
  t.same(problems([...enough, '--port', 'abc']), ['--port: "abc" is not a port (0–65535)'])
  t.same(problems(enough, { OPERATOR_HOOKS_MAX_IN_FLIGHT: '0' }), [
    'OPERATOR_HOOKS_MAX_IN_FLIGHT: "0" is not a whole number (1–100000)',
  ])
  t.same(problems(enough, { PORT: '70000' }), ['PORT: "70000" is not a port (0–65535)'])
  t.same(problems([...enough, '--log-level=loud']), [
    '--log-level: "loud" is not one of trace, debug, info, warn, error, fatal, silent',
  ])
  t.same(problems(enough, { OPERATOR_HOOKS_EVENTS: 'yes' }), ['OPERATOR_HOOKS_EVENTS: "yes" is neither true nor false'])
  t.match(problems([...enough, '--prot=1']), [/'--prot'.*--help lists what there is/])
  t.equal(problems([...enough, '--port=x', '--grace-seconds=x', '--drain-seconds=-1']).length, 3, 'all faults at once')
})

t.test('what does not go together is refused', async (t) => {
  const files = ['--tls-cert-file=c', '--tls-key-file=k']
  const cases: [string[], RegExp][] = [
    [['--auth=none'], /^there are no keys to derive credentials with: give --credential-keys-file/],
    [['--ephemeral-credential-keys'], /^nothing says who may call the hooks: give --tokens-file/],
    [[...enough, '--credential-keys-file=k'], /^give one of --credential-keys-file/],
    [[...enough, '--tls-cert-file=c'], /go together$/],
    [[...enough, '--tokens-file=t'], /^--auth=none leaves the tokens unused/],
    [[...enough, ...files, '--tls-client-ca-file=a'], /^--auth=none leaves --tls-client-ca-file unused/],
    [['--ephemeral-credential-keys', '--auth=token'], /^--auth=token needs --tokens-file$/],
    [['--ephemeral-credential-keys', '--auth=mtls', ...files], /^--auth=mtls needs --tls-client-ca-file$/],
    [['--ephemeral-credential-keys', '--tls-client-ca-file=a'], /^--tls-client-ca-file needs --tls-cert-file/],
    [[...enough, '--admission=mtls'], /^--admission=mtls needs --tls-client-ca-file$/],
    [[...enough, '--quota-warnings'], /^--quota-warnings needs --admission$/],
    [[...enough, '--allowed-images=nginx,, x'], /^--allowed-images: "" is no pattern of images/],
    [[...enough, '--allowed-images=ng inx'], /^--allowed-images: "ng inx" is no pattern of images/],
    [[...enough, '--drain-seconds=30'], /^--drain-seconds must be below --grace-seconds$/],
  ]
  for (const [args, sentence] of cases) t.match(problems(args), [sentence], args.join(' '))
})

t.test('who may call follows from the files that are given', async (t) => {
  const auth = (...args: string[]) => authenticationOf(readConfiguration(['--ephemeral-credential-keys', ...args], {}))
  const files = ['--tls-cert-file=c', '--tls-key-file=k', '--tls-client-ca-file=a']
  t.equal(auth('--tokens-file=t'), 'token')
  t.equal(auth(...files), 'mtls')
  t.equal(auth('--tokens-file=t', ...files), 'token+mtls')
  t.equal(auth('--auth=none'), 'none')
  t.equal(auth('--tokens-file=t', ...files, '--auth=token', '--admission=mtls'), 'token', 'certificates for one alone')
})

t.test('images that may run are a list', async (t) => {
  const { allowedImages } = readConfiguration([...enough, '--allowed-images=nginx, registry.example.com:5000/**'], {})
  t.same(allowedImages, ['nginx', 'registry.example.com:5000/**'])
  t.same(readConfiguration(enough, {}).allowedImages, [])
})

t.test('secrets are not taken from the command line', async (t) => {
  t.match(problems([...enough, '--tokens=abc']), [/'--tokens'/])
  t.equal(readConfiguration(['--ephemeral-credential-keys'], { OPERATOR_HOOKS_TOKENS: 'abc' }).tokens, 'abc')
})

t.test('help lists every setting with its bounds and default', async (t) => {
  const help = configurationHelp()
  for (const name of Object.keys(readConfiguration(enough, {}))) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} `
    const variable = `OPERATOR_HOOKS_${flag.slice(2, -1).replaceAll('-', '_').toUpperCase()} `
    t.ok(help.includes(flag) || help.includes(variable), name)
  }
  t.match(help, /--port PORT +port to listen on; 0 takes a free one \(0–65535\); default 8080/)
})

t.test('a file of keys is checked, and never quoted', async (t) => {
  const keys = parseKeys(`# ours\nk2:${key}\n\nk1:${key}\n`, 'keys')
  t.same(
    keys.map(({ id }) => id),
    ['k2', 'k1'],
    'the first is the current one',
  )
  for (const [text, message] of [
    ['', /^keys: has no key; write one as id:base64/],
    [`k1:${key}\nnonsense-that-is-secret`, /^keys, line 2: is not id:base64/],
    ['k1:c2hvcnQ=', /^keys, line 1: the key "k1" has 5 bytes; 32 or more are needed$/],
    [`k1:${key}\nk1:${key}`, /^keys, line 2: the id "k1" is there twice$/],
  ] as const) {
    const error = t.throws(() => parseKeys(text, 'keys'), { name: 'ConfigurationError', message })
    t.notMatch(String(error), /nonsense|c2hvcnQ/)
  }
})
