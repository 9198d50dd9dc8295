// What a DatabaseBackup says of itself. A Job tells its result in the termination message of its last container; the
// status keeps it when Job and pod are long gone, and so does a record beside it.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import { isRecord } from '../../sdk/kubernetes.ts'
import type { Live } from '../../sdk/observed.ts'
import { CronJob, Job } from '../../sdk/resources.ts'
import { periodSeconds } from '../../sdk/schedule.ts'
import { repositoryPath, stanzaOf } from '../database/engines/archive.ts'
import { engineOf } from '../database/engines/index.ts'
import { endOf, failureReason, jobOutcome, lastLine, lastMessage } from '../database/jobs.ts'
import type { Database } from '../database/schema.ts'
import { names } from './names.ts'
import { containerNames, resultContainer } from './pod.ts'
import { recorded } from './record.ts'
import type { DatabaseBackup, DatabaseBackupStatus } from './schema.ts'
import type { BackupChildren } from './sync.ts'

type LastBackup = NonNullable<DatabaseBackupStatus['lastBackup']>
type View = Pick<Context<BackupChildren>, 'observed' | 'related'>
type Waiting = { reason: string; message: string } | undefined

export function report(
  backup: DatabaseBackup,
  db: Database,
  view: View,
  waiting: Waiting,
): { status: DatabaseBackupStatus; conditions: ConditionInput[] } {
  const jobs = view.related.list(Job).sort((left, right) => (createdAt(left) < createdAt(right) ? -1 : 1))
  const before = backup.status ?? {}
  const written = recorded(backup, view.observed)
  const lastBackup = jobs.reduce(
    (last, job) => later(last, succeeded(backup, db, job, view)),
    later(before.lastBackup, written.lastBackup),
  )
  const lastFailure = jobs.reduce(
    (last, job) => laterFailure(last, failed(job, view)),
    laterFailure(before.lastFailure, written.lastFailure),
  )
  const verified = lastBackup?.verified === true ? lastBackup.completionTime : undefined
  const lastVerified = [before.lastVerified, written.lastVerified, verified]
    .filter((time) => time !== undefined)
    .sort()
    .at(-1)
  const isRunning = jobs.some((job) => jobOutcome(job) === 'running')
  const lastScheduleTime =
    view.observed.get(CronJob, names(backup).cronJob)?.status?.lastScheduleTime ?? before.lastScheduleTime
  const hasFailed = lastFailure !== undefined && lastFailure.time > (lastBackup?.completionTime ?? '')
  const status: DatabaseBackupStatus = {
    phase: phaseOf(backup, { isRunning, hasFailed, hasSucceeded: lastBackup !== undefined, db }),
    ...(lastBackup && { lastBackup }),
    ...(lastVerified && { lastVerified }),
    ...(lastFailure && { lastFailure }),
    ...(lastScheduleTime && { lastScheduleTime }),
  }
  return { status, conditions: conditionsOf(backup, status, waiting, hasFailed) }
}

function phaseOf(
  { spec }: DatabaseBackup,
  {
    isRunning,
    hasFailed,
    hasSucceeded,
    db,
  }: { isRunning: boolean; hasFailed: boolean; hasSucceeded: boolean; db: Database },
): DatabaseBackupStatus['phase'] {
  if (isRunning) return 'Running'
  if (spec.schedule !== undefined) {
    if (spec.suspend || db.spec.suspend) return 'Suspended'
    return hasFailed ? 'Failed' : 'Scheduled'
  }
  return hasSucceeded ? 'Succeeded' : hasFailed ? 'Failed' : 'Pending'
}

function conditionsOf(
  { spec }: DatabaseBackup,
  { phase, lastBackup, lastFailure }: DatabaseBackupStatus,
  waiting: Waiting,
  hasFailed: boolean,
): ConditionInput[] {
  const succeeded = 'LastBackupSucceeded'
  const why = lastFailure === undefined ? '' : `Job/${lastFailure.job}: ${lastFailure.message}`
  const last: ConditionInput = hasFailed
    ? { type: succeeded, status: 'False', reason: 'Failed', message: why }
    : lastBackup === undefined
      ? { type: succeeded, status: 'Unknown', reason: 'NoBackupYet', message: '' }
      : { type: succeeded, status: 'True', reason: 'Succeeded', message: '' }
  const verified: ConditionInput[] =
    spec.verify && lastBackup !== undefined
      ? [
          lastBackup.verified
            ? { type: 'Verified', status: 'True', reason: 'Restored', message: '' }
            : { type: 'Verified', status: 'False', reason: 'NotVerified', message: 'the last backup was not verified' },
        ]
      : []
  return [...readiness(spec.schedule !== undefined, phase, waiting, why), last, ...verified]
}

function readiness(
  isScheduled: boolean,
  phase: DatabaseBackupStatus['phase'],
  waiting: Waiting,
  why: string,
): ConditionInput[] {
  const not = (reason: string, message: string): ConditionInput => ({ type: 'Ready', status: 'False', reason, message })
  if (phase === 'Failed') {
    // Another one follows by itself only where there is a schedule.
    const stalled: ConditionInput = { type: 'Stalled', status: 'True', reason: 'BackupFailed', message: why }
    return [not('BackupFailed', why), ...(isScheduled ? [] : [stalled])]
  }
  if (isScheduled) {
    const reason = phase === 'Suspended' ? 'Suspended' : 'Scheduled'
    return [{ type: 'Ready', status: 'True', reason, message: '' }]
  }
  if (phase === 'Succeeded') return [{ type: 'Ready', status: 'True', reason: 'Succeeded', message: '' }]
  if (phase === 'Pending' && waiting !== undefined) return [not(waiting.reason, waiting.message)]
  return [not('Running', 'the backup is being taken')]
}

function succeeded(backup: DatabaseBackup, db: Database, job: Live<Job>, { related }: View): LastBackup | undefined {
  const completionTime = endOf(job)
  if (jobOutcome(job) !== 'succeeded' || completionTime === undefined) return undefined
  const { schedule, retention, encryption } = backup.spec
  const result = resultOf(lastMessage(related, job, resultContainer))
  const expires = new Date(Date.parse(completionTime) + (periodSeconds(retention) ?? 0) * 1000)
  return {
    ...(result.name === undefined ? {} : { name: result.name, location: locationOf(backup, db, result.name) }),
    ...(result.bytes === undefined ? {} : { size: result.bytes }),
    ...(result.seconds === undefined ? {} : { durationSeconds: result.seconds }),
    completionTime,
    // One that is taken once is pruned by nobody.
    ...(schedule === undefined ? {} : { expires: `${expires.toISOString().slice(0, 19)}Z` }),
    encrypted: encryption !== undefined,
    verified: result.verified === true,
    job: job.metadata.name,
  }
}

function failed(job: Live<Job>, { related }: View): DatabaseBackupStatus['lastFailure'] {
  const time = endOf(job)
  if (jobOutcome(job) !== 'failed' || time === undefined) return undefined
  const said = containerNames.map((name) => [name, lastMessage(related, job, name)] as const)
  const [step, message] = said.find(([, text]) => text !== undefined) ?? []
  const why =
    message === undefined
      ? `${failureReason(job)}: see the events and logs of its pods`
      : `${step}: ${lastLine(message)}`
  return { time, job: job.metadata.name, message: why }
}

interface Result {
  name?: string
  bytes?: number
  seconds?: number
  verified?: boolean
}

// Whoever may write to pods could write anything here.
function resultOf(message: string | undefined): Result {
  try {
    const parsed: unknown = JSON.parse(message ?? '{}')
    if (!isRecord(parsed)) return {}
    const { name, bytes, seconds, verified } = parsed
    return {
      ...(typeof name === 'string' && /^[A-Za-z0-9_.-]{1,300}$/.test(name) ? { name } : {}),
      ...(isCount(bytes) ? { bytes } : {}),
      ...(isCount(seconds) ? { seconds } : {}),
      ...(typeof verified === 'boolean' ? { verified } : {}),
    }
  } catch {
    return {}
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function locationOf({ spec }: DatabaseBackup, db: Database, name: string): string {
  const { metadata } = db
  const { s3, claim } = spec.destination
  if (spec.method === 'physical' && s3 !== undefined) {
    const path = repositoryPath(s3, metadata.namespace, metadata.name)
    const { archive } = engineOf(db)
    const folder = archive?.requestScript === undefined ? '' : '/backup'
    return `s3://${s3.bucket}/${path}${folder}/${stanzaOf(db)}/${name}`
  }
  const file = spec.encryption === undefined ? name : `${name}.sealed`
  if (s3 === undefined) return `claim ${claim?.name ?? ''}: ${metadata.name}/${file}`
  return `s3://${s3.bucket}/${s3.prefix ?? `${metadata.namespace}/${metadata.name}`}/${file}`
}

function createdAt({ metadata }: Live<Job>): string {
  return metadata.creationTimestamp ?? ''
}

// The same Job again may know more, or less once its pod is gone: what was known stays.
function later(last: LastBackup | undefined, next: LastBackup | undefined): LastBackup | undefined {
  if (next === undefined || next.completionTime < (last?.completionTime ?? '')) return last
  return last?.job === next.job && next.name === undefined ? last : next
}

function laterFailure(
  last: DatabaseBackupStatus['lastFailure'],
  next: DatabaseBackupStatus['lastFailure'],
): DatabaseBackupStatus['lastFailure'] {
  if (next === undefined || next.time < (last?.time ?? '')) return last
  return last?.job === next.job ? last : next
}
