// Whether a Database is still to be recovered, by what its status remembers.
import { type Condition, findCondition } from '../../../sdk/conditions.ts'
import type { Database } from '../schema.ts'

/** Whether the Database is still to be recovered. One that was there before it was asked to be is not. */
export function isRecovering(db: Database): boolean {
  if (db.spec.bootstrap?.recovery === undefined) return false
  const known = db.status?.recovery
  return known === undefined ? !wasInitialized(db) : known.phase !== 'Recovered'
}

/** Whether a dump is on its way into the running engine: nobody else shall write to it meanwhile. */
export function isFilling(db: Database): boolean {
  return isRecovering(db) && !isPhysical(db)
}

/** Whether the first pod gets its data from a physical backup, before the engine starts. */
export function isPhysical(db: Database): boolean {
  return physicalSource(db) !== undefined
}

/** Where that backup lies; undefined where there is none to begin with. */
export function physicalSource(db: Database) {
  const backup = db.spec.bootstrap?.recovery?.source.backup
  return backup?.method === 'physical' ? backup : undefined
}

/** Whether a replica of it was ready at some time. */
export function wasInitialized({ status }: Database): boolean {
  // The SDK adds conditions to every kind's status; the kind's own type does not have them.
  const { conditions } = (status ?? {}) as { conditions?: Condition[] }
  return findCondition(conditions, 'Initialized')?.status === 'True'
}
