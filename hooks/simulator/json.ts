// Small helpers for reading and copying JSON values whose shape is only known at run time.
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'

/** The value at `path`, or undefined where a step is missing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value
  for (const step of path) {
    if (Array.isArray(current) && typeof step === 'number') current = current[step]
    else if (isRecord(current)) current = current[step]
    else return undefined
  }
  return current
}

/** The object at `path`; a new empty one when there is none. */
export function recordAt(value: unknown, ...path: readonly (string | number)[]): Record<string, unknown> {
  const found = at(value, ...path)
  return isRecord(found) ? found : {}
}

/** The list at `path`; empty when there is none. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

/** The string at `path`, if there is one. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string | undefined {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : undefined
}

/** The number at `path`, if there is one. */
export function numberAt(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const found = at(value, ...path)
  return typeof found === 'number' ? found : undefined
}

/** The strings of a string map such as labels. */
export function stringsOf(value: unknown): Record<string, string> {
  const result: Record<string, string> = {}
  if (isRecord(value)) for (const [key, text] of Object.entries(value)) if (typeof text === 'string') result[key] = text
  return result
}

/** A deep copy that can be changed, with what JSON cannot carry (undefined) left out. */
export function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item) => copy(item) ?? null) as T
  if (typeof value !== 'object' || value === null) return value
  const source = value as Record<string, unknown>
  const result: Record<string, unknown> = {}
  for (const key in source) if (source[key] !== undefined) result[key] = copy(source[key])
  return result as T
}

/** Freezes a JSON value through and through, so that one copy can be shared by all who read it. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}

/** A record to change inside `holder`, made when it is not there. */
export function ensureRecord(holder: Record<string, unknown>, key: string): Record<string, unknown> {
  const found = holder[key]
  if (isRecord(found)) return found
  const made: Record<string, unknown> = {}
  holder[key] = made
  return made
}

/** A JSON merge patch (RFC 7386) laid over `target`, which stays as it is. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else if (value !== undefined) result[key] = mergePatch(result[key], value)
  }
  return result
}

/** JSON as Go's encoding/json writes it: keys sorted, `<`, `>` and `&` escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(sorted(value)).replace(/[<>&]/g, (character) => escapes[character] ?? character)
}

const escapes: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' }

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}

/** The value as an object of the Kubernetes API. Throws when it lacks apiVersion, kind or metadata. */
export function objectOf(value: unknown): KubernetesObject {
  if (isRecord(value) && isRecord(value.metadata)) {
    const { apiVersion, kind, metadata } = value
    if (typeof apiVersion === 'string' && typeof kind === 'string') return { ...value, apiVersion, kind, metadata }
  }
  throw new Error('not an object of the Kubernetes API: apiVersion, kind and metadata must be there')
}
