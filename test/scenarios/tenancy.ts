// Namespaces that are given to tenants, and what becomes of the suite's own kinds when a quota is in their way.
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster, Scenario } from './cluster.ts'
import {
  at,
  conditionOf,
  database,
  databaseAt,
  present,
  running,
  statefulSetOf,
  untilCondition,
  untilGone,
  untilPhase,
} from './database.ts'
import { webapp, webappAt } from './webapp.ts'

const key = (name: string) => `tenancy.example.com/${name}`
const level = (mode: string) => `pod-security.kubernetes.io/${mode}`

export const tenancyScenarios: Scenario[] = [
  {
    title: 'a tenant’s namespace gets what it needs, keeps it, and loses exactly that with its label',
    async run(cluster) {
      const namespace = await cluster.namespace('tenant')
      const reference = namespaceAt(namespace)
      const own = await Promise.all(ownObjects(namespace).map((object) => cluster.create(object)))
      const labels = { [level('enforce')]: 'baseline', team: 'shop' }
      await cluster.patch(reference, { metadata: { labels } })
      const plain = await present(cluster, reference)
      await cluster.pass(3)
      assert.deepEqual(
        (await present(cluster, reference)).metadata,
        plain.metadata,
        'without the label nothing happens',
      )

      await assign(cluster, namespace, { tenant: 'acme', plan: 'medium', owners: 'user:jane,group:acme' })
      await cluster.until('all of it is there', async () => (await tenantObjects(cluster, namespace)).length === 6)
      const quota = await present(cluster, quotaAt(namespace))
      assert.equal(at(quota, 'spec', 'hard', 'requests.cpu'), '16')
      assert.equal(at(quota, 'metadata', 'ownerReferences', 0, 'kind'), 'Namespace')
      const tenant = await untilLabel(cluster, namespace, level('enforce'), 'restricted')
      assert.equal(tenant.metadata.labels?.team, 'shop')

      const before = await tenantObjects(cluster, namespace)
      await cluster.delete(policyAt(namespace, 'tenant-default-deny'))
      await cluster.patch(policyAt(namespace, 'tenant-dns'), { spec: { egress: [{}] } })
      await cluster.patch(quotaAt(namespace), { spec: { hard: { pods: '9999' } } })
      await cluster.patch(bindingAt(namespace), { subjects: [] })
      await cluster.patch(reference, { metadata: { labels: { [level('enforce')]: 'privileged' } } })
      await cluster.until('what was tampered with is as it was', async () =>
        isDeepStrictEqual(specs(await tenantObjects(cluster, namespace)), specs(before)),
      )
      await untilLabel(cluster, namespace, level('enforce'), 'restricted')

      await annotate(cluster, namespace, { plan: '{"base": "small", "pods": 7}', 'pod-security': 'baseline' })
      await untilHard(cluster, namespace, 'pods', '7')
      await untilLabel(cluster, namespace, level('enforce'), 'baseline')

      await cluster.patch(reference, { metadata: { labels: { [key('tenant')]: null } } })
      const gone = [quotaAt(namespace), bindingAt(namespace), limitsAt(namespace), ...policies(namespace)]
      await untilGone(cluster, gone)
      const after = await cluster.until('the labels are as they were', async () => {
        const object = await present(cluster, reference)
        return object.metadata.annotations?.[key('labels-before')] === undefined ? object : undefined
      })
      assert.deepEqual(after.metadata.labels, plain.metadata.labels)
      assert.equal(after.metadata.annotations?.[key('problem')], undefined)
      for (const object of own) {
        const { apiVersion, kind, metadata } = object
        const kept = await present(cluster, { apiVersion, kind, namespace, name: String(metadata.name) })
        assert.deepEqual({ ...kept.metadata, ...unsteady }, { ...metadata, ...unsteady }, `${kind} of the user's own`)
        assert.deepEqual(kept.spec, object.spec)
        assert.deepEqual(kept.subjects, object.subjects)
      }
    },
  },
  {
    title: 'what is wrong on a tenant’s namespace is told there, and changes nothing until it is right',
    async run(cluster) {
      const namespace = await cluster.namespace('mistaken')
      await assign(cluster, namespace, { tenant: 'acme', plan: 'large', owners: 'user:jane' })
      await cluster.until('all of it is there', async () => (await tenantObjects(cluster, namespace)).length === 6)
      const before = specs(await tenantObjects(cluster, namespace))
      await annotate(cluster, namespace, { plan: 'enormous', owners: 'jane' })
      await untilProblem(cluster, namespace, /"enormous".*"jane" must be user:NAME/)
      await cluster.until('an Event tells it too', async () => {
        const events = await cluster.events(namespaceAt(namespace))
        return events.some(({ type, note }) => type === 'Warning' && /InvalidAnnotation: .*enormous/.test(note))
      })
      assert.deepEqual(specs(await tenantObjects(cluster, namespace)), before)
      await annotate(cluster, namespace, { plan: 'small', owners: 'user:jane' })
      await untilProblem(cluster, namespace, undefined)
      await untilHard(cluster, namespace, 'pods', '20')
    },
  },
  {
    title: 'a name that somebody else holds is left alone in a tenant’s namespace, and told',
    async run(cluster) {
      const namespace = await cluster.namespace('held')
      const theirs: KubernetesObject = {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { namespace, name: 'tenant-quota' },
        spec: { hard: { pods: '3' } },
      }
      await cluster.create(theirs)
      await assign(cluster, namespace, { tenant: 'acme' })
      await untilProblem(cluster, namespace, /ResourceQuota\/tenant-quota belongs to something else/)
      await cluster.until('the rest is there', async () => (await tenantObjects(cluster, namespace)).length === 4)
      assert.equal(at(await present(cluster, quotaAt(namespace)), 'spec', 'hard', 'pods'), '3')
      await cluster.delete(quotaAt(namespace))
      await untilHard(cluster, namespace, 'pods', '20')
      await untilProblem(cluster, namespace, undefined)
    },
  },
  {
    title: 'a namespace of the cluster’s own is no tenant’s, whatever is written on it',
    async run(cluster) {
      const reference = namespaceAt('kube-public')
      await cluster.patch(reference, { metadata: { labels: { [key('tenant')]: 'acme' } } })
      // Long enough for another namespace to get everything.
      const other = await cluster.namespace('other')
      await assign(cluster, other, { tenant: 'acme' })
      await cluster.until('another has it', async () => (await tenantObjects(cluster, other)).length === 5)
      assert.deepEqual(await tenantObjects(cluster, 'kube-public'), [])
      assert.equal((await present(cluster, reference)).metadata.labels?.[level('enforce')], undefined)
      await cluster.patch(reference, { metadata: { labels: { [key('tenant')]: null } } })
    },
  },
  {
    title: 'a tenant’s namespace can be deleted, whatever runs or does not',
    async run(cluster) {
      const namespace = await cluster.namespace('leaving')
      await assign(cluster, namespace, { tenant: 'acme', owners: 'user:jane' })
      await cluster.until('all of it is there', async () => (await tenantObjects(cluster, namespace)).length === 6)
      assert.equal((await present(cluster, namespaceAt(namespace))).metadata.finalizers, undefined)
      await cluster.hook.stop()
      try {
        await cluster.delete(namespaceAt(namespace))
        await untilGone(cluster, [namespaceAt(namespace)])
      } finally {
        await cluster.hook.start()
      }
    },
  },
  {
    title: 'pods that a quota refuses are told with the amount, and come when the plan is raised',
    seconds: 180,
    async run(cluster) {
      const namespace = await cluster.namespace('full')
      // A pod asks for 1Gi, and 256Mi for its sidecar: two of them fit.
      await assign(cluster, namespace, { tenant: 'acme', plan: '{"memoryGi": 3}' })
      await untilHard(cluster, namespace, 'limits.memory', '3Gi')
      const reference = await running(cluster, database(namespace, 'db', { replicas: 2 }))
      await cluster.patch(reference, { spec: { replicas: 3 } })
      const refused = await untilCondition(cluster, reference, 'QuotaExceeded', 'True')
      const message =
        /ResourceQuota\/tenant-quota refuses 1 pod of StatefulSet\/db: .*limits\.memory: 2560Mi of 3Gi is used and 1280Mi is asked for, 768Mi too much/
      assert.match(conditionOf(refused, 'QuotaExceeded')?.message ?? '', message)
      const ready = await untilCondition(cluster, reference, 'Ready', 'False', 'QuotaExceeded')
      assert.match(conditionOf(ready, 'Ready')?.message ?? '', message)
      assert.equal(at(ready, 'status', 'readyReplicas'), 2, 'what runs goes on')

      await longRefused(cluster)
      await annotate(cluster, namespace, { plan: '{"memoryGi": 4}' })
      const recovered = await untilPhase(cluster, reference, 'Running', 40)
      assert.equal(at(recovered, 'status', 'readyReplicas'), 3)
      await cluster.until('the condition is gone', async () => {
        return conditionOf(await cluster.get(reference), 'QuotaExceeded') === undefined
      })
    },
  },
  {
    title: 'pods of a WebApp that a quota refuses are told with the amount, and come when the plan is raised',
    seconds: 180,
    async run(cluster) {
      const namespace = await cluster.namespace('crowded')
      await assign(cluster, namespace, { tenant: 'acme', plan: '{"cpu": 0.5}' })
      await untilHard(cluster, namespace, 'requests.cpu', '500m')
      const resources = { requests: { cpu: '200m', memory: '64Mi' }, limits: { memory: '64Mi' } }
      await cluster.apply(webapp(namespace, 'shop', { replicas: 4, resources }))
      const reference = webappAt(namespace, 'shop')
      const refused = await untilCondition(cluster, reference, 'QuotaExceeded', 'True')
      const message =
        /ResourceQuota\/tenant-quota refuses 2 pods of Deployment\/shop: requests\.cpu: 400m of 500m is used and 2 × 200m are asked for, 300m too much/
      const settled = await cluster.until('the sums are right', async () => {
        const object = await cluster.get(reference)
        return message.test(conditionOf(object, 'QuotaExceeded')?.message ?? '') ? object : undefined
      })
      assert.match(conditionOf(settled, 'Ready')?.message ?? '', message)
      assert.equal(conditionOf(refused, 'Ready')?.status, 'False')
      await untilCondition(cluster, reference, 'Ready', 'False', 'QuotaExceeded')

      await longRefused(cluster)
      await annotate(cluster, namespace, { plan: '{"cpu": 0.8}' })
      await untilPhase(cluster, reference, 'Running', 40)
      await cluster.until('the condition is gone', async () => {
        return conditionOf(await cluster.get(reference), 'QuotaExceeded') === undefined
      })
    },
  },
  {
    title: 'a plan below what is in use stops nothing, and says so',
    seconds: 180,
    async run(cluster) {
      const namespace = await cluster.namespace('lowered')
      await assign(cluster, namespace, { tenant: 'acme' })
      await untilHard(cluster, namespace, 'pods', '20')
      const reference = await running(cluster, database(namespace, 'db', { replicas: 2 }))
      await annotate(cluster, namespace, { plan: '{"pods": 1}' })
      await untilHard(cluster, namespace, 'pods', '1')
      await untilProblem(cluster, namespace, /more is in use than the plan allows of pods:/)
      assert.equal(at(await present(cluster, statefulSetOf(namespace, 'db')), 'status', 'readyReplicas'), 2)
      assert.equal(conditionOf(await present(cluster, reference), 'Ready')?.status, 'True')
      await annotate(cluster, namespace, { plan: null })
      await untilProblem(cluster, namespace, undefined)
    },
  },
  {
    title: 'a child that a quota has no room for is told as the reason',
    async run(cluster) {
      const namespace = await cluster.namespace('counted')
      const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace, name: 'objects' } }
      await cluster.create({ ...quota, spec: { hard: { services: '1' } } })
      await cluster.until('the quota counts', async () => {
        return at(await cluster.get(objectsAt(namespace)), 'status', 'used', 'services') === '0'
      })
      await cluster.apply(database(namespace, 'db'))
      const reference = databaseAt(namespace, 'db')
      const refused = await untilCondition(cluster, reference, 'Applied', 'False', 'QuotaExceeded')
      assert.match(
        conditionOf(refused, 'Applied')?.message ?? '',
        /ResourceQuota\/objects refuses Service\/db[-a-z]*: services: 1 of 1 is used and 1 is asked for, 1 too much/,
      )
      assert.equal(conditionOf(refused, 'Ready')?.reason, 'QuotaExceeded')
      await cluster.patch(objectsAt(namespace), { spec: { hard: { services: '3' } } })
      await untilPhase(cluster, reference, 'Running', 100)
      await untilCondition(cluster, reference, 'Ready', 'True')
    },
  },
]

/**
 * Until the controllers of workloads pause for minutes between two attempts, where that costs nothing: the pauses double from
 * 5 ms on, so that the one before ended after 328 s and the next attempt follows after 655.
 */
async function longRefused(cluster: Cluster): Promise<void> {
  await cluster.pass(cluster.capabilities.clock ? 360 : 10)
}

/** What a status that is written changes. */
const unsteady = { resourceVersion: '', managedFields: [] }

const namespaceAt = (name: string): ObjectReference => ({ apiVersion: 'v1', kind: 'Namespace', name })
const quotaAt = (namespace: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  namespace,
  name: 'tenant-quota',
})
const objectsAt = (namespace: string): ObjectReference => ({ ...quotaAt(namespace), name: 'objects' })
const limitsAt = (namespace: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'LimitRange',
  namespace,
  name: 'tenant-limits',
})
const bindingAt = (namespace: string): ObjectReference => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  namespace,
  name: 'tenant-owners',
})
const policyAt = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  namespace,
  name,
})
const policies = (namespace: string) =>
  ['tenant-default-deny', 'tenant-dns', 'tenant-same-tenant'].map((name) => policyAt(namespace, name))

/** Objects of a user's own, of each kind that a tenant is given. */
function ownObjects(namespace: string): KubernetesObject[] {
  const metadata = { namespace, name: 'mine' }
  const api = 'rbac.authorization.k8s.io'
  return [
    { apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard: { 'count/leases.coordination.k8s.io': '9' } } },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec: { podSelector: {} } },
    {
      apiVersion: `${api}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: api, kind: 'ClusterRole', name: 'view' },
      subjects: [{ apiGroup: api, kind: 'User', name: 'joe' }],
    },
  ]
}

/** Makes a namespace a tenant's. */
async function assign(cluster: Cluster, namespace: string, given: { tenant: string; plan?: string; owners?: string }) {
  const { tenant, ...rest } = given
  const annotations = Object.fromEntries(Object.entries(rest).map(([name, value]) => [key(name), value]))
  await cluster.patch(namespaceAt(namespace), { metadata: { labels: { [key('tenant')]: tenant }, annotations } })
}

async function annotate(cluster: Cluster, namespace: string, given: Record<string, string | null>) {
  const annotations = Object.fromEntries(Object.entries(given).map(([name, value]) => [key(name), value]))
  await cluster.patch(namespaceAt(namespace), { metadata: { annotations } })
}

async function tenantObjects(cluster: Cluster, namespace: string): Promise<KubernetesObject[]> {
  const types = [quotaAt(namespace), limitsAt(namespace), bindingAt(namespace), policyAt(namespace, '')]
  const labels = { 'app.kubernetes.io/part-of': 'tenancy' }
  const lists = await Promise.all(
    types.map(async ({ apiVersion, kind }) => {
      const found = await cluster.list({ apiVersion, kind }, { namespace, labels })
      return found.map((object) => ({ ...object, apiVersion, kind }))
    }),
  )
  return lists.flat()
}

/** What was asked for, by name: what is there apart from identities. */
function specs(objects: readonly KubernetesObject[]): [string, unknown][] {
  return objects
    .map(({ kind, metadata, spec, subjects }): [string, unknown] => [`${kind}/${metadata.name}`, { spec, subjects }])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function untilLabel(cluster: Cluster, namespace: string, label: string, value: string) {
  return cluster.until(`${label} of ${namespace} is ${value}`, async () => {
    const object = await cluster.get(namespaceAt(namespace))
    return object?.metadata.labels?.[label] === value ? object : undefined
  })
}

/** Waits for a limit in the quota's status, from which the API server refuses what is beyond it. */
function untilHard(cluster: Cluster, namespace: string, resource: string, value: string) {
  return cluster.until(`${resource} of ${namespace} is limited to ${value}`, async () => {
    return at(await cluster.get(quotaAt(namespace)), 'status', 'hard', resource) === value
  })
}

function untilProblem(cluster: Cluster, namespace: string, problem: RegExp | undefined) {
  return cluster.until(`the problem of ${namespace} is ${problem ?? 'gone'}`, async () => {
    const told = (await present(cluster, namespaceAt(namespace))).metadata.annotations?.[key('problem')]
    return problem === undefined ? told === undefined : told !== undefined && problem.test(told)
  })
}
