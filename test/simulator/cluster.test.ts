import { createServer } from 'node:http'
import t from 'tap'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { at } from '../../hooks/simulator/json.ts'
import { createSimulatedCluster, type StartHook } from './cluster.ts'
import { configMap, widget, widgetController, widgetCrd } from './fixtures.ts'

/** A small hook service over real HTTP: every Widget gets a StatefulSet of its replicas and a ConfigMap. */
const startHook: StartHook = async ({ port }) => {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { parent, children } = JSON.parse(Buffer.concat(chunks).toString())
    const { name, namespace } = parent.metadata
    const ready = at(children, 'StatefulSet.apps/v1', `${namespace}/${name}`, 'status', 'readyReplicas') ?? 0
    const body = {
      status: { ready },
      children: [statefulSet(name, parent.spec.replicas), configMap(`${name}-config`, { a: '1' })],
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { stop: close, kill: close, metrics: async () => '' }
}

function statefulSet(name: string, replicas: number): KubernetesObject {
  const labels = { app: name }
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x:1' }] } }
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name },
    spec: { replicas, serviceName: name, selector: { matchLabels: labels }, template },
  }
}

const service = {
  webhook: { service: { name: 'hooks', namespace: 'operator-hooks' }, path: '/hooks/widget/sync' },
  version: 'v2',
}
const childResources = ['apps/v1 statefulsets', 'v1 configmaps'].map((text) => {
  const [apiVersion, resource] = text.split(' ')
  return { apiVersion, resource, updateStrategy: { method: 'InPlace' } }
})
const manifests = [widgetController({ childResources }, { sync: service }), widgetCrd]

t.test('a parent is ready when its pods are, over real HTTP', async (t) => {
  const cluster = await createSimulatedCluster({ hook: startHook, manifests })
  t.teardown(cluster.close)
  const namespace = await cluster.namespace('scenario')
  const reference = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', namespace }
  await cluster.apply(widget('w', namespace, { replicas: 3 }))
  await cluster.until('three ready pods', async () => at(await cluster.get(reference), 'status', 'ready') === 3)
  await cluster.patch(reference, { spec: { replicas: 1 } }, 'scale')
  await cluster.until('one ready pod', async () => at(await cluster.get(reference), 'status', 'ready') === 1)
  t.ok((await cluster.hook.answered()) > 3)
})

t.test('a hundred parents at once, and then quiet', async (t) => {
  const cluster = await createSimulatedCluster({ hook: startHook, manifests })
  t.teardown(cluster.close)
  const namespace = await cluster.namespace('many')
  for (let index = 0; index < 100; index++) await cluster.apply(widget(`w-${index}`, namespace))
  await cluster.until('all to be ready', async () => {
    const all = await cluster.list({ apiVersion: 'example.com/v1', kind: 'Widget' }, { namespace })
    return all.every((parent) => at(parent, 'status', 'ready') === 1)
  })
  await cluster.pass(5)
  const before = cluster.simulator.writes.length
  await cluster.pass(600)
  t.equal(cluster.simulator.writes.length, before)
})

t.test('the hook service killed before any answer: the end is the same', async (t) => {
  for (const n of [1, 2, 3]) {
    const cluster = await createSimulatedCluster({ hook: startHook, manifests })
    t.teardown(cluster.close)
    const namespace = await cluster.namespace('strike')
    cluster.hook.killBeforeAnswer(n)
    await cluster.apply(widget('w', namespace))
    await cluster.pass(10)
    await t.rejects(cluster.hook.metrics(), { message: 'the hook service does not run' })
    await cluster.hook.start()
    const reference = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', namespace }
    await cluster.until('it to be ready', async () => at(await cluster.get(reference), 'status', 'ready') === 1, 120)
    const [event] = await cluster.events(reference)
    t.match(event?.note, /http error: Post "http:\/\/127\.0\.0\.1:\d+\/hooks\/widget\/sync": EOF/)
  }
})

t.test('until names what it waited for and what it saw', async (t) => {
  const cluster = await createSimulatedCluster({ hook: startHook, manifests })
  t.teardown(cluster.close)
  await t.rejects(
    cluster.until('the impossible', async () => false, 2),
    { message: 'waited 2 s for the impossible; last: false' },
  )
  t.ok(isRecord(cluster.capabilities))
})
