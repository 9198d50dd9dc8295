// When two JSON values are the same.
import { isRecord } from './kubernetes.ts'

/** Deep equality of JSON values, whatever the order of fields; a field that is undefined is none. */
export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) && left.length === right.length && left.every((item, index) => equal(item, right[index]))
    )
  }
  if (!isRecord(left) || !isRecord(right)) return false
  for (const key in left) if (!equal(left[key], right[key])) return false
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false
  return true
}
