// The service behind a Lambda function URL, asked with events as AWS records them (payload format 2.0:
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads).
import t from 'tap'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { createHandler } from '../../hooks/server/lambda.ts'
import { definitions, noteRequest, observedAfter } from './kinds.ts'

const env = {
  OPERATOR_HOOKS_TOKENS: 'first-token-of-test',
  OPERATOR_HOOKS_CREDENTIAL_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
  OPERATOR_HOOKS_LOG_LEVEL: 'silent',
}
const context = { awsRequestId: '8f507cfc-xmpl-4697-b07a-ac58fc914c95', functionName: 'operator-hooks' }

function event(
  path: string,
  options: { method?: string; body?: string; base64?: boolean; headers?: Record<string, string> } = {},
) {
  const { method = 'POST', body, base64 = false, headers = {} } = options
  const host = 'abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws'
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: '',
    headers: {
      'content-type': 'application/json',
      'x-amzn-tls-version': 'TLSv1.3',
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '443',
      'x-forwarded-for': '203.0.113.10',
      'accept-encoding': 'gzip',
      'user-agent': 'Go-http-client/1.1',
      authorization: 'Bearer first-token-of-test',
      host,
      ...headers,
    },
    requestContext: {
      accountId: 'anonymous',
      apiId: host.split('.')[0],
      domainName: host,
      domainPrefix: host.split('.')[0],
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.10', userAgent: 'Go-http-client/1.1' },
      requestId: 'e1506fd5-9e7b-434f-bd42-4f8fa224b599',
      routeKey: '$default',
      stage: '$default',
      time: '12/Mar/2026:19:03:58 +0000',
      timeEpoch: 1773342238000,
    },
    ...(body === undefined ? {} : { body: base64 ? Buffer.from(body).toString('base64') : body }),
    isBase64Encoded: base64,
  }
}

t.test('a sync is answered, its body plain or in base64', async (t) => {
  const handler = await createHandler(definitions, env)
  const body = JSON.stringify(noteRequest({ text: 'grüße' }))
  for (const base64 of [false, true]) {
    const answer = await handler(event('/hooks/note/sync', { body, base64 }), context)
    t.equal(answer.statusCode, 200)
    t.not(answer.isBase64Encoded, true)
    t.match(answer.headers['content-type'], /^application\/json/)
    t.equal(answer.headers['x-request-id'], 'e1506fd5-9e7b-434f-bd42-4f8fa224b599')
    const { children } = JSON.parse(answer.body) as CompositeResponse
    t.match(children[2], { kind: 'ConfigMap', data: { text: 'grüße' } })
  }
})

t.test('an answer that Metacontroller still has is 304, by two instances alike', async (t) => {
  const [one, two] = await Promise.all([createHandler(definitions, env), createHandler(definitions, env)])
  const first = await one(event('/hooks/note/sync', { body: JSON.stringify(noteRequest()) }), context)
  const children = observedAfter((JSON.parse(first.body) as CompositeResponse).children)
  const body = JSON.stringify(noteRequest({ text: 'hello' }, { children }))
  const whole = await one(event('/hooks/note/sync', { body }), context)
  const etag = String(whole.headers.etag)
  const again = await one(event('/hooks/note/sync', { body, headers: { 'if-none-match': etag } }), context)
  t.equal(again.statusCode, 304)
  t.equal(again.body, '')
  t.equal((await two(event('/hooks/note/sync', { body }), context)).statusCode, 200)
})

t.test('errors are the same as elsewhere', async (t) => {
  const handler = await createHandler(definitions, env)
  const stranger = { authorization: 'Bearer nobody-knows-this' }
  t.equal((await handler(event('/hooks/note/sync', { body: '{}', headers: stranger }), context)).statusCode, 401)
  t.equal((await handler(event('/hooks/note/sync', { body: '{' }), context)).statusCode, 400)
  t.equal((await handler(event('/hooks/note/sync'), context)).statusCode, 400, 'no body')
  t.equal((await handler(event('/nothing', { method: 'GET' }), context)).statusCode, 404)
  t.equal((await handler(event('/healthz', { method: 'GET' }), context)).statusCode, 200)
})

t.test('a configuration that is not fit stops the start', async (t) => {
  await t.rejects(createHandler(definitions, {}), { name: 'ConfigurationError', message: /nothing says who may call/ })
})

t.test('the program exposes the handler and does not run as a command when it is imported', async (t) => {
  const main = await import('../../hooks/main.ts')
  t.type(main.handler, 'function')
})
