// Decorators over time: what takes days on a real cluster takes a moment here.
import t from 'tap'
import { prometheusOperator } from '../../hooks/decorators/prometheus-operator/index.ts'
import { resumption } from '../../hooks/decorators/resumption/index.ts'
import { volumeSnapshots } from '../../hooks/decorators/volume-snapshots/index.ts'
import { definitions } from '../../hooks/kinds/index.ts'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { ResourceType } from '../../hooks/sdk/resources.ts'
import { createSimulatedCluster } from './cluster.ts'
import { manifestsOf, serviceOf } from './service.ts'

const decorators = [volumeSnapshots, prometheusOperator]

/** A CRD that takes anything: the real ones are for the control plane, see test/cluster/decorators.test.ts. */
function crdOf({ apiVersion, kind, resource }: ResourceType): KubernetesObject {
  const [group = '', version = ''] = apiVersion.split('/')
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${resource}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural: resource, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema, subresources: { status: {} } }],
    },
  }
}

const crds = decorators.flatMap(({ attachments }) => attachments.map(crdOf))

t.test('snapshots are taken by schedule and dropped in time, never the last good one', async (t) => {
  // Almost never looked at again by itself: the times are those that it asks for.
  const all = [{ ...volumeSnapshots, resyncPeriodSeconds: 30 * 86400 }]
  const cluster = await createSimulatedCluster({ hook: serviceOf(all), manifests: [...manifestsOf(all), ...crds] })
  t.teardown(() => cluster.close())
  const namespace = await cluster.namespace('backups')
  const type = { apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot' }
  const snapshots = async () =>
    (await cluster.list(type, { namespace })).map(({ metadata }) => String(metadata.name)).sort()
  const finish = async (readyToUse: boolean) => {
    for (const { metadata, status } of await cluster.list(type, { namespace })) {
      if (status === undefined)
        await cluster.patch({ ...type, namespace, name: String(metadata.name) }, { status: { readyToUse } }, 'status')
    }
  }
  const claim: ObjectReference = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'data' }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: 'data',
      namespace,
      annotations: { 'backup.example.com/schedule': '0 */6 * * *', 'backup.example.com/retention': '12h' },
    },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  await cluster.patch(claim, { status: { phase: 'Bound' } }, 'status')
  await cluster.until('the first is there at once', async () => (await snapshots()).length === 1)
  await finish(true)
  for (let hours = 0; hours < 18; hours += 6) {
    await cluster.pass(6 * 3600)
    await finish(true)
  }
  const kept = await snapshots()
  t.equal(kept.length, 2, `two in half a day: ${kept}`)

  await cluster.pass(6 * 3600)
  const [failed] = (await snapshots()).slice(-1)
  await finish(false)
  await cluster.patch(claim, { metadata: { annotations: { 'backup.example.com/schedule': null } } })
  await cluster.pass(24 * 3600)
  const last = await snapshots()
  t.same(last, kept.slice(-1), 'the last good one, a day after it all stopped')
  t.not(last[0], failed)
  await cluster.delete(claim)
  await cluster.pass(3600)
  t.same(await snapshots(), last, 'and after the claim has gone')
  const { ownerReferences } = (await cluster.get({ ...type, namespace, name: String(last[0]) }))?.metadata ?? {}
  t.match(ownerReferences, [{ kind: 'Namespace', name: namespace }])
})

t.test('an API that comes later is picked up, and its absence breaks nothing', async (t) => {
  const all = [...definitions, prometheusOperator]
  const cluster = await createSimulatedCluster({ hook: serviceOf(all), manifests: manifestsOf(all) })
  t.teardown(() => cluster.close())
  const namespace = await cluster.namespace('late')
  const database: ObjectReference = { apiVersion: 'example.com/v1', kind: 'Database', namespace, name: 'orders' }
  await cluster.apply({
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { name: 'orders', namespace },
    spec: {
      engine: 'postgresql',
      version: '17.2',
      storage: { size: '1Gi' },
      monitoring: { enabled: true, alerting: true },
    },
  })
  await cluster.until(
    'it runs',
    async () => ((await cluster.get(database))?.status as { phase?: string })?.phase === 'Running',
  )
  for (const crd of prometheusOperator.attachments.map(crdOf)) await cluster.apply(crd)
  const api = 'monitoring.coreos.com/v1'
  await cluster.until(
    'its exporters are scraped',
    () => cluster.get({ apiVersion: api, kind: 'ServiceMonitor', namespace, name: 'orders-metrics' }),
    600,
  )
  t.ok(await cluster.get({ apiVersion: api, kind: 'PrometheusRule', namespace, name: 'orders-database' }))
  await cluster.pass(60)
  t.equal(
    ((await cluster.get(database))?.metadata.finalizers ?? []).filter((one) => one.includes('decorator')).length,
    0,
  )
  await cluster.patch(database, { spec: { monitoring: { enabled: false, alerting: false } } })
  await cluster.until(
    'and no more',
    async () => (await cluster.list({ apiVersion: api, kind: 'ServiceMonitor' })).length === 0,
  )
})

t.test('after an outage all is right again within seconds, and standing still costs next to nothing', async (t) => {
  const all = [...definitions, resumption]
  const home = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'operator-hooks' } }
  const cluster = await createSimulatedCluster({ hook: serviceOf(all), manifests: [home, ...manifestsOf(all)] })
  t.teardown(() => cluster.close())
  const namespace = await cluster.namespace('shop')
  const names = Array.from({ length: 5 }, (_, index) => `web-${index}`)
  for (const name of names) {
    await cluster.apply({
      apiVersion: 'platform.example.com/v1',
      kind: 'WebApp',
      metadata: { name, namespace },
      spec: { image: 'nginx:1.21', replicas: 1 },
    })
  }
  const service = (name: string) => ({ apiVersion: 'v1', kind: 'Service', namespace, name })
  const there = async () =>
    (await Promise.all(names.map((name) => cluster.get(service(name))))).every((found) => found !== undefined)
  await cluster.until('all of them run', there)
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'operator-hooks', name: 'resumption' }
  const since = async () => ((await cluster.get(lease))?.spec as { acquireTime?: string } | undefined)?.acquireTime
  await cluster.pass(300)
  const before = await since()
  t.type(before, 'string')
  await cluster.pass(300)
  t.equal(await since(), before, 'as long as there are answers, the time without a break goes on')
  const writes = cluster.simulator.writes.length
  await cluster.pass(100)
  t.ok(cluster.simulator.writes.length - writes <= 10, 'once in ten seconds, the Lease')

  await cluster.hook.stop()
  for (const name of names) await cluster.delete(service(name))
  await cluster.pass(300)
  t.notOk(await there())
  await cluster.hook.start()
  await cluster.pass(11)
  t.ok(await there())
  t.not(await since(), before)
})
