// Groups of objects as Metacontroller sends them to hooks (pkg/controller/common/api/v1 and v2).
import type { KubernetesObject, ObjectType } from '../sdk/kubernetes.ts'
import { groupOf, versionOf } from '../sdk/kubernetes.ts'
import type { ObservedGroups } from '../sdk/wire.ts'
import { keyOf } from './store.ts'

/** Objects by kind, then by `namespace/name` (the bare name of what is cluster-scoped). */
export interface ObjectGroups {
  /** Makes sure the group is there, even when it stays empty. */
  init(type: ObjectType): void
  add(object: KubernetesObject): void
  /** The groups, sorted by group, version and kind. */
  groups(): { type: ObjectType; objects: ReadonlyMap<string, KubernetesObject> }[]
  of(type: ObjectType): ReadonlyMap<string, KubernetesObject>
  /** As a hook of that version gets them. */
  wire(version: 'v1' | 'v2', parent: KubernetesObject): ObservedGroups
}

export function createGroups(objects: readonly KubernetesObject[] = []): ObjectGroups {
  const table = new Map<string, { type: ObjectType; objects: Map<string, KubernetesObject> }>()
  const groupFor = ({ apiVersion, kind }: ObjectType) => {
    const key = `${kind}.${apiVersion}`
    const group = table.get(key) ?? { type: { apiVersion, kind }, objects: new Map<string, KubernetesObject>() }
    table.set(key, group)
    return group
  }
  const groups: ObjectGroups = {
    init: (type) => void groupFor(type),
    add: (object) => void groupFor(object).objects.set(keyOf(object.metadata), object),
    groups: () => [...table.values()].sort((left, right) => (sortKey(left.type) < sortKey(right.type) ? -1 : 1)),
    of: ({ apiVersion, kind }) => table.get(`${kind}.${apiVersion}`)?.objects ?? new Map(),
    wire(version, parent) {
      const { namespace } = parent.metadata
      const entries = [...table].map(([key, group]) => {
        if (version === 'v2' || namespace === undefined) return [key, Object.fromEntries(group.objects)] as const
        // v1 gives a namespaced parent bare names, of its own namespace only.
        const own = [...group.objects.values()].filter((object) => object.metadata.namespace === namespace)
        return [key, Object.fromEntries(own.map((object) => [object.metadata.name ?? '', object]))] as const
      })
      return Object.fromEntries(entries)
    },
  }
  for (const object of objects) groups.add(object)
  return groups
}

function sortKey({ apiVersion, kind }: ObjectType): string {
  return `${groupOf(apiVersion)}\n${versionOf(apiVersion)}\n${kind}`
}
