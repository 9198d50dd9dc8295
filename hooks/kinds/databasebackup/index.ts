// DatabaseBackup: backups of a Database, once or on a schedule.
import { composite } from '../../sdk/definition.ts'
import { Job, Pod } from '../../sdk/resources.ts'
import { Databases, relatedTo } from '../database/reference.ts'
import { selectorLabels } from './names.ts'
import { columns, rules, spec, status } from './schema.ts'
import { children, sync } from './sync.ts'

export const databaseBackup = composite({
  group: 'example.com',
  kind: 'DatabaseBackup',
  plural: 'databasebackups',
  shortNames: ['dbbackup'],
  categories: ['all'],
  description:
    'Backups of a Database, once or on a schedule: to S3 or a claim, encrypted if asked for, pruned by age, and verified by a restore into a scratch server.',
  versions: { v1: { spec, status, rules, columns } },
  storage: 'v1',
  children,
  sync,
  // Jobs belong to the CronJob, and pods to the Jobs: they are only looked at.
  relatedTypes: [Databases, Job, Pod],
  related: (backup) => [
    ...relatedTo(backup.spec.databaseRef, selectorLabels(backup)),
    { type: Job, labels: selectorLabels(backup) },
  ],
})
