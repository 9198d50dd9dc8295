// What a Database says when the quotas of its namespace refuse its pods, claims and Jobs.
import t from 'tap'
import { change, child, conditionOf, createWorld, namespace, running, runPods, settle, type World } from './world.ts'

function limit(world: World, hard: Record<string, string>, used: Record<string, string>): void {
  const metadata = { name: 'most', namespace, uid: 'q', resourceVersion: '1' }
  world.quotas[`${namespace}/most`] = { apiVersion: 'v1', kind: 'ResourceQuota', metadata, status: { hard, used } }
}

const resources = { limits: { memory: '2Gi' } }

t.test('pods that a quota refuses are told with the amount, until there is room', async (t) => {
  const world = running({ resources })
  change(world, { replicas: 3 })
  settle(world)
  // One is refused, since the sidecar counts too: 2Gi and 256Mi a pod.
  runPods(world, 2)
  const set = child(world, 'StatefulSet', 'orders')
  set.status = { ...(set.status as object), replicas: 2 }
  limit(world, { 'limits.memory': '6Gi', pods: '10' }, { 'limits.memory': '4608Mi', pods: '2' })
  settle(world)
  const message =
    'ResourceQuota/most refuses 1 pod of StatefulSet/orders: limits.memory: 4608Mi of 6Gi is used and 2304Mi is asked for, 768Mi too much'
  t.match(conditionOf(world, 'QuotaExceeded'), { status: 'True', reason: 'QuotaExceeded', message })
  const { status, reason, message: why = '' } = conditionOf(world, 'Ready') ?? {}
  t.equal(status, 'False')
  t.equal(reason, 'QuotaExceeded')
  t.ok(why.endsWith(message))
  t.match(why, /2 of 3 replicas are ready/)
  t.match(conditionOf(world, 'Reconciling'), { status: 'True', reason: 'QuotaExceeded' })
  const mark = () => child(world, 'StatefulSet', 'orders').metadata.annotations?.['platform.example.com/quota']
  t.equal(mark(), 'refused')

  limit(world, { 'limits.memory': '8Gi', pods: '10' }, { 'limits.memory': '4608Mi', pods: '2' })
  settle(world)
  t.equal(conditionOf(world, 'QuotaExceeded'), undefined, 'there is room: the pod is on its way')
  t.equal(mark(), undefined, 'and the StatefulSet was written to, so that its controller looks at it at once')
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Scaling' })
  runPods(world)
  settle(world)
  t.match(conditionOf(world, 'Ready'), { status: 'True' })
})

t.test('a full quota is no matter to a Database that is complete', async (t) => {
  const world = running({ resources })
  limit(world, { pods: '1' }, { pods: '1' })
  settle(world)
  t.equal(conditionOf(world, 'QuotaExceeded'), undefined)
  t.match(conditionOf(world, 'Ready'), { status: 'True' })
})

t.test('claims that are refused are told as well', async (t) => {
  const world = createWorld({ replicas: 2, storage: { size: '20Gi', storageClass: 'fast' } })
  settle(world)
  const fast = 'fast.storageclass.storage.k8s.io/requests.storage'
  limit(world, { [fast]: '30Gi' }, { [fast]: '15Gi' })
  settle(world)
  t.match(conditionOf(world, 'QuotaExceeded'), {
    message:
      /refuses 2 claims of StatefulSet\/orders: fast\..*requests\.storage: 15Gi of 30Gi .* 2 × 20Gi .*, 25Gi too much/,
  })
})

t.test('so is the pod of a Job', async (t) => {
  const world = running()
  for (const claim of Object.values(world.claims)) {
    claim.spec = { resources: { requests: { storage: '1Gi' } } }
  }
  change(world, { storage: { size: '2Gi' } })
  settle(world)
  limit(world, { pods: '1' }, { pods: '1' })
  settle(world)
  t.match(conditionOf(world, 'QuotaExceeded'), { message: /refuses 1 pod of Job\/orders-.*: pods: 1 of 1 is used/ })
})
