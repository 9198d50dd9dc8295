import t, { type Test } from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createSimulator } from '../../hooks/simulator/index.ts'
import { at, listAt } from '../../hooks/simulator/json.ts'
import { refusal } from './fixtures.ts'

const template = (image: string, spec: object = {}) => ({
  metadata: { labels: { app: 'x' } },
  spec: { containers: [{ name: 'main', image }], ...spec },
})
const selector = { matchLabels: { app: 'x' } }
const claimTemplate = (size = '1Gi') => ({
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
})
function statefulSet(namespace: string, spec: Record<string, unknown> = {}): KubernetesObject {
  const base = {
    replicas: 3,
    serviceName: 'x',
    selector,
    template: template('x:1'),
    volumeClaimTemplates: [claimTemplate()],
  }
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'x', namespace }, spec: { ...base, ...spec } }
}

async function world(t: Test, hint: string) {
  const cluster = createSimulator({ metacontroller: false })
  t.teardown(cluster.stop)
  const namespace = await cluster.namespace(hint)
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'x', namespace }
  const pods = () => cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace })
  const names = async () => (await pods()).map(({ metadata }) => metadata.name).sort()
  const images = async () =>
    (await pods()).map((pod) => `${pod.metadata.name} ${at(pod, 'spec', 'containers', 0, 'image')}`).sort()
  return { cluster, namespace, set, pods, names, images }
}

t.test('a StatefulSet starts its pods in order, with claims, and reports', async (t) => {
  const { cluster, namespace, set, names } = await world(t, 'ordered')
  await cluster.apply(statefulSet(namespace))
  await cluster.pass(1)
  t.same(await names(), ['x-0'], 'the second waits for the first')
  await cluster.pass(10)
  t.same(await names(), ['x-0', 'x-1', 'x-2'])
  t.match((await cluster.get(set))?.status, {
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
    observedGeneration: 1,
  })
  const claim = await cluster.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'data-x-2', namespace })
  t.match(claim, { spec: { storageClassName: 'standard' }, status: { phase: 'Bound', capacity: { storage: '1Gi' } } })
  const stored = await cluster.get(set)
  t.match(at(stored, 'spec', 'volumeClaimTemplates', 0), {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    spec: { volumeMode: 'Filesystem' },
    status: { phase: 'Pending' },
  })
  const version = stored?.metadata.resourceVersion
  await cluster.pass(3600)
  t.equal((await cluster.get(set))?.metadata.resourceVersion, version, 'and then it is quiet')
})

t.test('a StatefulSet rolls from the last pod, down to its partition', async (t) => {
  const { cluster, namespace, set, images, names } = await world(t, 'rolling')
  await cluster.apply(
    statefulSet(namespace, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }),
  )
  await cluster.pass(15)
  await cluster.patch(set, { spec: { template: { spec: { containers: [{ name: 'main', image: 'x:2' }] } } } })
  await cluster.pass(30)
  t.same(await images(), ['x-0 x:1', 'x-1 x:1', 'x-2 x:2'])
  const status = (await cluster.get(set))?.status
  t.match(status, { currentReplicas: 2, updatedReplicas: 1 })
  t.not(at(status, 'currentRevision'), at(status, 'updateRevision'))
  await cluster.delete({ apiVersion: 'v1', kind: 'Pod', name: 'x-0', namespace })
  await cluster.pass(10)
  t.same((await images())[0], 'x-0 x:1', 'below the partition the old template comes back')
  await cluster.patch(set, { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } })
  await cluster.pass(0.5)
  t.same(await names(), ['x-0', 'x-1', 'x-2'])
  await cluster.pass(30)
  t.same(await images(), ['x-0 x:2', 'x-1 x:2', 'x-2 x:2'])
  const done = (await cluster.get(set))?.status
  t.equal(at(done, 'currentRevision'), at(done, 'updateRevision'))
})

t.test('a rolling update waits for a pod that never gets ready', async (t) => {
  const { cluster, namespace, set, images } = await world(t, 'stuck')
  await cluster.apply(statefulSet(namespace))
  await cluster.pass(15)
  await cluster.behave({ kind: 'StatefulSet', namespace, name: 'x' }, 'never-ready')
  await cluster.pass(1)
  t.match((await cluster.get(set))?.status, { replicas: 3 })
  t.equal(at(await cluster.get(set), 'status', 'readyReplicas'), undefined)
  await cluster.behave({ kind: 'StatefulSet', namespace, name: 'x' }, 'run')
  await cluster.pass(1)
  await cluster.patch(set, { spec: { template: { spec: { containers: [{ name: 'main', image: 'x:2' }] } } } })
  await cluster.pass(0.5)
  await cluster.behave({ kind: 'StatefulSet', namespace, name: 'x' }, 'crash')
  await cluster.pass(60)
  t.same(await images(), ['x-0 x:1', 'x-1 x:1'], 'x-2 is not made again while x-0 is not ready')
})

t.test('scaling down goes from the last pod, and the claims stay or go as the policy says', async (t) => {
  const { cluster, namespace, set, names } = await world(t, 'scaling')
  const claims = async () =>
    (await cluster.list({ apiVersion: 'v1', kind: 'PersistentVolumeClaim' }, { namespace }))
      .map(({ metadata }) => metadata.name)
      .sort()
  await cluster.apply(statefulSet(namespace))
  await cluster.pass(15)
  await cluster.patch(set, { spec: { replicas: 1 } }, 'scale')
  await cluster.pass(0.5)
  t.equal((await names()).length, 3, 'x-2 terminates, x-1 waits')
  await cluster.pass(10)
  t.same(await names(), ['x-0'])
  t.same(await claims(), ['data-x-0', 'data-x-1', 'data-x-2'])
  await cluster.patch(set, { spec: { replicas: 3, persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' } } })
  await cluster.pass(15)
  await cluster.patch(set, { spec: { replicas: 2 } })
  await cluster.pass(15)
  t.same(await claims(), ['data-x-0', 'data-x-1'])
  await cluster.patch(set, { spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' } } })
  await cluster.pass(1)
  await cluster.delete(set, 'Foreground')
  await cluster.pass(15)
  t.notOk(await cluster.get(set))
  t.same(await names(), [])
  t.same(await claims(), [])
})

t.test('claims grow where their class lets them, and never shrink', async (t) => {
  const { cluster, namespace } = await world(t, 'growth')
  await cluster.apply(statefulSet(namespace, { replicas: 1 }))
  await cluster.apply(statefulSet(namespace, { replicas: 1 }))
  await cluster.pass(5)
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'data-x-0', namespace }
  const size = (storage: string) => ({ spec: { resources: { requests: { storage } } } })
  await cluster.patch(claim, size('2048Mi'))
  await cluster.pass(1)
  t.match(await cluster.get(claim), {
    spec: { resources: { requests: { storage: '2Gi' } } },
    status: { capacity: { storage: '2Gi' } },
  })
  t.match(await refusal(cluster.patch(claim, size('1Gi'))), {
    reason: 'Invalid',
    causes: [{ field: 'spec.resources.requests.storage' }],
  })
})

t.test('a Deployment rolls within surge and unavailability', async (t) => {
  const { cluster, namespace, pods } = await world(t, 'deployment')
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'x', namespace }
  const spec = { replicas: 4, selector, template: template('x:1') }
  await cluster.apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x', namespace }, spec })
  await cluster.pass(5)
  t.match((await cluster.get(deployment))?.status, {
    replicas: 4,
    updatedReplicas: 4,
    readyReplicas: 4,
    availableReplicas: 4,
    observedGeneration: 1,
  })
  await cluster.patch(deployment, { spec: { template: template('x:2') } })
  let most = 0
  let least = 4
  for (let step = 0; step < 60; step++) {
    await cluster.pass(0.25)
    most = Math.max(most, (await pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined).length)
    least = Math.min(least, Number(at(await cluster.get(deployment), 'status', 'availableReplicas')))
  }
  t.equal(most, 5)
  t.equal(least, 3)
  t.same(
    (await pods()).map((pod) => at(pod, 'spec', 'containers', 0, 'image')),
    ['x:2', 'x:2', 'x:2', 'x:2'],
  )
  const sets = await cluster.list({ apiVersion: 'apps/v1', kind: 'ReplicaSet' }, { namespace })
  t.same(sets.map((set) => at(set, 'spec', 'replicas')).sort(), [0, 4])
  await cluster.delete(deployment)
  await cluster.pass(5)
  t.same(await pods(), [])
})

t.test('a Deployment without progress is given up after its deadline, and goes on with the next step', async (t) => {
  const { cluster, namespace } = await world(t, 'deadline')
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'x', namespace }
  await cluster.behave({ kind: 'Deployment', namespace, name: 'x' }, 'never-ready')
  const spec = { replicas: 2, selector, progressDeadlineSeconds: 60, template: template('x:1') }
  await cluster.apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x', namespace }, spec })
  const progressing = async () => {
    const conditions = listAt(await cluster.get(deployment), 'status', 'conditions')
    const found = conditions.find((condition) => at(condition, 'type') === 'Progressing')
    return { status: at(found, 'status'), reason: at(found, 'reason') }
  }
  await cluster.pass(50)
  t.same(await progressing(), { status: 'True', reason: 'ReplicaSetUpdated' })
  await cluster.pass(20)
  t.same(await progressing(), { status: 'False', reason: 'ProgressDeadlineExceeded' })
  await cluster.behave({ kind: 'Deployment', namespace, name: 'x' }, 'run')
  await cluster.pass(5)
  t.same(await progressing(), { status: 'True', reason: 'NewReplicaSetAvailable' })
})

const job = (namespace: string, spec: object = {}): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j', namespace },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'x:1' }] } }, ...spec },
})

t.test('a Job completes, or fails after its back-off limit, and goes after its time to live', async (t) => {
  const { cluster, namespace } = await world(t, 'job')
  const reference = { apiVersion: 'batch/v1', kind: 'Job', name: 'j', namespace }
  await cluster.apply(job(namespace, { ttlSecondsAfterFinished: 60 }))
  await cluster.pass(10)
  t.match((await cluster.get(reference))?.status, {
    succeeded: 1,
    conditions: [{ type: 'SuccessCriteriaMet' }, { type: 'Complete', status: 'True' }],
  })
  await cluster.pass(60)
  t.notOk(await cluster.get(reference))
  await cluster.behave({ kind: 'Job', namespace, name: 'j' }, 'fail')
  await cluster.apply(job(namespace, { backoffLimit: 2 }))
  await cluster.pass(20)
  t.equal(at(await cluster.get(reference), 'status', 'failed'), 1, 'the second pod waits 10 s')
  await cluster.pass(60)
  t.match((await cluster.get(reference))?.status, {
    failed: 3,
    conditions: [{ type: 'FailureTarget' }, { type: 'Failed', reason: 'BackoffLimitExceeded' }],
  })
  await cluster.delete(reference)
  await cluster.pass(1)
  await cluster.behave({ kind: 'Job', namespace, name: 'j' }, 'run')
  await cluster.apply(job(namespace, { activeDeadlineSeconds: 30 }))
  await cluster.pass(20)
  t.equal(at(await cluster.get(reference), 'status', 'active'), 1)
  await cluster.pass(15)
  t.match((await cluster.get(reference))?.status, { conditions: [{}, { type: 'Failed', reason: 'DeadlineExceeded' }] })
  t.match(await refusal(cluster.patch(reference, { spec: { template: { spec: { restartPolicy: 'OnFailure' } } } })), {
    reason: 'Invalid',
    message: /field is immutable/,
  })
})

t.test('a CronJob keeps its time, its time zone and its history', async (t) => {
  const { cluster, namespace } = await world(t, 'cron')
  const reference = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'c', namespace }
  const jobs = () => cluster.list({ apiVersion: 'batch/v1', kind: 'Job' }, { namespace })
  const spec = { schedule: '0 2 * * *', timeZone: 'Europe/Berlin', jobTemplate: { spec: job(namespace).spec } }
  await cluster.apply({ apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'c', namespace }, spec })
  await cluster.pass(3600 - 10)
  t.equal((await jobs()).length, 0)
  await cluster.pass(20)
  t.equal((await jobs()).length, 1, '02:00 in Berlin is 01:00 UTC in winter')
  t.equal(at(await cluster.get(reference), 'status', 'lastScheduleTime'), '2030-01-01T01:00:00Z')
  await cluster.pass(6 * 86400)
  t.equal((await jobs()).length, 3, 'three successes are kept')
  await cluster.patch(reference, { spec: { suspend: true } })
  await cluster.pass(2 * 86400)
  t.equal(at(await cluster.get(reference), 'status', 'lastScheduleTime'), '2030-01-07T01:00:00Z')
  t.match(await refusal(cluster.patch(reference, { spec: { schedule: '61 * * * *' } })), {
    reason: 'Invalid',
    causes: [{ field: 'spec.schedule' }],
  })
})

t.test('Forbid lets no two Jobs run at once, Replace ends the first', async (t) => {
  const { cluster, namespace } = await world(t, 'overlap')
  const reference = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'c', namespace }
  const jobs = () => cluster.list({ apiVersion: 'batch/v1', kind: 'Job' }, { namespace })
  await cluster.behave({ kind: 'CronJob', namespace, name: 'c' }, 'run')
  const spec = { schedule: '*/5 * * * *', concurrencyPolicy: 'Forbid', jobTemplate: { spec: job(namespace).spec } }
  await cluster.apply({ apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'c', namespace }, spec })
  await cluster.pass(1000)
  const [first] = await jobs()
  t.equal((await jobs()).length, 1)
  await cluster.patch(reference, { spec: { concurrencyPolicy: 'Replace' } })
  await cluster.pass(300)
  t.equal((await jobs()).length, 1)
  t.not((await jobs())[0]?.metadata.name, first?.metadata.name)
})

t.test('a PodDisruptionBudget counts', async (t) => {
  const { cluster, namespace } = await world(t, 'budget')
  await cluster.apply(statefulSet(namespace))
  await cluster.apply({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'x', namespace },
    spec: { maxUnavailable: 1, selector },
  })
  await cluster.pass(15)
  const budget = await cluster.get({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', name: 'x', namespace })
  t.match(budget?.status, { disruptionsAllowed: 1, currentHealthy: 3, desiredHealthy: 2, expectedPods: 3 })
  t.equal(listAt(budget, 'status', 'conditions').length, 1)
})

t.test('a quota refuses pods, and a Deployment says so until there is room', async (t) => {
  const { cluster, namespace, set, pods } = await world(t, 'quota')
  const quota = { apiVersion: 'v1', kind: 'ResourceQuota', name: 'most', namespace }
  const hard = (count: string) => ({ spec: { hard: { pods: count, 'requests.cpu': '1' } } })
  await cluster.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'most', namespace }, ...hard('2') })
  await cluster.pass(1)
  t.match((await cluster.get(quota))?.status, { hard: { pods: '2' }, used: { pods: '0', 'requests.cpu': '0' } })
  const asking = template('x:1')
  const containers = [{ ...asking.spec.containers[0], resources: { requests: { cpu: '300m' } } }]
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'x', namespace }
  await cluster.apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'x', namespace },
    spec: { replicas: 3, selector, template: { ...asking, spec: { containers } } },
  })
  await cluster.pass(10)
  t.equal((await pods()).length, 2)
  t.match((await cluster.get(quota))?.status, { used: { pods: '2', 'requests.cpu': '600m' } })
  const failure = async () =>
    listAt(await cluster.get(deployment), 'status', 'conditions').find((one) => at(one, 'type') === 'ReplicaFailure')
  t.match(await failure(), {
    status: 'True',
    reason: 'FailedCreate',
    message: /^pods "x-.*" is forbidden: exceeded quota: most, requested: pods=1, used: pods=2, limited: pods=2$/,
  })
  await cluster.apply(statefulSet(namespace))
  await cluster.pass(10)
  t.match((await cluster.get(set))?.status, { observedGeneration: 1, replicas: 0 }, 'a StatefulSet just has none')
  await cluster.delete(set)
  await cluster.patch(quota, hard('3'))
  await cluster.pass(30)
  t.equal((await pods()).length, 3)
  t.equal(await failure(), undefined)
})
