// Metacontroller's dynamic apply: a three-way merge on the client's side (pkg/dynamic/apply and
// pkg/controller/common/manage_children.go of Metacontroller 4.17), with all that follows from its guesses.
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { lastAppliedAnnotation } from '../sdk/wire.ts'
import { copy, goJson } from './json.ts'

/**
 * The object that an update would send: `desired` laid over `observed`, without what was applied before and is no
 * longer wanted. When it equals `observed`, there is nothing to do. `observed` stays as it is.
 */
export function applyUpdate(observed: KubernetesObject, desired: KubernetesObject): KubernetesObject {
  const wanted = copy(desired)
  delete wanted.metadata.annotations?.[lastAppliedAnnotation]
  const result = merge(copy(observed), lastApplied(observed), wanted) as KubernetesObject
  for (const field of systemFields) revert(result.metadata, observed.metadata, field)
  revert(result, observed, 'status')
  setLastApplied(result, wanted)
  return result
}

/** Writes into `object` what was applied, the way Metacontroller remembers it. */
export function setLastApplied(object: KubernetesObject, applied: KubernetesObject): void {
  const text = goJson(applied)
  object.metadata.annotations = { ...object.metadata.annotations, [lastAppliedAnnotation]: text }
}

/** The merge itself, of any JSON values: `destination` is changed and given back. */
export function merge(destination: unknown, last: unknown, desired: unknown): unknown {
  if (isRecord(destination))
    return mergeObject(destination, isRecord(last) ? last : {}, isRecord(desired) ? desired : {})
  if (Array.isArray(destination)) {
    return mergeList(destination, Array.isArray(last) ? last : [], Array.isArray(desired) ? desired : null)
  }
  return desired
}

/** Metadata that only the API server sets: a difference in it is none. */
const systemFields = [
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
]

/** Tried in this order: the first that all items of a list have is taken for its key. */
const mergeKeys = ['containerPort', 'port', 'mountPath', 'name', 'uid', 'ip', 'path']

function lastApplied(observed: KubernetesObject): unknown {
  const text = observed.metadata.annotations?.[lastAppliedAnnotation]
  if (text === undefined || text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(
      `can't unmarshal "${lastAppliedAnnotation}" annotation: ${error instanceof Error ? error.message : error}`,
    )
  }
}

type Values = Record<string, unknown>

function mergeObject(destination: Values, last: Values, desired: Values): Values {
  for (const key of Object.keys(last)) if (!(key in desired)) delete destination[key]
  for (const [key, value] of Object.entries(desired)) destination[key] = merge(destination[key], last[key], value)
  return destination
}

function mergeList(destination: unknown[], last: unknown[], desired: unknown[] | null): unknown[] | null {
  const items = [...destination, ...last, ...(desired ?? [])]
  const key = mergeKeys.find(
    (candidate) => items.length > 0 && items.every((item) => isRecord(item) && candidate in item),
  )
  if (key === undefined) return desired
  return mergeListMap(key, destination.filter(isRecord), last.filter(isRecord), (desired ?? []).filter(isRecord))
}

function mergeListMap(key: string, destination: Values[], last: Values[], desired: Values[]): unknown[] {
  const identity = (item: Values) => String(item[key])
  const byKey = (list: Values[]): Values => Object.fromEntries(list.map((item) => [identity(item), item]))
  const merged = mergeObject(byKey(destination), byKey(last), byKey(desired))
  // Every item that was there keeps its place; two with one key become two copies of the merged one.
  const kept = destination.filter((item) => identity(item) in merged)
  const places = new Set([...kept, ...desired].map(identity))
  const known = new Set(kept.map(identity))
  return [...kept.map(identity), ...[...places].filter((name) => !known.has(name))].map((name) => merged[name])
}

function revert(target: object, original: object, field: string): void {
  const value: unknown = Reflect.get(original, field)
  if (value === undefined) Reflect.deleteProperty(target, field)
  else Reflect.set(target, field, value)
}
