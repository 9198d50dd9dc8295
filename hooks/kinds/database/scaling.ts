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

export function scalingOf(db: Database, observed: Live<StatefulSet> | undefined, { members }: Topology): Scaling {
  const wanted = db.spec.suspend ? 0 : db.spec.replicas
  const live = observed?.spec?.replicas ?? 0
  if (observed === undefined || live === 0 || wanted === 0 || replicationOf(db, observed) === undefined) {
    return { replicas: wanted }
  }
  // The StatefulSet controller replaces a pod of an earlier template only once all of higher number are ready, and these
  // wait for the first, which has the data. So the first one becomes a member before there are others.
  if (wanted > 1 && (!isReplicatedSet(observed) || (live === 1 && !isReady(observed)))) {
    return { replicas: 1, waits: `${names(db).pod(0)} is to be ready as the first member, before others copy its data` }
  }
  const stays = members.some(({ name, ready }) => ready && Number(name.slice(name.lastIndexOf('-') + 1)) < wanted)
  if (wanted < live && !stays) {
    const of = wanted === 1 ? names(db).pod(0) : `one of ${names(db).pod(0)} to ${names(db).pod(wanted - 1)}`
    return { replicas: live, waits: `${of} has to be ready before members of higher number go, or data could be lost` }
  }
  return { replicas: wanted }
}

function isReady({ metadata, status }: Live<StatefulSet>): boolean {
  return (
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    status?.currentRevision === status?.updateRevision &&
    (status?.readyReplicas ?? 0) > 0
  )
}
