// What `kubectl get` shows of a custom resource: the printer columns of its CRD, as meta.k8s.io/v1 Table.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
import { isRecord } from '../sdk/kubernetes.ts'
import { at, listAt, numberAt, textAt } from './json.ts'
import type { Resource } from './resources.ts'

/**
 * An object, or a list's items, as a table; undefined for a kind without printer columns and for what is neither.
 * @param now milliseconds since 1970: dates are shown as ages
 */
export function tableOf(body: unknown, { crd, kind }: Resource, apiVersion: string, now: number): unknown {
  if (crd === undefined || !isRecord(body)) return undefined
  const rows = body.kind === kind ? [body] : body.kind === `${kind}List` ? listAt(body, 'items') : undefined
  if (rows === undefined) return undefined
  const name = apiVersion.slice(apiVersion.indexOf('/') + 1)
  const version = listAt(crd, 'spec', 'versions').find((one) => at(one, 'name') === name)
  const columns = listAt(version, 'additionalPrinterColumns')
  return {
    apiVersion: 'meta.k8s.io/v1',
    kind: 'Table',
    metadata: isRecord(body.metadata) ? { resourceVersion: body.metadata.resourceVersion } : {},
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', description: '', priority: 0 },
      ...columns.map((column) => ({
        name: textAt(column, 'name'),
        type: textAt(column, 'type'),
        format: textAt(column, 'format') ?? '',
        description: textAt(column, 'description') ?? '',
        priority: numberAt(column, 'priority') ?? 0,
      })),
    ],
    rows: rows.map((row) => ({
      cells: [textAt(row, 'metadata', 'name'), ...columns.map((column) => cell(row, column, now))],
      object: { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata: at(row, 'metadata') },
    })),
  }
}

function cell(row: unknown, column: unknown, now: number): unknown {
  const value = valueAt(row, textAt(column, 'jsonPath') ?? '')
  if (value === undefined) return null
  return at(column, 'type') === 'date' ? age((now - Date.parse(String(value))) / 1000) : value
}

/** The value at a JSONPath of fields, indices and filters such as `[?(@.type=="Ready")]`. */
function valueAt(root: unknown, path: string): unknown {
  let value = root
  for (const [, field, index, key = '', wanted] of path.matchAll(
    /\.([\w-]+)|\[(\d+)\]|\[\?\(@\.(\w+)==["']([^"']*)["']\)\]/g,
  )) {
    if (field !== undefined) value = at(value, field)
    else if (index !== undefined) value = at(value, Number(index))
    else value = Array.isArray(value) ? value.find((item) => at(item, key) === wanted) : undefined
  }
  return value
}

/** As kubectl writes durations, to two units at most. */
function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)]
  if (whole < 120) return `${whole}s`
  if (minutes < 10) return whole % 60 === 0 ? `${minutes}m` : `${minutes}m${whole % 60}s`
  if (hours < 3) return `${minutes}m`
  return hours < 48 ? `${hours}h` : `${days}d`
}
