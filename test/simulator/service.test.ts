import t from 'tap'
import { at } from '../../hooks/simulator/json.ts'
import { greeting } from '../sdk/greeting.ts'
import { createSimulatedCluster } from './cluster.ts'
import { refusal } from './fixtures.ts'
import { manifestsOf, serviceOf } from './service.ts'

const type = { apiVersion: 'test.example.com/v1', kind: 'Greeting' }

t.test('a kind’s generated manifests and the real service work in a simulated cluster', async (t) => {
  const cluster = await createSimulatedCluster({ hook: serviceOf([greeting]), manifests: manifestsOf([greeting]) })
  t.teardown(cluster.close)
  const namespace = await cluster.namespace('greet')
  const reference = { ...type, name: 'hi', namespace }
  const map = { apiVersion: 'v1', kind: 'ConfigMap', name: 'hi', namespace }
  const ready = async () => {
    const conditions = at(await cluster.get(reference), 'status', 'conditions')
    return (
      Array.isArray(conditions) && conditions.some((one) => at(one, 'type') === 'Ready' && at(one, 'status') === 'True')
    )
  }
  await cluster.apply({ ...type, metadata: { name: 'hi', namespace }, spec: { loud: true } })
  await cluster.until('it to be ready', ready)
  t.same((await cluster.get(map))?.data, { text: 'hello' }, 'with the CRD’s default')

  await t.test('hundreds of resyncs write nothing, and most are answered 304', async (t) => {
    await cluster.pass(60)
    const before = cluster.simulator.writes.length
    await cluster.pass(3600)
    t.equal(cluster.simulator.writes.length, before)
    t.match(await cluster.hook.metrics(), /304|not_modified|etag/i)
  })

  await t.test('drift is repaired, a refused change refused, a held one held', async (t) => {
    await cluster.patch(map, { data: { text: 'foreign' } })
    await cluster.until('the repair', async () => at(await cluster.get(map), 'data', 'text') === 'hello')
    const events = await cluster.until('its event', async () => {
      const all = await cluster.events(reference)
      return all.some(({ reason }) => reason === 'DriftRepaired') ? all : undefined
    })
    t.match(events[0], { reason: 'Created', type: 'Normal', note: /ConfigMap/ }, 'oldest first')
    t.match((await refusal(cluster.patch(reference, { spec: { text: '' } }))).causes, [{ field: 'spec.text' }])
    await cluster.patch(reference, { spec: { stop: true, text: 'later' } })
    await cluster.pass(60)
    t.same((await cluster.get(map))?.data, { text: 'hello' })
    await cluster.patch(reference, { spec: { stop: false } })
    await cluster.until('the change', async () => at(await cluster.get(map), 'data', 'text') === 'later')
  })

  await t.test('a service that is away loses nothing, and deletion leaves nothing', async (t) => {
    await cluster.hook.kill()
    await cluster.delete(map)
    await cluster.pass(300)
    t.notOk(await cluster.get(map))
    await cluster.hook.start()
    await cluster.until('the child', () => cluster.get(map))
    await cluster.delete(reference)
    await cluster.until('the end', async () => (await cluster.get(reference)) === undefined)
    t.notOk(await cluster.get(map))
  })
})
