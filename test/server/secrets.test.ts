// No Secret leaves but in an answer. Secrets are planted wherever one can come from, every request that the suite knows is
// made at level trace, and every log line, metric, span, event and error body is searched.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { createTokens } from '../../hooks/server/authentication.ts'
import { thisBuild } from '../../hooks/server/build.ts'
import { createRecorder, type WrittenEvent } from '../../hooks/server/events.ts'
import { tracesFromEnvironment } from '../../hooks/server/traces.ts'
import { credentials, testServer } from './harness.ts'
import { noteRequest, observedAfter } from './kinds.ts'

t.test('planted secrets are found in no log line, metric, span, event or error body', async (t) => {
  const planted = {
    child: 'planted-in-a-secret-child',
    drifted: 'planted-in-a-drifted-environment',
    annotation: 'planted-in-an-annotation',
    authorization: 'planted-in-the-authorization-header',
    token: 'planted-in-the-tokens-file',
    related: 'planted-in-a-related-secret',
    malformed: 'planted-in-a-malformed-body',
    query: 'planted-in-a-query-string',
    derived: credentials.derive({ uid: 'a3b1', purpose: 'note', rotation: 0 }),
  }
  const spans: string[] = []
  const collector = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => spans.push(chunk.toString()))
    request.on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`
  process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = endpoint
  const traces = await tracesFromEnvironment(process.env, thisBuild())
  delete process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  if (traces === undefined) throw new Error('there are no traces')

  const events: WrittenEvent[] = []
  const { app, lines } = await testServer({
    authentication: 'token',
    tokens: createTokens([planted.token]),
    logLevel: 'trace',
    traces,
    events: createRecorder({ create: async (event) => void events.push(event), update: async () => undefined }),
  })
  const bodies: string[] = []
  const post = async (url: string, payload: object | string, authorization = `Bearer ${planted.token}`) => {
    const headers = { authorization, 'content-type': 'application/json' }
    const response = await app.inject({ method: 'POST', url, headers, payload })
    if (response.statusCode !== 200) bodies.push(response.body)
    return response
  }

  const annotations = { 'test.example.com/password': planted.annotation }
  const first = await post('/hooks/note/sync', noteRequest({ text: 'x' }, { annotations }))
  t.equal(first.statusCode, 200)
  const desired = first.json<CompositeResponse>().children
  const children = observedAfter(desired)
  const live = children['Secret.v1']?.first
  const deployment = children['Deployment.apps/v1']?.first
  if (live === undefined || deployment === undefined) throw new Error('the children are not there')
  live.data = { password: btoa(planted.child) }
  // Another hand has changed a value that is a password: its path may be told, neither its old nor its new value.
  const template = deployment as unknown as {
    spec: { template: { spec: { containers: { env: { value: string }[] }[] } } }
  }
  const [variable] = template.spec.template.spec.containers[0]?.env ?? []
  if (variable !== undefined) variable.value = planted.drifted
  const last = 'metacontroller.k8s.io/last-applied-configuration'
  live.metadata.annotations = { [last]: JSON.stringify(desired[1]) }
  deployment.metadata.annotations = { [last]: JSON.stringify(desired[0]) }
  const related = {
    'Secret.v1': {
      theirs: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'theirs' }, stringData: { key: planted.related } },
    },
  }
  const options = { children, annotations }
  for (const spec of [
    { text: 'x' },
    { text: 'x', replicas: 3 },
    { text: 7 },
    { text: 'x', fail: 'throw' },
    { text: 'x', fail: 'parse' },
    { text: 'x', fail: 'hold' },
    { text: 'x', fail: 'undeclared' },
  ]) {
    for (const hook of ['sync', 'finalize', 'customize']) {
      await post(`/hooks/note/${hook}`, { ...noteRequest(spec, options), related })
    }
  }
  await post('/hooks/note/sync', `{"password": ${planted.malformed}}`)
  await post('/hooks/note/sync', { ...noteRequest(), parent: { password: planted.malformed } })
  await post('/hooks/note/sync', { ...noteRequest(), finalizing: planted.malformed })
  await post(`/hooks/note/nothing?token=${planted.query}`, '{}')
  await post('/hooks/note/sync', noteRequest(), `Bearer ${planted.authorization}`)
  await post('/hooks/note/sync', noteRequest(), `Basic ${planted.authorization}`)
  const metrics = (await app.inject('/metrics')).body
  await app.close()
  collector.close()

  t.ok(lines.length >= 20, `${lines.length} log lines`)
  t.ok(bodies.length >= 8, `${bodies.length} error bodies`)
  t.ok(spans.length > 0 && spans.join('').includes('/hooks/note/sync'), 'there are spans')
  t.ok(
    events.some(({ reason }) => reason === 'DriftRepaired'),
    'there are events',
  )
  t.ok(
    lines.some((line) => line.includes('[redacted]')),
    'an error was told without what it quoted',
  )
  t.ok(
    lines.some((line) => line.includes('env[PASSWORD].value')),
    'the path of what drifted is told',
  )
  const told = {
    lines: lines.join(''),
    bodies: bodies.join(''),
    metrics,
    spans: spans.join(''),
    events: JSON.stringify(events),
  }
  for (const [name, secret] of Object.entries(planted)) {
    for (const form of [secret, btoa(secret)]) {
      for (const [where, text] of Object.entries(told)) t.notOk(text.includes(form), `${name} is not in ${where}`)
    }
  }
})
