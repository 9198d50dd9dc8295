// What an answer will make Metacontroller do: found by reading desired and observed side by side, without cloning,
// so that metrics, logs and events can tell it at little cost. It follows dynamic apply
// (metacontroller/pkg/dynamic/apply): fields that nobody asked for are left alone, lists of objects are matched by
// a guessed key, other lists are compared whole.
import { equal } from './equal.ts'
import type { KubernetesObject } from './kubernetes.ts'
import { isRecord } from './kubernetes.ts'
import { groupKey } from './observed.ts'
import type { ObservedGroups } from './wire.ts'
import { lastAppliedAnnotation } from './wire.ts'

/** One child that the answer creates, changes or removes. */
export interface Change {
  action: 'create' | 'change' | 'remove'
  apiVersion: string
  kind: string
  name: string
  namespace?: string
  /** Of a change: the paths that differ, such as `spec.template.spec.containers[postgres].image`. */
  fields: readonly string[]
  /** Of a change: true when what is desired is what was applied before, so that somebody else changed the child. */
  drift: boolean
}

/** Compares every desired child with its observed self, and finds the observed ones that nobody desires. */
export function findChanges(
  desired: readonly KubernetesObject[],
  observed: ObservedGroups,
  parentNamespace: string | undefined,
): Change[] {
  const changes: Change[] = []
  const wanted = new Set<KubernetesObject>()
  for (const child of desired) {
    const namespace = child.metadata.namespace ?? parentNamespace
    const live = lookup(observed, child, namespace)
    if (live === undefined) {
      changes.push({ action: 'create', ...identity(child, namespace), fields: [], drift: false })
      continue
    }
    wanted.add(live)
    const fields = differences(child, live)
    if (fields.length === 0) continue
    const before = lastApplied(live)
    const drift = before !== undefined && differences(child, before).length === 0
    changes.push({ action: 'change', ...identity(child, namespace), fields, drift })
  }
  for (const group of Object.values(observed)) {
    for (const live of Object.values(group)) {
      if (!wanted.has(live)) {
        changes.push({ action: 'remove', ...identity(live, live.metadata.namespace), fields: [], drift: false })
      }
    }
  }
  return changes
}

/** What Metacontroller last applied to an object, from its annotation; undefined when it has none that can be read. */
export function lastApplied(live: KubernetesObject): KubernetesObject | undefined {
  const text = live.metadata.annotations?.[lastAppliedAnnotation]
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && typeof value.kind === 'string' ? (value as KubernetesObject) : undefined
  } catch {
    return undefined
  }
}

/** The paths at which `observed` is not what `desired` asks for. */
export function differences(desired: KubernetesObject, observed: KubernetesObject): string[] {
  const found: string[] = []
  compare(desired, observed, [], found)
  return found
}

/** The observed object of a child's kind and name, whatever the wire's key style. */
export function lookup(
  observed: ObservedGroups,
  child: KubernetesObject,
  namespace: string | undefined,
): KubernetesObject | undefined {
  const group = observed[groupKey(child)]
  return group?.[`${namespace}/${child.metadata.name}`] ?? group?.[child.metadata.name ?? '']
}

// In the order in which dynamic apply tries them (metacontroller/pkg/dynamic/apply/apply.go).
const mergeKeys = ['containerPort', 'port', 'mountPath', 'name', 'uid', 'ip', 'path']

// A field by its name, or an item of a list by the value of its key.
type Step = string | { readonly item: string }

// Nearly all that is compared is equal, so a path is written out only where something differs.
function compare(desired: unknown, observed: unknown, path: Step[], found: string[]): void {
  if (desired === undefined || desired === observed) return
  if (isRecord(desired) && isRecord(observed)) {
    for (const field in desired) {
      path.push(field)
      compare(desired[field], observed[field], path, found)
      path.pop()
    }
    return
  }
  if (Array.isArray(desired) && Array.isArray(observed)) {
    const key = mergeKey(desired, observed)
    if (key === undefined) {
      if (!equal(desired, observed)) found.push(written(path))
      return
    }
    const byKey = new Map(observed.map((item) => [isRecord(item) ? item[key] : undefined, item]))
    for (const item of desired) {
      const identity = isRecord(item) ? item[key] : undefined
      path.push({ item: String(identity) })
      if (byKey.has(identity)) compare(item, byKey.get(identity), path, found)
      else found.push(written(path))
      path.pop()
    }
    return
  }
  found.push(written(path))
}

/** `spec.template.spec.containers[postgres].image`; a field that is no plain word is in brackets too. */
function written(path: readonly Step[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step !== 'string') return `${text}[${step.item}]`
    if (!/^[A-Za-z_][\w-]*$/.test(step)) return `${text}[${step}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

function mergeKey(desired: readonly unknown[], observed: readonly unknown[]): string | undefined {
  if (desired.length === 0) return undefined
  const has = (key: string) => (item: unknown) => isRecord(item) && item[key] !== undefined
  return mergeKeys.find((key) => desired.every(has(key)) && observed.every(has(key)))
}

function identity(object: KubernetesObject, namespace: string | undefined) {
  const { apiVersion, kind, metadata } = object
  return namespace === undefined
    ? { apiVersion, kind, name: metadata.name ?? '' }
    : { apiVersion, kind, name: metadata.name ?? '', namespace }
}
