import t, { type Test } from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { canonicalQuantity, compareQuantities } from '../../hooks/sdk/quantity.ts'
import { createSimulator } from '../../hooks/simulator/index.ts'
import { at } from '../../hooks/simulator/json.ts'
import { configMap, refusal, widget, widgetCrd } from './fixtures.ts'

async function server(t: Test) {
  const cluster = createSimulator({ metacontroller: false, standIns: false })
  t.teardown(cluster.stop)
  await cluster.apply(widgetCrd)
  return { cluster, namespace: await cluster.namespace('n') }
}
const mapOf = (namespace: string, name = 'm') => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })
const widgetOf = (namespace: string, name = 'w') => ({ apiVersion: 'example.com/v1', kind: 'Widget', namespace, name })

t.test('what the server sets, a client cannot', async (t) => {
  const { cluster, namespace } = await server(t)
  const made = await cluster.create({ ...widget('w', namespace, { replicas: 2 }), status: { fake: true } })
  t.match(made.metadata, {
    generation: 1,
    creationTimestamp: '2030-01-01T00:00:00Z',
    uid: /^[0-9a-f-]{36}$/,
    resourceVersion: /^\d+$/,
  })
  t.notOk('status' in made, 'status is written by itself')
  const client = cluster.store.client('test')
  const changed = client.update({
    ...made,
    metadata: { ...made.metadata, creationTimestamp: '2000-01-01T00:00:00Z', generation: 9 },
    spec: { replicas: 3 },
  })
  t.match(changed.metadata, { generation: 2, creationTimestamp: '2030-01-01T00:00:00Z' })
  const labelled = await cluster.patch(widgetOf(namespace), { metadata: { labels: { a: 'b' } } })
  t.equal(labelled.metadata.generation, 2)
})

t.test('a write that changes nothing moves nothing and tells nobody', async (t) => {
  const { cluster, namespace } = await server(t)
  const made = await cluster.create(configMap('m', { a: '1' }, namespace))
  let told = 0
  cluster.store.watch(() => told++)
  const again = cluster.store.client('test').update(made)
  t.equal(again.metadata.resourceVersion, made.metadata.resourceVersion)
  t.equal(told, 0)
  t.match(cluster.writes.at(-1), { verb: 'update', changed: false, by: 'test' }, 'but it is counted')
})

t.test('conflicts, names that are taken, what is not there', async (t) => {
  const { cluster, namespace } = await server(t)
  const client = cluster.store.client('test')
  const made = await cluster.create(configMap('m', { a: '1' }, namespace))
  await cluster.patch(mapOf(namespace), { data: { a: '2' } })
  t.match(await refusal(() => client.update(made)), {
    code: 409,
    reason: 'Conflict',
    message: /the object has been modified/,
  })
  t.match(await refusal(cluster.create(configMap('m', {}, namespace))), {
    code: 409,
    reason: 'AlreadyExists',
    message: 'configmaps "m" already exists',
  })
  t.match(await refusal(cluster.create(configMap('m', {}, 'nowhere'))), {
    code: 404,
    message: 'namespaces "nowhere" not found',
  })
  t.match(await refusal(cluster.delete(mapOf(namespace, 'x'))), { code: 404, message: 'configmaps "x" not found' })
  t.match(await refusal(() => client.remove(mapOf(namespace), { uid: 'other' })), {
    reason: 'Conflict',
    message: /Precondition failed: UID/,
  })
  t.match(await refusal(cluster.create(widget('Not_A_Name', namespace))), {
    code: 422,
    causes: [{ field: 'metadata.name' }],
  })
})

t.test('the scale subresource', async (t) => {
  const { cluster, namespace } = await server(t)
  await cluster.create(widget('w', namespace))
  await cluster.patch(widgetOf(namespace), { spec: { replicas: 5 } }, 'scale')
  const scaled = await cluster.get(widgetOf(namespace))
  t.match(scaled, { spec: { replicas: 5 }, metadata: { generation: 2 } })
  const owner = { subresource: 'scale', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }
  t.match(scaled?.metadata.managedFields, [owner], 'the server keeps who scaled it')
  await cluster.patch(widgetOf(namespace), { metadata: { labels: { a: 'b' } } })
  t.match((await cluster.get(widgetOf(namespace)))?.metadata.managedFields, [owner], 'through other changes')
  await cluster.patch(widgetOf(namespace), { spec: { replicas: 4 } })
  t.notOk((await cluster.get(widgetOf(namespace)))?.metadata.managedFields, 'until another sets the number')
  t.match(await refusal(cluster.patch(mapOf(namespace), { spec: { replicas: 1 } }, 'scale')), { code: 404 })
})

t.test('finalizers hold an object, and none can be added while it goes', async (t) => {
  const { cluster, namespace } = await server(t)
  await cluster.create({
    ...widget('w', namespace),
    metadata: { name: 'w', namespace, finalizers: ['a.example.com/x'] },
  })
  await cluster.delete(widgetOf(namespace))
  t.match(await cluster.get(widgetOf(namespace)), {
    metadata: { deletionTimestamp: '2030-01-01T00:00:00Z', generation: 2 },
  })
  const add = cluster.patch(widgetOf(namespace), { metadata: { finalizers: ['a.example.com/x', 'b.example.com/y'] } })
  t.match(await refusal(add), { causes: [{ field: 'metadata.finalizers', message: /^Forbidden: no new finalizers/ }] })
  await cluster.patch(widgetOf(namespace), { metadata: { finalizers: [] } })
  t.notOk(await cluster.get(widgetOf(namespace)))
})

t.test('the collector: background, foreground, orphan, and owners in other namespaces', async (t) => {
  for (const propagation of ['Background', 'Foreground', 'Orphan'] as const) {
    const { cluster, namespace } = await server(t)
    const owner = await cluster.create(widget('w', namespace))
    const { uid = '' } = owner.metadata
    const reference = {
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      name: 'w',
      uid,
      controller: true,
      blockOwnerDeletion: true,
    }
    const held = { name: 'm', namespace, ownerReferences: [reference], finalizers: ['example.com/slow'] }
    await cluster.create({ ...configMap('m', {}), metadata: held })
    await cluster.create({
      ...configMap('away', {}),
      metadata: { name: 'away', namespace: 'default', ownerReferences: [reference] },
    })
    await cluster.pass(1)
    t.notOk(await cluster.get(mapOf('default', 'away')), 'an owner in another namespace is none')
    await cluster.delete(widgetOf(namespace), propagation)
    await cluster.pass(1)
    t.equal(
      (await cluster.get(widgetOf(namespace))) !== undefined,
      propagation === 'Foreground',
      `${propagation}: the owner waits or goes`,
    )
    const child = await cluster.get(mapOf(namespace))
    t.equal(child?.metadata.deletionTimestamp !== undefined, propagation !== 'Orphan')
    t.equal(child?.metadata.ownerReferences === undefined, propagation === 'Orphan')
    await cluster.patch(mapOf(namespace), { metadata: { finalizers: [] } })
    await cluster.pass(1)
    t.notOk(await cluster.get(widgetOf(namespace)))
    t.equal((await cluster.get(mapOf(namespace))) !== undefined, propagation === 'Orphan')
  }
})

t.test('one of two owners that goes is taken out of the list', async (t) => {
  const { cluster, namespace } = await server(t)
  const owners = await Promise.all(['v', 'w'].map((name) => cluster.create(widget(name, namespace))))
  const ownerReferences = owners.map(({ apiVersion, kind, metadata: { name = '', uid = '' } }) => ({
    apiVersion,
    kind,
    name,
    uid,
  }))
  await cluster.create({ ...configMap('m', {}), metadata: { name: 'm', namespace, ownerReferences } })
  await cluster.delete(widgetOf(namespace, 'v'))
  await cluster.pass(1)
  t.same(
    (await cluster.get(mapOf(namespace)))?.metadata.ownerReferences?.map(({ name }) => name),
    ['w'],
  )
})

t.test('a namespace goes with all that is in it', async (t) => {
  const { cluster, namespace } = await server(t)
  await cluster.create(configMap('m', {}, namespace))
  await cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name: namespace })
  await cluster.pass(3)
  t.notOk(await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name: namespace }))
  t.notOk(await cluster.get(mapOf(namespace)))
})

const container = (more: object = {}) => ({ name: 'main', image: 'x:1', ...more })
function deployment(namespace: string, pod: object, spec: object = {}): KubernetesObject {
  const labels = { app: 'x' }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod }, ...spec },
  }
}

t.test('built-in kinds are defaulted, empty values dropped, quantities written canonically', async (t) => {
  const { cluster, namespace } = await server(t)
  const made = await cluster.create(
    deployment(namespace, {
      nodeSelector: {},
      tolerations: [],
      containers: [
        container({
          env: [{ name: 'A', value: '' }],
          resources: { requests: { cpu: 1, memory: '1024Mi' } },
          ports: [{ containerPort: 80 }],
          readinessProbe: { httpGet: { port: 80 } },
        }),
      ],
    }),
  )
  const pod = at(made, 'spec', 'template', 'spec')
  t.notOk(at(pod, 'nodeSelector'))
  t.notOk(at(pod, 'tolerations'))
  t.match(at(pod, 'containers', 0), {
    env: [{ name: 'A', value: undefined }],
    resources: { requests: { cpu: '1', memory: '1Gi' } },
    ports: [{ containerPort: 80, protocol: 'TCP' }],
    readinessProbe: { httpGet: { path: '/', scheme: 'HTTP' }, periodSeconds: 10 },
    imagePullPolicy: 'IfNotPresent',
  })
  t.match(made.spec, { replicas: 1, strategy: { rollingUpdate: { maxSurge: '25%' } } })
  const secret = await cluster.create({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace },
    stringData: { a: 'b' },
  })
  t.match(secret, { data: { a: 'Yg==' }, type: 'Opaque' })
  t.notOk('stringData' in secret)
  const service = await cluster.create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's', namespace },
    spec: { ports: [{ port: 80 }] },
  })
  t.match(service.spec, {
    type: 'ClusterIP',
    clusterIP: '10.96.0.2',
    ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
  })
})

// What is stored, the merge patch, and the cause it is refused for.
const refused: readonly [
  object: (namespace: string) => KubernetesObject,
  patch: object | undefined,
  field: string,
  message: RegExp,
][] = [
  [
    (n) => deployment(n, { containers: [container()] }),
    { spec: { selector: { matchLabels: { app: 'y' } } } },
    'spec.template.metadata.labels',
    /`selector` does not match template `labels`/,
  ],
  [(n) => deployment(n, { containers: [] }), undefined, 'spec.template.spec.containers', /Required value/],
  [
    (n) => deployment(n, { containers: [container({ volumeMounts: [{ name: 'v', mountPath: '/v' }] })] }),
    undefined,
    'spec.template.spec.containers[0].volumeMounts[0].name',
    /Not found: "v"/,
  ],
  [
    (n) => deployment(n, { containers: [container(), container()] }),
    undefined,
    'spec.template.spec.containers[1].name',
    /Duplicate value: "main"/,
  ],
  [
    (n) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace: n },
      spec: { ports: [{ port: 80 }] },
    }),
    { spec: { clusterIP: '10.96.9.9' } },
    'spec.clusterIPs[0]',
    /may not change once set/,
  ],
  [
    (n) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace: n },
      spec: { ports: [{ port: 80 }, { port: 81 }] },
    }),
    undefined,
    'spec.ports[0].name',
    /Required value/,
  ],
  [
    (n) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: n }, immutable: true, data: {} }),
    { data: { a: 'Yg==' } },
    'data',
    /field is immutable when `immutable` is set/,
  ],
  [
    (n) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 's', namespace: n, labels: { a: 'not a label' } },
    }),
    undefined,
    'metadata.labels',
    /a valid label must/,
  ],
]

t.test('built-in kinds are refused what the real server refuses', async (t) => {
  for (const [object, patch, field, message] of refused) {
    const { cluster, namespace } = await server(t)
    const creation = cluster.create(object(namespace))
    const { apiVersion, kind, metadata } = object(namespace)
    const request =
      patch === undefined
        ? creation
        : creation.then(() => cluster.patch({ apiVersion, kind, name: metadata.name ?? '', namespace }, patch))
    const error = await refusal(request)
    t.equal(error.code, 422)
    t.match(error.causes[0], { field, message })
  }
})

t.test('quantities', async (t) => {
  const forms = {
    '1024Mi': '1Gi',
    '0.5': '500m',
    '1000m': '1',
    '1.5Gi': '1536Mi',
    '100000k': '100M',
    '0': '0',
    '1Ki': '1Ki',
    '512': '512',
    '0.1Mi': '104857600m',
    '1e3': '1e3',
    '-1': '-1',
  }
  for (const [written, canonical] of Object.entries(forms)) t.equal(canonicalQuantity(written), canonical, written)
  t.equal(canonicalQuantity('1Gb'), undefined)
  t.ok(compareQuantities('1Gi', '1G') > 0)
  t.equal(compareQuantities('1024Mi', '1Gi'), 0)
})
