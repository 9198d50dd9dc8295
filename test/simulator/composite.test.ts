import t from 'tap'
import { configMap, hook, simulate, widget, widgetController, widgetCrd } from './fixtures.ts'

const mapOf = (namespace: string, name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })

t.test('a parent gets its children, and drift of them is repaired', async (t) => {
  const cluster = simulate({
    sync: ({ parent }) => ({
      status: { ready: true },
      children: [configMap(`${parent.metadata.name}-config`, { a: '1' })],
    }),
  })
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('repair')
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController())
  await cluster.apply(widget('w', namespace))
  const made = await cluster.until('the child', () => cluster.get(mapOf(namespace, 'w-config')))
  t.same(made.data, { a: '1' })
  t.match(made.metadata.ownerReferences, [{ kind: 'Widget', name: 'w', controller: true, blockOwnerDeletion: true }])
  t.equal(
    made.metadata.annotations?.['metacontroller.k8s.io/last-applied-configuration'],
    `{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"labels":{"controller-uid":"${made.metadata.labels?.['controller-uid']}"},"name":"w-config","namespace":"${namespace}"}}`,
  )
  await cluster.patch(mapOf(namespace, 'w-config'), { data: { a: '2', foreign: 'kept' } })
  await cluster.pass(1)
  t.same((await cluster.get(mapOf(namespace, 'w-config')))?.data, { a: '1', foreign: 'kept' }, 'what is not ours stays')
  const parent = await cluster.get({ apiVersion: 'example.com/v1', kind: 'Widget', namespace, name: 'w' })
  t.same(parent?.status, { ready: true, observedGeneration: 1 })
  const before = cluster.writes.length
  await cluster.pass(3600)
  t.equal(cluster.writes.length, before, 'nothing is written while nothing changes')
})

t.test('finalize keeps the parent until it says so', async (t) => {
  let done = false
  const cluster = simulate({
    sync: () => ({ status: {}, children: [configMap('c', {})] }),
    finalize: () => ({
      status: {},
      children: done ? [] : [configMap('c', {})],
      finalized: done,
      resyncAfterSeconds: 5,
    }),
  })
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace('finalize')
  const reference = { apiVersion: 'example.com/v1', kind: 'Widget', namespace, name: 'w' }
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController({}, { finalize: hook('finalize') }))
  await cluster.apply(widget('w', namespace))
  await cluster.pass(1)
  t.same((await cluster.get(reference))?.metadata.finalizers, ['metacontroller.io/compositecontroller-widgets'])
  await cluster.delete(reference)
  await cluster.pass(30)
  t.ok(await cluster.get(reference), 'still there')
  t.ok(await cluster.get(mapOf(namespace, 'c')), 'and its child')
  done = true
  await cluster.pass(6)
  t.notOk(await cluster.get(reference))
  t.notOk(await cluster.get(mapOf(namespace, 'c')))
})
