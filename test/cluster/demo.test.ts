// The demo's tour on the real control plane, and what is left of it afterwards.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..', '..')

async function demo(...args: string[]): Promise<{ code: unknown; text: string }> {
  const child = spawn(process.execPath, ['hooks/main.ts', 'demo', '--cluster', ...args], { cwd: root })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part) => {
      text += part
    })
  }
  const [code] = await once(child, 'close')
  return { code, text }
}

t.test('every step of the tour happens', async (t) => {
  const { code, text } = await demo('--port', '0')
  t.equal(code, 0, text)
  for (const step of ['created', 'drift repaired', 'scaled up', 'refused', 'canary', 'rolled back', 'deleted']) {
    t.match(text, `✓ ${step}: `)
  }
  t.match(text, /operator-hooks answers Metacontroller at/)
  t.match(text, /StatefulSet\/test-postgres 3\/3 ready/)
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
  await t.rejects(fetch(`${url}/healthz`), 'the service has ended')
})

t.test('a busy port is named before anything is started', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, text } = await demo('--port', String(port))
  t.equal(code, 1)
  t.match(text, `port ${port} of 127.0.0.1 is taken`)
})
