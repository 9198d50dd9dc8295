// How the other kinds of this suite refer to a Database of their namespace, and what they see of it.
import * as z from 'zod'
import { type Condition, findCondition } from '../../sdk/conditions.ts'
import { objectNameSchema } from '../../sdk/containers.ts'
import type { Related } from '../../sdk/definition.ts'
import type { KubernetesObject, ObjectMeta } from '../../sdk/kubernetes.ts'
import type { Observed } from '../../sdk/observed.ts'
import { Pod, type ResourceType, resourceType } from '../../sdk/resources.ts'
import { immutable, parse } from '../../sdk/schema.ts'
import { type Database, spec } from './schema.ts'

/** A Database as it is stored: what it leaves out is not filled in. */
interface StoredDatabase extends KubernetesObject {
  metadata: ObjectMeta & { name: string }
}

/** What a kind names among its `relatedTypes` to see Databases. */
export const Databases = resourceType<StoredDatabase>('example.com/v1', 'Database', 'databases')

/** `spec.databaseRef`. */
export const databaseRefSchema = immutable(
  z.object({ name: objectNameSchema.describe('Name of the Database, in the same namespace.') }),
  'the database',
).describe('The Database. It cannot be changed.')

/** What `related` has to ask for, so that `databaseOf` finds the Database and `lastMessage` the pods of these labels. */
export function relatedTo(databaseRef: { name: string }, podLabels: Readonly<Record<string, string>>): Related[] {
  return [
    { type: Databases, names: [databaseRef.name] },
    { type: Pod, labels: podLabels },
  ]
}

/** The Database that is referred to, its spec checked and defaulted; or why there is none to work with. */
export function databaseOf(
  related: Observed<ResourceType>,
  { name }: { name: string },
): { db: Database; missing?: undefined } | { db?: undefined; missing: Missing } {
  const stored = related.get(Databases, name)
  if (stored === undefined) {
    const message = `spec.databaseRef.name: there is no Database "${name}" in this namespace`
    return { missing: { reason: 'DatabaseNotFound', message } }
  }
  const parsed = parse(spec, stored.spec ?? {}, 'spec')
  if (parsed.problems !== undefined) {
    const message = `the Database "${name}" has a spec that is held: see its own conditions`
    return { missing: { reason: 'DatabaseInvalid', message } }
  }
  const { uid = '' } = stored.metadata
  return { db: { ...stored, metadata: { ...stored.metadata, uid }, spec: parsed.value } as Database }
}

interface Missing {
  reason: 'DatabaseNotFound' | 'DatabaseInvalid'
  message: string
}

/** Why the Database takes no connections at present; undefined when it does. */
export function unavailable(db: Database): { reason: string; message: string } | undefined {
  const { name } = db.metadata
  if (db.metadata.deletionTimestamp !== undefined) {
    return { reason: 'DatabaseDeleting', message: `the Database "${name}" is being deleted` }
  }
  if (db.spec.suspend) return { reason: 'DatabaseSuspended', message: `the Database "${name}" is stopped` }
  const { conditions = [] } = (db.status ?? {}) as { conditions?: Condition[] }
  if (findCondition(conditions, 'Available')?.status === 'True') return undefined
  return { reason: 'DatabaseNotReady', message: `waiting for the Database "${name}" to take connections` }
}
