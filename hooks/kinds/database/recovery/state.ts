// How far the recovery of a Database is. The status remembers it, so that it is never done again.
import type { ConditionInput } from '../../../sdk/conditions.ts'
import type { Context } from '../../../sdk/definition.ts'
import { isRecord } from '../../../sdk/kubernetes.ts'
import type { Live } from '../../../sdk/observed.ts'
import { Job, Pod } from '../../../sdk/resources.ts'
import { endOf, failureReason, jobOutcome, lastLine, lastMessage } from '../jobs.ts'
import { names } from '../names.ts'
import type { Database, DatabaseStatus } from '../schema.ts'
import { containerNames, restoreJobName, resultContainer } from './job.ts'
import { isPhysical, isRecovering } from './pending.ts'
import { failures } from './scripts.ts'
import { recoveryOf, type Source, sourceOf } from './source.ts'

/** What is known of a recovery at this moment. */
export interface Recovery {
  status: NonNullable<DatabaseStatus['recovery']>
  condition: ConditionInput
  /** Undefined while it is not known where the backup lies. */
  source?: Source
  job?: Live<Job>
}

type View = Pick<Context<typeof Job>, 'observed' | 'related'>

/** Undefined for a Database that is none of a recovery. */
export function recovered(db: Database, view: View): Recovery | undefined {
  const recovery = recoveryOf(db)
  if (recovery === undefined) return undefined
  const known = db.status?.recovery
  if (known?.phase === 'Recovered') {
    return { status: known, condition: condition('True', 'Recovered', `from ${known.backup ?? 'a backup'}`) }
  }
  if (!isRecovering(db)) return undefined
  if (isPhysical(db)) return byPod(db, view)
  const { source, missing } = sourceOf(recovery, view)
  if (source === undefined) {
    return { status: { phase: 'Failed' }, condition: condition('False', missing.reason, missing.message) }
  }
  const job = view.observed.get(Job, restoreJobName(db, source))
  const found = job === undefined ? {} : { job }
  const outcome = jobOutcome(job)
  if (job !== undefined && outcome === 'succeeded') {
    const { name, bytes, seconds } = resultOf(lastMessage(view.related, job, resultContainer))
    const status: Recovery['status'] = {
      phase: 'Recovered',
      ...(name === undefined ? {} : { backup: name }),
      ...(bytes === undefined ? {} : { size: bytes }),
      ...(seconds === undefined ? {} : { durationSeconds: seconds }),
      completionTime: endOf(job) ?? '',
    }
    return { status, condition: condition('True', 'Recovered', `from ${name ?? 'a backup'}`), source, ...found }
  }
  const failure = job === undefined ? undefined : failureOf(job, view)
  if (job !== undefined && outcome === 'failed') {
    const { reason, message } = failure ?? { reason: 'RestoreFailed', message: failureReason(job) }
    const advice = `correct spec.bootstrap.recovery, or delete Job/${job.metadata.name} to try again`
    return {
      status: { phase: 'Failed' },
      condition: condition('False', reason, `${message}; ${advice}`),
      source,
      ...found,
    }
  }
  return {
    status: { phase: 'Restoring' },
    condition:
      failure === undefined
        ? condition(
            'False',
            'Restoring',
            job === undefined ? 'waiting for the empty database' : `Job/${job.metadata.name} runs`,
          )
        : condition('False', failure.reason, `${failure.message}; it is tried again`),
    source,
    ...found,
  }
}

// The first pod restores before its engine starts, and goes on trying.
function byPod(db: Database, { related }: View): Recovery {
  const containers = related.get(Pod, names(db).pod(0))?.status?.initContainerStatuses ?? []
  // Those before the last one say something when they fail.
  const ended = containers
    .filter(({ name }) => containerNames.some((one) => one === name))
    .map(({ name, state, lastState }) => ({ name, ...(state?.terminated ?? lastState?.terminated) }))
    .find(({ name, exitCode }) => exitCode !== undefined && (exitCode !== 0 || name === resultContainer))
  const message = ended?.message?.trim() ?? ''
  if (ended?.exitCode === 0) {
    const { name, bytes, seconds } = resultOf(message)
    return {
      status: {
        phase: 'Recovered',
        ...(name === undefined ? {} : { backup: name }),
        ...(bytes === undefined ? {} : { size: bytes }),
        ...(seconds === undefined ? {} : { durationSeconds: seconds }),
        completionTime: ended.finishedAt ?? '',
      },
      condition: condition('True', 'Recovered', `from ${name ?? 'a backup'}`),
    }
  }
  if (ended === undefined) {
    return {
      status: { phase: 'Restoring' },
      condition: condition('False', 'Restoring', `${names(db).pod(0)} restores`),
    }
  }
  const { reason, text } = told(message) ?? { reason: 'RestoreFailed', text: lastLine(message) }
  const again = `${text}; it is tried again`
  return { status: { phase: 'Failed' }, condition: condition('False', reason, again) }
}

function told(message: string): { reason: string; text: string } | undefined {
  const parts = /^([A-Za-z]+): (.*)$/s.exec(message)
  const reason = failures.find((one) => one === parts?.[1])
  return reason === undefined ? undefined : { reason, text: lastLine(parts?.[2] ?? '') }
}

function condition(status: 'True' | 'False', reason: string, message: string): ConditionInput {
  return { type: 'Recovered', status, reason, message }
}

/** What the first of the containers that failed said. */
function failureOf(job: Live<Job>, { related }: View): { reason: string; message: string } | undefined {
  for (const name of containerNames) {
    const message = lastMessage(related, job, name)
    // Those that end well and are not the last one say nothing.
    if (message === undefined) continue
    const known = told(message)
    if (known !== undefined) return { reason: known.reason, message: known.text }
    if (name !== resultContainer || !message.startsWith('{')) {
      return { reason: 'RestoreFailed', message: `${name}: ${lastLine(message)}` }
    }
  }
  return undefined
}

interface Result {
  name?: string
  bytes?: number
  seconds?: number
}

// Whoever may write to pods could write anything here.
function resultOf(message: string | undefined): Result {
  try {
    const parsed: unknown = JSON.parse(message ?? '{}')
    if (!isRecord(parsed)) return {}
    const { name, bytes, seconds } = parsed
    return {
      ...(typeof name === 'string' && /^[A-Za-z0-9_.-]{1,300}$/.test(name) ? { name } : {}),
      ...(isCount(bytes) ? { bytes } : {}),
      ...(isCount(seconds) ? { seconds } : {}),
    }
  } catch {
    return {}
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
