// Making the children that are there into those a hook asked for (manage_children.go of Metacontroller 4.17).
import { equal } from '../sdk/equal.ts'
import type { KubernetesObject, ObjectType } from '../sdk/kubernetes.ts'
import { applyUpdate, setLastApplied } from './apply.ts'
import { isApiError, messageOf } from './errors.ts'
import { copy } from './json.ts'
import type { ObjectGroups } from './objects.ts'
import { type Client, referenceOf } from './store.ts'

/** How a kind's existing children are changed; Rolling* updates like the method it is named after. */
export type UpdateMethod = 'OnDelete' | 'Recreate' | 'InPlace' | 'RollingRecreate' | 'RollingInPlace'

export interface ManageChildren {
  readonly client: Client
  readonly parent: KubernetesObject
  readonly observed: ObjectGroups
  readonly desired: ObjectGroups
  method(type: ObjectType): UpdateMethod
  /** True when the API server serves the kind. */
  known(type: ObjectType): boolean
}

/**
 * Deletes what is observed and not desired, then creates and updates the rest, kind by kind. One failure does not
 * stop the others: they are thrown together at the end, as one Error.
 */
export function manageChildren(work: ManageChildren): void {
  const failures: string[] = []
  const attempt = (action: () => void) => {
    try {
      action()
    } catch (error) {
      if (isProcessEnd(error)) throw error
      failures.push(messageOf(error))
    }
  }
  for (const { type, objects } of work.observed.groups()) {
    if (objects.size === 0) continue
    const desired = work.desired.of(type)
    for (const [key, child] of objects) if (!desired.has(key)) attempt(() => removeChild(work, child))
  }
  for (const { type, objects } of work.desired.groups()) {
    if (!work.known(type)) {
      failures.push(`discovery: can't find kind ${type.kind} in apiVersion ${type.apiVersion}`)
      continue
    }
    const observed = work.observed.of(type)
    for (const [key, child] of objects) attempt(() => applyChild(work, observed.get(key), child))
  }
  if (failures.length > 0) throw new Error(joined(failures))
}

/** Several messages as Go's aggregate error says them. */
export function joined(messages: readonly string[]): string {
  const distinct = [...new Set(messages)]
  return distinct.length === 1 ? (distinct[0] ?? '') : `[${distinct.join(', ')}]`
}

/** The owner reference that makes `parent` the controller of a child. */
export function controllerReference(parent: KubernetesObject) {
  const { name = '', uid = '' } = parent.metadata
  return { apiVersion: parent.apiVersion, kind: parent.kind, name, uid, controller: true, blockOwnerDeletion: true }
}

/** Thrown into work of a process that was killed: no one is left to handle it. */
export function isProcessEnd(error: unknown): boolean {
  return error instanceof Error && error.name === 'ProcessEnd'
}

function removeChild({ client }: ManageChildren, child: KubernetesObject): void {
  if (child.metadata.deletionTimestamp !== undefined) return
  try {
    deleteObserved(client, child)
  } catch (error) {
    if (isProcessEnd(error)) throw error
    const { namespace, name } = child.metadata
    throw new Error(
      `can't delete ${child.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}: ${messageOf(error)}`,
    )
  }
}

function deleteObserved(client: Client, child: KubernetesObject): void {
  try {
    client.remove(referenceOf(child), { propagation: 'Background', uid: child.metadata.uid ?? '' })
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error
  }
}

function applyChild(work: ManageChildren, observed: KubernetesObject | undefined, desired: KubernetesObject): void {
  if (observed === undefined) {
    createChild(work, desired)
    return
  }
  const updated = applyUpdate(observed, desired)
  if (equal(updated, observed) || observed.metadata.deletionTimestamp !== undefined) return
  const method = work.method(desired)
  if (method === 'OnDelete') return
  if (method === 'Recreate' || method === 'RollingRecreate') {
    deleteObserved(work.client, observed)
    return
  }
  if (method !== 'InPlace' && method !== 'RollingInPlace') {
    throw new Error(`invalid update strategy for ${desired.kind}: unknown method "${method}"`)
  }
  try {
    work.client.update(updated)
  } catch (error) {
    // Gone, or changed since it was observed: the next sync sees it as it is.
    if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error
  }
}

function createChild({ client, parent }: ManageChildren, desired: KubernetesObject): void {
  const child = copy(desired)
  setLastApplied(child, desired)
  const owners = child.metadata.ownerReferences ?? []
  if (!owners.some((owner) => owner.uid === parent.metadata.uid)) {
    child.metadata.ownerReferences = [...owners, controllerReference(parent)]
  }
  try {
    client.create(child)
  } catch (error) {
    // A name that is taken is passed over in silence: no event, no retry.
    if (!isApiError(error, 'AlreadyExists')) throw error
  }
}
