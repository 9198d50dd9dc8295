// The agents of replicated databases, as far as the cluster sees them: among the pods of a StatefulSet one is the primary,
// and each says by a label what it is. A primary that is not ready any more loses the role to another that is; nobody is
// made the primary who is not ready, and without one there is none: as with Patroni, MySQL groups and replica sets. When
// there are to be fewer, as the Database's configuration says, members of replica sets leave before their pods go, and a
// primary of Patroni's hands over to one that stays.
import type { KubernetesObject, ObjectReference } from '../../sdk/kubernetes.ts'
import { type Role, replicationLabel, roleLabel } from '../../sdk/roles.ts'
import { controllerOf } from '../claim.ts'
import { referenceOf } from '../store.ts'
import { controlled, type Loop, startLoop, type World } from './loop.ts'
import { isReady, isTerminating, podType } from './pods.ts'

/** Pods of one database whose label is to change, with their role, when there are to be as many as `members`. */
export function changedRoles(
  pods: readonly KubernetesObject[],
  members = Number.POSITIVE_INFINITY,
): ReadonlyMap<KubernetesObject, Role | null> {
  const goes = (pod: KubernetesObject) => ordinalOf(pod) >= members
  const stay = pods.filter((pod) => !(goes(pod) && pod.metadata.labels?.[replicationLabel] === 'replica-set'))
  const serving = stay.filter((pod) => isReady(pod) && !isTerminating(pod)).sort(bySuccession)
  const holder = serving.find((pod) => pod.metadata.labels?.[roleLabel] === 'primary')
  const successor = holder !== undefined && goes(holder) ? serving.find((pod) => !goes(pod)) : undefined
  const primary = successor ?? holder ?? serving[0]
  // One that stops serving keeps its label until another has the role.
  const known = primary === undefined ? [] : stay.filter((pod) => pod.metadata.labels?.[roleLabel] !== undefined)
  const roles = [...new Set([...serving, ...known])].map((pod): [KubernetesObject, Role | null] => [
    pod,
    pod === primary ? 'primary' : 'replica',
  ])
  const left = pods.filter((pod) => !stay.includes(pod)).map((pod): [KubernetesObject, Role | null] => [pod, null])
  return new Map(
    [...roles, ...left].filter(
      ([pod, role]) => !isTerminating(pod) && (pod.metadata.labels?.[roleLabel] ?? null) !== role,
    ),
  )
}

/** The ConfigMap that tells the members of a StatefulSet how many of them there are to be. */
export function configurationOf(set: string, namespace: string | undefined): ObjectReference {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: `${set}-config`,
    ...(namespace === undefined ? {} : { namespace }),
  }
}

/** How many members it tells of; undefined where it says nothing of the kind. */
export function membersIn(configuration: KubernetesObject | undefined): number | undefined {
  const { 'members.json': text } = (configuration?.data ?? {}) as Record<string, string>
  return text === undefined ? undefined : (JSON.parse(text) as { members: number }).members
}

export function startAgents(world: World): Loop {
  const { client } = world
  const setType = { apiVersion: 'apps/v1', kind: 'StatefulSet' }
  return startLoop(
    world,
    setType,
    ['Pod'],
    (set): undefined => {
      if (set.spec === undefined || !isReplicated(templateOf(set))) return
      const { name = '', namespace } = set.metadata
      const members = membersIn(client.get(configurationOf(name, namespace)))
      for (const [pod, role] of changedRoles(controlled(client, podType, set), members)) {
        client.patch(referenceOf(pod), { metadata: { labels: { [roleLabel]: role } } })
      }
    },
    ({ kind, metadata: { name, namespace } }) =>
      kind === 'ConfigMap'
        ? client.list(setType, namespace).filter((set) => `${set.metadata.name}-config` === name)
        : [],
  )
}

function isReplicated(metadata: KubernetesObject['metadata'] | undefined): boolean {
  return metadata?.labels?.[replicationLabel] !== undefined
}

function templateOf({ spec }: KubernetesObject): KubernetesObject['metadata'] | undefined {
  return (spec as { template?: { metadata?: KubernetesObject['metadata'] } } | undefined)?.template?.metadata
}

/** One that has just begun, and has no role yet, is no match for those that followed the primary. */
function bySuccession(one: KubernetesObject, other: KubernetesObject): number {
  const begins = ({ metadata }: KubernetesObject) => Number(metadata.labels?.[roleLabel] === undefined)
  return begins(one) - begins(other) || ordinalOf(one) - ordinalOf(other)
}

function ordinalOf(pod: KubernetesObject): number {
  return Number(/[0-9]+$/.exec(pod.metadata.name ?? '')?.[0] ?? 0)
}

/** Whether a pod belongs to a replicated database; its StatefulSet's name then. */
export function replicatedBy(pod: KubernetesObject): string | undefined {
  return isReplicated(pod.metadata) ? controllerOf(pod)?.name : undefined
}
