// A small kind of its own goes through create, drift, restart, crash and deletion on the real Metacontroller.
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createControlPlaneCluster } from './cluster.ts'

const group = 'cluster.test'
const crd: KubernetesObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'greetings.cluster.test' },
  spec: {
    group,
    scope: 'Namespaced',
    names: { kind: 'Greeting', plural: 'greetings', singular: 'greeting' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.copies', statusReplicasPath: '.status.copies' },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  text: { type: 'string', maxLength: 20 },
                  copies: { type: 'integer', minimum: 0, default: 1 },
                },
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
}

const hookAt = (path: string) => ({
  webhook: { service: { name: 'hooks', namespace: 'default' }, path: `/hooks/greeting/${path}`, timeout: '5s' },
  // Of Metacontroller 4: an older one prunes it.
  version: 'v2',
})

const controller: KubernetesObject = {
  apiVersion: 'metacontroller.k8s.io/v1alpha1',
  kind: 'CompositeController',
  metadata: { name: 'greeting' },
  spec: {
    generateSelector: true,
    resyncPeriodSeconds: 2,
    parentResource: { apiVersion: `${group}/v1`, resource: 'greetings' },
    childResources: [{ apiVersion: 'v1', resource: 'configmaps', updateStrategy: { method: 'InPlace' } }],
    hooks: { sync: hookAt('sync'), finalize: hookAt('finalize') },
  },
}

/** Exactly what Metacontroller needs for it, the way the suite narrows it. */
const permissions: KubernetesObject[] = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'metacontroller' },
    rules: [
      {
        apiGroups: ['metacontroller.k8s.io'],
        resources: ['compositecontrollers', 'decoratorcontrollers'],
        verbs: ['get', 'list', 'watch'],
      },
      { apiGroups: ['metacontroller.k8s.io'], resources: ['controllerrevisions'], verbs: ['*'] },
      {
        apiGroups: ['apiextensions.k8s.io'],
        resources: ['customresourcedefinitions'],
        verbs: ['get', 'list', 'watch'],
      },
      { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
      { apiGroups: [group], resources: ['greetings'], verbs: ['get', 'list', 'watch', 'update', 'patch'] },
      { apiGroups: [group], resources: ['greetings/status', 'greetings/finalizers'], verbs: ['update', 'patch'] },
      {
        apiGroups: [''],
        resources: ['configmaps'],
        verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
      },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'metacontroller' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'metacontroller' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'metacontroller', name: 'metacontroller' }],
  },
]

const cluster = await createControlPlaneCluster({
  hook: { command: process.execPath, args: [fileURLToPath(import.meta.resolve('./greeting.hook.ts'))] },
  manifests: [crd, controller, ...permissions],
})
t.teardown(() => cluster.stop())

const type = { apiVersion: `${group}/v1`, kind: 'Greeting' }
const configMaps = { apiVersion: 'v1', kind: 'ConfigMap' }

function greeting(namespace: string, name: string, spec: object): KubernetesObject {
  return { ...type, metadata: { name, namespace }, spec }
}

const copiesOf = (namespace: string, name: string) =>
  cluster.list(configMaps, { namespace, labels: { greeting: name } })

t.test('create, scale, drift, deletion', { timeout: 120_000 }, async (t) => {
  const namespace = await cluster.namespace('story')
  const at = { ...type, namespace, name: 'hello' }
  await cluster.apply(greeting(namespace, 'hello', { text: 'hi' }))
  const [first] = await cluster.until('one copy', async () => {
    const copies = await copiesOf(namespace, 'hello')
    return copies.length === 1 && copies
  })
  t.same(first?.data, { text: 'hi' })
  t.equal(first?.metadata.ownerReferences?.[0]?.kind, 'Greeting')

  await cluster.patch(at, { spec: { replicas: 3 } }, 'scale')
  await cluster.until('three copies', async () => (await copiesOf(namespace, 'hello')).length === 3)
  const status = await cluster.until('its status', async () => {
    const now = (await cluster.get(at))?.status as { copies?: number; observedGeneration?: number } | undefined
    return now?.copies === 3 && now
  })
  t.equal(status.observedGeneration, 2)

  const child = { ...configMaps, namespace, name: 'hello-0' }
  await cluster.patch(child, { data: { text: 'changed by hand' } })
  await cluster.until('the drift repaired', async () => {
    const data = (await cluster.get(child))?.data as { text?: string } | undefined
    return data?.text === 'hi'
  })
  const before = (await cluster.get(child))?.metadata.uid
  await cluster.delete(child)
  await cluster.until('the child is back', async () => {
    const now = await cluster.get(child)
    return now !== undefined && now.metadata.uid !== before
  })

  await t.rejects(cluster.create(greeting(namespace, 'hello', {})), { name: 'ApiError', reason: 'AlreadyExists' })
  const refusal = await cluster.apply(greeting(namespace, 'long', { text: 'x'.repeat(21) })).catch((error) => error)
  t.match(refusal, { name: 'ApiError', reason: 'Invalid', causes: [{ field: 'spec.text' }] })

  t.match(await cluster.hook.metrics(), /^greeting_hook_calls_total [1-9]/m)
  t.ok((await cluster.hook.answered()) > 0)

  await cluster.delete(at)
  await cluster.until('everything is gone', async () => {
    return (await cluster.get(at)) === undefined && (await copiesOf(namespace, 'hello')).length === 0
  })
})

t.test('apply takes away what it gave and gives no longer, and leaves what others gave', async (t) => {
  const namespace = await cluster.namespace('apply')
  const at = { ...configMaps, namespace, name: 'settings' }
  const settings = (data: object) => ({ ...configMaps, metadata: { name: 'settings', namespace }, data })
  await cluster.apply(settings({ one: '1', two: '2' }))
  await cluster.patch(at, { data: { theirs: 'x' } })
  await cluster.apply(settings({ one: '3' }))
  const now = await cluster.get(at)
  t.same(now?.data, { one: '3', theirs: 'x' })
  if (now) await cluster.apply({ ...now, data: { one: '4' } })
  t.match(await cluster.get(at), { data: { one: '4', theirs: 'x' } }, 'what was read can be applied again')
})

t.test('a wait in vain says what for, and what it last saw', async (t) => {
  await t.rejects(
    cluster.until('the impossible', async () => undefined, 0.3),
    { message: /not within 0.3 s: the impossible; last answer: undefined/ },
  )
  const noSuchKind = { apiVersion: 'cluster.test/v1', kind: 'Nothing' }
  await t.rejects(
    cluster.until('a kind', async () => (await cluster.list(noSuchKind)).length > 0, 0.3),
    { message: /last error: .*no Nothing in cluster.test.v1/ },
  )
})

t.test('a hook that is down shows as an event, and its return is noticed', { timeout: 120_000 }, async (t) => {
  const namespace = await cluster.namespace('outage')
  const at = { ...type, namespace, name: 'late' }
  await cluster.hook.stop()
  t.notOk(cluster.hook.running())
  await cluster.apply(greeting(namespace, 'late', { text: 'hi' }))
  const [event] = await cluster.until('an event', async () => {
    const events = await cluster.events(at)
    return events.length > 0 && events
  })
  t.match(event, { reason: 'SyncError', type: 'Warning' })
  await cluster.hook.start()
  await cluster.until('the copy', async () => (await copiesOf(namespace, 'late')).length === 1)
})

t.test('killed before an answer, the hook loses nothing', { timeout: 120_000 }, async (t) => {
  const namespace = await cluster.namespace('hook-killed')
  cluster.hook.killBeforeAnswer(1)
  await cluster.apply(greeting(namespace, 'hello', { text: 'hi', copies: 2 }))
  await cluster.until('the hook was killed', async () => !cluster.hook.running())
  await cluster.pass(0.5)
  t.same(await copiesOf(namespace, 'hello'), [], 'nothing came of the answer that was never given')
  await cluster.hook.start()
  await cluster.until('the copies', async () => (await copiesOf(namespace, 'hello')).length === 2)
})

t.test('killed after a write, Metacontroller goes on where it was', { timeout: 120_000 }, async (t) => {
  const namespace = await cluster.namespace('metacontroller-killed')
  // The parents of the other tests must not be the ones that write.
  for (const { metadata } of await cluster.list(type)) {
    const { name, namespace } = metadata
    if (name !== undefined && namespace !== undefined) await cluster.delete({ ...type, name, namespace })
  }
  await cluster.until('a quiet cluster', async () => (await cluster.list(type)).length === 0)
  // Its first write is the finalizer, then come the copies.
  cluster.metacontroller.killAfterWrite(3)
  await cluster.apply(greeting(namespace, 'hello', { text: 'hi', copies: 5 }))
  await cluster.until('Metacontroller was killed', async () => !cluster.metacontroller.running())
  const made = (await copiesOf(namespace, 'hello')).length
  t.ok(made >= 1 && made < 5, `${made} of 5 copies were made`)
  await cluster.metacontroller.start()
  await cluster.until('the rest', async () => (await copiesOf(namespace, 'hello')).length === 5)
  t.ok((cluster.usage().metacontroller?.cpuSeconds ?? 0) > 0)
  t.ok((cluster.usage().hook?.peakMiB ?? 0) > 10)
})
