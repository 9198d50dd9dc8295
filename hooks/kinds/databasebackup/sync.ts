// What a DatabaseBackup is: the children it consists of, and what it says of itself.
import { tokenlessAccount } from '../../sdk/companions.ts'
import type { Answer, Context, Hold } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { CronJob, Job, NetworkPolicy, ServiceAccount } from '../../sdk/resources.ts'
import { databaseOf, unavailable } from '../database/reference.ts'
import type { Database } from '../database/schema.ts'
import { labels, names } from './names.ts'
import { cronJob, job, networkPolicy } from './pod.ts'
import { recordOf } from './record.ts'
import { type DatabaseBackup, type DatabaseBackupStatus, maxNameLength } from './schema.ts'
import { report } from './status.ts'

export const children = [CronJob, Job, NetworkPolicy, ServiceAccount] as const

export type BackupChildren = (typeof children)[number]

export function sync(
  backup: DatabaseBackup,
  context: Context<BackupChildren>,
): Answer<BackupChildren, DatabaseBackupStatus> | Hold<DatabaseBackupStatus> {
  const { observed, related, settings } = context
  const { name } = backup.metadata
  const { schedule, databaseRef, serviceAccount } = backup.spec
  if (name.length > maxNameLength || !dnsLabelPattern.test(name)) {
    const message = `metadata.name: must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter`
    return { hold: { reason: 'InvalidName', message } }
  }
  const { db, missing } = databaseOf(related, databaseRef)
  if (db === undefined) return { hold: missing }
  const unfit = misfit(backup, db)
  if (unfit !== undefined) return { hold: unfit }
  const waiting = unavailable(db)
  const live = observed.get(Job, names(backup).job)
  const told = report(backup, db, context, waiting)
  const over = told.status.phase === 'Succeeded' || told.status.phase === 'Failed'
  // Its template cannot change, and once it has ended it is not made again.
  const once =
    live !== undefined ? heldChild(live) : over || waiting !== undefined ? undefined : job(backup, db, settings)
  return {
    children: [
      tokenlessAccount({
        name: names(backup).serviceAccount,
        labels: labels(backup),
        annotations: { ...serviceAccount.annotations, ...recordOf(backup, told.status) },
      }),
      networkPolicy(backup, db),
      schedule === undefined ? once : cronJob(backup, db, schedule, settings),
    ],
    ...told,
  }
}

// One repository for all physical backups of a Database: that of its archive.
function misfit({ spec }: DatabaseBackup, db: Database): Hold['hold'] | undefined {
  if (spec.method === 'logical') return undefined
  const { method, destination, encryption } = db.spec.backup
  const own = JSON.stringify([method, destination, encryption])
  if (own === JSON.stringify([spec.method, spec.destination, spec.encryption])) return undefined
  const message = `physical backups lie beside the archive of the Database "${db.metadata.name}": its spec.backup has to say method: physical, and the same destination and encryption as this`
  return { reason: 'NoArchive', message }
}
