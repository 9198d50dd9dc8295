// Tenancy: from a Namespace to its answer, and from one answer to the next.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { tenancy } from '../../hooks/decorators/tenancy/index.ts'
import { type Environment, evaluateCustomize, evaluateDecorator } from '../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../hooks/sdk/observed.ts'
import { resumptionRule } from '../../hooks/sdk/resumption.ts'
import { type DecoratorResponse, lastAppliedAnnotation, type ObservedGroups } from '../../hooks/sdk/wire.ts'
import { environment } from '../sdk/greeting.ts'

const key = (name: string) => `tenancy.example.com/${name}`
const podSecurity = (name: string) => `pod-security.kubernetes.io/${name}`

interface Asked {
  labels?: Record<string, string>
  annotations?: Record<string, string>
  attachments?: readonly KubernetesObject[]
  related?: readonly KubernetesObject[]
  name?: string
  deleted?: boolean
}

function namespace({ labels = { [key('tenant')]: 'acme' }, annotations = {}, name = 'shop', deleted }: Asked) {
  const deletion = deleted ? { deletionTimestamp: '2026-01-02T03:04:05Z' } : {}
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, uid: 'n1', labels, annotations, ...deletion } }
}

function ask(asked: Asked = {}, given: Environment = environment) {
  const request = {
    controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'DecoratorController', metadata: {} },
    object: namespace(asked),
    attachments: groups(asked.attachments ?? []),
    related: groups(asked.related ?? []),
    finalizing: false,
  }
  return evaluateDecorator(tenancy, request, given)
}

function groups(objects: readonly KubernetesObject[]): ObservedGroups {
  const all: ObservedGroups = Object.fromEntries(
    tenancy.attachments.map((type) => [groupKey(type), {} as Record<string, KubernetesObject>]),
  )
  for (const object of objects) {
    const group = all[groupKey(object)]
    if (group) group[`${object.metadata.namespace}/${object.metadata.name}`] = object
  }
  return all
}

/** Attachments as Metacontroller would have created them. */
function applied({ attachments }: DecoratorResponse, status?: object): KubernetesObject[] {
  return attachments.map((object) => ({
    ...object,
    ...(object.kind === 'ResourceQuota' && status ? { status } : {}),
    metadata: {
      ...object.metadata,
      uid: `u-${object.metadata.name}`,
      resourceVersion: '1',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Namespace', name: 'shop', uid: 'n1', controller: true }],
      annotations: {
        'metacontroller.k8s.io/decorator-controller': 'tenancy',
        [lastAppliedAnnotation]: JSON.stringify(object),
      },
    },
  }))
}

function find({ attachments }: DecoratorResponse, name: string): Record<string, unknown> {
  const found = attachments.find(({ metadata }) => metadata.name === name)
  if (found === undefined) throw new Error(`${name} is not among ${attachments.map(({ metadata }) => metadata.name)}`)
  return found
}

const titles = ({ attachments }: DecoratorResponse) =>
  attachments.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort()
const problemOf = ({ annotations }: DecoratorResponse) => annotations?.[key('problem')]

const withoutOwners = [
  'LimitRange/tenant-limits',
  'NetworkPolicy/tenant-default-deny',
  'NetworkPolicy/tenant-dns',
  'NetworkPolicy/tenant-same-tenant',
  'ResourceQuota/tenant-quota',
]

t.test('a namespace with the label gets everything, in itself and nowhere else', async (t) => {
  const { response, hold, defect } = ask({ annotations: { [key('owners')]: 'user:jane' } })
  t.equal(defect, undefined)
  t.equal(hold, undefined)
  t.strictSame(titles(response), [...withoutOwners, 'RoleBinding/tenant-owners'])
  t.ok(response.attachments.every(({ metadata }) => metadata.namespace === 'shop'))
  t.match(response.labels, {
    [podSecurity('enforce')]: 'restricted',
    [podSecurity('enforce-version')]: 'latest',
    [podSecurity('audit')]: 'restricted',
    [podSecurity('warn')]: 'restricted',
  })
  t.equal(problemOf(response), undefined)
  const again = ask({ annotations: { [key('owners')]: 'user:jane' }, attachments: applied(response) })
  t.strictSame(again.response.attachments, response.attachments)
  t.strictSame(again.changes, [], 'what was answered once is answered again, and nothing is written')
})

t.test('the network is closed but for DNS by both protocols and the tenant itself', async (t) => {
  const { response } = ask()
  t.strictSame(find(response, 'tenant-default-deny').spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  const to = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }]
  t.strictSame(find(response, 'tenant-dns').spec, {
    podSelector: {},
    policyTypes: ['Egress'],
    egress: [
      { to, ports: [{ port: 53, protocol: 'UDP' }] },
      { to, ports: [{ port: 53, protocol: 'TCP' }] },
    ],
  })
  const own = [{ podSelector: {} }, { namespaceSelector: { matchLabels: { [key('tenant')]: 'acme' } } }]
  t.match(find(response, 'tenant-same-tenant').spec, { ingress: [{ from: own }], egress: [{ to: own }] })
})

t.test('the plan sizes the quota', async (t) => {
  const hard = (plan?: string) => {
    const { response } = ask(plan === undefined ? {} : { annotations: { [key('plan')]: plan } })
    t.equal(problemOf(response), undefined)
    return (find(response, 'tenant-quota').spec as { hard: Record<string, string> }).hard
  }
  t.match(hard(), { 'requests.cpu': '4', 'requests.memory': '8Gi', pods: '20' }, 'small unless said otherwise')
  t.match(hard('large'), { 'requests.cpu': '64', 'requests.storage': '2000Gi', 'services.loadbalancers': '10' })
  t.match(hard('{"base": "medium", "cpu": 20.5, "memoryGi": 0.5}'), {
    'requests.cpu': '20500m',
    'limits.memory': '512Mi',
    pods: '100',
  })
  t.match(hard('{"pods": 1}'), { pods: '1', 'requests.cpu': '4' }, 'what is not given is small’s')
})

t.test('owners become the subjects of one RoleBinding', async (t) => {
  const subjects = (owners: string) => {
    const { response } = ask({ annotations: { [key('owners')]: owners } })
    t.equal(problemOf(response), undefined)
    const binding = find(response, 'tenant-owners')
    t.match(binding.roleRef, { kind: 'ClusterRole', name: 'admin' })
    return binding.subjects
  }
  const apiGroup = 'rbac.authorization.k8s.io'
  t.strictSame(
    subjects('user:oidc:jane@example.com, group:team-a,serviceaccount:0ci/deployer,user:oidc:jane@example.com'),
    [
      { kind: 'User', name: 'oidc:jane@example.com', apiGroup },
      { kind: 'Group', name: 'team-a', apiGroup },
      { kind: 'ServiceAccount', name: 'deployer', namespace: '0ci' },
    ],
  )
  t.strictSame(subjects('["group:cn=team-a,ou=groups"]'), [{ kind: 'Group', name: 'cn=team-a,ou=groups', apiGroup }])
  t.strictSame(titles(ask({ annotations: { [key('owners')]: ' ' } }).response), withoutOwners, 'nobody is no binding')
})

const wrong: [string, string, RegExp][] = [
  ['plan', 'larg', /plan: must be small, medium, large or JSON .*but is "larg"/],
  ['plan', '{"cpu": ', /no valid JSON/],
  ['plan', '{"cpu": "4"}', /plan\.cpu: .*expected number/],
  ['plan', '{"cpu": -1}', /plan\.cpu: .*>=0/],
  ['plan', '{"cpus": 4}', /"cpus"/],
  ['plan', '{"base": "huge"}', /plan\.base: .*"small"\|"medium"\|"large"/],
  ['owners', 'jane', /"jane" must be user:NAME/],
  ['owners', 'user:', /"user:" must be/],
  ['owners', 'serviceaccount:deployer', /serviceaccount:NAMESPACE\/NAME/],
  ['owners', 'group:system:authenticated', /one of the cluster itself/],
  ['owners', '[1]', /JSON list of strings/],
  ['pod-security', 'strict', /pod-security: must be restricted, baseline, privileged, but is "strict"/],
]
for (const [annotation, value, message] of wrong) {
  t.test(`${annotation} "${value}" changes nothing of what it is about, and is told`, async (t) => {
    const good = { [key('plan')]: 'large', [key('owners')]: 'user:jane', [key('pod-security')]: 'baseline' }
    const first = ask({ annotations: good }).response
    const labels = { [key('tenant')]: 'acme', ...strings(first.labels) }
    const annotations = { ...good, ...strings(first.annotations), [key(annotation)]: value }
    const { response, hold, changes } = ask({ labels, annotations, attachments: applied(first) })
    t.strictSame(response.attachments, first.attachments)
    t.strictSame(response.labels, first.labels)
    t.strictSame(changes, [])
    t.match(problemOf(response), message)
    t.match(hold, { reason: 'InvalidAnnotation', message })

    const told = { ...strings(first.annotations), ...strings(response.annotations) }
    const mended = ask({ labels, annotations: { ...told, ...good }, attachments: applied(first) }).response
    t.equal(problemOf(mended), null, 'and it goes when it is mended')
  })
}

t.test('a new namespace with a plan that is none gets the smallest, and nobody in', async (t) => {
  const { response } = ask({ annotations: { [key('plan')]: 'larg', [key('owners')]: 'jane' } })
  t.match(find(response, 'tenant-quota').spec, { hard: { 'requests.cpu': '4' } })
  t.strictSame(titles(response), withoutOwners)
  t.match(problemOf(response), /larg.*jane/, 'both are told at once')
})

t.test('a tenant without a name holds everything', async (t) => {
  const first = ask().response
  const { response, hold } = ask({ labels: { [key('tenant')]: '' }, attachments: applied(first) })
  t.strictSame(response.attachments, first.attachments)
  t.match(hold, { reason: 'NoTenant' })
  t.match(problemOf(response), /must name a tenant/)
})

t.test('without the label all of it goes, and Pod Security is as it was before', async (t) => {
  const before = { [podSecurity('enforce')]: 'baseline', [podSecurity('warn')]: 'restricted', other: 'label' }
  const first = ask({ labels: { [key('tenant')]: 'acme', ...before } }).response
  const labels = { ...before, ...strings(first.labels) }
  const annotations = { ...strings(first.annotations), other: 'annotation' }
  const again = ask({ labels: { ...labels, [key('tenant')]: 'acme' }, annotations, attachments: applied(first) })
  t.equal(again.response.annotations?.[key('labels-before')], first.annotations?.[key('labels-before')])

  const { response } = ask({ labels, annotations, attachments: applied(first) })
  t.strictSame(response.attachments, [])
  t.strictSame(response.labels, {
    [podSecurity('enforce')]: 'baseline',
    [podSecurity('enforce-version')]: null,
    [podSecurity('audit')]: null,
    [podSecurity('audit-version')]: null,
    [podSecurity('warn')]: 'restricted',
    [podSecurity('warn-version')]: null,
  })
  t.strictSame(response.annotations, { [key('labels-before')]: null }, 'what others wrote stays')
})

t.test('labels whose past is lost go with the rest', async (t) => {
  const first = ask().response
  const labels = { [key('tenant')]: 'acme', ...strings(first.labels) }
  const { response } = ask({ labels, attachments: applied(first) })
  t.equal(response.annotations?.[key('labels-before')], '{}')
})

t.test('a namespace that is no tenant’s is not written to', async (t) => {
  const { response } = ask({ labels: { [podSecurity('enforce')]: 'privileged' } })
  t.strictSame(response.attachments, [])
  t.equal(response.labels, undefined)
})

t.test('namespaces of the cluster and of the suite are left alone, label or not', async (t) => {
  for (const name of ['kube-system', 'kube-public', 'kube-node-lease', 'metacontroller', 'operator-hooks']) {
    const { response } = ask({ name })
    t.strictSame(response.attachments, [], name)
    t.equal(response.labels, undefined)
  }
})

t.test('what goes with its namespace is not taken out of it first', async (t) => {
  const first = ask().response
  const { response, changes } = ask({ deleted: true, attachments: applied(first) })
  t.strictSame(response.attachments, first.attachments)
  t.strictSame(changes, [])
  t.equal(response.labels, undefined)
})

t.test('a name that somebody else holds is left alone and told', async (t) => {
  const { response } = ask()
  const theirs = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'tenant-quota', namespace: 'shop' } }
  const taken = ask({ related: [theirs] })
  t.strictSame(
    titles(taken.response),
    withoutOwners.filter((title) => title !== 'ResourceQuota/tenant-quota'),
  )
  t.match(taken.hold, { reason: 'NameTaken', message: /ResourceQuota\/tenant-quota/ })
  const [own] = applied(response).filter(({ kind }) => kind === 'ResourceQuota')
  t.equal(ask({ related: own ? [own] : [] }).hold, undefined, 'its own is its own, even before it is observed')
})

t.test('a plan below what is in use is told, and takes effect', async (t) => {
  const hard = { pods: '20', 'requests.cpu': '4' }
  const first = ask().response
  const attachments = (used: object) => applied(first, { hard, used })
  t.equal(ask({ attachments: attachments({ pods: '20', 'requests.cpu': '3900m' }) }).hold, undefined)
  const { hold, response } = ask({ attachments: attachments({ pods: '21', 'requests.cpu': '3' }) })
  t.match(hold, { reason: 'BelowUsage', message: /of pods:/ })
  t.strictSame(response.attachments, first.attachments)
})

t.test('the sample is right', async (t) => {
  const { metadata } = parse(readFileSync('hooks/decorators/tenancy/sample.yaml', 'utf8')) as KubernetesObject
  const { labels = {}, annotations = {}, name = '' } = metadata
  const { response, hold } = ask({ labels, annotations, name })
  t.equal(hold, undefined)
  t.equal(response.attachments.length, 6)
})

t.test('what stands at the names is asked for, in the namespace itself', async (t) => {
  const controller = { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'DecoratorController', metadata: {} }
  const answer = evaluateCustomize(tenancy, { controller, parent: namespace({}) })
  const relatedResources = answer.relatedResources.filter((rule) => rule !== resumptionRule)
  t.ok(relatedResources.every(({ namespace, names, labelSelector }) => namespace === 'shop' && names && !labelSelector))
  t.strictSame(relatedResources.map(({ resource }) => resource).sort(), [
    'limitranges',
    'networkpolicies',
    'resourcequotas',
    'rolebindings',
  ])
})

/** What would be on the Namespace after an answer. */
function strings(changes: Record<string, string | null> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(changes).flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
}
