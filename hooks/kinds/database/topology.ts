// Which pod is the primary and which serve reading. A single database has one pod, which is both. Of a replicated one the
// engine's own agent decides, and writes its decision on its pod as a label. The Services follow that label, and what the
// status says follows the Services' EndpointSlices: they change when a role or readiness does and at no other time, while
// agents such as Patroni write to their pods all the time.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import { EndpointSlice, type StatefulSet } from '../../sdk/resources.ts'
import { replicationLabel, roleLabel } from '../../sdk/roles.ts'
import { engineOf } from './engines/index.ts'
import type { Replication } from './engines/replication.ts'
import { names } from './names.ts'
import type { Database, DatabaseStatus } from './schema.ts'

/** Label that the EndpointSlice controller puts on the slices of a Service: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/ */
const serviceLabel = 'kubernetes.io/service-name'

/**
 * What replicates a Database; undefined for a single one. What was replicated stays so: its data may be in any of its
 * pods, and only the engine's agent knows in which. Where its StatefulSet is not to be seen, its status tells.
 */
export function replicationOf(db: Database, observed: StatefulSet | undefined): Replication | undefined {
  const { replicas, highAvailability } = db.spec
  const was = observed === undefined ? db.status?.topology !== undefined : isReplicatedSet(observed)
  return replicas > 1 || highAvailability !== undefined || was ? engineOf(db).replication : undefined
}

/** Whether the pods of a StatefulSet are members of a replicated Database. */
export function isReplicatedSet({ spec }: StatefulSet): boolean {
  return spec?.template?.metadata?.labels?.[replicationLabel] !== undefined
}

/** Labels of the pod that takes writes. */
export function primarySelector(db: Database, replication: Replication | undefined): Record<string, string> {
  // Set by the StatefulSet controller on each of its pods, of this StatefulSet alone.
  if (replication === undefined) return { 'statefulset.kubernetes.io/pod-name': names(db).pod(0) }
  return { ...replicaLabels(db, replication), [roleLabel]: 'primary' }
}

/** Labels of the pods that serve reading, where there are so many of them. */
export function readonlySelector(
  db: Database,
  replication: Replication | undefined,
  replicas: number,
): Record<string, string> {
  if (replication === undefined) return primarySelector(db, undefined)
  // With one member alone there is nobody else to read from.
  if (replicas === 1) return primarySelector(db, replication)
  return { ...replicaLabels(db, replication), [roleLabel]: 'replica' }
}

function replicaLabels(db: Database, { name }: Replication): Record<string, string> {
  return { 'app.kubernetes.io/instance': db.metadata.name, [replicationLabel]: name }
}

/** The members of a replicated Database, as its Services see them. */
export interface Topology {
  /** Name of the pod that takes writes; absent while none does. */
  primary?: string
  members: Member[]
}

type Member = NonNullable<DatabaseStatus['topology']>['members'][number]

/** What the slices of its Services say of a replicated Database. */
export function topologyOf(db: Database, { related }: Pick<Context, 'related'>): Topology {
  const slices = related.list(EndpointSlice)
  const of = (service: string) =>
    slices
      .filter(({ metadata }) => metadata.labels?.[serviceLabel] === service)
      .flatMap(({ endpoints }) => endpoints ?? [])
  const found = new Map<string, Member>()
  const { primary, readonly } = names(db)
  const roles = [
    [readonly, 'replica'],
    [primary, 'primary'],
  ] as const
  for (const [service, role] of roles) {
    for (const { targetRef, conditions } of of(service)) {
      const name = targetRef?.name
      if (name === undefined || conditions?.terminating === true) continue
      // Both Services lead to the same pod where there is but one.
      found.set(name, { name, role, ready: conditions?.ready !== false })
    }
  }
  const members = [...found.values()].sort((one, other) => ordinal(one) - ordinal(other))
  const leader = members.find(({ role, ready }) => role === 'primary' && ready)
  return { ...(leader && { primary: leader.name }), members }
}

/** What a replicated Database says of its members; `waits` is what keeps it from having as many as asked for. */
export function topologyConditions(db: Database, { primary, members }: Topology, waits?: string): ConditionInput[] {
  const { replicas, suspend } = db.spec
  const wanted = suspend ? [] : Array.from({ length: replicas }, (_, index) => names(db).pod(index))
  const missing = wanted.flatMap((pod) => {
    const member = members.find(({ name }) => name === pod)
    if (member === undefined) return [`${pod} has no role in it yet`]
    return member.ready ? [] : [`${pod} is ${member.role} and not ready`]
  })
  return [
    primary === undefined
      ? { type: 'PrimaryAvailable', status: 'False', reason: 'NoPrimary', message: 'no member takes writes' }
      : { type: 'PrimaryAvailable', status: 'True', reason: 'PrimaryReady', message: `${primary} takes writes` },
    waits !== undefined
      ? { type: 'Replicated', status: 'False', reason: 'ScalingWaits', message: waits }
      : missing.length === 0
        ? { type: 'Replicated', status: 'True', reason: 'AllMembersReady', message: '' }
        : { type: 'Replicated', status: 'False', reason: 'MembersMissing', message: missing.join('; ') },
  ]
}

function ordinal({ name }: Member): number {
  return Number(name.slice(name.lastIndexOf('-') + 1))
}
