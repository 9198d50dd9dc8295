// What Prometheus watches of a DatabaseBackup, by what kube-state-metrics tells of its CronJob or Job: the CronJob's own
// status remembers when it last succeeded, so nothing else has to run, and nothing is forgotten with a Job.

import { names } from '../../kinds/databasebackup/names.ts'
import type { DatabaseBackup } from '../../kinds/databasebackup/schema.ts'
import { longestGapSeconds } from '../../sdk/schedule.ts'
import type { Panel } from '../grafana-dashboards/dashboard.ts'
import type { Alert } from './rules.ts'

export function backupAlerts(backup: DatabaseBackup): Alert[] {
  const { namespace, name } = backup.metadata
  const { schedule, suspend, activeDeadlineSeconds } = backup.spec
  if (schedule === undefined)
    return [failed(`kube_job_failed{namespace="${namespace}",job_name="${names(backup).job}",condition="true"} > 0`)]
  const cronJob = selectorOf({ namespace, name })
  const lastGood = `(kube_cronjob_status_last_successful_time{${cronJob}} or kube_cronjob_created{${cronJob}})`
  return [
    failed(
      `kube_cronjob_status_last_schedule_time{${cronJob}} > ${lastGood} and kube_cronjob_status_active{${cronJob}} == 0`,
    ),
    ...(suspend ? [] : [overdue(lastGood, Math.ceil(longestGapSeconds(schedule) * 1.5) + activeDeadlineSeconds)]),
  ]
}

// Since the last success, or where there was none yet since the schedule was made.
function overdue(lastGood: string, seconds: number): Alert {
  return {
    name: 'DatabaseBackupOverdue',
    severity: 'critical',
    expr: `time() - ${lastGood} > ${seconds}`,
    for: '5m',
    summary: 'The last good backup of the database is too old',
    description: 'It was {{ $value | humanizeDuration }} ago. What was written since would be lost with the volume.',
  }
}

// Until the next one succeeds.
function failed(expr: string): Alert {
  return {
    name: 'DatabaseBackupFailed',
    severity: 'warning',
    expr,
    for: '5m',
    summary: 'The last backup of the database failed',
    description: 'The one before is still there, if there was one: nothing is pruned before a backup has succeeded.',
  }
}

/** Of the CronJob of a DatabaseBackup. */
export function backupPanels(backup: { namespace: string; name: string }): Panel[] {
  const cronJob = selectorOf(backup)
  return [
    {
      row: 'Backups',
      title: 'Age of the last good backup',
      unit: 's',
      queries: [{ expr: `time() - kube_cronjob_status_last_successful_time{${cronJob}}`, legend: '{{cronjob}}' }],
    },
    {
      row: 'Backups',
      title: 'Backups that run',
      unit: 'short',
      queries: [{ expr: `kube_cronjob_status_active{${cronJob}}`, legend: '{{cronjob}}' }],
    },
  ]
}

function selectorOf({ namespace, name }: { namespace?: string; name: string }): string {
  return `namespace="${namespace}",cronjob="${name}"`
}
