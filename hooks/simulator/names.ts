// Which names and labels the API server takes (k8s.io/apimachinery/pkg/util/validation, apis/*/validation).
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { type FieldError, invalidValue, requiredValue } from './errors.ts'
import type { Resource } from './resources.ts'

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const label1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const labelName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

/** What is wrong with an object's name, labels and annotations. */
export function checkMetadata(object: KubernetesObject, resource: Resource): FieldError[] {
  return [
    ...checkName(object.metadata.name ?? '', resource),
    ...checkLabels('metadata.labels', object.metadata.labels),
    ...checkAnnotations(object),
  ]
}

/** What is wrong with labels, anywhere. */
export function checkLabels(field: string, labels: Record<string, string> | undefined): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => {
    const causes = checkKey(field, key)
    if (value.length > 63) causes.push(invalidValue(field, 'must be no more than 63 bytes', value))
    if (!labelValue.test(value)) {
      causes.push(
        invalidValue(
          field,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
          value,
        ),
      )
    }
    return causes
  })
}

function checkName(name: string, resource: Resource): FieldError[] {
  const field = 'metadata.name'
  if (name === '') return [requiredValue(field, 'name or generateName is required')]
  const causes: FieldError[] = []
  if (resource.group === 'rbac.authorization.k8s.io') return causes
  if (resource.kind === 'Service' || resource.kind === 'Namespace') {
    if (name.length > 63) causes.push(invalidValue(field, 'must be no more than 63 bytes', name))
    if (!label1123.test(name)) causes.push(invalidValue(field, labelRule, name))
    return causes
  }
  if (name.length > 253) causes.push(invalidValue(field, 'must be no more than 253 bytes', name))
  if (!subdomain.test(name)) {
    causes.push(
      invalidValue(
        field,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        name,
      ),
    )
  }
  // A CronJob's Jobs get an 11 character suffix, and a Job's name becomes a label of its pods.
  if (resource.kind === 'CronJob' && name.length > 52)
    causes.push(invalidValue(field, 'must be no more than 52 characters', name))
  if (resource.kind === 'Job' && name.length > 63)
    causes.push(invalidValue('spec.template.labels', 'must be no more than 63 bytes', name))
  return causes
}

function checkAnnotations(object: KubernetesObject): FieldError[] {
  const annotations = Object.entries(object.metadata.annotations ?? {})
  const size = annotations.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  const causes = annotations.flatMap(([key]) => checkKey('metadata.annotations', key))
  if (size > 256 * 1024)
    causes.push({ field: 'metadata.annotations', message: 'Too long: may not be more than 262144 bytes' })
  return causes
}

function checkKey(field: string, key: string): FieldError[] {
  const slash = key.indexOf('/')
  const [prefix, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)]
  const good =
    name.length <= 63 &&
    labelName.test(name) &&
    (prefix === undefined || (prefix.length <= 253 && subdomain.test(prefix.toLowerCase())))
  if (good) return []
  return [
    invalidValue(
      field,
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      key,
    ),
  ]
}
