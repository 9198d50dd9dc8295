// What a resource would take of its namespace's quotas, before it exists: a sentence for whoever applies it, while it can
// still be thought over. Nothing is refused because of it: quotas are counted when the parts are created, and may have
// room by then.

import { isRecord, type KubernetesObject } from './kubernetes.ts'
import { groupKey } from './observed.ts'
import { parseQuantity, writeQuantity } from './quantity.ts'
import { concerns, usageOf } from './quota.ts'
import type { ResourceQuota, ResourceType } from './resources.ts'

/** Objects that come with a resource, and of how many there is one. */
interface Part {
  object: KubernetesObject
  /** Plural of its kind, lower case. */
  resource: string
  count: number
}

/**
 * A sentence for each quota that has less left than the children need.
 * @param before the children as they were before an update: what they need is already counted as used
 */
export function foreseeShortages(
  children: readonly KubernetesObject[],
  before: readonly KubernetesObject[],
  types: readonly ResourceType[],
  quotas: readonly ResourceQuota[],
): string[] {
  const parts = partsOf(children, types)
  const known = partsOf(before, types)
  return quotas.flatMap((quota) => {
    const { hard = {}, used = {} } = quota.status ?? {}
    const needed = sumOf(parts, quota)
    const counted = sumOf(known, quota)
    const short = Object.entries(hard).flatMap(([resource, limit]) => {
      const more = (needed.get(resource) ?? 0n) - (counted.get(resource) ?? 0n)
      if (more <= 0n || nano(used[resource] ?? '0') + more <= nano(limit)) return []
      return [`${resource}: ${used[resource] ?? '0'} of ${limit} used, ${written(more, limit)} more needed`]
    })
    return short.length === 0 ? [] : [`ResourceQuota/${quota.metadata.name} leaves too little: ${short.join('; ')}`]
  })
}

function sumOf(parts: readonly Part[], quota: ResourceQuota): ReadonlyMap<string, bigint> {
  const sum = new Map<string, bigint>()
  for (const { object, resource, count } of parts) {
    if (!concerns(quota, object)) continue
    for (const [name, amount] of Object.entries(usageOf(object, resource))) {
      sum.set(name, (sum.get(name) ?? 0n) + nano(amount) * BigInt(count))
    }
  }
  return sum
}

/** The children themselves, and the pods and claims that controllers make of them at once: a CronJob's come later. */
function partsOf(children: readonly KubernetesObject[], types: readonly ResourceType[]): Part[] {
  return children.flatMap((object) => {
    const type = types.find((one) => groupKey(one) === groupKey(object))
    const own = { object, resource: type?.resource ?? '', count: 1 }
    const spec = isRecord(object.spec) ? object.spec : {}
    const count = object.kind === 'Job' ? numberOf(spec.parallelism) : replicasOf(object, children)
    if (!['Deployment', 'StatefulSet', 'Job'].includes(object.kind)) return [own]
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {},
      ...(isRecord(spec.template) && { spec: spec.template.spec }),
    }
    const templates = Array.isArray(spec.volumeClaimTemplates) ? spec.volumeClaimTemplates.filter(isRecord) : []
    const claims = templates.map((template) => ({
      object: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: {}, spec: template.spec },
      resource: 'persistentvolumeclaims',
      count,
    }))
    return [own, { object: pod, resource: 'pods', count }, ...claims]
  })
}

// An autoscaler keeps at least its minimum.
function replicasOf({ kind, metadata, spec }: KubernetesObject, children: readonly KubernetesObject[]): number {
  const autoscaler = children.find(
    (child) =>
      child.kind === 'HorizontalPodAutoscaler' &&
      isRecord(child.spec) &&
      isRecord(child.spec.scaleTargetRef) &&
      child.spec.scaleTargetRef.kind === kind &&
      child.spec.scaleTargetRef.name === metadata.name,
  )
  const least = isRecord(autoscaler?.spec) ? numberOf(autoscaler.spec.minReplicas) : 0
  return Math.max(least, numberOf(isRecord(spec) ? spec.replicas : undefined))
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : 1
}

function nano(text: string): bigint {
  return parseQuantity(text)?.nano ?? 0n
}

function written(amount: bigint, like: string): string {
  return writeQuantity({ nano: amount, format: parseQuantity(like)?.format ?? 'DecimalSI' })
}
