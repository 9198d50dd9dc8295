// Volumes without room. A hook asks nobody; but in the pods of a replicated Database somebody looks at the volume and says on
// the pod when it is full, and no sooner: pods that bear that label are related objects, so that no others have to be.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import { Pod } from '../../sdk/resources.ts'
import { storageLabel } from '../../sdk/roles.ts'
import { claimLabels, dataVolume, names } from './names.ts'
import type { Database } from './schema.ts'
import type { Topology } from './topology.ts'

/** Labels of the pods of a Database whose volumes are full. They follow from its name alone. */
export function fullPodLabels(db: Database): Record<string, string> {
  return { ...claimLabels(db), [storageLabel]: 'full' }
}

/** Names of the pods whose volumes have no room left. */
export function fullPods(db: Database, { related }: Pick<Context, 'related'>): string[] {
  const ordinals = new Set(Array.from({ length: db.spec.replicas }, (_, ordinal) => names(db).pod(ordinal)))
  return related
    .list(Pod)
    .filter(({ metadata: { name, labels } }) => labels?.[storageLabel] === 'full' && ordinals.has(name))
    .map(({ metadata: { name } }) => name)
    .sort()
}

/** Says which volumes are full and what to do; `size` is the least of their sizes. */
export function fullCondition(full: readonly string[], size: string | undefined): ConditionInput {
  const type = 'StorageFull'
  if (full.length === 0) return { type, status: 'False', reason: 'RoomLeft', message: '' }
  const claims = full.map((pod) => `${dataVolume}-${pod}`).join(', ')
  const [verb, than] = [full.length === 1 ? 'has' : 'have', size === undefined ? '' : ` above ${size}`]
  return {
    type,
    status: 'True',
    reason: 'NoRoomLeft',
    message: `${claims} ${verb} no room left: raise spec.storage.size${than}, or make room`,
  }
}

/**
 * Ready, where volumes are full: a primary without room takes no writes, whatever else it answers; and what is not ready
 * is most likely not so for that reason.
 */
export function blamingStorage(
  ready: ConditionInput,
  full: readonly string[],
  topology: Topology | undefined,
  storage: ConditionInput | undefined,
): ConditionInput {
  if (storage?.status !== 'True') return ready
  const well = ready.status === 'True'
  if (well && !full.some((pod) => pod === topology?.primary)) return ready
  const message = well ? storage.message : `${ready.message}; ${storage.message}`
  return { type: 'Ready', status: 'False', reason: storage.type, message }
}
