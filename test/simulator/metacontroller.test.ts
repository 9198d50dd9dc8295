import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createClock, createSimulator } from '../../hooks/simulator/index.ts'
import { at } from '../../hooks/simulator/json.ts'
import { configMap, type Hook, hook, simulate, widget, widgetController, widgetCrd } from './fixtures.ts'

const widgetOf = (namespace: string, name = 'w') => ({ apiVersion: 'example.com/v1', kind: 'Widget', namespace, name })
const mapOf = (namespace: string, name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })
const one: Hook = () => ({ status: {}, children: [configMap('c', { a: '1' })] })

/** A cluster with the Widget kind, a controller for it and a parent `w`. */
async function started(
  t: { teardown(end: () => void): void },
  hooks: Record<string, Hook>,
  controller: KubernetesObject,
  spec: Record<string, unknown> = {},
) {
  const cluster = simulate(hooks)
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('test')
  await cluster.apply(widgetCrd)
  await cluster.apply(controller)
  await cluster.apply(widget('w', namespace, spec))
  await cluster.pass(1)
  return { cluster, namespace }
}

t.test('a failing hook backs off from 5 ms, doubling to 1000 s, and says so in an event', async (t) => {
  const times: number[] = []
  const clock = createClock()
  const cluster = simulate(
    {
      sync: () => {
        times.push(clock.now())
        return { status: 503, headers: {}, body: 'down for a while' }
      },
    },
    { clock },
  )
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('test')
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController())
  await cluster.apply(widget('w', namespace))
  await cluster.pass(5000)
  const gaps = times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / 1000)
  t.same(gaps.slice(0, 6), [0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
  t.equal(Math.max(...gaps), 1000, 'and no further')
  const [event] = await cluster.events(widgetOf(namespace))
  t.match(event, { reason: 'SyncError', type: 'Warning' })
  t.equal(
    event?.note,
    `Sync error: sync hook failed for Widget ${namespace}/w: sync hook failed (version=v2): unsupported status code: 503 body: down for a while`,
  )
  t.notOk(at(await cluster.get(widgetOf(namespace)), 'status'), 'the status is untouched')
})

t.test('429 comes back after Retry-After, without an event', async (t) => {
  const answers = [
    { status: 429, headers: { 'retry-after': '2' }, body: '' },
    { status: 429, headers: { 'retry-after': '3' }, body: '' },
  ]
  const times: number[] = []
  const clock = createClock()
  const cluster = simulate(
    {
      sync: () => {
        times.push(clock.now())
        return answers.shift() ?? { status: {}, children: [] }
      },
    },
    { clock },
  )
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('test')
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController())
  await cluster.apply(widget('w', namespace))
  await cluster.pass(10)
  t.same(
    times.slice(1, 3).map((time, index) => time - (times[index] ?? 0)),
    [2000, 3000],
  )
  t.same(await cluster.events(widgetOf(namespace)), [])
})

t.test('a 429 without Retry-After is a hot loop', async (t) => {
  const { cluster } = await started(t, { sync: () => ({ status: 429, headers: {}, body: '' }) }, widgetController())
  t.ok(cluster.calls.length > 300, `${cluster.calls.length} calls in a second`)
})

t.test('resyncPeriodSeconds cuts through the back-off', async (t) => {
  let up = false
  const { cluster, namespace } = await started(
    t,
    { sync: () => (up ? { status: { ok: true }, children: [] } : { status: 500, headers: {}, body: 'bug' }) },
    widgetController({ resyncPeriodSeconds: 20 }),
  )
  await cluster.pass(2000)
  up = true
  await cluster.pass(20)
  t.match((await cluster.get(widgetOf(namespace)))?.status, { ok: true })
})

t.test('an ETag is sent back, and 304 or 412 reuse the answer while drift is still repaired', async (t) => {
  let status = 304
  const etag = { enabled: true, cacheTimeoutSeconds: 3600, cacheCleanupSeconds: 60 }
  const { cluster, namespace } = await started(
    t,
    {
      sync: (request, call) =>
        call.headers['if-none-match'] === '"v1"'
          ? { status, headers: {}, body: '' }
          : { status: 200, headers: { etag: '"v1"' }, body: JSON.stringify(one(request, call)) },
    },
    widgetController({}, { sync: hook('sync', { etag }) }),
  )
  for (status of [304, 412]) {
    await cluster.patch(mapOf(namespace, 'c'), { data: { a: 'drift' } })
    await cluster.pass(1)
    t.same((await cluster.get(mapOf(namespace, 'c')))?.data, { a: '1' }, `after ${status}`)
  }
  t.equal(cluster.calls[0]?.headers['if-none-match'], undefined)
  t.equal(cluster.calls.at(-1)?.headers['if-none-match'], '"v1"')
  t.same(await cluster.events(widgetOf(namespace)), [])
})

t.test('304 to a request without If-None-Match is an error', async (t) => {
  const { cluster, namespace } = await started(
    t,
    { sync: () => ({ status: 304, headers: {}, body: '' }) },
    widgetController(),
  )
  t.match(await cluster.events(widgetOf(namespace)), [{ note: /unsupported status code: 304/ }])
})

t.test('no children in the answer deletes them all; strict mode refuses unknown fields', async (t) => {
  for (const answer of [{}, { children: null }, { children: [] }]) {
    let full = true
    const { cluster, namespace } = await started(
      t,
      { sync: (request, call) => (full ? one(request, call) : answer) },
      widgetController({ resyncPeriodSeconds: 5 }),
    )
    t.ok(await cluster.get(mapOf(namespace, 'c')))
    full = false
    await cluster.pass(6)
    t.notOk(await cluster.get(mapOf(namespace, 'c')), JSON.stringify(answer))
  }
  const { cluster, namespace } = await started(t, { sync: () => ({ children: [], statusses: {} }) }, widgetController())
  t.match(await cluster.events(widgetOf(namespace)), [
    { note: /strict validation failed .* unknown field "statusses"/ },
  ])
})

t.test('a name that somebody else holds is passed over in silence', async (t) => {
  const cluster = simulate({ sync: one })
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('taken')
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController())
  await cluster.apply(configMap('c', { mine: 'yes' }, namespace))
  await cluster.apply(widget('w', namespace))
  await cluster.pass(60)
  t.same((await cluster.get(mapOf(namespace, 'c')))?.data, { mine: 'yes' })
  t.same(await cluster.events(widgetOf(namespace)), [])
  t.equal(cluster.calls.length, 2, 'the creation and the status it wrote; no retry')
  await cluster.delete(mapOf(namespace, 'c'))
  await cluster.pass(60)
  t.notOk(await cluster.get(mapOf(namespace, 'c')), 'its going is nobody’s business until the next sync')
  await cluster.pass(1800)
  t.same((await cluster.get(mapOf(namespace, 'c')))?.data, { a: '1' })
})

t.test('update methods', async (t) => {
  for (const [method, data, sameUid] of [
    ['OnDelete', { a: 'drift' }, true],
    ['InPlace', { a: '1' }, true],
    ['Recreate', { a: '1' }, false],
  ] as const) {
    const childResources = [{ apiVersion: 'v1', resource: 'configmaps', updateStrategy: { method } }]
    const { cluster, namespace } = await started(t, { sync: one }, widgetController({ childResources }))
    const before = await cluster.get(mapOf(namespace, 'c'))
    await cluster.patch(mapOf(namespace, 'c'), { data: { a: 'drift' } })
    await cluster.pass(2)
    const after = await cluster.get(mapOf(namespace, 'c'))
    t.same(after?.data, data, method)
    t.equal(after?.metadata.uid === before?.metadata.uid, sameUid, method)
  }
})

t.test('ownerless objects that match are adopted, and deleted when they are not asked for', async (t) => {
  let wanted = ['c', 'orphan']
  const { cluster, namespace } = await started(
    t,
    { sync: () => ({ status: {}, children: wanted.map((name) => configMap(name, {})) }) },
    widgetController({ resyncPeriodSeconds: 10 }),
  )
  const { uid } = (await cluster.get(widgetOf(namespace)))?.metadata ?? {}
  await cluster.delete(mapOf(namespace, 'orphan'))
  await cluster.create({
    ...configMap('orphan', {}, namespace),
    metadata: { name: 'orphan', namespace, labels: { 'controller-uid': uid ?? '' } },
  })
  await cluster.pass(1)
  t.match((await cluster.get(mapOf(namespace, 'orphan')))?.metadata.ownerReferences, [{ uid, controller: true }])
  wanted = ['c']
  await cluster.pass(10)
  t.notOk(await cluster.get(mapOf(namespace, 'orphan')))
})

t.test('a child whose labels leave the selector is let go; one that never matched is refused', async (t) => {
  const selector = { matchLabels: { app: 'w' } }
  const child = { ...configMap('c', {}), metadata: { name: 'c', labels: { app: 'w' } } }
  const { cluster, namespace } = await started(
    t,
    { sync: () => ({ children: [child] }) },
    widgetController({ generateSelector: false }),
    { selector },
  )
  await cluster.patch(mapOf(namespace, 'c'), { metadata: { labels: { app: null } } })
  await cluster.pass(1)
  t.notOk((await cluster.get(mapOf(namespace, 'c')))?.metadata.ownerReferences)
  const other = await started(t, { sync: one }, widgetController({ generateSelector: false }), { selector })
  t.match(await other.cluster.events(widgetOf(other.namespace)), [
    { note: /labels on desired child ConfigMap .*\/c don't match parent selector/ },
  ])
})

t.test('foreground deletion calls finalize but ignores its children', async (t) => {
  let finalized = false
  const { cluster, namespace } = await started(
    t,
    { sync: one, finalize: (request, call) => ({ ...one(request, call), finalized, resyncAfterSeconds: 1 }) },
    widgetController({}, { finalize: hook('finalize') }),
  )
  const { uid } = (await cluster.get(mapOf(namespace, 'c')))?.metadata ?? {}
  await cluster.delete(widgetOf(namespace), 'Foreground')
  await cluster.pass(5)
  t.ok(cluster.calls.some(({ url }) => url.endsWith('/finalize')))
  const again = (await cluster.get(mapOf(namespace, 'c')))?.metadata.uid
  t.ok(again !== uid, 'the collector took it; once it is done, finalize has its children again')
  t.ok(await cluster.get(widgetOf(namespace)))
  finalized = true
  await cluster.pass(2)
  t.notOk(await cluster.get(widgetOf(namespace)))
})

t.test('without a finalize hook the collector deletes the children', async (t) => {
  const { cluster, namespace } = await started(t, { sync: one }, widgetController())
  await cluster.delete(widgetOf(namespace))
  await cluster.pass(1)
  t.notOk(await cluster.get(widgetOf(namespace)))
  t.notOk(await cluster.get(mapOf(namespace, 'c')))
})

t.test('related objects come by name, label and namespace, and their changes bring a sync', async (t) => {
  const seen: unknown[] = []
  let rules: object[] = [{ apiVersion: 'v1', resource: 'secrets', names: ['key'] }]
  const { cluster, namespace } = await started(
    t,
    {
      customize: () => ({ relatedResources: rules }),
      sync: ({ related }) => {
        seen.push(Object.keys(related['Secret.v1'] ?? {}))
        return { children: [] }
      },
    },
    widgetController({}, { customize: hook('customize') }),
  )
  const secret = (name: string, within: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: within, labels: { team: 'a' } },
    data: {},
  })
  t.same(seen.at(-1), [])
  await cluster.create(secret('key', namespace))
  await cluster.create(secret('other', namespace))
  await cluster.pass(1)
  t.same(seen.at(-1), [`${namespace}/key`])
  const asked = cluster.calls.filter(({ url }) => url.endsWith('/customize')).length
  await cluster.patch({ apiVersion: 'v1', kind: 'Secret', name: 'key', namespace }, { data: { x: 'eA==' } })
  await cluster.pass(1)
  t.equal(
    cluster.calls.filter(({ url }) => url.endsWith('/customize')).length,
    asked,
    'the rules are asked for once a generation',
  )
  rules = [{ apiVersion: 'v1', resource: 'secrets', labelSelector: { matchLabels: { team: 'a' } } }]
  await cluster.create(secret('away', 'default'))
  await cluster.patch(widgetOf(namespace), { spec: { replicas: 2 } })
  await cluster.pass(1)
  t.same(
    (seen.at(-1) as string[]).sort(),
    ['default/away', `${namespace}/key`, `${namespace}/other`],
    'v2 sees other namespaces',
  )
  rules = [{ apiVersion: 'v1', resource: 'secrets', names: ['key'], labelSelector: {} }]
  await cluster.patch(widgetOf(namespace), { spec: { replicas: 3 } })
  await cluster.pass(1)
  t.match(await cluster.events(widgetOf(namespace)), [{ note: /cannot have both names and labelSelector/ }])
})

t.test('ignoreStatusChanges: the parent’s own status brings no sync', async (t) => {
  let count = 0
  const parentResource = { apiVersion: 'example.com/v1', resource: 'widgets', ignoreStatusChanges: true }
  const { cluster } = await started(
    t,
    { sync: () => ({ status: { count: count++ }, children: [] }) },
    widgetController({ parentResource }),
  )
  t.equal(cluster.calls.length, 1)
  const hot = await started(t, { sync: () => ({ status: { count: count++ }, children: [] }) }, widgetController())
  t.ok(hot.cluster.calls.length > 100, 'otherwise a status that moves is a hot loop')
})

t.test('a controller whose child kind is missing waits for it, others work on', async (t) => {
  const childResources = [{ apiVersion: 'late.example.com/v1', resource: 'gadgets' }]
  const { cluster } = await started(t, { sync: one }, widgetController({ childResources }))
  t.equal(cluster.calls.length, 0)
  const events = await cluster.events({ apiVersion: '', kind: 'CompositeController', name: 'widgets' })
  t.match(events[0], { reason: 'CreateError', note: /can't find child resource "gadgets" in late.example.com\/v1/ })
  const late = structuredClone(widgetCrd)
  late.metadata.name = 'gadgets.late.example.com'
  Object.assign(late.spec as object, { group: 'late.example.com', names: { kind: 'Gadget', plural: 'gadgets' } })
  await cluster.apply(late)
  await cluster.pass(300)
  t.ok(cluster.calls.length > 0)
})

t.test('v1 hooks see bare names', async (t) => {
  const { cluster } = await started(
    t,
    { sync: one },
    widgetController({}, { sync: { webhook: { url: 'http://hooks/sync' } } }),
  )
  const { children } = JSON.parse(cluster.calls.at(-1)?.body ?? '{}')
  t.same(Object.keys(children['ConfigMap.v1']), ['c'])
})

t.test('killed after any write, it ends in the same objects', async (t) => {
  const hooks = {
    sync: () => ({ status: { done: true }, children: ['a', 'b', 'c'].map((name) => configMap(name, { x: '1' })) }),
  }
  for (const n of [1, 2, 3, 4]) {
    const cluster = simulate(hooks)
    t.teardown(cluster.stop)
    const namespace = await cluster.namespace('kill')
    await cluster.apply(widgetCrd)
    await cluster.apply(widgetController())
    await cluster.pass(1)
    cluster.metacontroller.killAfterWrite(n)
    await cluster.apply(widget('w', namespace))
    await cluster.pass(1)
    t.equal(cluster.metacontroller.running, false)
    cluster.metacontroller.start()
    await cluster.pass(1)
    t.equal(
      (await cluster.list({ apiVersion: 'v1', kind: 'ConfigMap' }, { namespace, labels: {} })).length,
      4,
      'the three and the root certificates',
    )
    t.match((await cluster.get(widgetOf(namespace)))?.status, { done: true })
  }
})

t.test('a decorator sets labels and status, keeps attachments, and finalizes what is deselected', async (t) => {
  const cluster = simulate({
    sync: ({ object }) => ({
      labels: { seen: 'yes', gone: null },
      annotations: { note: '1' },
      attachments: [configMap(`${(object as KubernetesObject).metadata.name}-extra`, { a: '1' })],
    }),
    finalize: () => ({ labels: { seen: null }, attachments: [], finalized: true }),
  })
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('decorate')
  await cluster.apply({
    apiVersion: 'metacontroller.k8s.io/v1alpha1',
    kind: 'DecoratorController',
    metadata: { name: 'extras' },
    spec: {
      resources: [
        { apiVersion: 'v1', resource: 'services', annotationSelector: { matchAnnotations: { extra: 'true' } } },
      ],
      attachments: [{ apiVersion: 'v1', resource: 'configmaps', updateStrategy: { method: 'InPlace' } }],
      hooks: { sync: hook('sync'), finalize: hook('finalize') },
    },
  })
  const reference = { apiVersion: 'v1', kind: 'Service', name: 's', namespace }
  await cluster.create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', namespace, labels: { gone: 'x' }, annotations: { extra: 'true' } },
    spec: { ports: [{ port: 80 }] },
  })
  await cluster.pass(1)
  const decorated = await cluster.get(reference)
  t.same(decorated?.metadata.labels, { seen: 'yes' })
  t.same(decorated?.metadata.finalizers, ['metacontroller.io/decoratorcontroller-extras'])
  t.match((await cluster.get(mapOf(namespace, 's-extra')))?.metadata, {
    annotations: { 'metacontroller.k8s.io/decorator-controller': 'extras' },
    ownerReferences: [{ kind: 'Service' }],
  })
  await cluster.patch(mapOf(namespace, 's-extra'), { data: { a: 'drift' } })
  await cluster.pass(1)
  t.same((await cluster.get(mapOf(namespace, 's-extra')))?.data, { a: '1' })
  await cluster.patch(reference, { metadata: { annotations: { extra: null } } })
  await cluster.pass(1)
  const after = await cluster.get(reference)
  t.notOk(after?.metadata.finalizers)
  t.notOk(after?.metadata.labels)
  t.notOk(await cluster.get(mapOf(namespace, 's-extra')))
})

t.test('two simulators told the same end in the same bytes', async (t) => {
  const told = async () => {
    const { cluster } = await started(t, { sync: one }, widgetController())
    await cluster.pass(100)
    return cluster.store.all()
  }
  t.same(await told(), await told())
})

t.test('an unknown kind among the children fails the sync, the others are applied', async (t) => {
  const alien = { apiVersion: 'alien.example.com/v1', kind: 'Alien', metadata: { name: 'x' } }
  const { cluster, namespace } = await started(
    t,
    { sync: () => ({ children: [alien, configMap('c', {})] }) },
    widgetController(),
  )
  t.ok(await cluster.get(mapOf(namespace, 'c')))
  t.match(await cluster.events(widgetOf(namespace)), [
    { note: /can't find kind Alien in apiVersion alien.example.com\/v1/ },
  ])
})

t.test('what no hook can reach is told as the HTTP error it is', async (t) => {
  const cluster = createSimulator({ transport: async () => Promise.reject(new Error('connect ECONNREFUSED')) })
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('down')
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController())
  await cluster.apply(widget('w', namespace))
  await cluster.pass(1)
  t.match(await cluster.events(widgetOf(namespace)), [
    { note: /http error: Post "http:\/\/hooks\/sync": connect ECONNREFUSED/ },
  ])
})
