// What is different between two states of an object, field by field, for people and for machines.
import { equal } from '../sdk/equal.ts'
import { fieldBelow } from '../sdk/fields.ts'
import { isRecord, type KubernetesObject, kubectlAnnotation } from '../sdk/kubernetes.ts'
import { lastAppliedAnnotation } from '../sdk/wire.ts'
import { isSecret, masked } from './mask.ts'

/** One field. `before` is absent where it was added, `after` where it was taken away. */
export interface FieldDifference {
  readonly field: string
  readonly before?: unknown
  readonly after?: unknown
}

/**
 * The fields in which `after` differs from `before`, status and what only the API server keeps left out. Items of
 * lists are told apart by what Kubernetes tells them apart by, so that a moved item is no difference. The values of
 * a Secret are masked.
 */
export function objectDifferences(before: KubernetesObject, after: KubernetesObject): FieldDifference[] {
  const found = differences(content(before), content(after))
  if (!isSecret(after)) return found
  return found.map((difference) => (/^(data|stringData)\b/.test(difference.field) ? hide(difference) : difference))
}

/** The fields in which two JSON values differ. */
export function differences(before: unknown, after: unknown): FieldDifference[] {
  const found: FieldDifference[] = []
  compare(before, after, '', found)
  return found
}

function content({ status: _status, metadata, ...rest }: KubernetesObject): unknown {
  const { name, namespace, labels, annotations, ownerReferences, finalizers } = metadata
  const { [lastAppliedAnnotation]: _applied, ...others } = annotations ?? {}
  const { [kubectlAnnotation]: _kubectl, ...kept } = others
  return {
    ...rest,
    metadata: { name, namespace, labels: labels ?? {}, annotations: kept, ownerReferences, finalizers },
  }
}

function hide({ field, ...values }: FieldDifference): FieldDifference {
  const maskAll = (value: unknown): unknown =>
    isRecord(value) ? Object.fromEntries(Object.keys(value).map((key) => [key, masked])) : masked
  return { field, ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, maskAll(value)])) }
}

function compare(before: unknown, after: unknown, path: string, found: FieldDifference[]): void {
  if (isRecord(before) && isRecord(after)) {
    for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(before[field], after[field], fieldBelow(path, field), found)
    }
    return
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    compareLists(before, after, path, found)
    return
  }
  if (before === after) return
  if (before === undefined) found.push({ field: path, after })
  else if (after === undefined) found.push({ field: path, before })
  else found.push({ field: path, before, after })
}

function compareLists(before: readonly unknown[], after: readonly unknown[], path: string, found: FieldDifference[]) {
  const key = keys.find((candidate) => tellsApart(candidate, before) && tellsApart(candidate, after))
  if (key !== undefined) {
    const [left, right] = [byKey(before, key), byKey(after, key)]
    for (const name of new Set([...left.keys(), ...right.keys()])) {
      compare(left.get(name), right.get(name), `${path}[${name}]`, found)
    }
    return
  }
  if (before.length !== after.length || !before.every(isRecord) || !after.every(isRecord)) {
    if (!equal(before, after)) found.push({ field: path, before, after })
    return
  }
  before.forEach((item, index) => {
    compare(item, after[index], `${path}[${index}]`, found)
  })
}

const keys = ['name', 'mountPath', 'containerPort', 'port', 'key', 'type', 'uid', 'ip', 'path']

function tellsApart(key: string, items: readonly unknown[]): boolean {
  const names = items.map((item) => (isRecord(item) ? (item[key] ?? nested(item, key)) : undefined))
  return (
    names.every((name) => typeof name === 'string' || typeof name === 'number') && new Set(names).size === names.length
  )
}

/** A claim template's name stands in its metadata. */
function nested(item: Record<string, unknown>, key: string): unknown {
  return isRecord(item.metadata) ? item.metadata[key] : undefined
}

function byKey(items: readonly unknown[], key: string): Map<string, unknown> {
  return new Map(items.map((item) => [isRecord(item) ? String(item[key] ?? nested(item, key)) : '', item]))
}
