// The agents of replicated databases, as far as the cluster sees them: among the pods of a StatefulSet one is the primary,
// and each says by a label what it is. A primary that is not ready any more loses the role to another that is; nobody is
// made the primary who is not ready, and without one there is none: as with Patroni, MySQL groups and replica sets.
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { type Role, replicationLabel, roleLabel } from '../../sdk/roles.ts'
import { controllerOf } from '../claim.ts'
import { referenceOf } from '../store.ts'
import { controlled, type Loop, startLoop, type World } from './loop.ts'
import { isReady, isTerminating, podType } from './pods.ts'

/** Pods of one database whose label is to change, with their role. */
export function changedRoles(pods: readonly KubernetesObject[]): ReadonlyMap<KubernetesObject, Role> {
  const serving = pods.filter((pod) => isReady(pod) && !isTerminating(pod)).sort(byOrdinal)
  const primary = serving.find((pod) => pod.metadata.labels?.[roleLabel] === 'primary') ?? serving[0]
  // One that stops serving keeps its label until another has the role.
  const known = primary === undefined ? [] : pods.filter((pod) => pod.metadata.labels?.[roleLabel] !== undefined)
  const roles = [...new Set([...serving, ...known])].map((pod): [KubernetesObject, Role] => [
    pod,
    pod === primary ? 'primary' : 'replica',
  ])
  return new Map(roles.filter(([pod, role]) => !isTerminating(pod) && pod.metadata.labels?.[roleLabel] !== role))
}

export function startAgents(world: World): Loop {
  const { client } = world
  return startLoop(world, { apiVersion: 'apps/v1', kind: 'StatefulSet' }, ['Pod'], (set): undefined => {
    if (set.spec === undefined || !isReplicated(templateOf(set))) return
    for (const [pod, role] of changedRoles(controlled(client, podType, set))) {
      client.patch(referenceOf(pod), { metadata: { labels: { [roleLabel]: role } } })
    }
  })
}

function isReplicated(metadata: KubernetesObject['metadata'] | undefined): boolean {
  return metadata?.labels?.[replicationLabel] !== undefined
}

function templateOf({ spec }: KubernetesObject): KubernetesObject['metadata'] | undefined {
  return (spec as { template?: { metadata?: KubernetesObject['metadata'] } } | undefined)?.template?.metadata
}

function byOrdinal(one: KubernetesObject, other: KubernetesObject): number {
  return ordinalOf(one) - ordinalOf(other)
}

function ordinalOf(pod: KubernetesObject): number {
  return Number(/[0-9]+$/.exec(pod.metadata.name ?? '')?.[0] ?? 0)
}

/** Whether a pod belongs to a replicated database; its StatefulSet's name then. */
export function replicatedBy(pod: KubernetesObject): string | undefined {
  return isReplicated(pod.metadata) ? controllerOf(pod)?.name : undefined
}
