// One Database and what became of its answers: Metacontroller's part, without time, watches or an API server.

import { database } from '../../../hooks/kinds/database/index.ts'
import type { Condition } from '../../../hooks/sdk/conditions.ts'
import { type CredentialKey, createCredentials } from '../../../hooks/sdk/credentials.ts'
import { type Evaluation, evaluateComposite } from '../../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../../hooks/sdk/observed.ts'
import type { CompositeResponse, ObservedGroups } from '../../../hooks/sdk/wire.ts'
import { applyUpdate, setLastApplied } from '../../../hooks/simulator/apply.ts'

export type Spec = Record<string, unknown>

export const namespace = 'shop'

const keys: [CredentialKey, ...CredentialKey[]] = [{ id: 'first', secret: new Uint8Array(32).fill(1) }]

/** What a resource of the least size has; `spec` is laid over it. */
export function minimal(spec: Spec = {}): Spec {
  return { engine: 'postgresql', version: '13.8', storage: { size: '1Gi' }, ...spec }
}

export interface World {
  parent: KubernetesObject
  children: ObservedGroups
  /** PersistentVolumeClaims, which belong to nobody. */
  claims: Record<string, KubernetesObject>
  /** ResourceQuotas of the namespace. */
  quotas: Record<string, KubernetesObject>
  keys: [CredentialKey, ...CredentialKey[]]
  now: Date
  imageRegistry: string
}

export function createWorld(spec: Spec = {}, name = 'orders'): World {
  return {
    parent: {
      apiVersion: 'example.com/v1',
      kind: 'Database',
      metadata: { name, namespace, uid: 'f2f8a3c4-0000-4000-8000-000000000001', generation: 1 },
      spec: minimal(spec),
    },
    children: emptyGroups(),
    claims: {},
    quotas: {},
    keys,
    now: new Date('2026-03-01T12:00:00Z'),
    imageRegistry: '',
  }
}

/** Every declared kind has a group on the wire, empty or not. */
function emptyGroups(): ObservedGroups {
  return Object.fromEntries(database.children.map((type) => [groupKey(type), {}]))
}

/** Asks the hook once, changing nothing. */
export function ask(world: World, finalizing = false): Evaluation<CompositeResponse> {
  return evaluateComposite(
    database,
    {
      controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController', metadata: {} },
      parent: world.parent,
      children: world.children,
      related: { 'PersistentVolumeClaim.v1': world.claims, 'ResourceQuota.v1': world.quotas },
      finalizing,
    },
    { now: world.now, credentials: createCredentials(world.keys), settings: { imageRegistry: world.imageRegistry } },
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
      next.metadata.generation = (live.metadata.generation ?? 1) + 1
      next.metadata.resourceVersion = String(Number(live.metadata.resourceVersion) + 1)
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

/** What the StatefulSet controller does: pods, of which `ready` are ready (all unless given), and their claims. */
export function runPods(world: World, ready?: number): void {
  const set = world.children['StatefulSet.apps/v1']?.[`${namespace}/${world.parent.metadata.name}`]
  if (set === undefined) throw new Error('there is no StatefulSet')
  const spec = set.spec as {
    replicas: number
    template: unknown
    persistentVolumeClaimRetentionPolicy: { whenDeleted: string }
    volumeClaimTemplates: { spec: { resources: { requests: { storage: string } } } }[]
  }
  const revision = JSON.stringify(spec.template)
  set.status = {
    observedGeneration: set.metadata.generation,
    replicas: spec.replicas,
    readyReplicas: ready ?? spec.replicas,
    updatedReplicas: spec.replicas,
    currentRevision: revision,
    updateRevision: revision,
  }
  for (let ordinal = 0; ordinal < spec.replicas; ordinal++) {
    const name = `data-${world.parent.metadata.name}-${ordinal}`
    const storage = spec.volumeClaimTemplates[0]?.spec.resources.requests.storage
    const claim = world.claims[`${namespace}/${name}`] ?? {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace, uid: `claim-${ordinal}`, resourceVersion: '1' },
      spec: { resources: { requests: { storage } } },
      status: { phase: 'Bound', capacity: { storage } },
    }
    world.claims[`${namespace}/${name}`] = claim
    const owner = {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      name: String(set.metadata.name),
      uid: String(set.metadata.uid),
    }
    claim.metadata.ownerReferences = spec.persistentVolumeClaimRetentionPolicy.whenDeleted === 'Delete' ? [owner] : []
  }
}

/** A Database whose pods all run, and nothing is left to do. */
export function running(spec: Spec = {}, name?: string): World {
  const world = createWorld(spec, name)
  settle(world)
  runPods(world)
  settle(world)
  return world
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
export function plain(object: KubernetesObject): KubernetesObject {
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
