// What a controller sees of the API server: a copy of one kind that lags a little behind, as a watch cache does.
import type { KubernetesObject, ObjectType } from '../sdk/kubernetes.ts'
import { groupOf } from '../sdk/kubernetes.ts'
import type { Clock } from './clock.ts'
import { type Change, type Client, keyOf, type Store } from './store.ts'

/** Seconds between a write and its arrival at those who watch. */
const watchDelay = 0.002

interface Informer {
  get(name: string, namespace?: string): KubernetesObject | undefined
  list(namespace?: string): KubernetesObject[]
  /** Tells every change after the copy has taken it in; what is there already comes first, as additions. */
  onChange(listener: (change: Change) => void): () => void
}

/** Informers of one process: one a kind, made when first asked for, all ended together. */
export interface Informers {
  of(type: ObjectType): Informer
  stop(): void
}

/** Starts with an empty set; `client` lists what is there when a kind is first asked for. */
export function createInformers(store: Store, client: Client, clock: Clock): Informers {
  const informers = new Map<string, { informer: Informer; take(change: Change): void }>()
  let stopped = false
  const idOf = ({ apiVersion, kind }: ObjectType) => `${groupOf(apiVersion)}/${kind}`
  const unwatch = store.watch((change) => {
    if (!informers.has(idOf(change.object))) return
    clock.after(watchDelay, () => {
      if (!stopped) informers.get(idOf(change.object))?.take(change)
    })
  })
  return {
    of(type) {
      const known = informers.get(idOf(type))
      if (known !== undefined) return known.informer
      const made = createInformer(client.list(type), type.apiVersion)
      informers.set(idOf(type), made)
      return made.informer
    },
    stop() {
      stopped = true
      unwatch()
    },
  }
}

const noObjects: ReadonlyMap<string, KubernetesObject> = new Map()

function createInformer(initial: readonly KubernetesObject[], apiVersion: string) {
  const objects = new Map<string, KubernetesObject>()
  const byNamespace = new Map<string, Map<string, KubernetesObject>>()
  const listeners = new Set<(change: Change) => void>()
  const inVersion = (object: KubernetesObject) =>
    object.apiVersion === apiVersion ? object : { ...object, apiVersion }
  const keep = (key: string, object: KubernetesObject) => {
    objects.set(key, object)
    const { namespace } = object.metadata
    if (namespace === undefined) return
    const inside = byNamespace.get(namespace) ?? new Map<string, KubernetesObject>()
    byNamespace.set(namespace, inside.set(key, object))
  }
  const drop = (key: string, { metadata }: KubernetesObject) => {
    objects.delete(key)
    byNamespace.get(metadata.namespace ?? '')?.delete(key)
  }
  for (const object of initial) keep(keyOf(object.metadata), object)
  const informer: Informer = {
    get: (name, namespace) => objects.get(keyOf(namespace === undefined ? { name } : { name, namespace })),
    list: (namespace) => [...(namespace === undefined ? objects : (byNamespace.get(namespace) ?? noObjects)).values()],
    onChange(listener) {
      listeners.add(listener)
      for (const object of [...objects.values()]) listener({ type: 'ADDED', object })
      return () => listeners.delete(listener)
    },
  }
  const take = (change: Change) => {
    const object = inVersion(change.object)
    const key = keyOf(object.metadata)
    const previous = objects.get(key)
    // The list that the informer began with may be ahead of what the watch still has to tell.
    if (previous !== undefined && Number(previous.metadata.resourceVersion) >= Number(object.metadata.resourceVersion))
      return
    if (change.type === 'DELETED') drop(key, object)
    else keep(key, object)
    const told: Change = { ...change, object, ...(previous === undefined ? {} : { previous }) }
    for (const listener of listeners) listener(told)
  }
  return { informer, take }
}
