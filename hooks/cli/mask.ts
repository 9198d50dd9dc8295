// Secrets do not belong on a screen, into a CI log or a pull request: what a Secret holds is shown as a mask.
import { isRecord, type KubernetesObject, kubectlAnnotation } from '../sdk/kubernetes.ts'
import { lastAppliedAnnotation } from '../sdk/wire.ts'

/** What stands where a secret was. */
export const masked = '<masked>'

/** The object without the values of a Secret, and without copies of them in annotations. Others are answered as they are. */
export function maskSecret(object: KubernetesObject): KubernetesObject {
  if (!isSecret(object)) return object
  const { annotations, ...metadata } = object.metadata
  const kept = Object.entries(annotations ?? {}).filter(([key]) => !copies.has(key))
  const result: KubernetesObject = { ...object, metadata }
  if (kept.length > 0) result.metadata = { ...metadata, annotations: Object.fromEntries(kept) }
  for (const field of ['data', 'stringData']) {
    const values = object[field]
    if (isRecord(values)) result[field] = Object.fromEntries(Object.keys(values).map((key) => [key, masked]))
  }
  return result
}

/** True for a v1 Secret. */
export function isSecret({ apiVersion, kind }: { apiVersion: string; kind: string }): boolean {
  return apiVersion === 'v1' && kind === 'Secret'
}

/** Annotations that hold a whole object, as it was applied. */
const copies = new Set([lastAppliedAnnotation, kubectlAnnotation])
