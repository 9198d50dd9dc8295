import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type HookAnswer, planWrites } from '../../hooks/simulator/index.ts'
import { configMap, simulate, widget, widgetController, widgetCrd } from './fixtures.ts'

const childResources = ['v1 configmaps', 'batch/v1 jobs'].map((text) => {
  const [apiVersion, resource] = text.split(' ')
  return { apiVersion, resource, updateStrategy: { method: 'InPlace' } }
})
const definitions = [widgetCrd, widgetController({ childResources })]

/** A ConfigMap for each name in the spec, and a Job if it says which image. */
function answer({ parent }: { parent: KubernetesObject }) {
  const { maps = {}, image } = parent.spec as { maps?: Record<string, string>; image?: string }
  const containers = [{ name: 'main', image }]
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j' },
    spec: { template: { spec: { restartPolicy: 'Never', containers } } },
  }
  const children = Object.entries(maps).map(([name, value]) => configMap(name, { value }))
  return { status: { maps: children.length }, children: image === undefined ? children : [...children, job] }
}
const transport = async ({ body }: { body: string }): Promise<HookAnswer> => ({
  status: 200,
  headers: {},
  body: JSON.stringify(answer(JSON.parse(body))),
})

/** What a cluster holds in which this spec was applied. */
async function observedOf(spec: Record<string, unknown>): Promise<KubernetesObject[]> {
  const cluster = simulate({ sync: answer })
  for (const definition of definitions) await cluster.apply(definition)
  await cluster.apply(widget('w', 'default', spec))
  await cluster.pass(5)
  const kinds = ['example.com/v1 Widget', 'v1 ConfigMap', 'batch/v1 Job'].map((text) => text.split(' '))
  const lists = await Promise.all(
    kinds.map(([apiVersion = '', kind = '']) => cluster.list({ apiVersion, kind }, { namespace: 'default' })),
  )
  cluster.stop()
  return lists.flat()
}

t.test('a plan says what would be created, changed and removed', async (t) => {
  const observed = await observedOf({ maps: { a: '1', b: '1' } })
  const before = JSON.stringify(observed)
  const plan = await planWrites({
    definitions,
    observed,
    parents: [widget('w', 'default', { maps: { b: '2', c: '1' } })],
    transport,
  })
  t.same(
    plan.changes.map(({ action, reference }) => `${action} ${reference.name}`),
    ['delete a', 'update b', 'create c'],
  )
  t.match(plan.changes[1], { before: { data: { value: '1' } }, after: { data: { value: '2' } } })
  t.match(plan.parents, [{ status: { maps: 2 } }])
  t.same(plan.errors, [])
  t.equal(JSON.stringify(observed), before, 'what was observed stays as it is')
})

t.test('nothing to do is an empty plan', async (t) => {
  const observed = await observedOf({ maps: { a: '1' } })
  const plan = await planWrites({
    definitions,
    observed,
    parents: [widget('w', 'default', { maps: { a: '1' } })],
    transport,
  })
  t.same(plan.changes, [])
})

t.test('what cannot be changed, and what is refused, is said', async (t) => {
  const observed = await observedOf({ image: 'x:1' })
  const plan = await planWrites({
    definitions,
    observed,
    parents: [widget('w', 'default', { image: 'x:2' })],
    transport,
  })
  t.same(plan.changes, [])
  t.match(plan.errors, [/Job.batch "j" is invalid: spec.template: Invalid value: .*field is immutable/])
  const bad = await planWrites({
    definitions,
    observed,
    parents: [widget('w', 'default', { replicas: 'many' })],
    transport,
  })
  t.match(bad.refused, [
    { reference: { name: 'w' }, error: { reason: 'Invalid', causes: [{ field: 'spec.replicas' }] } },
  ])
})
