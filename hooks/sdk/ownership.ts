// Who owns a field, as the API server keeps it in metadata.managedFields:
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
import { isRecord, type KubernetesObject } from './kubernetes.ts'

/**
 * The manager that last set `spec.replicas` through the scale subresource: an autoscaler, KEDA, `kubectl scale`.
 * Undefined when the number was written with the object itself, by whoever it was.
 */
export function scaleManager({ metadata }: KubernetesObject): string | undefined {
  for (const entry of metadata.managedFields ?? []) {
    if (!isRecord(entry) || entry.subresource !== 'scale' || !isRecord(entry.fieldsV1)) continue
    const spec = entry.fieldsV1['f:spec']
    if (isRecord(spec) && 'f:replicas' in spec) return typeof entry.manager === 'string' ? entry.manager : 'unknown'
  }
  return undefined
}
