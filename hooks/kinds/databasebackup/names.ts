// What the children of a DatabaseBackup are called, and the labels by which they know each other.
import { recommendedLabels } from '../../sdk/names.ts'
import type { Database } from '../database/schema.ts'
import type { DatabaseBackup } from './schema.ts'

export function names({ metadata: { name } }: DatabaseBackup) {
  return {
    cronJob: name,
    /** The Job of a backup that is taken once. */
    job: `${name}-once`,
    serviceAccount: `${name}-jobs`,
    networkPolicy: `${name}-jobs`,
  }
}

/** Labels by which Jobs and pods are selected. */
export function selectorLabels({ metadata: { name } }: DatabaseBackup): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'database-backup',
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/component': 'backup',
  }
}

/** Labels that every child carries. */
export function labels({ metadata: { name } }: DatabaseBackup): Record<string, string> {
  return recommendedLabels({ name: 'database-backup', instance: name, component: 'backup' })
}

/**
 * What the names of a DatabaseBackup's files begin with. The one that a Database's own spec asks for has the Database's
 * name; the others have theirs as well, so that none prunes another's.
 */
export function series({ metadata: { name } }: DatabaseBackup, db: Database): string {
  return name === `${db.metadata.name}-backup` ? db.metadata.name : `${db.metadata.name}_${name}`
}
