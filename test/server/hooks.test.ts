// What a hook answers, and what it says to a request that is none.
import t from 'tap'
import { resumptionRule } from '../../hooks/sdk/resumption.ts'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { testServer } from './harness.ts'
import { noteRequest, observedAfter } from './kinds.ts'

t.test('a sync is answered with status and children', async (t) => {
  const { app } = await testServer()
  const response = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^application\/json/)
  const { children, status } = response.json<CompositeResponse>()
  t.same(
    children.map(({ kind }) => kind),
    ['Deployment', 'Secret', 'ConfigMap'],
  )
  t.equal(status.phase, 'Creating')
  await app.close()
})

t.test('a body is taken whatever its content type says, as curl sends it', async (t) => {
  const { app } = await testServer()
  for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
    const headers = { 'content-type': type }
    const payload = JSON.stringify(noteRequest())
    const response = await app.inject({ method: 'POST', url: '/hooks/note/sync', headers, payload })
    t.equal(response.statusCode, 200, type)
  }
  await app.close()
})

t.test('finalize lets go, customize names what is looked at, a decorator answers too', async (t) => {
  const { app } = await testServer()
  const finalize = await app.inject({
    method: 'POST',
    url: '/hooks/note/finalize',
    payload: noteRequest({ text: 'x' }, { finalizing: true }),
  })
  t.equal(finalize.json().finalized, true)

  const customize = await app.inject({ method: 'POST', url: '/hooks/note/customize', payload: noteRequest() })
  t.same(customize.json(), {
    relatedResources: [
      {
        apiVersion: 'v1',
        resource: 'configmaps',
        namespace: 'default',
        labelSelector: { matchLabels: { note: 'shared' } },
      },
      resumptionRule,
    ],
  })

  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default', uid: 's1' } }
  const decorated = await app.inject({
    method: 'POST',
    url: '/hooks/companion/sync',
    payload: { controller: {}, object: service, attachments: { 'ConfigMap.v1': {} }, related: null, finalizing: false },
  })
  t.match(decorated.json(), {
    labels: { 'companion-of': 'web' },
    attachments: [{ metadata: { name: 'web-companion' } }],
  })
  await app.close()
})

t.test('an answer is the same for the keys of hook versions v1 and v2', async (t) => {
  const { app } = await testServer({ now: () => new Date('2026-01-01T00:00:00Z') })
  const first = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  const v1 = observedAfter(first.json<CompositeResponse>().children)
  const v2 = Object.fromEntries(
    Object.entries(v1).map(([group, objects]) => [
      group,
      Object.fromEntries(Object.entries(objects).map(([name, object]) => [`default/${name}`, object])),
    ]),
  )
  const [one, two] = await Promise.all(
    [v1, v2].map((children) =>
      app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest({ text: 'x' }, { children }) }),
    ),
  )
  t.equal(one?.statusCode, 200)
  t.equal(one?.body, two?.body)
  await app.close()
})

t.test('what is not there is answered 404 and told what is', async (t) => {
  const { app } = await testServer()
  const requests = [
    ['GET', '/'],
    ['POST', '/hooks/nothing/sync'],
    ['POST', '/hooks/note/dance'],
    ['POST', '/hooks/companion/customize'],
    ['GET', '/hooks/note/sync'],
  ] as const
  for (const [method, url] of requests) {
    const response = await app.inject({ method, url })
    t.equal(response.statusCode, 404, `${method} ${url}`)
    const { message, error, requestId } = response.json()
    t.equal(error, 'Not Found')
    t.ok(requestId)
    t.match(message, `there is no ${method} ${url}`)
    t.match(message, '/hooks/note/{sync,finalize,customize}')
    t.match(message, '/hooks/companion/{sync,finalize}')
    t.match(message, '/version')
  }
  await app.close()
})

t.test('a body that is no hook request is refused with the path of the field', async (t) => {
  const { app } = await testServer()
  const good = noteRequest()
  const live = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'first' } }
  const { parent } = good
  const cases: [string, unknown, RegExp][] = [
    ['sync', 'x', /^the body: must be an object, but is a string$/],
    ['sync', [], /^the body: must be an object, but is a list$/],
    ['sync', {}, /^parent: is missing; it must be an object$/],
    ['sync', { ...good, parent: 7 }, /^parent: must be an object, but is a number$/],
    ['sync', { ...good, parent: { ...parent, kind: 'Pod' } }, /^parent.kind: must be Note here, but is Pod$/],
    [
      'sync',
      { ...good, parent: { ...parent, apiVersion: 'test.example.com/v2' } },
      /^parent.apiVersion: must be test.example.com\/v1 here, but is test.example.com\/v2$/,
    ],
    ['sync', { ...good, parent: { ...parent, metadata: undefined } }, /^parent.metadata: is missing/],
    ['sync', { ...good, parent: { ...parent, metadata: { name: 'a' } } }, /^parent.metadata.uid: is missing/],
    [
      'sync',
      { ...good, parent: { ...parent, metadata: { uid: 'a', name: '' } } },
      /^parent.metadata.name: must be a string, but is empty$/,
    ],
    ['sync', { ...good, parent: { ...parent, spec: [] } }, /^parent.spec: must be an object, but is a list$/],
    ['sync', { ...good, children: undefined }, /^children: is missing/],
    ['sync', { ...good, children: { 'Pod.v1': null } }, /^children\["Pod.v1"\]: must be an object, but is null$/],
    ['sync', { ...good, children: { 'Pod.v1': { a: 1 } } }, /^children\["Pod.v1"\]\["a"\]: must be an object/],
    [
      'sync',
      { ...good, children: { 'ConfigMap.v1': { a: { ...live, metadata: {} } } } },
      /^children\["ConfigMap.v1"\]\["a"\].metadata.name: is missing/,
    ],
    ['sync', { ...good, related: 3 }, /^related: must be an object/],
    ['sync', { ...good, finalizing: 'yes' }, /^finalizing: must be true or false, but is a string$/],
    ['customize', { parent: null }, /^parent: must be an object, but is null$/],
  ]
  for (const [hook, payload, message] of cases) {
    const response = await app.inject({ method: 'POST', url: `/hooks/note/${hook}`, payload: JSON.stringify(payload) })
    t.equal(response.statusCode, 400, String(message))
    t.match(response.json().message, message)
  }
  const decorated = await app.inject({
    method: 'POST',
    url: '/hooks/companion/sync',
    payload: { object: parent, attachments: {} },
  })
  t.match(decorated.json().message, /^object.kind: companion decorates v1 Service, not test.example.com\/v1 Note$/)
  await app.close()
})

t.test('children that the controller does not observe are not taken for absent', async (t) => {
  const { app } = await testServer()
  const request = noteRequest()
  const { 'Secret.v1': _, ...children } = request.children
  const stale = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: { ...request, children } })
  t.equal(stale.statusCode, 400)
  t.match(stale.json().message, /^children: the group "Secret.v1" is missing: apply the controllers of this version/)
  const byHand = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: { ...request, children: {} } })
  t.equal(byHand.statusCode, 200, 'a request written by hand may leave all groups out')
  await app.close()
})

t.test('a status that somebody spoilt is written anew', async (t) => {
  const { app } = await testServer()
  const sync = (status: object) =>
    app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest({ text: 'x' }, { status }) })
  const usual = (await sync({})).json<CompositeResponse>().status.conditions as { type: string }[]
  for (const conditions of [
    7,
    [null],
    [{ type: 'Ready' }],
    [{ type: 'Applied', status: 'False', reason: 'Creating' }],
  ]) {
    const response = await sync({ phase: 'Running', conditions })
    t.equal(response.statusCode, 200, JSON.stringify(conditions))
    t.match(
      response.json().status.conditions,
      usual.map(({ type }) => ({ type })),
    )
  }
  await app.close()
})

t.test('a body that is not JSON is refused without being quoted', async (t) => {
  const { app } = await testServer()
  for (const payload of ['{"password": hunter2hunter2}', '{"password": "hunter2hunter2"', 'hunter2hunter2', '']) {
    const response = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload })
    t.equal(response.statusCode, 400)
    t.match(response.json().message, /is not JSON|is empty/)
    t.notMatch(response.body, /hunter2/)
  }
  await app.close()
})

t.test('a body above the limit is answered 413, and the flag that raises it is named', async (t) => {
  const { app } = await testServer({ limits: { bodyBytes: 100 } })
  const response = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  t.equal(response.statusCode, 413)
  t.match(response.json().message, /larger than 100 bytes; --body-limit-mib raises that/)
  await app.close()

  const usual = await testServer()
  const large = noteRequest({ text: 'x' }, { annotations: { large: 'x'.repeat(10_000_000) } })
  t.equal((await usual.app.inject({ method: 'POST', url: '/hooks/note/sync', payload: large })).statusCode, 200)
  await usual.app.close()
})

t.test('an answer that took longer than its budget is given, and told of in the log', async (t) => {
  const { app, logged } = await testServer({ limits: { timeoutSeconds: { sync: 0.05, finalize: 10, customize: 10 } } })
  const slow = noteRequest({ text: 'x', fail: 'slow' })
  t.equal((await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: slow })).statusCode, 200)
  t.match(logged().at(-1), { level: 'warn', msg: 'answered too late', kind: 'note', hook: 'sync', budgetMs: 50 })
  await app.close()
})

t.test('an invalid spec holds what exists, and a fault of the kind does too', async (t) => {
  const { app, logged } = await testServer()
  const first = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  const children = observedAfter(first.json<CompositeResponse>().children)
  for (const [spec, reason] of [
    [{ text: 7 }, 'InvalidSpec'],
    [{ text: 'x', fail: 'hold' }, 'NotYet'],
    [{ text: 'x', fail: 'undeclared' }, 'InvalidChild'],
  ] as const) {
    const response = await app.inject({
      method: 'POST',
      url: '/hooks/note/sync',
      payload: noteRequest(spec, { children }),
    })
    t.equal(response.statusCode, 200)
    const answer = response.json()
    t.equal(answer.children.length, 3, 'nothing is deleted')
    t.match(answer.status.conditions, [{ type: 'Ready', status: 'False', reason }])
    t.match(logged().at(-1), { decision: 'held', reason, level: reason === 'InvalidChild' ? 'error' : 'info' })
  }
  await app.close()
})

t.test('a bug is a 500 that tells nothing but the id to look for in the log', async (t) => {
  const { app, logged } = await testServer()
  const response = await app.inject({
    method: 'POST',
    url: '/hooks/note/sync',
    headers: { 'x-request-id': 'look-for-me' },
    payload: noteRequest({ text: 'x', fail: 'throw' }),
  })
  t.equal(response.statusCode, 500)
  t.same(response.json(), {
    error: 'Internal Server Error',
    message: 'an error of the hook service itself; its log tells more under this request id',
    requestId: 'look-for-me',
  })
  t.equal(response.headers['x-request-id'], 'look-for-me')
  const line = logged().at(-1)
  t.match(line, {
    level: 'error',
    reqId: 'look-for-me',
    kind: 'note',
    name: 'first',
    namespace: 'default',
    error: 'Error',
  })
  t.match(String(line?.stack), /kinds\.ts:\d+/)
  await app.close()
})

t.test('a request id that could break a log or a header is replaced', async (t) => {
  const { app } = await testServer()
  const response = await app.inject({ url: '/healthz', headers: { 'x-request-id': 'a b"c' } })
  t.not(response.headers['x-request-id'], 'a b"c')
  t.ok(response.headers['x-request-id'])
  await app.close()
})

t.test('the log has a line at info only when something changes', async (t) => {
  const { app, logged } = await testServer()
  const sync = async (request: object) =>
    (await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: request })).json<CompositeResponse>()
  const first = await sync(noteRequest())
  t.match(logged(), [
    {
      level: 'info',
      msg: 'answered',
      kind: 'note',
      hook: 'sync',
      namespace: 'default',
      name: 'first',
      generation: 1,
      decision: 'changed',
      created: ['Deployment/first', 'Secret/first', 'ConfigMap/first'],
      phase: 'Creating',
    },
  ])
  const children = observedAfter(first.children)
  const second = await sync(noteRequest({ text: 'hello' }, { children, status: first.status }))
  const third = await sync(noteRequest({ text: 'hello' }, { children, status: second.status }))
  t.same(third.status, second.status)
  t.equal(logged().length, 1, 'nothing changed: nothing is said')
  await sync(noteRequest({ text: 'hello', replicas: 3 }, { children, status: third.status }))
  t.match(logged().at(-1), { changed: ['Deployment/first: spec.replicas'] })
  const spec = { text: 'hello', fail: 'hold' }
  const held = await sync(noteRequest(spec, { children, status: third.status }))
  t.match(logged().at(-1), { decision: 'held', reason: 'NotYet' })
  const before = logged().length
  await sync(noteRequest(spec, { children, status: held.status }))
  t.equal(logged().length, before, 'a hold that the status tells of already is not said again')
  await app.close()
})

t.test('probes and the version are there', async (t) => {
  const { app } = await testServer()
  t.same((await app.inject('/healthz')).json(), { status: 'ok' })
  t.same((await app.inject('/readyz')).json(), { status: 'ready' })
  t.match((await app.inject('/version')).json(), {
    version: '1.2.3',
    build: 'test',
    node: process.versions.node,
    hooks: ['note', 'alarm', 'companion'],
  })
  await app.close()
})
