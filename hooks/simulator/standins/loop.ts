// The frame of a stand-in for one of kube-controller-manager's controllers.
import { equal } from '../../sdk/equal.ts'
import type { KubernetesObject, ObjectType } from '../../sdk/kubernetes.ts'
import { controllerOf } from '../claim.ts'
import type { Clock } from '../clock.ts'
import { type ApiError, isApiError } from '../errors.ts'
import { copy } from '../json.ts'
import { createQueue, type Outcome } from '../queue.ts'
import { type Client, keyOf, referenceOf, type Store } from '../store.ts'

/** What every stand-in works with. */
export interface World {
  readonly store: Store
  readonly clock: Clock
  readonly client: Client
}

export interface Loop {
  /** Asks for one object to be looked at. */
  add(object: KubernetesObject): void
  stop(): void
}

/** Seconds from a change to a controller's reaction. */
const reaction = 0.01

/**
 * Calls `reconcile` for every object of `type` after it, or an object of `owns` that it controls, has changed.
 * `reconcile` may give seconds after which it wants to be asked again. Conflicts and vanished objects are tried again.
 * @param affects more objects of `type` that a changed object of another kind concerns
 */
export function startLoop(
  world: World,
  type: ObjectType,
  owns: readonly string[],
  reconcile: (object: KubernetesObject) => number | undefined,
  affects?: (changed: KubernetesObject) => readonly KubernetesObject[],
): Loop {
  const { store, clock, client } = world
  const pending = new Set<string>()
  const queue = createQueue(clock, 1, async (key): Promise<Outcome> => {
    const slash = key.indexOf('/')
    const reference =
      slash < 0 ? { ...type, name: key } : { ...type, namespace: key.slice(0, slash), name: key.slice(slash + 1) }
    const object = client.get(reference)
    if (object === undefined) return 'done'
    try {
      const again = reconcile(object)
      if (again !== undefined) queue.addAfter(key, Math.max(again, 0.001))
      return 'done'
    } catch (error) {
      // The API server refused: as with the real controllers, try again with back-off.
      if (isApiError(error)) return 'failed'
      throw error
    }
  })
  const addKey = (key: string) => {
    if (pending.has(key)) return
    pending.add(key)
    clock.after(reaction, () => {
      pending.delete(key)
      queue.add(key)
    })
  }
  const unwatch = store.watch(({ object, previous }) => {
    if (object.kind === type.kind && object.apiVersion === type.apiVersion) addKey(keyOf(object.metadata))
    if (owns.includes(object.kind)) {
      for (const version of [object, previous]) {
        const owner = version === undefined ? undefined : controllerOf(version)
        if (owner?.kind === type.kind) addKey(keyOf({ ...object.metadata, name: owner.name }))
      }
    }
    for (const other of affects?.(object) ?? []) addKey(keyOf(other.metadata))
  })
  return {
    add: (object) => addKey(keyOf(object.metadata)),
    stop() {
      unwatch()
      queue.stop()
    },
  }
}

/** Does something, and answers what the API server refused it with; what else goes wrong is thrown. */
export function refused(action: () => void): ApiError | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (isApiError(error, 'Forbidden')) return error
    throw error
  }
}

/** Writes a status unless it is there already. */
export function writeStatus(client: Client, object: KubernetesObject, status: Record<string, unknown>): void {
  const live = client.get(referenceOf(object))
  if (live === undefined || live.metadata.uid !== object.metadata.uid || equal(live.status ?? {}, status)) return
  client.update({ ...copy(live), status }, 'status')
}

/** The objects of a kind that `owner` controls. */
export function controlled(client: Client, type: ObjectType, owner: KubernetesObject): KubernetesObject[] {
  return client
    .list(type, owner.metadata.namespace)
    .filter((object) => controllerOf(object)?.uid === owner.metadata.uid)
}

/** Conditions with one set: its transition time moves only when its status does. */
export function withCondition(
  conditions: readonly unknown[],
  condition: { type: string; status: string; reason?: string; message?: string; lastUpdateTime?: unknown },
  stamp: string,
): Record<string, unknown>[] {
  const known = copy(conditions) as Record<string, unknown>[]
  const old = known.find(({ type }) => type === condition.type)
  const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : stamp
  return [...known.filter(({ type }) => type !== condition.type), { ...old, ...condition, lastTransitionTime }]
}
