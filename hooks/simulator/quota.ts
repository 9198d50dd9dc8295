// The ResourceQuota admission plug-in: what a quota has no room for is refused, and what is admitted is counted at once.
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { sumQuantities } from '../sdk/quantity.ts'
import { type Amounts, concerns, findShortages, refusalMessage, usageOf } from '../sdk/quota.ts'
import type { ResourceQuota } from '../sdk/resources.ts'
import { forbidden } from './errors.ts'
import { at, copy, ensureRecord, stringsOf, textAt } from './json.ts'
import { groupResource, type Resource } from './resources.ts'

/**
 * The quotas of the namespace as they are once `object` is there; those that it does not count for are left out.
 * Throws 403 in the API server's words when one of them has no room.
 */
export function chargeQuotas(
  object: KubernetesObject,
  resource: Resource,
  quotas: readonly KubernetesObject[],
): KubernetesObject[] {
  const usage = usageOf(object, resource.plural)
  const [shortage] = findShortages(object, usage, quotas.map(asQuota))
  if (shortage !== undefined) {
    throw forbidden(groupResource(resource), object.metadata.name ?? '', refusalMessage(shortage))
  }
  return quotas.flatMap((quota) => {
    const used = stringsOf(at(quota, 'status', 'used'))
    const more = countedBy(quota, object, usage)
    if (Object.keys(more).length === 0) return []
    const charged = copy(quota)
    ensureRecord(charged, 'status').used = { ...used, ...sumOf([used, more], Object.keys(more)) }
    return [charged]
  })
}

/** What all of a namespace's objects count for in a quota, for every resource that it limits. */
export function usedOf(
  quota: KubernetesObject,
  objects: readonly { object: KubernetesObject; plural: string }[],
): Record<string, string> {
  const counted = objects.map(({ object, plural }) => countedBy(quota, object, usageOf(object, plural)))
  return sumOf(counted, Object.keys(hardOf(quota)))
}

/** The limits of a quota. */
export function hardOf(quota: KubernetesObject): Record<string, string> {
  return stringsOf(at(quota, 'spec', 'hard'))
}

function countedBy(quota: KubernetesObject, object: KubernetesObject, usage: Amounts): Record<string, string> {
  if (!concerns(asQuota(quota), object)) return {}
  const hard = hardOf(quota)
  // A pod that has ended counts as an object only.
  const phase = object.kind === 'Pod' ? textAt(object, 'status', 'phase') : undefined
  const ended = phase === 'Succeeded' || phase === 'Failed'
  const counted = ([name, amount]: [string, string]) =>
    hard[name] !== undefined && amount !== '0' && (!ended || name.startsWith('count/'))
  return Object.fromEntries(Object.entries(usage).filter(counted))
}

function sumOf(list: readonly Amounts[], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, sumQuantities(list.map((amounts) => amounts[name] ?? '0'))]))
}

// A stored ResourceQuota is one by its kind.
function asQuota(object: KubernetesObject): ResourceQuota {
  return object as unknown as ResourceQuota
}
