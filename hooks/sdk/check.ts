// The last look at an answer before it leaves. Metacontroller would act on each of these faults, and badly: a null
// in the list crashes it, an undeclared kind is created and never observed again, a child in another namespace is
// created and then collected as garbage, and of two children with one name it applies whichever comes last.
import { isRecord, type KubernetesObject } from './kubernetes.ts'
import { groupKey } from './observed.ts'
import type { ResourceType } from './resources.ts'

/** Says what is wrong with the children of an answer; undefined when nothing is. */
export function findFault(
  children: readonly KubernetesObject[],
  declared: readonly ResourceType[],
  parentNamespace: string | undefined,
): string | undefined {
  const types = new Map(declared.map((type) => [groupKey(type), type]))
  const seen = new Set<string>()
  for (const child of children) {
    if (!isRecord(child) || !isRecord(child.metadata)) return 'a child is not an object with metadata'
    const { name, namespace } = child.metadata
    const title = `${child.kind}/${name}`
    const type = types.get(groupKey(child))
    if (type === undefined) return `${title}: ${child.apiVersion} ${child.kind} is not among the declared children`
    if (typeof name !== 'string' || name === '') return `${title}: metadata.name is missing`
    if (parentNamespace !== undefined) {
      if (!type.namespaced) return `${title}: a namespaced parent cannot own a cluster-scoped child`
      if (namespace !== undefined && namespace !== parentNamespace) {
        return `${title}: is in namespace "${namespace}", not in its parent's, "${parentNamespace}"`
      }
    } else if (type.namespaced && namespace === undefined) {
      return `${title}: metadata.namespace is missing`
    }
    const id = `${groupKey(child)} ${namespace ?? ''}/${name}`
    if (seen.has(id)) return `${title}: is there twice`
    seen.add(id)
    const empty = findNull(child, title)
    if (empty !== undefined) return `${empty} is null`
  }
  return undefined
}

// An explicit null makes dynamic apply write at every sync, because the API server drops it again.
function findNull(value: unknown, path: string): string | undefined {
  if (value === null) return path
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      // undefined in a list becomes null in JSON.
      const found = findNull(value[index] ?? null, `${path}[${index}]`)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (typeof value !== 'object') return undefined
  const record = value as Record<string, unknown>
  for (const field in record) {
    const found = findNull(record[field], `${path}.${field}`)
    if (found !== undefined) return found
  }
  return undefined
}
