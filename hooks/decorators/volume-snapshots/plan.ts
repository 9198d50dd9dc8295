// When a claim is backed up and what becomes of its backups: the annotations that users write, read once for
// VolumeSnapshots and for Velero.
import type { Notice } from '../../sdk/decorated.ts'
import type { PersistentVolumeClaim } from '../../sdk/resources.ts'
import { periodSeconds, scheduleFault } from '../../sdk/schedule.ts'

/** What a claim asks by: see docs/decorators.md. */
export const backupAnnotations = {
  schedule: 'backup.example.com/schedule',
  retention: 'backup.example.com/retention',
  method: 'backup.example.com/method',
  snapshotClass: 'backup.example.com/snapshot-class',
} as const

const methods = ['snapshot', 'velero'] as const
export type Method = (typeof methods)[number]

/** How a claim wants to be backed up. */
export interface BackupPlan {
  /** Five fields or a macro, in UTC. */
  schedule: string
  /** As it was written, such as 7d. */
  retention: string
  retentionSeconds: number
}

/** The plan of a claim for one method; undefined where it wants none of it, a notice where it cannot be read. */
export function backupPlan(claim: PersistentVolumeClaim, method: Method): BackupPlan | Notice | undefined {
  const { name, annotations = {} } = claim.metadata
  const schedule = annotations[backupAnnotations.schedule]
  if (schedule === undefined) return undefined
  const invalid = (annotation: string, value: string, fault: string): Notice => ({
    reason: 'InvalidAnnotation',
    message: `claim ${name}: ${annotation}: "${value}" ${fault}`,
  })
  const by = annotations[backupAnnotations.method] ?? method
  if (!methods.some((known) => known === by)) {
    return invalid(backupAnnotations.method, by, `is none of ${methods.join(', ')}`)
  }
  if (by !== method) return undefined
  const fault = scheduleFault(schedule)
  if (fault !== undefined) return invalid(backupAnnotations.schedule, schedule, fault)
  const retention = annotations[backupAnnotations.retention] ?? '7d'
  const retentionSeconds = periodSeconds(retention)
  if (retentionSeconds === undefined) {
    return invalid(backupAnnotations.retention, retention, 'is not a period such as 12h, 7d or 4w')
  }
  return { schedule, retention, retentionSeconds }
}

/** Whether it is what is wrong with a plan. */
export function isNotice(plan: BackupPlan | Notice): plan is Notice {
  return 'reason' in plan
}

/** Several notices as one: there is one annotation for all claims of a namespace. */
export function together(notices: readonly Notice[]): Notice | undefined {
  const [first] = notices
  if (first === undefined) return undefined
  return {
    reason: first.reason,
    message: notices
      .map(({ message }) => message)
      .toSorted()
      .join('; '),
  }
}
