// analyze against a server that speaks Prometheus' query API.
import { createServer } from 'node:http'
import t from 'tap'
import { abort } from '../../hooks/cli/abort.ts'
import { analyze } from '../../hooks/cli/analyze.ts'
import { promote } from '../../hooks/cli/promote.ts'
import { recordingShell } from './shell.ts'

const vector = (...values: string[]) => ({
  status: 'success',
  data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [1700000000, value] })) },
})

// By query, as Prometheus 3 answers: status, and the body as JSON or as it is.
const answers: Record<string, [number, unknown]> = {
  half: [200, vector('0.5')],
  two: [200, vector('0.5', '2')],
  'scalar(1)': [200, { status: 'success', data: { resultType: 'scalar', result: [1700000000, '1'] } }],
  nothing: [200, vector()],
  '0/0': [200, vector('NaN')],
  '1/0': [200, vector('+Inf')],
  'up[5m]': [200, { status: 'success', data: { resultType: 'matrix', result: [] } }],
  'sum(': [400, { status: 'error', errorType: 'bad_data', error: 'parse error: unclosed left parenthesis' }],
  proxy: [502, '<html>Bad Gateway</html>'],
}

const seen: { path?: string | undefined; authorization?: string | undefined }[] = []
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const query = new URLSearchParams(Buffer.concat(chunks).toString()).get('query') ?? ''
    seen.push({ path: request.url, authorization: request.headers.authorization })
    if (query === 'slow') return
    const [status, body] = answers[query] ?? [404, '']
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
t.teardown(() => {
  server.closeAllConnections()
  server.close()
})
const listening = server.address()
if (listening === null || typeof listening === 'string') throw new Error('it does not listen')
const address = `http://127.0.0.1:${listening.port}`

const ran = async (args: string[], token?: string) => {
  const shell = recordingShell()
  const code = await analyze(args, shell, token)
  return { code, output: shell.output(), errors: shell.errors() }
}
const asked = (query: string, ...args: string[]) => ran(['--address', address, '--query', query, ...args])

t.test('an answer is good, bad, or none', async (t) => {
  t.same(await asked('half', '--max', '0.5'), { code: 0, output: '✓ query: 0.5 is at most 0.5\n', errors: '' })
  t.match(await asked('half', '--min', '0.6'), { code: 1, output: '✗ query: 0.5 is not at least 0.6\n' })
  t.match(await asked('half', '--min=-1', '--max', '1e0'), { code: 0, output: /between -1 and 1/ })
  t.match(await asked('scalar(1)', '--min', '1'), { code: 0 })
  t.match(await asked('1/0', '--min', '1'), { code: 0 })
  t.match(await asked('1/0', '--max', '1'), { code: 1, output: /Infinity is not at most 1/ })
  t.match(await asked('nothing', '--max', '1'), { code: 3, output: /query: no data/ })
  t.match(await asked('0/0', '--max', '1'), { code: 3, output: /not a number/ })
})

t.test('each of several series has to be good', async (t) => {
  t.match(await asked('two', '--max', '1'), { code: 1, output: /✗ query: 2 is not at most 1/ })
  t.match(await asked('two', '--max', '2'), { code: 0, output: /0\.5, 2 is/ })
})

t.test('what is no answer is told', async (t) => {
  t.match(await asked('sum(', '--max', '1'), { code: 3, output: /bad_data: parse error: unclosed/ })
  t.match(await asked('up[5m]', '--max', '1'), { code: 3, output: /answered 200, and not with numbers/ })
  t.match(await asked('proxy', '--max', '1'), { code: 3, output: /answered 502/ })
  t.match(await asked('slow', '--max', '1', '--timeout', '50ms'), { code: 3, output: /no answer in time/ })
  const nobody = ['--address', 'http://127.0.0.1:9', '--query', 'half', '--max', '1']
  t.match(await ran(nobody), { code: 3, output: /query: .*(ECONNREFUSED|bad port)/ })
})

t.test('several metrics: one that is bad decides, then one that is not known', async (t) => {
  const metric = (name: string, query: string) => ['--metric', JSON.stringify({ name, query, address, max: 1 })]
  t.match(await ran([...metric('errors', 'half'), ...metric('load', 'two')]), {
    code: 1,
    output: '✓ errors: 0.5 is at most 1\n✗ load: 2 is not at most 1\n',
  })
  t.match(await ran([...metric('errors', 'half'), ...metric('load', 'nothing')]), { code: 3 })
  t.match(await ran([...metric('errors', 'nothing'), ...metric('load', 'two')]), { code: 1 })
  t.match(await ran(metric('errors', 'half')), { code: 0 })
})

t.test('the path of an address is kept, and a token is sent and never shown', async (t) => {
  seen.length = 0
  const { output, errors } = await ran(
    ['--address', `${address}/prometheus/`, '--query', 'half', '--max', '0'],
    's3cret',
  )
  t.match(seen, [{ path: '/prometheus/api/v1/query', authorization: 'Bearer s3cret' }])
  t.notMatch(output + errors, 's3cret')
})

t.test('mistakes in the call', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /one of the two/],
    [['--address', address, '--query', 'half'], /give min, max or both/],
    [['--address', address, '--query', 'half', '--max', 'much'], /--max takes a number, not "much"/],
    [['--address', 'prometheus:9090', '--query', 'half', '--max', '1'], /address/],
    [['--metric', '{'], /--metric takes JSON/],
    [['--metric', '{"query":"half","max":1}'], /--metric\.address/],
    [['--metric', '{}', '--query', 'half'], /one of the two/],
  ]
  for (const [args, message] of cases) t.match(await ran(args), { code: 2, errors: message }, args.join(' '))
  for (const command of [promote, abort]) {
    const shell = recordingShell()
    t.equal(await command([], shell), 2)
    t.match(shell.errors(), /which WebApp\?/)
    t.equal(await command(['shop', '--kubeconfig', '/nowhere'], shell), 1)
    t.match(shell.errors(), /\/nowhere cannot be used/)
  }
})
