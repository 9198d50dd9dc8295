// Who may call: tokens, certificates, both, and their exchange.
import { X509Certificate } from 'node:crypto'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import t from 'tap'
import { createTokens, parseTokens } from '../../hooks/server/authentication.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { testServer } from './harness.ts'
import { noteRequest } from './kinds.ts'

const body = JSON.stringify(noteRequest())

t.test('hooks want a token that is known; probes want none', async (t) => {
  const tokens = createTokens(['first-token-of-test', 'second-token-of-test'])
  const { app } = await testServer({ authentication: 'token', tokens })
  const ask = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization }
    return app.inject({ method: 'POST', url: '/hooks/note/sync', headers, payload: body })
  }
  t.equal((await ask('Bearer first-token-of-test')).statusCode, 200)
  t.equal((await ask('Bearer second-token-of-test')).statusCode, 200)
  for (const given of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer first-token-of-tes',
    'Basic Zmlyc3Q6dG9rZW4=',
    'first-token-of-test',
  ]) {
    const response = await ask(given)
    t.equal(response.statusCode, 401, String(given))
    t.equal(response.json().error, 'Unauthorized')
    t.equal(response.headers['www-authenticate'], 'Bearer')
    t.notMatch(response.body, 'first-token')
  }
  for (const url of ['/healthz', '/readyz', '/metrics', '/version'])
    t.equal((await app.inject(url)).statusCode, 200, url)

  t.comment('an exchange: the new one counts at once, the old one no longer')
  tokens.replace(['second-token-of-test', 'third-token-of-test'])
  t.equal((await ask('Bearer third-token-of-test')).statusCode, 200)
  t.equal((await ask('Bearer first-token-of-test')).statusCode, 401)
  await app.close()
})

t.test('an unknown route needs no token to be answered 404, and a wrong token costs no body', async (t) => {
  const { app } = await testServer({ authentication: 'token', tokens: createTokens(['first-token-of-test']) })
  t.equal((await app.inject({ method: 'POST', url: '/hooks/x/sync' })).statusCode, 404)
  const refused = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: 'not json' })
  t.equal(refused.statusCode, 401, 'it is refused before the body is looked at')
  await app.close()
})

t.test('a file of tokens is checked', async (t) => {
  t.same(parseTokens('# ours\nabcdefghijklmnop\n\n  qrstuvwxyz0123456 \n', 'tokens'), [
    'abcdefghijklmnop',
    'qrstuvwxyz0123456',
  ])
  t.throws(() => parseTokens('\n# none\n', 'tokens'), { name: 'ConfigurationError', message: /^tokens: has no token/ })
  t.throws(() => parseTokens('abcdefghijklmnop\nshort', 'tokens'), {
    message: /^tokens, line 2: a token is 16 or more/,
  })
  const error = t.throws(() => parseTokens('has a space in it', 'tokens'))
  t.notMatch(String(error), 'space in it')
})

t.test('mutual TLS: hooks want a certificate of the authority, probes do not', async (t) => {
  const ours = await makeCertificates('hooks')
  const foreign = await makeCertificates('foreign')
  const { app } = await testServer({
    authentication: 'mtls',
    tls: { cert: ours.cert, key: ours.key, ca: ours.cert },
  })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const withCertificate = { cert: ours.clientCert, key: ours.clientKey }
  t.equal((await ask(port, ours, 'POST', '/hooks/note/sync', withCertificate)).status, 200)
  const without = await ask(port, ours, 'POST', '/hooks/note/sync')
  t.equal(without.status, 401)
  t.match(without.text, /a client certificate of an authority that this service trusts is needed/)
  const other = { cert: foreign.clientCert, key: foreign.clientKey }
  t.equal((await ask(port, ours, 'POST', '/hooks/note/sync', other)).status, 401)
  t.equal((await ask(port, ours, 'GET', '/healthz')).status, 200, 'a kubelet has no certificate')

  t.comment('an exchange of certificates is for new connections; nothing restarts')
  const next = await makeCertificates('hooks')
  app.exchange({ cert: next.cert, key: next.key, ca: next.cert })
  await t.rejects(ask(port, ours, 'GET', '/healthz'), 'the old certificate is gone')
  t.equal((await ask(port, next, 'GET', '/healthz')).status, 200)
  t.equal((await ask(port, next, 'POST', '/hooks/note/sync', withCertificate)).status, 401, 'so is the old authority')
  const until = Date.parse(new X509Certificate(next.cert).validTo) / 1000
  t.match((await app.inject('/metrics')).body, `operator_hooks_certificate_expiry_timestamp_seconds ${until}`)
  const renewed = { cert: next.clientCert, key: next.clientKey }
  t.equal((await ask(port, next, 'POST', '/hooks/note/sync', renewed)).status, 200)
  await app.close()
})

t.test('a TLS session that began without a certificate has none when it is resumed', async (t) => {
  const ours = await makeCertificates('hooks')
  const tls = { cert: ours.cert, key: ours.key, ca: ours.cert }
  const { app } = await testServer({ authentication: 'mtls', tls })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  // One request on a connection of its own: what counts is the certificate, not that a session is known.
  const visit = async (session?: Buffer) => {
    const socket = connect({ host: '127.0.0.1', port, ca: ours.cert, ...(session && { session }) })
    let next: Buffer | undefined
    let reused: boolean | undefined
    socket.on('secureConnect', () => {
      reused = socket.isSessionReused()
    })
    socket.on('session', (ticket: Buffer) => {
      next = ticket
    })
    socket.end(`POST /hooks/note/sync HTTP/1.1\r\nhost: a\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    let text = ''
    for await (const chunk of socket) text += chunk
    return { status: text.split(' ', 2)[1], reused, next }
  }
  const first = await visit()
  t.match(first, { status: '401', reused: false })
  t.ok(first.next, 'the server has given a session')
  t.match(await visit(first.next), { status: '401', reused: true })
  await app.close()
})

t.test('both may be asked for', async (t) => {
  const ours = await makeCertificates('hooks')
  const { app } = await testServer({
    authentication: 'token+mtls',
    tokens: createTokens(['first-token-of-test']),
    tls: { cert: ours.cert, key: ours.key, ca: ours.cert },
  })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const certificate = { cert: ours.clientCert, key: ours.clientKey }
  const headers = { authorization: 'Bearer first-token-of-test' }
  t.equal((await ask(port, ours, 'POST', '/hooks/note/sync', { ...certificate, headers })).status, 200)
  t.equal((await ask(port, ours, 'POST', '/hooks/note/sync', certificate)).status, 401)
  t.equal((await ask(port, ours, 'POST', '/hooks/note/sync', { headers })).status, 401)
  await app.close()
})

async function ask(
  port: number,
  trusted: Certificates,
  method: string,
  path: string,
  options: https.RequestOptions = {},
) {
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const request = https.request(
      { host: '127.0.0.1', port, method, path, ca: trusted.cert, agent: false, ...options },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode, text }))
      },
    )
    request.on('error', reject)
    request.end(method === 'POST' ? body : undefined)
  })
}
