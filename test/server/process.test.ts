// The service as a process: how it starts, is refused a start, takes up new files, and stops.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeCertificates } from './certificates.ts'
import { noteRequest } from './kinds.ts'

const entry = join(import.meta.dirname, 'service.ts')
// Each waits for processes of its own more than it works.
t.jobs = 4
const beside = { buffered: true }
const body = JSON.stringify(noteRequest())
const open = ['--auth=none', '--ephemeral-credential-keys', '--port=0', '--drain-seconds=0']

t.test('it starts, says where, serves, and ends with 0 on SIGTERM', beside, async (t) => {
  const service = await start(t, [...open, '--metrics-port=0'])
  t.match(service.first, { level: 'info', msg: 'listening', url: /^http:\/\/127\.0\.0\.1:\d+$/, metrics: /\/metrics$/ })
  const answer = await fetch(`${service.url}/hooks/note/sync`, { method: 'POST', body })
  t.equal(answer.status, 200)
  t.match(await (await fetch(String(service.first.metrics))).text(), /operator_hooks_requests_total/)
  await service.says(/anybody who reaches this service may call its hooks/)
  t.match(service.output(), /a key that is forgotten when the service stops/)
  service.child.kill('SIGTERM')
  t.same(await once(service.child, 'exit'), [0, null])
  t.match(service.output(), /"msg":"stopped"/)
})

t.test('what is in flight when it is told to stop is answered', beside, async (t) => {
  const service = await start(t, open)
  const agent = new http.Agent({ keepAlive: true })
  const request = http.request(`${service.url}/hooks/note/sync`, {
    agent,
    method: 'POST',
    headers: { 'content-length': Buffer.byteLength(body) },
  })
  request.flushHeaders()
  await untilIn(service.url, /operator_hooks_in_flight 1/)
  const exit = once(service.child, 'exit')
  service.child.kill('SIGTERM')
  await setTimeout(200)
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  t.equal(response.statusCode, 200)
  response.resume()
  t.same(await exit, [0, null])
})

t.test(
  'while it drains it still listens and answers 429; who never ends its request does not keep it',
  beside,
  async (t) => {
    const service = await start(t, [...open, '--drain-seconds=1', '--grace-seconds=3'])
    const stuck = http.request(`${service.url}/hooks/note/sync`, {
      method: 'POST',
      headers: { 'content-length': 1000 },
    })
    stuck.on('error', () => undefined)
    stuck.flushHeaders()
    await untilIn(service.url, /operator_hooks_in_flight 1/)
    const exit = once(service.child, 'exit')
    service.child.kill('SIGTERM')
    await setTimeout(300)
    const refused = await fetch(`${service.url}/hooks/note/sync`, { method: 'POST', body })
    t.equal(refused.status, 429)
    t.equal(refused.headers.get('retry-after'), '2')
    t.same(await exit, [0, null])
  },
)

t.test('a bad configuration is a sentence and exit code 2', beside, async (t) => {
  const bad = await ended(t, ['--port=abc', '--max-in-flight=0'])
  t.equal(bad.code, 2)
  t.same(bad.stderr.trim().split('\n'), [
    '--port: "abc" is not a port (0–65535)',
    '--max-in-flight: "0" is not a whole number (1–100000)',
  ])
  t.equal(bad.stdout, '')
  const missing = await ended(t, [...open.slice(1), '--tokens-file=/nowhere/tokens'])
  t.equal(missing.code, 2)
  t.equal(missing.stderr.trim(), '--tokens-file: /nowhere/tokens cannot be read (ENOENT)')
  const alone = await ended(t, [...open, '--events'])
  t.equal(alone.code, 2)
  t.match(alone.stderr, /^--events: there is no cluster to write to/)
})

t.test('a port that is taken is named', beside, async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  for (const flag of ['--port', '--metrics-port']) {
    const { code, stderr } = await ended(t, [...open, `${flag}=${port}`])
    t.equal(code, 2)
    t.equal(stderr.trim(), `${flag}: ${port} is taken on 127.0.0.1; 0 takes a free one`)
  }
  other.close()
})

t.test('help and unknown commands', beside, async (t) => {
  const help = await ended(t, ['--help'])
  t.equal(help.code, 0)
  t.match(help.stdout, /--credential-keys-file FILE/)
  const main = join(import.meta.dirname, '../../hooks/main.ts')
  const nothing = await ended(t, [], main)
  t.equal(nothing.code, 0)
  t.match(nothing.stdout, /serve +answer Metacontroller's hooks/)
  const unknown = await ended(t, ['dance'], main)
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /^there is no command "dance"/)
})

t.test('tokens and certificates are taken up while it runs, as a kubelet exchanges them', beside, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'operator-hooks-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [first, second] = await Promise.all([makeCertificates('hooks'), makeCertificates('hooks')])
  const write = (version: string, files: Record<string, string>) => {
    // A Secret's files are links into a folder that is exchanged as a whole.
    const data = mkdtempSync(join(folder, `${version}-`))
    for (const [name, content] of Object.entries(files)) writeFileSync(join(data, name), content)
    symlinkSync(data, join(folder, 'next'))
    renameSync(join(folder, 'next'), join(folder, 'data'))
  }
  write('one', { tokens: 'first-token-of-test', 'tls.crt': first.cert, 'tls.key': first.key })
  for (const name of ['tokens', 'tls.crt', 'tls.key']) symlinkSync(join('data', name), join(folder, name))
  const service = await start(t, [
    '--port=0',
    '--drain-seconds=0',
    '--ephemeral-credential-keys',
    '--reload-seconds=1',
    `--tokens-file=${join(folder, 'tokens')}`,
    `--tls-cert-file=${join(folder, 'tls.crt')}`,
    `--tls-key-file=${join(folder, 'tls.key')}`,
  ])
  t.match(service.url, /^https:/)
  t.equal(await ask(service.url, first.cert, 'first-token-of-test'), 200)

  t.comment('what is not fit is not taken up')
  write('bad', { tokens: 'first-token-of-test', 'tls.crt': first.cert, 'tls.key': second.key })
  await service.says(/kept the certificates from before: the new ones are not fit/)
  t.match(service.output(), /is not the key of the certificate/)
  t.equal(await ask(service.url, first.cert, 'first-token-of-test'), 200)

  write('two', { tokens: 'second-token-of-test', 'tls.crt': second.cert, 'tls.key': second.key })
  await service.says(/took up new tokens/)
  await service.says(/took up new certificates/)
  t.equal(await ask(service.url, second.cert, 'second-token-of-test'), 200)
  t.equal(await ask(service.url, second.cert, 'first-token-of-test'), 401)
  await t.rejects(ask(service.url, first.cert, 'second-token-of-test'), 'the old certificate is gone')
  t.notMatch(service.output(), /(first|second)-token-of-test/)
})

interface Service {
  child: ChildProcess
  /** The first line of its log. */
  first: Record<string, unknown>
  url: string
  output(): string
  says(pattern: RegExp): Promise<void>
}

async function start(t: Test, args: readonly string[]): Promise<Service> {
  const { child, output } = run(t, args, entry)
  const says = async (pattern: RegExp) => {
    for (let i = 0; i < 400 && child.exitCode === null; i++) {
      if (pattern.test(output())) return
      await setTimeout(25)
    }
    throw new Error(`the service did not say ${pattern}: ${output()}`)
  }
  await says(/"msg":"listening"/)
  const lines = output().split('\n')
  const first = lines.map((line) => JSON.parse(line || '{}')).find(({ msg }) => msg === 'listening')
  return { child, first, url: first.url, output, says }
}

async function ended(t: Test, args: readonly string[], program = entry) {
  const { child, output, stderr } = run(t, args, program)
  const [code] = await once(child, 'close')
  return { code, stdout: output(), stderr: stderr() }
}

function run(t: Test, args: readonly string[], program: string) {
  // Nothing of ours but what makes a start cheaper: a service reads its settings from the environment.
  const { NODE_COMPILE_CACHE } = process.env
  const child = spawn(process.execPath, [program, ...args], {
    env: { NODE_COMPILE_CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk) => {
      texts[name] += chunk
    })
  }
  return { child, output: () => texts.stdout, stderr: () => texts.stderr }
}

async function untilIn(url: string, pattern: RegExp): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const response = await fetch(`${url}/metrics`, { headers: { connection: 'close' } })
    if (pattern.test(await response.text())) return
    await setTimeout(20)
  }
  throw new Error(`the metrics did not come to ${pattern}`)
}

function ask(url: string, ca: string, token: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    const request = https.request(
      `${url}/hooks/note/sync`,
      { method: 'POST', ca, headers, agent: false },
      (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
