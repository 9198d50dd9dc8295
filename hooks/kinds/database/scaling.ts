// How many pods a Database has at the moment, on the way to how many it is to have. A single database is as large as is
// asked for; members of a replicated one come when there is one to copy from, and go when another can take over.
import type { Live } from '../../sdk/observed.ts'
import type { StatefulSet } from '../../sdk/resources.ts'
import { names } from './names.ts'
import type { Database } from './schema.ts'
import { isReplicatedSet, replicationOf, type Topology } from './topology.ts'

interface Scaling {
  replicas: number
  /** Why these are not as many as asked for. */
  waits?: string
}

export function scalingOf(
  db: Database,
  observed: Live<StatefulSet> | undefined,
  { members, primary }: Topology,
): Scaling {
  const wanted = db.spec.suspend ? 0 : db.spec.replicas
  const live = observed?.spec?.replicas ?? 0
  const replication = replicationOf(db, observed)
  if (observed === undefined || live === 0 || wanted === 0 || replication === undefined) return { replicas: wanted }
  // The StatefulSet controller replaces a pod of an earlier template only once all of higher number are ready, and these
  // wait for the first, which has the data. So the first one becomes a member before there are others.
  if (wanted > 1 && (!isReplicatedSet(observed) || (live === 1 && !isReady(observed)))) {
    return { replicas: 1, waits: `${names(db).pod(0)} is to be ready as the first member, before others copy its data` }
  }
  const stays = members.some(({ name, ready }) => ready && ordinalOf(name) < wanted)
  if (wanted < live && !stays) {
    const of = wanted === 1 ? names(db).pod(0) : `one of ${names(db).pod(0)} to ${names(db).pod(wanted - 1)}`
    return { replicas: live, waits: `${of} has to be ready before members of higher number go, or data could be lost` }
  }
  const { beforeScalingIn } = replication
  if (wanted < live && beforeScalingIn !== undefined) {
    // Who has left has no role any more. Without a primary, whether they have cannot be seen, nor could they.
    if (primary === undefined) return { replicas: live, waits: 'a member has to take writes, before others can leave' }
    if (beforeScalingIn === 'hand over') {
      if (ordinalOf(primary) < wanted) return { replicas: wanted }
      return { replicas: live, waits: `${primary} hands over to a member that stays, before its pod goes` }
    }
    const leaving = members.filter(({ name }) => ordinalOf(name) >= wanted)
    const replicas = Math.max(wanted, ...leaving.map(({ name }) => ordinalOf(name) + 1))
    const waits = `${leaving.map(({ name }) => name).join(', ')} leave before their pods go, or those that stay would wait for their votes`
    if (leaving.length > 0) return { replicas: Math.min(live, replicas), waits }
  }
  return { replicas: wanted }
}

function ordinalOf(pod: string): number {
  return Number(pod.slice(pod.lastIndexOf('-') + 1))
}

function isReady({ metadata, status }: Live<StatefulSet>): boolean {
  return (
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    status?.currentRevision === status?.updateRevision &&
    (status?.readyReplicas ?? 0) > 0
  )
}
