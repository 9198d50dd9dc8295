// One WebApp and its Deployments.
import { webapp } from '../../../hooks/kinds/webapp/index.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { namespace, type Spec, settle, type World, worldOf } from '../world.ts'

export * from '../world.ts'

/** What a resource of the least size has; `spec` is laid over it. */
function minimal(spec: Spec = {}): Spec {
  return { image: 'registry.example.com/shop:1.0', ...spec }
}

export function createWorld(spec: Spec = {}, name = 'shop'): World {
  return { ...worldOf(webapp, name, minimal(spec)), related: { 'HorizontalPodAutoscaler.autoscaling/v2': {} } }
}

/** What the Deployment controller does: as many pods as are asked for, of which `ready` are ready (all unless given). */
export function runPods(world: World, ready?: number): void {
  for (const live of Object.values(world.children['Deployment.apps/v1'] ?? {})) {
    const { replicas } = live.spec as { replicas: number }
    live.status = {
      observedGeneration: live.metadata.generation,
      replicas,
      readyReplicas: Math.min(ready ?? replicas, replicas),
      availableReplicas: Math.min(ready ?? replicas, replicas),
      updatedReplicas: replicas,
    }
  }
}

/** Writes a Deployment's number of pods, through the scale subresource as an autoscaler does unless `by` is missing. */
export function setReplicas(world: World, replicas: number, by?: string): void {
  const live = liveDeployment(world)
  live.spec = { ...(live.spec as object), replicas }
  live.metadata.generation = (live.metadata.generation ?? 0) + 1
  live.metadata.managedFields =
    by === undefined
      ? []
      : [{ manager: by, operation: 'Update', subresource: 'scale', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }]
}

export function liveDeployment(world: World): KubernetesObject {
  const live = world.children['Deployment.apps/v1']?.[`${namespace}/${world.parent.metadata.name}`]
  if (live === undefined) throw new Error('there is no Deployment')
  return live
}

/** A WebApp whose pods all run, and nothing is left to do. */
export function running(spec: Spec = {}, name?: string): World {
  const world = createWorld(spec, name)
  settle(world)
  runPods(world)
  settle(world)
  return world
}
