import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { render } from '../../hooks/cli/render.ts'
import { recordingShell } from './shell.ts'

const good = `apiVersion: test.example.com/v1
kind: Cache
metadata:
  name: sessions
  namespace: shop
spec:
  engine: redis
`

const rendered = async (args: readonly string[], stdin = good) => {
  const shell = recordingShell(stdin)
  const code = await render(['-f', '-', ...args], shell)
  return { code, output: shell.output(), errors: shell.errors() }
}

t.test('children come out as YAML, defaulted, in the namespace, with masked Secrets', async (t) => {
  const { code, output, errors } = await rendered([])
  t.equal(code, 0)
  const children = [...parseAllDocuments(output)].map((document) => document.toJS())
  t.match(children, [
    { kind: 'ConfigMap', metadata: { name: 'sessions-config', namespace: 'shop' } },
    { kind: 'Secret', data: { password: '<masked>', uri: '<masked>' } },
    { kind: 'StatefulSet', spec: { replicas: 1, template: { spec: { containers: [{ image: 'redis:8.0' }] } } } },
  ])
  t.equal(children.length, 3, 'no snapshots were asked for')
  t.match(errors, '--show-secrets')
  t.match(output, '# StatefulSet shop/sessions, of Cache shop/sessions')
})

t.test('JSON is a List, and --show-secrets shows them', async (t) => {
  const { output, errors } = await rendered(['-o', 'json', '--show-secrets'])
  const list = JSON.parse(output)
  t.equal(list.kind, 'List')
  const [secret] = list.items.filter(({ kind }: { kind: string }) => kind === 'Secret')
  t.match(Buffer.from(secret.data.password, 'base64').toString(), /^[0-9a-f]{43}$/)
  t.match(errors, 'stand-ins')
})

t.test('a keys file gives the very passwords that the service derives', async (t) => {
  const dir = t.testdir({
    keys: `# current first\nk1:${Buffer.alloc(32, 7).toString('base64')}\n`,
    short: '\nk1:c2hvcnQ=\n',
  })
  const [one, two] = await Promise.all(
    [1, 2].map(() => rendered(['-o', 'json', '--show-secrets', '--credential-keys-file', `${dir}/keys`])),
  )
  t.equal(one?.output, two?.output)
  t.match(one?.output, 'uri')
  const bad = await rendered(['--credential-keys-file', `${dir}/short`])
  t.equal(bad.code, 1)
  t.match(bad.errors, /short, line 2: .* 32 or more/)
  t.notMatch(bad.errors, 'c2hvcnQ')
})

t.test('every problem is told with its place, its value and what is allowed', async (t) => {
  const { code, output, errors } = await rendered(
    [],
    `# two of them
apiVersion: test.example.com/v1
kind: Cache
metadata: {name: Sessions}
spec:
  engine: reddis
  version: 8
  replicas: 9
  snapshot:
    enabled: true
  snapshots: {enabled: maybe}
`,
  )
  t.equal(code, 1)
  t.equal(output, '')
  t.match(errors, /<stdin>:4:18: error: metadata.name: "Sessions": must be lower case/)
  t.match(errors, /<stdin>:6:11: error: spec.engine: "reddis": .*"redis"\|"valkey"/)
  t.match(errors, /<stdin>:7:12: error: spec.version: 8: .*string.*; quote it: "8"/)
  t.match(errors, /<stdin>:9:3: error: spec.snapshot: unknown field: there is .* \(did you mean "snapshots"\?\)/)
  t.match(errors, /<stdin>:11:24: error: spec.snapshots.enabled: "maybe": .*boolean/)
  t.match(errors, '6 |   engine: reddis\n    |           ^^^^^^\n')
})

t.test('a rule that CEL carries is checked here too', async (t) => {
  const { code, errors } = await rendered([], `${good}  replicas: 9\n`)
  t.equal(code, 1)
  t.match(errors, '<stdin>:8:13: error: spec.replicas: 9: must be at most 5')
})

t.test('what is missing is shown where it belongs', async (t) => {
  const { errors } = await rendered([], 'apiVersion: test.example.com/v1\nkind: Cache\nmetadata: {name: a}\nspec: {}\n')
  t.match(errors, /<stdin>:4:1: error: spec.engine: /)
})

t.test('YAML that is none, and objects that are none', async (t) => {
  const refused = async (text: string, message: RegExp) => {
    const { code, errors } = await rendered([], text)
    t.equal(code, 1)
    t.match(errors, message)
  }
  await refused('a: [1\nb: 2\n', /<stdin>:\d+:\d+: /)
  await refused('a: 1\na: 2\n', /<stdin>:2:1: Map keys must be unique/)
  await refused('- 1\n', /<stdin>:1:\d+: a Kubernetes object is a map/)
  await refused('kind: Cache\nmetadata: {}\n', /apiVersion: must be a string/)
  await refused(good.replace('sessions', '1234'), /<stdin>:4:9: metadata.name: must be a string, not 1234; quote it/)
  await refused(good.replace('kind: Cache', 'kind: Cashe'), /<stdin>:2:7: .*there is Cache \(did you mean "Cache"\?\)/)
  await refused(good.replace('com/v1', 'com/v2'), /<stdin>:1:13: .*no version "v2" of Cache: there is v1/)
  await refused(good.replace('test.example.com/v1', 'v1'), /here it is of test.example.com\/v1/)
  await refused('apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n', /answers for: Cache \(test.example.com\/v1\)/)
})

t.test('YAML is read as kubectl reads it', async (t) => {
  const { output } = await rendered(
    [],
    `${good}  snapshots: {enabled: yes}\n  settings: {since: "2020-01-01", at: 2020-01-01}\n`,
  )
  t.match(output, 'kind: CronJob')
  t.match(output, 'at 2020-01-01', 'a date stays the text it is')
})

t.test('Lists, several documents and folders are taken', async (t) => {
  const dir = t.testdir({
    'a.yaml': good,
    'b.json': JSON.stringify({
      apiVersion: 'test.example.com/v1',
      kind: 'Cache',
      metadata: { name: 'b' },
      spec: { engine: 'valkey' },
    }),
    'README.md': '#',
  })
  const shell = recordingShell(
    `apiVersion: v1\nkind: List\nitems:\n- apiVersion: test.example.com/v1\n  kind: Cache\n  metadata: {name: c}\n  spec: {engine: rediss}\n`,
  )
  t.equal(await render(['-f', dir, '-o', 'json'], shell), 0)
  t.equal(JSON.parse(shell.output()).items.length, 6)
  t.equal(await render(['-f', '-'], shell), 1)
  t.match(shell.errors(), /<stdin>:7:18: error: spec.engine: "rediss"/)
  t.equal(await render(['-f', `${dir}/none.yaml`], shell), 1)
  t.match(shell.errors(), 'none.yaml: there is no such file or folder')
})

t.test('mistakes in the call are answered with what was meant', async (t) => {
  const called = async (...args: string[]) => {
    const shell = recordingShell()
    return { code: await render(args, shell), errors: shell.errors(), output: shell.output() }
  }
  t.match(await called('--filname', 'x'), {
    code: 2,
    errors: /there is no flag --filname \(did you mean "--filename"\?\)/,
  })
  t.match(await called('x.yaml'), { code: 2, errors: /"x.yaml" is not expected here: files are given with -f/ })
  t.match(await called(), { code: 2, errors: /Give its file with -f/ })
  t.match(await called('-f', 'x', '-o', 'jsn'), {
    code: 2,
    errors: /--output takes yaml or json, not "jsn" \(did you mean "json"\?\)/,
  })
  const help = await called('--help')
  t.match(help, { code: 0, output: /Usage: operator-hooks render -f FILE/ })
  t.match(help.output, 'Exit codes')
})
