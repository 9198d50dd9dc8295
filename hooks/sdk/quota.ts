// Resource quotas, read from both sides: what a new object counts for and whether a quota has room for it, as the API
// server decides it (pkg/quota/v1 and plugin resourcequota of Kubernetes 1.36), and what a refusal says in its message.
// A StatefulSet and a Job tell of refused pods in Events only, so that for them the sums are done here.
import type { Container, PodSpec, ScopedResourceSelectorRequirement } from 'kubernetes-types/core/v1.js'
import type { ConditionInput } from './conditions.ts'
import { groupOf, isRecord, type KubernetesObject } from './kubernetes.ts'
import { parseQuantity, type Quantity, writeQuantity } from './quantity.ts'
import type { Deployment, Job, ResourceQuota, StatefulSet } from './resources.ts'

/** Quantities by the names that quotas have for them: `requests.cpu`, `pods`, `count/deployments.apps`. */
export type Amounts = Readonly<Record<string, string>>

/** One resource of which a quota has not enough. */
interface Short {
  resource: string
  /** What one more object counts for. */
  requested: string
  used: string
  limited: string
}

/** What one quota has not enough of. */
export interface Shortage {
  quota: string
  short: readonly Short[]
}

/** Objects that ought to be there and are not. */
export interface Missing {
  /** `Service/orders`, or with a count what is said after the number: `pods of StatefulSet/orders`. */
  what: string
  /** One of them, as it would be created. */
  object: KubernetesObject
  /** Plural of its kind, lower case. */
  resource: string
  /** How many, where they are known by no name. */
  count?: number
}

/** The reason, and the type, of a condition that tells of a quota. */
export const quotaExceeded = 'QuotaExceeded'

/** The condition `QuotaExceeded` of a resource whose parts a quota refuses; undefined when none does. */
export function quotaCondition(refusals: readonly string[]): ConditionInput | undefined {
  if (refusals.length === 0) return undefined
  return { type: quotaExceeded, status: 'True', reason: quotaExceeded, message: refusals.join('; ') }
}

/** `Ready` with the quota as its reason, where it is not true anyway. */
export function blamingQuota(ready: ConditionInput, condition: ConditionInput | undefined): ConditionInput {
  if (condition === undefined || ready.status === 'True') return ready
  return { ...ready, reason: condition.reason, message: `${ready.message}; ${condition.message}` }
}

/**
 * A workload with a mark for as long as a quota is in its way. Its controller tries again with growing pauses, a quarter of
 * an hour in the end, and does not look at quotas; but it does look at its workload, so that a mark that changes when there
 * is room has it try at once. A Deployment hands its annotations down to its ReplicaSet, where one that goes would stay:
 * hence two marks.
 */
export function markedByQuota<Workload extends Deployment | StatefulSet>(
  workload: Workload,
  mark: 'refused' | 'room' | undefined,
): Workload {
  if (mark === undefined) return workload
  const { metadata } = workload
  return { ...workload, metadata: { ...metadata, annotations: { ...metadata.annotations, [quotaAnnotation]: mark } } }
}

const quotaAnnotation = 'platform.example.com/quota'

/**
 * The mark of a Deployment: by its own condition, which stays until pods are made again. What else refuses its pods is no
 * reason for a mark, but one that is there has to change when there is room.
 */
export function deploymentMark(live: Deployment | undefined, quotas: readonly ResourceQuota[]) {
  const failure = live && failureIn(live)
  if (live === undefined || failure === undefined) return undefined
  if (deploymentRefusal(live, quotas) !== undefined) return 'refused'
  const wasMarked = live.metadata.annotations?.[quotaAnnotation] !== undefined
  return wasMarked || readRefusal(failure) !== undefined ? 'room' : undefined
}

/** What a quota refuses of what is missing, a sentence for each: which quota, of what, and how much too much it is. */
export function refusalsOf(missing: readonly Missing[], quotas: readonly ResourceQuota[]): string[] {
  return missing.flatMap(({ what, object, resource, count: counted }) => {
    const named = counted === undefined
    const count = counted ?? 1
    if (count <= 0) return []
    const usage = usageOf(object, resource)
    // Refused is what does not fit by one; how much is lacking is a matter of all of them.
    const refusing = new Set(findShortages(object, usage, quotas).map(({ quota }) => quota))
    return findShortages(object, usage, quotas, count)
      .filter(({ quota }) => refusing.has(quota))
      .map((shortage) => describeShortage(shortage, named ? what : `${count} ${what}`, count))
  })
}

/**
 * What a quota refuses of a Deployment's pods: a sentence, or undefined when nothing. Its condition keeps the message of the
 * first refusal until there is none (calculateStatus of pkg/controller/replicaset): where that was another's, such as a
 * ServiceAccount that came later than the first pod, the sums are done here.
 */
export function deploymentRefusal(deployment: Deployment, quotas: readonly ResourceQuota[]): string | undefined {
  const { metadata, spec, status } = deployment
  const failure = failureIn(deployment)
  if (failure === undefined) return undefined
  const count = Math.max(1, (spec?.replicas ?? 1) - (status?.replicas ?? 0))
  const pods = `${count === 1 ? 'pod' : 'pods'} of Deployment/${metadata.name}`
  const refusal = readRefusal(failure)
  if (refusal === undefined) {
    return refusalsOf([{ what: pods, object: podOf(spec?.template?.spec), resource: 'pods', count }], quotas)[0]
  }
  const what = `${count} ${pods}`
  if ('unset' in refusal) return `ResourceQuota/${refusal.quota} refuses ${what}: it must specify ${refusal.unset}`
  const quota = quotas.find((one) => one.metadata.name === refusal.quota)
  if (quota?.status?.hard === undefined) return describeShortage(refusal, what, count)
  // What the quota says now is what counts.
  const usage = Object.fromEntries(refusal.short.map(({ resource, requested }) => [resource, requested]))
  const [now] = shortageOf(quota, usage, 1)
  if (now === undefined) return undefined
  return describeShortage(shortageOf(quota, usage, count)[0] ?? now, what, count)
}

/** The pod that a Job lacks: one that has not ended, and that nothing runs for. */
export function missingPod({ metadata, spec, status = {} }: Job): Missing[] {
  const { active = 0, succeeded = 0, conditions = [] } = status
  const ended = conditions.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')
  if (ended || spec?.suspend === true || active + succeeded > 0) return []
  return [{ what: `pod of Job/${metadata.name}`, object: podOf(spec?.template?.spec), resource: 'pods', count: 1 }]
}

/** A pod of that spec, as it would be created. */
export function podOf(spec: PodSpec | undefined): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: spec ?? { containers: [] } }
}

/** What the API server says when a quota is in the way, in parts; undefined for any other message. */
export function readRefusal(message: string): Shortage | { quota: string; unset: string } | undefined {
  const unset = /failed quota: (\S+): must specify (.+)$/.exec(message)
  if (unset?.[1] !== undefined && unset[2] !== undefined) return { quota: unset[1], unset: unset[2] }
  const match = /exceeded quota: (\S+), requested: (\S+), used: (\S*), limited: (\S+)/.exec(message)
  if (match === null) return undefined
  const [, quota = '', requested = '', used = '', limited = ''] = match
  const [before, most] = [amounts(used), amounts(limited)]
  const short = Object.entries(amounts(requested)).map(([resource, amount]) => {
    return { resource, requested: amount, used: before[resource] ?? '0', limited: most[resource] ?? '0' }
  })
  return { quota, short }
}

/** A shortage in the API server's own words. */
export function refusalMessage({ quota, short }: Shortage): string {
  const list = (field: 'requested' | 'used' | 'limited') =>
    [...short]
      .sort((a, b) => (a.resource < b.resource ? -1 : 1))
      .map((one) => `${one.resource}=${one[field]}`)
      .join(',')
  return `exceeded quota: ${quota}, requested: ${list('requested')}, used: ${list('used')}, limited: ${list('limited')}`
}

/** The quotas that have no room for `count` more of an object that counts for `usage`. */
export function findShortages(
  object: KubernetesObject,
  usage: Amounts,
  quotas: readonly ResourceQuota[],
  count = 1,
): Shortage[] {
  return quotas.filter((quota) => concerns(quota, object)).flatMap((quota) => shortageOf(quota, usage, count))
}

/** What a new object counts for. */
export function usageOf(object: KubernetesObject, resource: string): Amounts {
  const group = groupOf(object.apiVersion)
  const counted = { [`count/${resource}${group === '' ? '' : `.${group}`}`]: '1' }
  if (group !== '') return counted
  if (object.kind === 'Pod') return { ...counted, ...podUsage(object.spec as PodSpec) }
  if (object.kind === 'Service') return { ...counted, ...serviceUsage(object) }
  if (object.kind === 'PersistentVolumeClaim') return { ...counted, ...claimUsage(object) }
  return aliases.has(resource) ? { ...counted, [resource]: '1' } : counted
}

/** Whether a quota is about an object at all, by its scopes. */
export function concerns({ spec }: ResourceQuota, object: KubernetesObject): boolean {
  const scopes: ScopedResourceSelectorRequirement[] = [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ]
  if (scopes.length === 0) return true
  return object.kind === 'Pod' && scopes.every((scope) => isInScope(object.spec as PodSpec, scope))
}

/** Why its pods are refused, in the API server's words. */
function failureIn({ status }: Deployment): string | undefined {
  const failure = status?.conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
  return failure && (failure.message ?? '')
}

/** Kinds that are counted under their plural too, from before `count/`. */
const aliases = new Set(['configmaps', 'secrets', 'resourcequotas', 'replicationcontrollers'])

function amounts(list: string): Record<string, string> {
  const pairs = list.split(',').map((pair): [string, string] => {
    const equals = pair.lastIndexOf('=')
    return [pair.slice(0, equals), pair.slice(equals + 1)]
  })
  return Object.fromEntries(pairs.filter(([resource]) => resource !== ''))
}

function shortageOf({ metadata, status }: ResourceQuota, usage: Amounts, count: number): Shortage[] {
  const { hard = {}, used = {} } = status ?? {}
  const short = Object.entries(hard).flatMap(([resource, limited]): Short[] => {
    const requested = usage[resource]
    if (requested === undefined || nano(requested) === 0n) return []
    const one = { resource, requested, used: used[resource] ?? '0', limited }
    return excess(one, count) > 0n ? [one] : []
  })
  return short.length === 0 ? [] : [{ quota: metadata.name, short }]
}

function excess({ requested, used, limited }: Short, count: number): bigint {
  return nano(used) + nano(requested) * BigInt(count) - nano(limited)
}

function describeShortage({ quota, short }: Shortage, what: string, count: number): string {
  const lacks = short.map((one) => {
    const each = count === 1 ? `${one.requested} is` : `${count} × ${one.requested} are`
    // What is used may already be more than is allowed.
    const over = writeQuantity({ nano: excess(one, count), format: parseQuantity(one.limited)?.format ?? 'DecimalSI' })
    return `${one.resource}: ${one.used} of ${one.limited} is used and ${each} asked for, ${over} too much`
  })
  return `ResourceQuota/${quota} refuses ${what}: ${lacks.join(', ')}`
}

/** In billionths. What is no quantity counts for nothing: the API server has none of these. */
function nano(text: string): bigint {
  return parseQuantity(text)?.nano ?? 0n
}

// PodRequests and PodLimits of k8s.io/component-helpers, and podComputeUsageHelper.
function podUsage(spec: PodSpec): Record<string, string> {
  const requests = podSum(spec, 'requests')
  const limits = podSum(spec, 'limits')
  const usage: Record<string, string> = { pods: '1' }
  for (const [resource, amount] of Object.entries(requests)) {
    if (compute.has(resource) || resource.startsWith('hugepages-')) usage[resource] = amount
    usage[`requests.${resource}`] = amount
  }
  for (const [resource, amount] of Object.entries(limits)) {
    if (compute.has(resource)) usage[`limits.${resource}`] = amount
  }
  return usage
}

const compute = new Set(['cpu', 'memory', 'ephemeral-storage'])

function podSum(spec: PodSpec, field: 'requests' | 'limits'): Record<string, string> {
  let sum: Sum = {}
  // Sidecars are started before the others and run beside them; the other init containers run one by one.
  let sidecars: Sum = {}
  let largest: Sum = {}
  for (const container of spec.containers ?? []) sum = added(sum, containerSum(container, field))
  for (const container of spec.initContainers ?? []) {
    const own = containerSum(container, field)
    if (container.restartPolicy === 'Always') {
      sum = added(sum, own)
      sidecars = added(sidecars, own)
    } else largest = greater(largest, added(sidecars, own))
  }
  const { resources } = spec as { resources?: { requests?: Amounts; limits?: Amounts } }
  const whole = { ...greater(sum, largest), ...sumOf(resources?.[field]) }
  const total = field === 'requests' ? added(whole, sumOf(spec.overhead)) : whole
  return Object.fromEntries(Object.entries(total).map(([resource, amount]) => [resource, writeQuantity(amount)]))
}

type Sum = Readonly<Record<string, Quantity>>

function containerSum({ resources }: Container, field: 'requests' | 'limits'): Sum {
  // The API server takes a limit for the request where there is none.
  return sumOf(field === 'limits' ? resources?.limits : { ...resources?.limits, ...resources?.requests })
}

function sumOf(amounts: Amounts = {}): Sum {
  const read = Object.entries(amounts).map(([resource, text]) => [resource, parseQuantity(text)] as const)
  return Object.fromEntries(read.flatMap(([resource, amount]) => (amount === undefined ? [] : [[resource, amount]])))
}

function added(left: Sum, right: Sum): Sum {
  return merged(left, right, (one, other) => ({ ...one, nano: one.nano + other.nano }))
}

function greater(left: Sum, right: Sum): Sum {
  return merged(left, right, (one, other) => (one.nano < other.nano ? other : one))
}

function merged(left: Sum, right: Sum, both: (one: Quantity, other: Quantity) => Quantity): Sum {
  const result: Record<string, Quantity> = { ...left }
  for (const [resource, amount] of Object.entries(right)) {
    const before = result[resource]
    result[resource] = before === undefined ? amount : both(before, amount)
  }
  return result
}

function serviceUsage({ spec }: KubernetesObject): Record<string, string> {
  const { type, ports, allocateLoadBalancerNodePorts } = isRecord(spec) ? spec : {}
  const all = Array.isArray(ports) ? ports : []
  const balanced = type === 'LoadBalancer'
  const open = type === 'NodePort' || (balanced && allocateLoadBalancerNodePorts !== false)
  const nodePorts = open ? all.length : balanced ? all.filter((port) => isRecord(port) && port.nodePort).length : 0
  return { services: '1', 'services.loadbalancers': balanced ? '1' : '0', 'services.nodeports': String(nodePorts) }
}

function claimUsage({ metadata, spec }: KubernetesObject): Record<string, string> {
  const { storageClassName, resources } = isRecord(spec) ? spec : {}
  const requests = isRecord(resources) && isRecord(resources.requests) ? resources.requests : {}
  const own = { persistentvolumeclaims: '1', 'requests.storage': String(requests.storage ?? '0') }
  const name = metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? storageClassName
  if (typeof name !== 'string' || name === '') return own
  const classed = Object.entries(own).map(([key, amount]) => [`${name}.storageclass.storage.k8s.io/${key}`, amount])
  return { ...own, ...Object.fromEntries(classed) }
}

function isInScope(spec: PodSpec, { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement): boolean {
  switch (scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return isBestEffort(spec)
    case 'NotBestEffort':
      return !isBestEffort(spec)
    case 'PriorityClass': {
      const { priorityClassName = '' } = spec
      if (operator === 'Exists') return priorityClassName !== ''
      if (operator === 'DoesNotExist') return priorityClassName === ''
      return values.includes(priorityClassName) === (operator === 'In')
    }
    default:
      // CrossNamespacePodAffinity: nothing in this suite asks for it.
      return false
  }
}

function isBestEffort(spec: PodSpec): boolean {
  return Object.keys(podSum(spec, 'requests')).length === 0 && Object.keys(podSum(spec, 'limits')).length === 0
}
