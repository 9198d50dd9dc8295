import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import t from 'tap'
import type { TourCluster } from '../../hooks/cli/demo/cluster.ts'
import { createScreen } from '../../hooks/cli/demo/screen.ts'
import { tour } from '../../hooks/cli/demo/tour.ts'
import { demo as demoIn } from '../../hooks/cli/demo.ts'
import { database } from '../../hooks/kinds/database/index.ts'
import { definitions } from '../../hooks/kinds/index.ts'
import { recordingShell } from './shell.ts'

const root = join(import.meta.dirname, '..', '..')

/** The demo as a process, with what it printed so far. */
function start(...args: string[]) {
  const child = spawn(process.execPath, ['hooks/main.ts', 'demo', ...args], { cwd: root })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part) => {
      text += part
    })
  return { child, text: () => text, ended: once(child, 'close').then(([code]) => code as number) }
}

/** Waits until the process has printed that. */
async function printed({ child, text }: { child: ChildProcess; text(): string }, what: RegExp): Promise<void> {
  while (!what.test(text())) {
    if (child.exitCode !== null) throw new Error(`it ended (${child.exitCode}) after ${text()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function refusesConnections(url: string): Promise<boolean> {
  return fetch(`${url}/healthz`).then(
    () => false,
    () => true,
  )
}

t.test('the tour happens, each step told in a line, and ends by itself without a terminal', async (t) => {
  const demo = start('--port', '0')
  t.equal(await demo.ended, 0, demo.text())
  const text = demo.text()
  t.match(text, /operator-hooks answers a simulated Metacontroller at http:\/\/127\.0\.0\.1:\d+/)
  for (const step of ['created', 'drift repaired', 'scaled up', 'refused', 'canary', 'rolled back', 'deleted']) {
    t.match(text, `✓ ${step}: `)
  }
  t.notMatch(text, '✗')
  t.match(
    text,
    /Database\/test-postgres Running.*\n├─ StatefulSet\/test-postgres 3\/3 ready\n│ {2}├─ Pod\/test-postgres-0 ready/,
  )
  t.match(text, 'spec.storage.size: Invalid value: "1Mi"')
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0] ?? ''
  t.ok(await refusesConnections(url), 'nothing listens any more')
})

t.test('the three commands it prints work as they stand, and Ctrl-C ends it', async (t) => {
  const demo = start('--port', '0', '--stay')
  await printed(demo, /Ctrl-C ends it/)
  const commands = [...demo.text().matchAll(/^ {2}curl (.*)$/gm)].map(([, rest = '']) => rest)
  t.equal(commands.length, 3)
  for (const command of commands) {
    const answer = await curl(command)
    t.match(answer, { status: { conditions: [] }, children: [] }, command)
    t.ok((answer as { children: unknown[] }).children.length > 0, 'with children')
    t.notMatch(answer, { status: { conditions: [{ reason: 'CredentialKeyMissing' }] } }, 'nothing is held')
  }
  const api = /--server (\S+)/.exec(demo.text())?.[1] ?? ''
  const list = await (await fetch(`${api}/apis/example.com/v1/databases`)).json()
  t.match(list, { kind: 'DatabaseList', items: [{ status: { phase: 'Running' } }] })
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(demo.text())?.[0] ?? ''
  demo.child.kill('SIGINT')
  t.equal(await demo.ended, 0)
  t.ok(await refusesConnections(url))
})

t.test('Ctrl-C ends it at any moment', async (t) => {
  const moments = [/Starting/, /answers a simulated Metacontroller/, /✓ created/]
  const codes = await Promise.all(
    moments.map(async (moment) => {
      const demo = start('--port', '0', '--stay')
      await printed(demo, moment)
      demo.child.kill('SIGINT')
      return demo.ended
    }),
  )
  for (const code of codes) t.equal(code, 130)
})

t.test('a busy port is named', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? String(address.port) : ''
  const demo = start('--port', port)
  t.equal(await demo.ended, 1)
  t.match(demo.text(), `port ${port} of 127.0.0.1 is taken`)
  t.notMatch(demo.text(), ' at ', 'without a stack')
  const shell = recordingShell()
  t.equal(await demoIn(['--port', 'eighty'], shell), 2)
  t.match(shell.errors(), '--port takes a number from 0 to 65535, not "eighty"')
})

t.test('a step that does not happen is told, and the others go on', async (t) => {
  const shell = recordingShell()
  const metadata = { name: 'db', namespace: 'demo', uid: 'u' }
  const parent = { apiVersion: 'example.com/v1', kind: 'Database', metadata, spec: { storage: { size: '1Gi' } } }
  const broken: TourCluster = {
    namespace: async () => 'demo',
    apply: async (object) => object,
    get: async () => parent,
    list: async () => [],
    patch: async () => parent,
    delete: async () => undefined,
    pass: async () => undefined,
    behave: async () => undefined,
  }
  let now = 0
  const steps = await tour({
    cluster: broken,
    samples: [parent],
    childTypes: [],
    screen: createScreen(shell),
    paint: shell.paint,
    stepSeconds: 1,
    now: () => ++now,
    rest: async () => undefined,
  })
  t.same(
    steps.map(({ title, done }) => `${title} ${done}`),
    ['create false', 'drift false', 'scale false', 'refusal false', 'deletion false'],
  )
  t.match(shell.output(), '✗ create did not happen: waited 120 s for 1 ready resources')
  t.match(shell.output(), '✗ refusal did not happen: the API server let the storage shrink')
})

t.test('it ends with 1 when a step did not happen', async (t) => {
  const stubborn = { ...database, finalize: () => ({ hold: { reason: 'Never', message: 'it never lets go' } }) }
  const shell = { ...recordingShell(), definitions: [stubborn, ...definitions.filter((one) => one !== database)] }
  t.equal(await demoIn(['--port', '0'], shell), 1)
  t.match(shell.output(), '✓ refused: ')
  t.match(shell.output(), '✗ deletion did not happen: waited 120 s for Database/')
})

t.test('on a terminal the picture moves in its place and fits', (t) => {
  const shell = { ...recordingShell(), interactive: true, columns: 20, rows: 6 }
  const screen = createScreen(shell)
  screen.draw(['one', 'two'])
  screen.draw(['one', 'two'])
  screen.note('for others')
  screen.draw(Array.from({ length: 9 }, (_, index) => `line ${index} ${'x'.repeat(40)}`))
  screen.tell('stays')
  screen.end()
  const output = shell.output()
  t.match(output, '\u001b[2A\u001b[J', 'goes up the two lines it drew, once')
  t.equal(output.split('\u001b[2A').length, 2)
  t.match(output, '… 6 more')
  t.notMatch(output, 'for others')
  for (const line of stripVTControlCharacters(output).split('\n')) t.ok(line.length < 20, line)
  t.ok(output.startsWith('\u001b[?25l') && output.endsWith('\u001b[?25h'), 'the cursor comes back')
  t.end()
})

/** Runs a printed command with curl itself, or, where there is none, as curl would. */
async function curl(command: string): Promise<unknown> {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
  try {
    const { stdout } = await promisify(execFile)('curl', words, { cwd: root, maxBuffer: 1 << 24 })
    return JSON.parse(stdout)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const { readFile } = await import('node:fs/promises')
    const file = words.find((word) => word.startsWith('@'))?.slice(1) ?? ''
    const headers = { 'content-type': 'application/json' }
    const body = await readFile(join(root, file))
    return (await fetch(words.at(-1) ?? '', { method: 'POST', headers, body })).json()
  }
}
