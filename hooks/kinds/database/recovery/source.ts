// Where the backup lies that a Database begins with: what a DatabaseBackup says of it, or the spec itself.
import type { Context } from '../../../sdk/definition.ts'
import { parse } from '../../../sdk/schema.ts'
import { DatabaseBackups } from '../../databasebackup/resource.ts'
import { spec as backupSpec } from '../../databasebackup/schema.ts'
import type { Database } from '../schema.ts'

type Recovery = NonNullable<NonNullable<Database['spec']['bootstrap']>['recovery']>
type Lying = NonNullable<Recovery['source']['backup']>

/** Everything that it takes to find the backup. */
export interface Source {
  /** Name of the Database that it is of. */
  database: string
  destination: Lying['destination']
  encryption: Lying['encryption']
  /** Extended regular expression: what the names of its files begin with, up to the time. */
  series: string
  /** Which of them; undefined: the latest. */
  backupName: string | undefined
}

/** What the spec asks for; undefined for a Database that begins empty. */
export function recoveryOf(db: Database): Recovery | undefined {
  return db.spec.bootstrap?.recovery
}

/** Where the backup lies, or why that is not known. */
export function sourceOf(
  recovery: Recovery,
  { related }: Pick<Context, 'related'>,
): { source: Source; missing?: undefined } | { source?: undefined; missing: { reason: string; message: string } } {
  const { source, backupName } = recovery
  if (source.backup !== undefined) {
    const { database, destination, encryption } = source.backup
    // Of whatever DatabaseBackup: their names have no underscore of their own.
    return { source: { database, destination, encryption, series: `${database}(_[a-z0-9-]+)?`, backupName } }
  }
  const name = source.backupRef?.name ?? ''
  const stored = related.get(DatabaseBackups, name)
  const parsed = parse(backupSpec, stored?.spec ?? {}, 'spec')
  if (stored === undefined || parsed.problems !== undefined) {
    const message = `spec.bootstrap.recovery.source.backupRef.name: there is no DatabaseBackup "${name}" in this namespace that could be read; where backups lie without one, source.backup says`
    return { missing: { reason: 'BackupNotFound', message } }
  }
  const { databaseRef, destination, encryption, method } = parsed.value
  if (method === 'physical') {
    const message = `spec.bootstrap.recovery.source.backupRef.name: the backups of "${name}" are physical: say where they lie by source.backup, with method: physical`
    return { missing: { reason: 'PhysicalBackup', message } }
  }
  const database = databaseRef.name
  const series = name === `${database}-backup` ? database : `${database}_${name}`
  return { source: { database, destination, encryption, series, backupName } }
}

/** What the spec itself says of where backups lie, in the words of people. */
export function sourceOfSpec(db: Database): {
  source: { database: string; place: string }
  backupName: string | undefined
  targetTime: string | undefined
} {
  const { source, backupName, targetTime } = recoveryOf(db) ?? {
    source: {},
    backupName: undefined,
    targetTime: undefined,
  }
  const { database = '', destination } = source.backup ?? {}
  const s3 = destination?.s3
  const place = `s3://${s3?.bucket}/${s3?.prefix ?? `${db.metadata.namespace}/${database}`}`
  return { source: { database, place }, backupName, targetTime }
}

/** Where in a bucket backups of that Database lie, unless they were given a place. */
export function folderOf(db: Database, { database, destination }: Source): string {
  return destination.s3?.prefix ?? `${db.metadata.namespace}/${database}`
}
