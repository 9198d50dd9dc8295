// What quotas refuse: read from the API server's messages, and worked out from quotas and templates.
// Messages are those of k8s.io/apiserver/pkg/admission/plugin/resourcequota and of its tests, Kubernetes 1.36.3.
import t from 'tap'
import { evaluateComposite } from '../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import {
  blamingQuota,
  deploymentMark,
  deploymentRefusal,
  findShortages,
  quotaCondition,
  readRefusal,
  refusalMessage,
  refusalsOf,
  usageOf,
} from '../../hooks/sdk/quota.ts'
import type { Deployment, ResourceQuota } from '../../hooks/sdk/resources.ts'
import { environment, greeting, requestFor } from './greeting.ts'

t.test('refusals are read from what the API server says', async (t) => {
  const read = (message: string) => readRefusal(`pods "web-5c7588df-x2x7q" is forbidden: ${message}`)
  t.strictSame(read('exceeded quota: quota, requested: memory=20Gi, used: memory=1Gi, limited: memory=10Gi'), {
    quota: 'quota',
    short: [{ resource: 'memory', requested: '20Gi', used: '1Gi', limited: '10Gi' }],
  })
  t.strictSame(
    read(
      'exceeded quota: tenant-quota, requested: limits.memory=2Gi,pods=1, used: limits.memory=7Gi,pods=20, limited: limits.memory=8Gi,pods=20',
    ),
    {
      quota: 'tenant-quota',
      short: [
        { resource: 'limits.memory', requested: '2Gi', used: '7Gi', limited: '8Gi' },
        { resource: 'pods', requested: '1', used: '20', limited: '20' },
      ],
    },
  )
  const extended = 'requests.nvidia.com/gpu=1'
  t.match(read(`exceeded quota: gpus, requested: ${extended}, used: ${extended}, limited: ${extended}`), {
    short: [{ resource: 'requests.nvidia.com/gpu', limited: '1' }],
  })
  t.strictSame(read('failed quota: compute: must specify cpu for: bar,foo; memory for: bar,foo'), {
    quota: 'compute',
    unset: 'cpu for: bar,foo; memory for: bar,foo',
  })
  t.equal(read('violates PodSecurity "restricted:latest": runAsNonRoot != true'), undefined)
  t.equal(read('insufficient quota to consume: requests.cpu'), undefined, 'which quota is not known')
  t.equal(readRefusal(''), undefined)
})

t.test('a shortage is said in the words that are read', async (t) => {
  const [shortage] = findShortages(pod(), usageOf(pod(), 'pods'), [
    quota({ pods: '1', 'requests.cpu': '1' }, { pods: '1' }),
  ])
  if (shortage === undefined) throw new Error('there is a shortage')
  const message = refusalMessage(shortage)
  t.equal(message, 'exceeded quota: compute, requested: pods=1, used: pods=1, limited: pods=1')
  t.strictSame(readRefusal(message), shortage)
})

t.test('a pod counts for the sum of its containers, or its largest init container', async (t) => {
  const resources = (cpu: string, memory?: string) => ({ requests: { cpu }, ...(memory && { limits: { memory } }) })
  const spec = {
    initContainers: [
      { name: 'sidecar', restartPolicy: 'Always', resources: resources('50m') },
      { name: 'init', resources: resources('2') },
    ],
    containers: [
      { name: 'a', resources: resources('100m', '1Gi') },
      { name: 'b', resources: resources('0.2', '512Mi') },
    ],
  }
  t.strictSame(usageOf(pod(spec), 'pods'), {
    'count/pods': '1',
    pods: '1',
    cpu: '2050m',
    'requests.cpu': '2050m',
    memory: '1536Mi',
    'requests.memory': '1536Mi',
    'limits.memory': '1536Mi',
  })
  const whole = { ...spec, resources: { requests: { cpu: '3' } }, overhead: { cpu: '10m' } }
  t.equal(usageOf(pod(whole), 'pods')['requests.cpu'], '3010m', 'resources of the pod as a whole come first')
  const gpu = { containers: [{ name: 'a', resources: { limits: { 'nvidia.com/gpu': '2', 'hugepages-2Mi': '4Mi' } } }] }
  t.match(usageOf(pod(gpu), 'pods'), { 'requests.nvidia.com/gpu': '2', 'hugepages-2Mi': '4Mi' })
})

t.test('Services, claims and all others count for what quotas know them as', async (t) => {
  const service = (spec: object) => usageOf({ apiVersion: 'v1', kind: 'Service', metadata: {}, spec }, 'services')
  const ports = [{ port: 80 }, { port: 443, nodePort: 30443 }]
  t.match(service({ ports }), { services: '1', 'services.nodeports': '0', 'services.loadbalancers': '0' })
  t.match(service({ type: 'NodePort', ports }), { 'services.nodeports': '2', 'services.loadbalancers': '0' })
  t.match(service({ type: 'LoadBalancer', ports }), { 'services.nodeports': '2', 'services.loadbalancers': '1' })
  t.match(service({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports }), { 'services.nodeports': '1' })
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {},
    spec: { storageClassName: 'fast', resources: { requests: { storage: '10Gi' } } },
  }
  t.match(usageOf(claim, 'persistentvolumeclaims'), {
    'requests.storage': '10Gi',
    persistentvolumeclaims: '1',
    'fast.storageclass.storage.k8s.io/requests.storage': '10Gi',
    'fast.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
  })
  const named = (apiVersion: string, kind: string, plural: string) =>
    usageOf({ apiVersion, kind, metadata: {} }, plural)
  t.strictSame(named('v1', 'Secret', 'secrets'), { 'count/secrets': '1', secrets: '1' })
  t.strictSame(named('batch/v1', 'Job', 'jobs'), { 'count/jobs.batch': '1' })
})

t.test('a quota speaks only of what is in its scopes', async (t) => {
  const refuses = (scope: object, spec: object = {}) => {
    const one = quota({ pods: '0' }, { pods: '0' }, scope)
    return findShortages(pod(spec), usageOf(pod(spec), 'pods'), [one]).length > 0
  }
  const burst = { containers: [{ name: 'a' }] }
  t.ok(refuses({}))
  t.notOk(refuses({ scopes: ['Terminating'] }))
  t.ok(refuses({ scopes: ['Terminating'] }, { activeDeadlineSeconds: 60 }))
  t.ok(refuses({ scopes: ['NotTerminating'] }))
  t.ok(refuses({ scopes: ['BestEffort'] }, burst))
  t.notOk(refuses({ scopes: ['NotBestEffort'] }, burst))
  const priority = (operator: string, values: string[] = []) => ({
    scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, values }] },
  })
  t.ok(refuses(priority('In', ['high']), { priorityClassName: 'high' }))
  t.notOk(refuses(priority('NotIn', ['high']), { priorityClassName: 'high' }))
  t.notOk(refuses(priority('Exists')))
  t.ok(refuses(priority('DoesNotExist')))
  const service = { apiVersion: 'v1', kind: 'Service', metadata: {}, spec: {} }
  const scoped = quota({ services: '0' }, { services: '0' }, { scopes: ['NotTerminating'] })
  t.strictSame(findShortages(service, usageOf(service, 'services'), [scoped]), [], 'scopes are about pods')
})

t.test('refused pods are told with the quota and the amount, for all that are missing', async (t) => {
  const spec = { containers: [{ name: 'db', resources: { limits: { memory: '2Gi' } } }] }
  const missing = (count: number) => [
    { what: 'pods of StatefulSet/orders', object: pod(spec), resource: 'pods', count },
  ]
  const most = { 'limits.memory': '8Gi', pods: '20' }
  t.strictSame(refusalsOf(missing(2), [quota(most, { 'limits.memory': '7Gi', pods: '3' })]), [
    'ResourceQuota/compute refuses 2 pods of StatefulSet/orders: limits.memory: 7Gi of 8Gi is used and 2 × 2Gi are asked for, 3Gi too much',
  ])
  t.strictSame(refusalsOf(missing(2), [quota(most, { 'limits.memory': '6Gi', pods: '3' })]), [], 'the next one fits')
  t.strictSame(refusalsOf(missing(0), [quota(most, { 'limits.memory': '8Gi' })]), [], 'nothing is missing')
  t.match(refusalsOf(missing(1), [quota(most, { 'limits.memory': '12Gi' })]), [
    /12Gi of 8Gi .* 2Gi is asked for, 6Gi too/,
  ])
  t.strictSame(refusalsOf(missing(1), [{ ...quota(most, {}), status: {} }]), [], 'not counted yet')
})

t.test('a Deployment’s own condition is read, and the quota as it is now', async (t) => {
  const message =
    'pods "web-5c7588df-x2x7q" is forbidden: exceeded quota: compute, requested: requests.cpu=500m, used: requests.cpu=1, limited: requests.cpu=1'
  const refused = (quotas: ResourceQuota[], said = message) => deploymentRefusal(deployment(said, 3, 2), quotas)
  t.equal(
    refused([]),
    'ResourceQuota/compute refuses 1 pod of Deployment/web: requests.cpu: 1 of 1 is used and 500m is asked for, 500m too much',
  )
  t.match(refused([quota({ 'requests.cpu': '1' }, { 'requests.cpu': '800m' })]), /800m of 1 is used .*, 300m too much/)
  t.equal(refused([quota({ 'requests.cpu': '2' }, { 'requests.cpu': '1' })]), undefined, 'it was raised meanwhile')
  t.match(
    refused([], 'pods "x" is forbidden: failed quota: compute: must specify limits.memory for: web'),
    /ResourceQuota\/compute refuses 1 pod of Deployment\/web: it must specify limits\.memory for: web/,
  )
  t.equal(refused([], 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'), undefined)
  t.equal(deploymentRefusal({ ...deployment(message, 3, 3), status: {} }, []), undefined)
  const mark = (cpu: string, said = message) =>
    deploymentMark(deployment(said, 3, 2), [quota({ 'requests.cpu': cpu }, { 'requests.cpu': '1' })])
  t.equal(mark('1'), 'refused')
  t.equal(mark('2'), 'room')
  t.equal(mark('1', 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'), undefined)
})

t.test('a quota is told too where the Deployment still speaks of what refused the first pod', async (t) => {
  const message = 'pods "web-" is forbidden: error looking up service account shop/web: serviceaccount "web" not found'
  const template = { spec: { containers: [{ name: 'web', resources: { requests: { cpu: '500m' } } }] } }
  const plain = deployment(message, 4, 2)
  const there: Deployment = { ...plain, spec: { replicas: 4, selector: {}, template } }
  const asked = (cpu: string) => [quota({ 'requests.cpu': cpu }, { 'requests.cpu': '1' })]
  t.equal(
    deploymentRefusal(there, asked('1')),
    'ResourceQuota/compute refuses 2 pods of Deployment/web: requests.cpu: 1 of 1 is used and 2 × 500m are asked for, 1 too much',
  )
  t.equal(deploymentRefusal(there, asked('2')), undefined)
  t.equal(deploymentMark(there, asked('1')), 'refused')
  t.equal(deploymentMark(there, asked('2')), undefined, 'the quota was never in the way')
  const marked = { ...there, metadata: { ...there.metadata, annotations: { 'platform.example.com/quota': 'refused' } } }
  t.equal(deploymentMark(marked, asked('2')), 'room')
})

t.test('the condition and Ready say the same', async (t) => {
  const condition = quotaCondition(['a', 'b'])
  t.match(condition, { type: 'QuotaExceeded', status: 'True', reason: 'QuotaExceeded', message: 'a; b' })
  const ready = { type: 'Ready', status: 'False', reason: 'Creating', message: '0 of 2' } as const
  t.match(blamingQuota(ready, condition), { status: 'False', reason: 'QuotaExceeded', message: '0 of 2; a; b' })
  t.equal(blamingQuota({ ...ready, status: 'True' }, condition).reason, 'Creating')
  t.equal(blamingQuota(ready, quotaCondition([])), blamingQuota(ready, undefined))
})

t.test('a child that a quota has no room for is told as the reason, not a taken name', async (t) => {
  const full = quota({ secrets: '5', 'count/configmaps': '9' }, { secrets: '5', 'count/configmaps': '9' })
  const ask = (status?: Record<string, unknown>, seconds = 0, quotas: ResourceQuota[] = [full]) => {
    const request = { ...requestFor({ loud: true }, [], status), related: { 'ResourceQuota.v1': byName(quotas) } }
    return evaluateComposite(greeting, request, {
      ...environment,
      now: new Date(environment.now.getTime() + seconds * 1000),
    })
  }
  const first = ask()
  t.match(conditionOf(first, 'Applied'), { status: 'False', reason: 'Creating' }, 'it may be on its way, and counted')
  const later = ask(first.response.status, 5)
  const message = /ResourceQuota\/compute refuses Secret\/hi: secrets: 5 of 5 is used and 1 is asked for, 1 too much/
  t.match(later.hold, { reason: 'QuotaExceeded', message })
  t.match(conditionOf(later, 'Applied'), { status: 'False', reason: 'QuotaExceeded', message })
  t.match(conditionOf(later, 'Ready'), { status: 'False', reason: 'QuotaExceeded' })
  t.match(conditionOf(later, 'Stalled'), { status: 'True' })
  t.ok(later.response.children.length > 0, 'it stays wanted')
  const still = ask(later.response.status, 60)
  t.strictSame(still.response.status, later.response.status)
  const room = ask(still.response.status, 61, [quota({ secrets: '6' }, { secrets: '5' })])
  t.match(conditionOf(room, 'Applied'), { reason: 'Creating' })
  t.match(conditionOf(room, 'Stalled'), { status: 'False' })
})

function byName(quotas: ResourceQuota[]): Record<string, KubernetesObject> {
  return Object.fromEntries(quotas.map((one) => [`ns/${one.metadata.name}`, { ...one }]))
}

function conditionOf({ response }: { response: { status: Record<string, unknown> } }, type: string) {
  const { conditions } = response.status as { conditions: { type: string }[] }
  return conditions.find((condition) => condition.type === type)
}

function pod(spec: object = {}): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [], ...spec } }
}

function quota(hard: Record<string, string>, used: Record<string, string>, spec: object = {}): ResourceQuota {
  return { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'compute' }, spec, status: { hard, used } }
}

function deployment(message: string, replicas: number, there: number): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas, selector: {}, template: {} },
    status: {
      replicas: there,
      conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }],
    },
  }
}
