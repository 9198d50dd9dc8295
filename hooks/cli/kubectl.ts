// What `kubectl apply` sends for a file when the object exists already.
import { isRecord, type KubernetesObject, kubectlAnnotation } from '../sdk/kubernetes.ts'

/** What kubectl makes of a live object and a file: what the file dropped since it was last applied goes, the rest stays. */
export function appliedTo(live: KubernetesObject | undefined, object: KubernetesObject): KubernetesObject {
  if (live === undefined) return object
  const { status: _status, metadata, ...content } = live
  const { labels, annotations } = metadata
  const merged = threeWay({ ...content, metadata: { labels, annotations } }, lastAppliedTo(live), {
    ...object,
    status: undefined,
  })
  return {
    ...merged,
    metadata: { ...merged.metadata, name: metadata.name, namespace: metadata.namespace },
  } as KubernetesObject
}

/** The object without kubectl's memory: for what `appliedTo` has been laid over already. */
export function withoutMemory(object: KubernetesObject): KubernetesObject {
  const { [kubectlAnnotation]: _memory, ...annotations } = object.metadata.annotations ?? {}
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** What was applied last, as kubectl keeps it; nothing where it is not kept, or spoilt by hand. */
function lastAppliedTo({ metadata: { annotations } }: KubernetesObject): unknown {
  try {
    return JSON.parse(annotations?.[kubectlAnnotation] ?? '{}')
  } catch {
    return {}
  }
}

// A custom resource has no merge keys for kubectl: maps are merged, lists replaced.
function threeWay(live: Record<string, unknown>, last: unknown, wanted: Record<string, unknown>) {
  const result = { ...live }
  const before = isRecord(last) ? last : {}
  for (const field of Object.keys(before)) if (wanted[field] === undefined && field !== 'metadata') delete result[field]
  for (const [field, value] of Object.entries(wanted)) {
    if (value === undefined) continue
    const there = result[field]
    result[field] = isRecord(there) && isRecord(value) ? threeWay(there, before[field], value) : value
  }
  return result as Record<string, unknown> & { metadata?: Record<string, unknown> }
}
