// Typed access to what Metacontroller observed, by kind and name, whatever the wire's key style.
import type { ObjectMeta } from './kubernetes.ts'
import type { ObjectOf, ResourceType } from './resources.ts'
import type { ObservedGroups } from './wire.ts'

/** An object as the API server returned it: it has an identity. */
export type Live<Resource> = Resource & {
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string }
}

/** Observed objects of the types in `Type`. Nothing is copied: treat what comes back as read-only. */
export interface Observed<Type extends ResourceType> {
  /**
   * The object of that type and name, or undefined. `namespace` is that of the parent unless given; it is
   * needed only for objects that live elsewhere (related ones, or children of a cluster-scoped parent).
   */
  get<Wanted extends Type>(type: Wanted, name: string, namespace?: string): Live<ObjectOf<Wanted>> | undefined
  /** All of a type, in no order to rely on. */
  list<Wanted extends Type>(type: Wanted): Live<ObjectOf<Wanted>>[]
}

/** The name that Metacontroller gives to a type's group on the wire: `StatefulSet.apps/v1`. */
export function groupKey(type: { readonly apiVersion: string; readonly kind: string }): string {
  return `${type.kind}.${type.apiVersion}`
}

/** Wraps observed groups of the wire for a parent in `parentNamespace` (undefined: cluster-scoped). */
export function observe<Type extends ResourceType>(
  groups: ObservedGroups,
  parentNamespace: string | undefined,
): Observed<Type> {
  return {
    get(type, name, namespace = parentNamespace) {
      const group = groups[groupKey(type)]
      if (group === undefined) return undefined
      // v2 keys carry the namespace; v1 keys do so only under a cluster-scoped parent.
      const found = group[`${namespace}/${name}`] ?? (namespace === parentNamespace ? group[name] : undefined)
      return found as Live<ObjectOf<typeof type>> | undefined
    },
    list(type) {
      return Object.values(groups[groupKey(type)] ?? {}) as Live<ObjectOf<typeof type>>[]
    },
  }
}
