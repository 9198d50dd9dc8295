// The garbage collector and the namespace controller of kube-controller-manager.
import { groupOf, type KubernetesObject, type OwnerReference } from '../sdk/kubernetes.ts'
import type { Clock } from './clock.ts'
import { isApiError } from './errors.ts'
import { copy } from './json.ts'
import { type Client, type Propagation, referenceOf, type Store } from './store.ts'

/** Seconds from a change to the collector's reaction. */
const collectorDelay = 0.02

/** Starts collecting what has lost its owners. The answer stops it. */
export function startCollector(store: Store, clock: Clock): () => void {
  const client = store.client('garbage-collector')
  const dependents = new Map<string, Map<string, KubernetesObject>>()
  const owners = new Map<string, KubernetesObject>()
  const pending = new Set<string>()
  let stopped = false

  const later = (object: KubernetesObject, action: (live: KubernetesObject) => void) => {
    const uid = object.metadata.uid ?? ''
    if (pending.has(uid)) return
    pending.add(uid)
    clock.after(collectorDelay, () => {
      pending.delete(uid)
      const live = owners.get(uid)
      if (stopped || live === undefined) return
      try {
        action(live)
      } catch (error) {
        // Gone, or changed meanwhile: what changed it brings it here again.
        if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error
      }
    })
  }
  const examine = (live: KubernetesObject) => {
    if (live.metadata.deletionTimestamp !== undefined) finish(live)
    else if ((live.metadata.ownerReferences ?? []).length > 0) collect(live)
  }
  const collect = (object: KubernetesObject) => {
    const states = (object.metadata.ownerReferences ?? []).map((owner) => ({ owner, state: ownerState(owner, object) }))
    const solid = states.filter(({ state }) => state === 'solid' || state === 'unknown')
    const leaving = states.filter(({ state }) => state === 'waiting')
    if (solid.length > 0) {
      if (solid.length === states.length) return
      const updated = copy(object)
      updated.metadata.ownerReferences = solid.map(({ owner }) => owner)
      client.update(updated)
      return
    }
    const mine = dependents.get(object.metadata.uid ?? '')?.size ?? 0
    const finalizers = object.metadata.finalizers ?? []
    let propagation: Propagation = 'Background'
    if (finalizers.includes('orphan')) propagation = 'Orphan'
    else if (finalizers.includes('foregroundDeletion') || (leaving.length > 0 && mine > 0)) propagation = 'Foreground'
    client.remove(referenceOf(object), { propagation, uid: object.metadata.uid ?? '' })
  }
  const ownerState = (owner: OwnerReference, object: KubernetesObject): 'solid' | 'waiting' | 'absent' | 'unknown' => {
    const found = owners.get(owner.uid)
    const resource = store.resources.byKind(owner)
    // An owner of an unknown kind cannot be looked up, nor a namespaced one of a cluster-scoped object: let it be.
    if (resource === undefined || (resource.namespaced && object.metadata.namespace === undefined)) return 'unknown'
    if (found === undefined || found.kind !== owner.kind || groupOf(found.apiVersion) !== groupOf(owner.apiVersion))
      return 'absent'
    if (
      found.metadata.name !== owner.name ||
      (resource.namespaced && found.metadata.namespace !== object.metadata.namespace)
    )
      return 'absent'
    const foreground =
      found.metadata.deletionTimestamp !== undefined && (found.metadata.finalizers ?? []).includes('foregroundDeletion')
    return foreground ? 'waiting' : 'solid'
  }
  /** What deletion with the collector's finalizers still needs. */
  const finish = (object: KubernetesObject) => {
    const finalizers = object.metadata.finalizers ?? []
    const mine = [...(dependents.get(object.metadata.uid ?? '')?.values() ?? [])]
    if (finalizers.includes('orphan')) {
      for (const dependent of mine) {
        const updated = copy(dependent)
        updated.metadata.ownerReferences = (updated.metadata.ownerReferences ?? []).filter(
          ({ uid }) => uid !== object.metadata.uid,
        )
        client.update(updated)
      }
      dropFinalizer(client, object, 'orphan')
    } else if (finalizers.includes('foregroundDeletion')) {
      const blocking = mine.filter((dependent) =>
        (dependent.metadata.ownerReferences ?? []).some(
          (owner) => owner.uid === object.metadata.uid && owner.blockOwnerDeletion === true,
        ),
      )
      if (blocking.length === 0) dropFinalizer(client, object, 'foregroundDeletion')
      else
        for (const dependent of mine) if (dependent.metadata.deletionTimestamp === undefined) later(dependent, examine)
    }
    collectNamespace(object)
  }
  const collectNamespace = (object: KubernetesObject) => {
    if (object.kind !== 'Namespace' || object.apiVersion !== 'v1') return
    const content = store.all().filter(({ metadata }) => metadata.namespace === object.metadata.name)
    for (const inside of content)
      if (inside.metadata.deletionTimestamp === undefined)
        client.remove(referenceOf(inside), { propagation: 'Background' })
    if (store.all().some(({ metadata }) => metadata.namespace === object.metadata.name)) {
      clock.after(1, () => later(object, examine))
      return
    }
    client.patch(referenceOf(object), { spec: { finalizers: null } })
  }
  const unwatch = store.watch(({ type, object, previous }) => {
    const uid = object.metadata.uid ?? ''
    for (const owner of previous?.metadata.ownerReferences ?? []) dependents.get(owner.uid)?.delete(uid)
    if (type === 'DELETED') {
      owners.delete(uid)
      for (const dependent of dependents.get(uid)?.values() ?? []) later(dependent, examine)
    } else {
      owners.set(uid, object)
      for (const owner of object.metadata.ownerReferences ?? []) {
        const known = dependents.get(owner.uid) ?? new Map<string, KubernetesObject>()
        dependents.set(owner.uid, known.set(uid, object))
      }
      if (object.metadata.deletionTimestamp !== undefined || (object.metadata.ownerReferences ?? []).length > 0)
        later(object, examine)
    }
    // An owner that waits for its dependents is looked at again when one of them goes or changes.
    for (const owner of [...((previous ?? object).metadata.ownerReferences ?? [])]) {
      const waiting = owners.get(owner.uid)
      if (waiting?.metadata.deletionTimestamp !== undefined) later(waiting, examine)
    }
  })
  return () => {
    stopped = true
    unwatch()
  }
}

function dropFinalizer(client: Client, object: KubernetesObject, finalizer: string): void {
  const updated = copy(object)
  updated.metadata.finalizers = (updated.metadata.finalizers ?? []).filter((name) => name !== finalizer)
  client.update(updated)
}
