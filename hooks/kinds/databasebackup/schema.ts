// What a DatabaseBackup is to those who ask for one: every field, its default, and what is refused.
import * as z from 'zod'
import type { Column, Parent } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { annotationsSchema } from '../../sdk/podspec.ts'
import { immutable, rule, type ValidationRule } from '../../sdk/schema.ts'
import { databaseRefSchema } from '../database/reference.ts'
import { backupFields, destination } from '../database/schema.ts'

/** A resource of this kind, its spec checked and defaulted. */
export type DatabaseBackup = Parent<z.output<typeof spec>, DatabaseBackupStatus>

export type DatabaseBackupStatus = z.output<typeof status>

/** The longest name: that of a CronJob has at most 52 characters. */
export const maxNameLength = 52

export const spec = rule(
  z.object({
    databaseRef: databaseRefSchema,
    method: immutable(z.enum(['logical', 'physical']).default('logical'), 'the method').describe(
      "How: logical is a dump by the engine's own tool, which any later version can read. Physical copies the data files, of a Database whose own backups are physical, to the place of these. It cannot be changed.",
    ),
    schedule: backupFields.schedule
      .optional()
      .describe('When: a cron expression of five fields or a macro such as @daily. Absent: once, at once.'),
    timeZone: backupFields.timeZone,
    retention: backupFields.retention,
    suspend: backupFields.suspend,
    destination: destination.describe('Where backups go: an S3 bucket or a claim.'),
    encryption: backupFields.encryption,
    verify: z
      .boolean()
      .default(false)
      .describe(
        'Whether each backup is restored into a scratch server, which goes with its pod: a dump after it was read back, data files with every page, table and index of them read.',
      ),
    monitoring: z
      .object({
        alerting: z
          .boolean()
          .default(false)
          .describe(
            'Whether alerts are set up, where the Prometheus operator is: of a backup that failed or is overdue.',
          ),
      })
      .prefault({})
      .describe('Alerts.'),
    resources: backupFields.resources,
    workSize: backupFields.workSize,
    uploadImage: backupFields.uploadImage,
    activeDeadlineSeconds: backupFields.activeDeadlineSeconds,
    serviceAccount: z
      .object({
        annotations: annotationsSchema.optional().describe('Annotations, such as those of a cloud identity.'),
      })
      .prefault({})
      .describe('ServiceAccount of the pods.'),
  }),
  {
    rule: 'has(self.schedule) == has(oldSelf.schedule)',
    message: 'a backup on a schedule cannot become one that is taken once, nor the other way round',
    fieldPath: '.schedule',
  },
)

const moment = (what: string) => z.string().max(32).describe(what)

export const status = z.object({
  phase: z
    .enum(['Pending', 'Scheduled', 'Suspended', 'Running', 'Succeeded', 'Failed'])
    .describe('Where the backup is, in a word.'),
  lastBackup: z
    .object({
      name: z.string().max(400).optional().describe('File.'),
      location: z.string().max(1024).optional().describe('Where it lies.'),
      size: z.int().min(0).optional().describe('Bytes, before encryption.').meta({ format: 'int64' }),
      durationSeconds: z.int().min(0).optional().describe('How long it took; of a dump, verification included.'),
      completionTime: moment('When it was done.'),
      expires: moment('From when on the next backup may prune it.').optional(),
      encrypted: z.boolean().describe('Whether it is encrypted.'),
      verified: z.boolean().describe('Whether it was restored into a scratch server.'),
      job: z.string().max(253).describe('Job that made it.'),
    })
    .optional()
    .describe('The last good backup.'),
  lastVerified: moment('When a backup was last restored into a scratch server.').optional(),
  lastFailure: z
    .object({
      time: moment('When.'),
      job: z.string().max(253).describe('Job that failed.'),
      message: z.string().max(600).describe('Why.'),
    })
    .optional()
    .describe('The last backup that failed.'),
  lastScheduleTime: moment('When the schedule last came round.').optional(),
})

export const rules: readonly ValidationRule[] = [
  {
    rule: `self.metadata.name.size() <= ${maxNameLength} && self.metadata.name.matches('${dnsLabelPattern.source}')`,
    message: `metadata.name must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: a CronJob is named after it`,
  },
]

export const columns: readonly Column[] = [
  { name: 'Database', type: 'string', jsonPath: '.spec.databaseRef.name', description: 'The Database.' },
  { name: 'Schedule', type: 'string', jsonPath: '.spec.schedule', description: 'When, if not once.' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the backup is, in a word.' },
  {
    name: 'Last',
    type: 'date',
    jsonPath: '.status.lastBackup.completionTime',
    description: 'Age of the last good one.',
  },
  { name: 'Size', type: 'integer', jsonPath: '.status.lastBackup.size', description: 'Its bytes.' },
  {
    name: 'Duration',
    type: 'integer',
    jsonPath: '.status.lastBackup.durationSeconds',
    description: 'Seconds it took.',
  },
  { name: 'Verified', type: 'date', jsonPath: '.status.lastVerified', description: 'Since the last verification.' },
  {
    name: 'Expires',
    type: 'string',
    jsonPath: '.status.lastBackup.expires',
    description: 'When it may go.',
    priority: 1,
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Since when it exists.' },
]
