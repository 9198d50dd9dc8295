// One resource and what became of its answers: Metacontroller's part, without time, watches or an API server.
import type { Condition } from '../../hooks/sdk/conditions.ts'
import { type CredentialKey, createCredentials } from '../../hooks/sdk/credentials.ts'
import type { Composite } from '../../hooks/sdk/definition.ts'
import { type Evaluation, evaluateComposite } from '../../hooks/sdk/evaluate.ts'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../hooks/sdk/observed.ts'
import type { CompositeResponse, ObservedGroups } from '../../hooks/sdk/wire.ts'
import { applyUpdate, setLastApplied } from '../../hooks/simulator/apply.ts'
import { managedFieldsAfter } from '../../hooks/simulator/ownership.ts'

export type Spec = Record<string, unknown>

export const namespace = 'shop'

export interface World {
  definition: Composite
  parent: KubernetesObject
  children: ObservedGroups
  /** What `related` asked for. */
  related: ObservedGroups
  keys: [CredentialKey, ...CredentialKey[]]
  now: Date
  imageRegistry: string
}

/** A resource of that name and spec, of which nothing exists yet. */
export function worldOf(definition: Composite, name: string, spec: Spec): World {
  return {
    definition,
    parent: {
      apiVersion: `${definition.group}/${definition.storage}`,
      kind: definition.kind,
      metadata: { name, namespace, uid: 'f2f8a3c4-0000-4000-8000-000000000001', generation: 1 },
      spec,
    },
    // Every declared kind has a group on the wire, empty or not.
    children: Object.fromEntries(definition.children.map((type) => [groupKey(type), {}])),
    related: {},
    keys: [{ id: 'first', secret: new Uint8Array(32).fill(1) }],
    now: new Date('2026-03-01T12:00:00Z'),
    imageRegistry: '',
  }
}

/** Asks the hook once, changing nothing. */
export function ask(world: World, finalizing = false): Evaluation<CompositeResponse> {
  const { definition, parent, children, related, keys, now, imageRegistry } = world
  return evaluateComposite(
    definition,
    {
      controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController', metadata: {} },
      parent,
      children,
      related,
      finalizing,
    },
    { now, credentials: createCredentials(keys), settings: { imageRegistry } },
  )
}

/** Asks once and carries the answer out. `writes` names every child that was created, changed or deleted. */
export function step(
  world: World,
  finalizing = false,
): { evaluation: Evaluation<CompositeResponse>; writes: string[] } {
  const evaluation = ask(world, finalizing)
  const writes: string[] = []
  const wanted = new Set<string>()
  for (const child of evaluation.response.children) {
    const group = world.children[groupKey(child)] ?? {}
    const name = String(child.metadata.name)
    const key = `${namespace}/${name}`
    wanted.add(`${groupKey(child)} ${key}`)
    const live = group[key]
    const next = live === undefined ? created(child) : applyUpdate(live, child)
    if (live !== undefined && JSON.stringify(sorted(live)) === JSON.stringify(sorted(next))) continue
    if (live !== undefined) {
      const grown = JSON.stringify(sorted(live.spec)) === JSON.stringify(sorted(next.spec)) ? 0 : 1
      next.metadata.generation = (live.metadata.generation ?? 1) + grown
      next.metadata.resourceVersion = String(Number(live.metadata.resourceVersion) + 1)
      const write = { by: 'metacontroller', scale: false, time: world.now.toISOString() }
      next.metadata.managedFields = managedFieldsAfter(live, next, write) ?? []
    }
    group[key] = next
    world.children[groupKey(child)] = group
    writes.push(`${live === undefined ? 'create' : 'update'} ${child.kind}/${name}`)
  }
  for (const [type, group] of Object.entries(world.children)) {
    for (const [key, live] of Object.entries(group)) {
      if (wanted.has(`${type} ${key}`)) continue
      delete group[key]
      writes.push(`delete ${live.kind}/${live.metadata.name}`)
    }
  }
  world.parent = {
    ...world.parent,
    status: { ...evaluation.response.status, observedGeneration: world.parent.metadata.generation },
  }
  return { evaluation, writes }
}

/** Steps until nothing is written and the status stays as it is. Throws when that takes more than ten. */
export function settle(world: World, finalizing = false): Evaluation<CompositeResponse> {
  for (let round = 0; round < 10; round++) {
    const before = JSON.stringify(world.parent.status)
    const { evaluation, writes } = step(world, finalizing)
    if (writes.length === 0 && JSON.stringify(world.parent.status) === before) return evaluation
  }
  throw new Error('no rest after ten rounds')
}

/** Changes the spec as `kubectl apply` would. */
export function change(world: World, spec: Spec): void {
  const { metadata } = world.parent
  world.parent = {
    ...world.parent,
    metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 },
    spec: { ...(world.parent.spec as Spec), ...spec },
  }
}

/** Takes another spec in the place of the whole one, as `kubectl replace` would. */
export function replaceSpec(world: World, spec: unknown): void {
  world.parent = { ...world.parent, spec }
  change(world, {})
}

/** How often a property is tried: PROPERTY_RUNS times, or as often as is said here. */
export function propertyRuns(usual: number): { numRuns: number } {
  return { numRuns: Number(process.env.PROPERTY_RUNS ?? usual) }
}

/** A resource of which nothing exists yet: throws unless a second answer is the same bytes, and writes nothing. */
export function reachesFixpoint(world: World): void {
  const first = step(world)
  if (first.evaluation.hold !== undefined) throw new Error(first.evaluation.hold.message)
  const second = step(world)
  const [children, again] = [first, second].map(({ evaluation }) => JSON.stringify(evaluation.response.children))
  same(again, children)
  same(second.writes, [])
}

/** Throws unless the answer is the same bytes with the children in another order, and keys of the other style. */
export function ignoresOrder(world: World): void {
  const { response } = ask(world)
  const reversed = <T>(entries: Record<string, T>, rename: (key: string) => string = (key) => key) =>
    Object.fromEntries(
      Object.entries(entries)
        .reverse()
        .map(([key, value]) => [rename(key), value]),
    )
  world.children = reversed(world.children)
  for (const [type, group] of Object.entries(world.children)) {
    world.children[type] = reversed(group, (key) => key.replace(`${namespace}/`, ''))
  }
  same(JSON.stringify(ask(world).response), JSON.stringify(response))
}

/** Deletes the children that `keep` says no to. */
export function loseChildren(world: World, keep: Iterator<boolean>): void {
  for (const group of Object.values(world.children)) {
    for (const key of Object.keys(group)) if (!keep.next().value) delete group[key]
  }
}

/** The child of that kind and name; an error when it is not there. */
export function child(world: World, kind: string, name: string): KubernetesObject {
  const found = findChild(world, kind, name)
  if (found === undefined) throw new Error(`there is no ${kind}/${name}`)
  return found
}

export function findChild(world: World, kind: string, name: string): KubernetesObject | undefined {
  const group = Object.entries(world.children).find(([key]) => key.startsWith(`${kind}.`))
  return group?.[1][`${namespace}/${name}`]
}

/** `Kind/name` of every child, sorted. */
export function inventory(world: World): string[] {
  return Object.values(world.children)
    .flatMap((group) => Object.values(group).map(({ kind, metadata }) => `${kind}/${metadata.name}`))
    .sort()
}

export function conditionOf(world: World, type: string): Condition | undefined {
  const { conditions = [] } = (world.parent.status ?? {}) as { conditions?: Condition[] }
  return conditions.find((condition) => condition.type === type)
}

export function statusOf(world: World): Record<string, unknown> {
  return (world.parent.status ?? {}) as Record<string, unknown>
}

/** A child without what the API server and Metacontroller write into it. */
function plain(object: KubernetesObject): KubernetesObject {
  const { status: _status, metadata, ...rest } = object
  return {
    ...rest,
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { name: metadata.name ?? '', labels: metadata.labels ?? {} },
  }
}

function created(desired: KubernetesObject): KubernetesObject {
  const object = structuredClone(desired)
  const uid = `${desired.kind}-${desired.metadata.name}`
  Object.assign(object.metadata, { namespace, uid, resourceVersion: '1', generation: 1 })
  setLastApplied(object, desired)
  return object
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  )
}

/** What is desired of every child, without identities and revisions. */
export function contents(world: World): Record<string, unknown> {
  const children: KubernetesObject[] = Object.values(world.children).flatMap((group) => Object.values(group))
  return Object.fromEntries(
    children
      .map((one) => [`${one.kind}/${one.metadata.name}`, plain(one)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Throws unless both are the same; lists that Metacontroller matches by name may be in any order. */
export function same(actual: unknown, expected: unknown): void {
  const [left, right] = [sortedJson(actual), sortedJson(expected)]
  if (left !== right) throw new Error(`${left}\nis not\n${right}`)
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    // Metacontroller matches items of these lists by name and leaves them in the order in which they came.
    if (Array.isArray(inner) && inner.every((one) => isRecord(one) && typeof one.name === 'string')) {
      return inner.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    }
    return isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner
  })
}
