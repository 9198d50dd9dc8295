// metadata.managedFields as kube-apiserver keeps them: who set which field. They are a quarter to a third of what
// Metacontroller sends, and the simulator has none.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#managed-fields
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'

/** The same object with the managers that a child or a parent of Metacontroller's has on a real API server. */
export function withManagedFields(object: KubernetesObject): KubernetesObject {
  const { apiVersion, status, metadata, ...content } = object
  const { labels, annotations, ownerReferences, finalizers, creationTimestamp } = metadata
  const owned = { metadata: { labels, annotations, ownerReferences, finalizers }, ...without(content, 'kind') }
  const entry = (manager: string, fields: unknown, subresource?: string) => ({
    manager,
    operation: 'Update',
    apiVersion,
    time: creationTimestamp,
    fieldsType: 'FieldsV1',
    fieldsV1: fieldsOf(fields),
    ...(subresource === undefined ? {} : { subresource }),
  })
  const managedFields = [entry('metacontroller', owned)]
  if (status !== undefined) managedFields.push(entry('kube-controller-manager', { status }, 'status'))
  return { ...object, metadata: { ...metadata, managedFields } }
}

// The merge keys of the built-in kinds' lists: items of others are one field together.
const listKeys = ['containerPort', 'port', 'mountPath', 'name', 'uid', 'type']

function fieldsOf(value: unknown): object {
  if (Array.isArray(value)) {
    const key = listKeys.find((name) => value.length > 0 && value.every((item) => isRecord(item) && name in item))
    if (key === undefined) return {}
    const items = value.map((item) => [`k:${JSON.stringify({ [key]: item[key] })}`, { '.': {}, ...fieldsOf(item) }])
    return { '.': {}, ...Object.fromEntries(items) }
  }
  if (!isRecord(value)) return {}
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return Object.fromEntries(fields.map(([name, inner]) => [`f:${name}`, fieldsOf(inner)]))
}

function without(object: Record<string, unknown>, field: string): Record<string, unknown> {
  const { [field]: _, ...rest } = object
  return rest
}
