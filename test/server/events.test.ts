// Kubernetes Events: what is told of an answer, how repetition becomes a series, and how it reaches an API server.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import t from 'tap'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { createRecorder, type EventSink, type HookEvent, type WrittenEvent } from '../../hooks/server/events.ts'
import { eventWriter } from '../../hooks/server/kubernetes-events.ts'
import { testServer } from './harness.ts'
import { noteRequest, observedAfter } from './kinds.ts'

const lastApplied = 'metacontroller.k8s.io/last-applied-configuration'

// A server, and what its answers to sync were told as.
async function told() {
  const events: HookEvent[] = []
  const sink: EventSink = {
    record: (event) => void events.push(event),
    flush: async () => undefined,
    close: async () => undefined,
  }
  const { app } = await testServer({ events: sink })
  return {
    app,
    async sync(request: object, hook = 'sync') {
      events.length = 0
      const response = await app.inject({ method: 'POST', url: `/hooks/note/${hook}`, payload: request })
      // They are made after the answer has left.
      await new Promise((resolve) => setImmediate(resolve))
      return {
        answer: response.json<CompositeResponse>(),
        events: events.map(({ type, reason, note }) => `${type} ${reason} ${note}`),
        raw: [...events],
      }
    },
  }
}

t.test('created, scaled, changed, repaired, removed and refused are told of', async (t) => {
  const { app, sync } = await told()
  const first = await sync(noteRequest())
  t.same(first.events, ['Normal Created Deployment/first, Secret/first, ConfigMap/first'])
  t.match(first.raw[0], {
    action: 'Sync',
    regarding: { apiVersion: 'test.example.com/v1', kind: 'Note', namespace: 'default', name: 'first', uid: 'a3b1' },
  })

  const again = await sync(noteRequest({ text: 'hello' }, { status: first.answer.status }))
  t.same(again.events, [], 'a child that was asked for already is not created twice')

  const children = observedAfter(first.answer.children)
  const scaled = await sync(noteRequest({ text: 'hello', replicas: 3 }, { children }))
  t.same(scaled.events, ['Normal Scaled Deployment/first from 1 to 3'])
  const changed = await sync(noteRequest({ text: 'other' }, { children }))
  t.same(changed.events, ['Normal Changed ConfigMap/first: data.text'])

  const drifted = structuredClone(children)
  const live = drifted['ConfigMap.v1']?.first
  if (live === undefined) throw new Error('the ConfigMap is not there')
  live.metadata.annotations = { [lastApplied]: JSON.stringify(first.answer.children[2]) }
  live.data = { text: 'by hand' }
  const repaired = await sync(noteRequest({ text: 'hello' }, { children: drifted }))
  t.same(repaired.events, ['Warning DriftRepaired ConfigMap/first: somebody changed data.text; put back'])

  const old = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'old', namespace: 'default' } }
  const removed = await sync(noteRequest({ text: 'hello' }, { children: { ...children, 'Service.v1': { old } } }))
  t.same(removed.events, ['Normal Removed Service/old'])

  const refused = await sync(noteRequest({ text: 7 }, { children }))
  t.match(refused.events, [/^Warning Refused InvalidSpec: spec.text: /])

  const finalized = await sync(noteRequest({ text: 'x' }, { children, finalizing: true }), 'finalize')
  t.same(finalized.events, ['Normal Finalized let go'], 'what the collector takes is not told as removed')
  await app.close()
})

t.test('a name that somebody else holds is told of, and not as created', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const events: HookEvent[] = []
  const { app } = await testServer({
    now: () => now,
    events: { record: (event) => void events.push(event), flush: async () => undefined, close: async () => undefined },
  })
  let status: object = {}
  for (const second of [0, 5, 15, 45]) {
    now = new Date(Date.UTC(2026, 0, 1, 0, 0, second))
    const response = await app.inject({
      method: 'POST',
      url: '/hooks/note/sync',
      payload: noteRequest({ text: 'x' }, { status }),
    })
    status = response.json<CompositeResponse>().status
  }
  await new Promise((resolve) => setImmediate(resolve))
  t.same(
    events.map(({ reason }) => reason),
    ['Created', 'NameTaken', 'NameTaken'],
  )
  await app.close()
})

t.test('what is said again within the window is a series of the first', async (t) => {
  let time = 0
  const created: WrittenEvent[] = []
  const updated: [string, number][] = []
  const recorder = createRecorder(
    {
      create: async (event) => void created.push(event),
      update: async ({ name }, { count }) => void updated.push([name, count]),
    },
    { now: () => new Date(time) },
  )
  for (const second of [0, 30, 60]) {
    time = second * 1000
    recorder.record(event('Refused', 'InvalidSpec: spec.text'))
  }
  recorder.record(event('Refused', 'InvalidSpec: spec.replicas'))
  await recorder.flush()
  t.same(
    created.map(({ note }) => note),
    ['InvalidSpec: spec.text', 'InvalidSpec: spec.replicas'],
  )
  t.same(updated, [[created[0]?.name, 3]])
  await recorder.flush()
  t.equal(updated.length, 1, 'a series that has not grown is not written again')

  time = (60 + 599) * 1000
  recorder.record(event('Refused', 'InvalidSpec: spec.text'))
  await recorder.flush()
  t.same(updated[1], [created[0]?.name, 4], 'the window begins with the last time it was seen')
  time += 600 * 1000
  recorder.record(event('Refused', 'InvalidSpec: spec.text'))
  await recorder.flush()
  t.equal(created.length, 3, 'after that it is a new event')
  t.not(created[2]?.name, created[0]?.name)
  await recorder.close()
})

t.test('a writer that is slow or fails costs events and nothing else', async (t) => {
  const faults: string[] = []
  const written: string[] = []
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const recorder = createRecorder(
    {
      async create({ note }) {
        await gate
        if (note === 'refused') throw new Error('forbidden')
        written.push(note)
      },
      update: async () => undefined,
    },
    { queued: 3, failed: (what) => void faults.push(what) },
  )
  for (const note of ['a', 'b', 'c', 'd', 'refused', 'e']) recorder.record(event('Changed', note))
  release()
  await recorder.flush()
  t.same(written, ['a', 'd', 'e'], 'the oldest that waited were dropped')
  t.same(faults, [
    'an event was dropped: they come faster than they can be written',
    'an event was dropped: they come faster than they can be written',
    'an event could not be written',
  ])
  recorder.record(event('Changed', 'refused'))
  await recorder.flush()
  t.equal(faults.length, 4, 'what could not be written is tried as a first again')
  await recorder.close()
})

t.test('the Kubernetes client creates events of events.k8s.io/v1 and patches their series', async (t) => {
  const requests: { method: string; url: string; type: string; body: Record<string, unknown> }[] = []
  const api = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const { method = '', url = '' } = request
      const body = JSON.parse(text) as Record<string, unknown>
      requests.push({ method, url, type: String(request.headers['content-type']), body })
      response.setHeader('content-type', 'application/json').end(text)
    })
  })
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  const config = new KubeConfig()
  const server = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  config.loadFromClusterAndUser({ name: 'test', server, skipTLSVerify: true }, { name: 'test' })
  const recorder = createRecorder(eventWriter(config), { now: () => new Date('2026-01-01T00:00:00.123Z') })
  recorder.record(event('Created', 'Deployment/first'))
  recorder.record(event('Created', 'Deployment/first'))
  await recorder.flush()
  await recorder.close()
  api.close()
  t.match(requests[0], {
    method: 'POST',
    url: '/apis/events.k8s.io/v1/namespaces/default/events',
    body: {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace: 'default', name: /^first\.[0-9a-f]{16}$/ },
      eventTime: '2026-01-01T00:00:00.123000Z',
      type: 'Normal',
      reason: 'Created',
      action: 'Sync',
      note: 'Deployment/first',
      regarding: { apiVersion: 'test.example.com/v1', kind: 'Note', name: 'first', namespace: 'default', uid: 'a3b1' },
      reportingController: 'operator-hooks',
      reportingInstance: /.+/,
    },
  })
  const { name } = (requests[0]?.body.metadata ?? {}) as { name?: string }
  t.match(requests[1], {
    method: 'PATCH',
    url: `/apis/events.k8s.io/v1/namespaces/default/events/${name}`,
    type: 'application/merge-patch+json',
    body: { series: { count: 2, lastObservedTime: '2026-01-01T00:00:00.123000Z' } },
  })
})

function event(reason: HookEvent['reason'], note: string): HookEvent {
  const regarding = {
    apiVersion: 'test.example.com/v1',
    kind: 'Note',
    name: 'first',
    namespace: 'default',
    uid: 'a3b1',
  }
  return { type: 'Normal', reason, action: 'Sync', note, regarding }
}
