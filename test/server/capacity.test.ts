// Back-pressure: whatever cannot be answered now is answered 429 with a whole number of seconds, never 503.
import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { testServer } from './harness.ts'
import { noteRequest } from './kinds.ts'

const body = JSON.stringify(noteRequest())

// A POST whose body is still to be sent.
function begin(port: number, agent: http.Agent) {
  const request = http.request({
    port,
    agent,
    host: '127.0.0.1',
    method: 'POST',
    path: '/hooks/note/sync',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  })
  request.flushHeaders()
  return request
}

async function answerOf(request: http.ClientRequest) {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }
}

t.test('more requests than are allowed at a time are sent away, and room is made again', async (t) => {
  const { app } = await testServer({ limits: { inFlight: 1, retryAfterSeconds: 3 } })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: true })
  const slow = begin(port, agent)
  await t.resolves(until(async () => /operator_hooks_in_flight 1/.test(await metrics(port))))

  const second = begin(port, agent)
  second.end(body)
  const refused = await answerOf(second)
  t.equal(refused.status, 429)
  t.equal(refused.headers['retry-after'], '3')
  t.match(JSON.parse(refused.text).message, /as many requests as are allowed are being worked on; ask again in 3 s/)

  slow.end(body)
  t.equal((await answerOf(slow)).status, 200)
  const third = begin(port, agent)
  third.end(body)
  t.equal((await answerOf(third)).status, 200)

  t.comment('a caller that goes away gives its place back')
  const gone = begin(port, agent)
  await t.resolves(until(async () => /operator_hooks_in_flight 1/.test(await metrics(port))))
  gone.on('error', () => undefined).destroy()
  await t.resolves(until(async () => /operator_hooks_in_flight 0/.test(await metrics(port))))
  t.match(await metrics(port), /operator_hooks_rejected_total\{reason="in_flight"\} 1/)
  agent.destroy()
  await app.close()
})

t.test('a stopping server answers what is in flight and sends new requests elsewhere', async (t) => {
  const { app } = await testServer()
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: true })
  const slow = begin(port, agent)
  await t.resolves(until(async () => /operator_hooks_in_flight 1/.test(await metrics(port))))
  app.stop()

  const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
  t.equal(ready.status, 429, 'no longer ready, and no 503 here either')
  t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200, 'and yet alive')
  const late = begin(port, agent)
  late.end(body)
  const refused = await answerOf(late)
  t.equal(refused.status, 429)
  t.match(refused.headers['retry-after'], /^\d+$/)
  t.equal(refused.headers.connection, 'close')

  const closed = app.close()
  await setTimeout(50)
  slow.end(body)
  const answered = await answerOf(slow)
  t.equal(answered.status, 200)
  t.equal(answered.headers.connection, 'close', 'so that the connection does not keep the server')
  await closed
  agent.destroy()
})

t.test('a request that comes while the server closes is answered 429, not 503', async (t) => {
  const { app } = await testServer()
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  // Half a head: the connection is not idle, so closing waits for it.
  socket.write('POST /hooks/note/sync HTTP/1.1\r\nhost: a\r\n')
  await setTimeout(50)
  const closed = app.close()
  await setTimeout(50)
  socket.write(`content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  await Promise.all([closed, once(socket, 'close')])
  const text = Buffer.concat(received).toString()
  t.match(text, /^HTTP\/1\.1 429 /)
  t.match(text, /\r\nretry-after: 2\r\n/)
})

t.test('a caller that is still sending sees why it is refused', async (t) => {
  const { app } = await testServer({ limits: { bodyBytes: 1000 } })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  // A socket that reads nothing before it has written all, as far as it can.
  const ask = async () => {
    const socket = connect(port, '127.0.0.1')
    const length = 8_000_000
    const written = new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.write(`POST /hooks/note/sync HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`)
      socket.write(Buffer.alloc(length, 'x'), () => resolve())
    })
    const [first] = (await Promise.all([once(socket, 'data'), written]))[0] as [Buffer]
    socket.destroy()
    return first.toString().split(' ', 2)[1]
  }
  t.same(await Promise.all([ask(), ask(), ask()]), ['413', '413', '413'])
  app.stop()
  t.same(await Promise.all([ask(), ask(), ask()]), ['429', '429', '429'])
  await app.close()
})

t.test('a busy event loop sends away all but one', async (t) => {
  const { app } = await testServer({ limits: { eventLoopDelayMs: 50 } })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const agent = new http.Agent({ keepAlive: true })
  const slow = begin(port, agent)
  await t.resolves(until(async () => /operator_hooks_in_flight 1/.test(await metrics(port))))
  const statuses = await until(async () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150)
    const { statusCode, headers } = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: body })
    return statusCode === 429 && headers['retry-after']
  })
  t.equal(statuses, '2')
  t.match(await metrics(port), /operator_hooks_rejected_total\{reason="event_loop"\} [1-9]/)
  slow.end(body)
  t.equal((await answerOf(slow)).status, 200)
  t.equal(
    (await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: body })).statusCode,
    200,
    'alone it is never refused',
  )
  agent.destroy()
  await app.close()
})

t.test('a request that is older than its budget is not begun', async (t) => {
  const { app } = await testServer({ limits: { timeoutSeconds: { sync: 0.1, finalize: 10, customize: 10 } } })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const agent = new http.Agent()
  const slow = begin(port, agent)
  await setTimeout(150)
  slow.end(body)
  const answer = await answerOf(slow)
  t.equal(answer.status, 429)
  t.match(answer.text, /older than its timeout/)
  await app.close()
})

t.test('idle connections outlast those of Go, which keeps them 90 s', async (t) => {
  const { app } = await testServer()
  t.ok(app.server.keepAliveTimeout > 90_000)
  await app.close()
})

async function metrics(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: 'close' } })).text()
}

async function until<T>(probe: () => Promise<T>): Promise<T> {
  for (let i = 0; i < 200; i++) {
    const found = await probe()
    if (found) return found
    await setTimeout(20)
  }
  throw new Error('it did not come to that in 4 s')
}
