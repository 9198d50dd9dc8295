// Spans reach a collector when the environment names one, and cost nothing when it does not.
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { tracesFromEnvironment } from '../../hooks/server/traces.ts'
import { testServer } from './harness.ts'
import { noteRequest } from './kinds.ts'

interface Span {
  name: string
  traceId: string
  parentSpanId?: string
  kind: number
  attributes: { key: string; value: Record<string, unknown> }[]
  status: { code?: number }
}

// A collector: OTLP over HTTP, in JSON.
async function collect() {
  const spans: Span[] = []
  const resources: unknown[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(text)
      for (const { resource, scopeSpans } of resourceSpans) {
        resources.push(resource)
        for (const scope of scopeSpans) spans.push(...scope.spans)
      }
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { spans, resources, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

t.test('a request is a span below that of its caller', async (t) => {
  const { spans, resources, server, url } = await collect()
  // The exporter reads its endpoint from the process's own environment.
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url
  process.env.OTEL_RESOURCE_ATTRIBUTES = 'deployment.environment=test'
  const traces = await tracesFromEnvironment(process.env, { version: '1.2.3', id: 'test' })
  if (traces === undefined) throw new Error('there are no traces')
  const { app } = await testServer({ traces })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await app.inject({ method: 'POST', url: '/hooks/note/sync', headers: { traceparent }, payload: noteRequest() })
  await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest({ text: 'x', fail: 'throw' }) })
  await app.close()
  server.close()
  delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
  delete process.env.OTEL_RESOURCE_ATTRIBUTES

  t.equal(spans.length, 2)
  const [first, second] = spans
  t.match(first, {
    name: 'POST /hooks/note/sync',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
    kind: 2,
  })
  const attributes = Object.fromEntries(
    (first?.attributes ?? []).map(({ key, value }) => [key, Object.values(value)[0]]),
  )
  t.match(attributes, {
    'http.route': '/hooks/note/sync',
    'http.response.status_code': 200,
    'k8s.namespace.name': 'default',
    'operator_hooks.name': 'first',
    'operator_hooks.desired': 3,
    'operator_hooks.changes': 3,
    'operator_hooks.outcome': 'answered',
  })
  t.equal(second?.status.code, 2, 'a failure is an error of the span')
  t.not(second?.traceId, first?.traceId)
  t.match(JSON.stringify(resources[0]), /operator-hooks/)
  t.match(JSON.stringify(resources[0]), /deployment.environment/)
})

t.test('a collector that is away holds up nothing', async (t) => {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:9'
  process.env.OTEL_EXPORTER_OTLP_TIMEOUT = '200'
  const traces = await tracesFromEnvironment(process.env, { version: '1.2.3', id: 'test' })
  const { app } = await testServer({ ...(traces && { traces }) })
  const response = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  t.equal(response.statusCode, 200)
  await app.close()
  delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
  delete process.env.OTEL_EXPORTER_OTLP_TIMEOUT
})

t.test('without an endpoint nothing of it is loaded', async (t) => {
  t.equal(await tracesFromEnvironment({}, { version: '1', id: 'x' }), undefined)
  t.equal(
    await tracesFromEnvironment(
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_SDK_DISABLED: 'true' },
      { version: '1', id: 'x' },
    ),
    undefined,
  )
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    const { assemble } = await import('${new URL('../../hooks/server/assemble.ts', import.meta.url)}')
    const { createServer } = await import('${new URL('../../hooks/server/server.ts', import.meta.url)}')
    const { readConfiguration } = await import('${new URL('../../hooks/server/configuration.ts', import.meta.url)}')
    const options = await assemble([], readConfiguration(['--auth=none', '--ephemeral-credential-keys', '--log-level=silent'], {}), {})
    await (await createServer(options)).close()
    console.log(loaded.filter((url) => /opentelemetry.(sdk|exporter)|client-node|aws-lambda|simulator/.test(url)).join())
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  t.equal(stdout.trim(), '')
})
