// The simulated API server over HTTP, as curl and kubectl use it.
import t, { type Test } from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { serveApi } from '../../hooks/simulator/index.ts'
import { configMap, simulate, widget, widgetController, widgetCrd } from './fixtures.ts'

const childResources = [{ apiVersion: 'v1', resource: 'configmaps', updateStrategy: { method: 'InPlace' } }]
const definitions = [widgetCrd, widgetController({ childResources })]
const widgets = '/apis/example.com/v1/namespaces/default/widgets'

/** A ConfigMap for each name in the spec. */
function answer({ parent }: { parent: KubernetesObject }) {
  const { maps = {} } = parent.spec as { maps?: Record<string, string> }
  const children = Object.entries(maps).map(([name, value]) => configMap(name, { value }))
  return { status: { maps: children.length, conditions: [{ type: 'Ready', status: 'True' }] }, children }
}

async function served(t: Test) {
  const cluster = simulate({ sync: answer })
  t.teardown(cluster.stop)
  for (const definition of definitions) await cluster.apply(definition)
  const api = await serveApi(cluster)
  t.teardown(api.close)
  const ask = async (path: string, method = 'GET', body?: object, accept = '*/*') => {
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers: { accept },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { code: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { cluster, api, ask }
}

t.test('objects are made, listed, read and deleted', async (t) => {
  const { cluster, api, ask } = await served(t)
  t.equal((await ask(widgets, 'POST', widget('w', 'default', { maps: { a: '1' } }))).code, 201)
  await cluster.pass(1)
  t.match((await ask(`${widgets}/w`)).body, { kind: 'Widget', status: { maps: 1 } })
  t.match((await ask('/api/v1/namespaces/default/configmaps?labelSelector=controller-uid')).body, {
    kind: 'ConfigMapList',
    items: [{ metadata: { name: 'a' } }],
  })
  t.match(await ask(widgets, 'POST', widget('w', 'default')), {
    code: 409,
    body: { kind: 'Status', reason: 'AlreadyExists' },
  })
  t.match((await ask('/apis/example.com/v1')).body, {
    kind: 'APIResourceList',
    resources: [{ name: 'widgets', shortNames: ['wd'], singularName: 'widget' }],
  })
  t.equal((await ask(`${widgets}/w`, 'DELETE')).code, 200)
  t.equal((await ask(`${widgets}/w`)).code, 404)
  t.equal((await ask('/nowhere')).code, 404)
  await t.rejects(serveApi(cluster, Number(new URL(api.url).port)), { code: 'EADDRINUSE' })
})

t.test('a refusal names what it is about', async (t) => {
  const { ask } = await served(t)
  t.match((await ask(widgets, 'POST', widget('w', 'default', { replicas: 'many' }))).body, {
    kind: 'Status',
    reason: 'Invalid',
    details: { group: 'example.com', kind: 'Widget', causes: [{ field: 'spec.replicas' }] },
  })
  t.match((await ask(`${widgets}/w`)).body, { reason: 'NotFound', details: { kind: 'Widget', name: 'w' } })
})

t.test('the scale subresource is a Scale, as kubectl scale wants it', async (t) => {
  const { cluster, ask } = await served(t)
  await cluster.apply(widget('w', 'default'))
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'w' } }
  t.match((await ask(`${widgets}/w/scale`)).body, { ...scale, spec: { replicas: 1 } })
  t.match((await ask(`${widgets}/w/scale`, 'PATCH', { spec: { replicas: 4 } })).body, {
    ...scale,
    spec: { replicas: 4 },
  })
  t.match((await ask(`${widgets}/w/scale`, 'PUT', { ...scale, spec: { replicas: 2 } })).body, { spec: { replicas: 2 } })
  t.match((await ask(`${widgets}/w`)).body, { kind: 'Widget', spec: { replicas: 2 } })
})

t.test('kubectl get shows the columns of the CRD', async (t) => {
  const { cluster, ask } = await served(t)
  await cluster.apply(widget('w', 'default', { maps: { a: '1' } }))
  await cluster.pass(330)
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
  const { body } = await ask(widgets, 'GET', undefined, accept)
  t.match(body, {
    kind: 'Table',
    columnDefinitions: [{ name: 'Name' }, { name: 'Replicas', type: 'integer' }, { name: 'Ready' }, { name: 'Age' }],
    rows: [{ cells: ['w', 1, 'True', '5m30s'], object: { kind: 'PartialObjectMetadata', metadata: { name: 'w' } } }],
  })
  t.match((await ask(`${widgets}/w`, 'GET', undefined, accept)).body, { kind: 'Table', rows: [{ cells: ['w'] }] })
  const maps = await ask('/api/v1/namespaces/default/configmaps', 'GET', undefined, accept)
  t.match(maps.body, { kind: 'ConfigMapList' }, 'what says nothing of columns is shown as it is')
})

t.test('a watch tells what there is, what comes, and what goes', async (t) => {
  const { cluster, api } = await served(t)
  await cluster.apply(widget('w', 'default'))
  await cluster.apply(widget('other', 'default'))
  await cluster.pass(1)
  const query = 'watch=true&fieldSelector=metadata.name%3Dw&sendInitialEvents=true'
  const { body } = await fetch(`${api.url}${widgets}?${query}`)
  if (body === null) throw new Error('there is no stream')
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  const told = async () => {
    const { value = '' } = await reader.read()
    const events = value
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    return events.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`.trim())
  }
  t.same(await told(), ['ADDED w', 'BOOKMARK'])
  await cluster.patch({ ...reference('other') }, { metadata: { labels: { a: 'b' } } })
  await cluster.patch(reference('w'), { metadata: { labels: { a: 'b' } } })
  t.same(await told(), ['MODIFIED w'])
  await cluster.delete(reference('w'))
  t.match(await told(), ['DELETED w'])
  await reader.cancel()
})

function reference(name: string) {
  return { apiVersion: 'example.com/v1', kind: 'Widget', namespace: 'default', name }
}
