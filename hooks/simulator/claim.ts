// Which objects a composite's parent owns: adopting and letting go (controller_ref_manager.go, unstructured.go).
import type { KubernetesObject, OwnerReference } from '../sdk/kubernetes.ts'
import { controllerReference, joined } from './children.ts'
import { isApiError, messageOf } from './errors.ts'
import { copy } from './json.ts'
import type { Selector } from './selectors.ts'
import { type Client, referenceOf } from './store.ts'

/** The owner reference with `controller: true`. */
export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true)
}

/**
 * The objects of `candidates` that are the parent's. Ownerless ones that match are adopted, its own that no longer
 * match are let go, unless the parent is being deleted. Throws one Error for all that failed.
 */
export function claimChildren(
  client: Client,
  parent: KubernetesObject,
  matches: Selector,
  candidates: readonly KubernetesObject[],
): KubernetesObject[] {
  const failures: string[] = []
  const claimed: KubernetesObject[] = []
  for (const object of candidates) {
    try {
      if (claim(client, parent, matches, object)) claimed.push(object)
    } catch (error) {
      if (!isApiError(error)) throw error
      if (error.reason !== 'NotFound') failures.push(messageOf(error))
    }
  }
  if (failures.length > 0) throw new Error(`can't claim children: ${joined(failures)}`)
  return claimed
}

function claim(client: Client, parent: KubernetesObject, matches: Selector, object: KubernetesObject): boolean {
  const controller = controllerOf(object)
  const leaving = parent.metadata.deletionTimestamp !== undefined
  if (controller !== undefined) {
    if (controller.uid !== parent.metadata.uid) return false
    if (matches(object.metadata.labels)) return true
    if (!leaving) changeOwners(client, object, (owners) => owners.filter((owner) => owner.uid !== parent.metadata.uid))
    return false
  }
  if (leaving || !matches(object.metadata.labels) || object.metadata.deletionTimestamp !== undefined) return false
  const fresh = client.get(referenceOf(parent))
  if (
    fresh === undefined ||
    fresh.metadata.uid !== parent.metadata.uid ||
    fresh.metadata.deletionTimestamp !== undefined
  )
    return false
  changeOwners(client, object, (owners) => [
    ...owners.filter((owner) => owner.uid !== parent.metadata.uid),
    controllerReference(parent),
  ])
  return true
}

function changeOwners(
  client: Client,
  object: KubernetesObject,
  change: (owners: OwnerReference[]) => OwnerReference[],
): void {
  const current = client.get(referenceOf(object))
  if (current === undefined || current.metadata.uid !== object.metadata.uid) return
  const updated = copy(current)
  updated.metadata.ownerReferences = change(updated.metadata.ownerReferences ?? [])
  client.update(updated)
}
