// One Database, its StatefulSet and its claims.
import { database } from '../../../hooks/kinds/database/index.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { replicationLabel } from '../../../hooks/sdk/roles.ts'
import { type World as AnyWorld, namespace, type Spec, settle, worldOf } from '../world.ts'

export * from '../world.ts'

export interface World extends AnyWorld {
  /** PersistentVolumeClaims, which belong to nobody. */
  claims: Record<string, KubernetesObject>
  /** ResourceQuotas of the namespace. */
  quotas: Record<string, KubernetesObject>
  /** EndpointSlices of its Services, as far as they tell of members. */
  slices: Record<string, KubernetesObject>
  /** Its pods, as far as it looks at them. */
  pods: Record<string, KubernetesObject>
}

/** What a resource of the least size has; `spec` is laid over it. */
export function minimal(spec: Spec = {}): Spec {
  return { engine: 'postgresql', version: '13.8', storage: { size: '1Gi' }, ...spec }
}

export function createWorld(spec: Spec = {}, name = 'orders'): World {
  const claims: World['claims'] = {}
  const quotas: World['quotas'] = {}
  const slices: World['slices'] = {}
  const pods: World['pods'] = {}
  const related = {
    'PersistentVolumeClaim.v1': claims,
    'ResourceQuota.v1': quotas,
    'EndpointSlice.discovery.k8s.io/v1': slices,
    'Pod.v1': pods,
  }
  return { ...worldOf(database, name, minimal(spec)), claims, quotas, slices, pods, related }
}

/**
 * What the StatefulSet controller does: pods, of which the first `ready` are ready (all unless given), and their claims.
 * Those of a replicated Database have roles, the first that of the primary.
 */
export function runPods(world: World, ready?: number): void {
  const set = world.children['StatefulSet.apps/v1']?.[`${namespace}/${world.parent.metadata.name}`]
  if (set === undefined) throw new Error('there is no StatefulSet')
  const spec = set.spec as {
    replicas: number
    template: { metadata: { labels: Record<string, string> } }
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
  const replication = spec.template.metadata.labels[replicationLabel]
  // Members of a replica set leave before their pods go.
  const wanted = replication === 'replica-set' ? Number((world.parent.spec as Spec).replicas ?? 1) : spec.replicas
  if (replication !== undefined) setMembers(world, Math.min(ready ?? spec.replicas, wanted))
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

function setMembers(world: World, ready: number): void {
  const { name } = world.parent.metadata
  const { replicas = 1, suspend = false } = world.parent.spec as { replicas?: number; suspend?: boolean }
  // Those that are to go give up their role first, where the engine has them do that.
  const length = Math.min(ready, suspend ? ready : replicas)
  const pods = Array.from({ length }, (_, ordinal) => `${name}-${ordinal}`)
  const services = { [String(name)]: pods.slice(0, 1), [`${name}-readonly`]: pods.slice(1) }
  for (const [service, members] of Object.entries(services)) {
    world.slices[`${namespace}/${service}`] = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: service, namespace, uid: service, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: members.map((pod) => ({
        addresses: ['10.0.0.1'],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: pod, namespace },
      })),
    }
  }
}

/** Time passes until all that is asked for is there: members of a replicated Database come in more than one step. */
export function finish(world: World): void {
  let before: unknown
  for (let round = 0; round < 4; round++) {
    settle(world)
    const set = world.children['StatefulSet.apps/v1']?.[`${namespace}/${world.parent.metadata.name}`]
    const now = JSON.stringify(set?.spec)
    if (now === before) return
    before = now
    runPods(world)
  }
}

/** A Database whose pods all run, and nothing is left to do. */
export function running(spec: Spec = {}, name?: string): World {
  const world = createWorld(spec, name)
  finish(world)
  return world
}
