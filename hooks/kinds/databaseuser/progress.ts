// Whether the engine is as it should be: which Job there should be now, and what became of it.
//
// The hash of all that goes into a Job, the interval that it is in and the attempt are in its name: a change, another
// interval and another attempt each bring a Job, and none ever has to change. What was applied stays in the status, so
// that a Job that is gone, by its TTL or by hand, is not made again.
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import { shortHash } from '../../sdk/names.ts'
import type { Live, Observed } from '../../sdk/observed.ts'
import { Job, type ResourceType } from '../../sdk/resources.ts'
import { endOf, failureReason, jobOutcome, lastLine, lastMessage } from '../database/jobs.ts'
import type { Database } from '../database/schema.ts'
import { containerName } from './job.ts'
import { seconds, timestamp } from './logins.ts'
import { names } from './names.ts'
import type { DatabaseUser, DatabaseUserStatus } from './schema.ts'

export interface Progress {
  /** Of all that is to be applied. */
  hash: string
  /** Name of the Job that there should be now. */
  job: string
  outcome: ReturnType<typeof jobOutcome> | 'recorded'
  /** What the status says of it from now on. */
  applied: DatabaseUserStatus['applied']
  drift: DatabaseUserStatus['drift']
  failure: DatabaseUserStatus['failure']
  /** Seconds until there should be another Job, if nothing changes. */
  secondsLeft: number
}

interface View {
  observed: Observed<typeof Job>
  related: Observed<ResourceType>
  now: Date
}

/** Where things stand with what `spec` of a Job is to bring about, with these passwords. */
export function progressOf(
  user: DatabaseUser,
  db: Database,
  spec: JobSpec,
  passwords: string,
  { observed, related, now }: View,
): Progress {
  const { applied, drift, failure: before } = user.status ?? {}
  // A Database that was made anew knows nothing of its users.
  const hash = shortHash(JSON.stringify([db.metadata.uid, passwords, spec]))
  const failure = before?.hash === hash ? before : undefined
  const interval = seconds(user.spec.interval) * 1000
  const age = now.getTime() - Date.parse(user.metadata.creationTimestamp ?? timestamp(now.getTime()))
  const turn = Math.floor(age / interval)
  const retryAt = failure === undefined ? undefined : Date.parse(failure.time) + retryAfter(failure.attempts, interval)
  const attempt =
    failure === undefined ? 0 : failure.attempts - (retryAt !== undefined && now.getTime() < retryAt ? 1 : 0)
  const job = names(user).job(shortHash(`${hash} ${turn} ${attempt}`))
  const live = observed.get(Job, job)
  const left = Math.min(
    (turn + 1) * interval - age,
    ...(retryAt === undefined ? [] : [Math.max(1000, retryAt - now.getTime())]),
  )
  const progress = { hash, job, applied, drift, failure, secondsLeft: Math.ceil(left / 1000) }
  if (applied?.job === job) return { ...progress, outcome: 'recorded' }
  const outcome = jobOutcome(live)
  if (live === undefined || outcome === 'running' || outcome === 'absent') return { ...progress, outcome }
  const time = endOf(live) ?? timestamp(now.getTime())
  if (outcome === 'failed') {
    if (failure !== undefined && failure.attempts > attempt) return { ...progress, outcome }
    return { ...progress, outcome, failure: { hash, attempts: attempt + 1, time, message: whyFailed(live, related) } }
  }
  const changes = changesOf(lastMessage(related, live, containerName))
  const generation = user.metadata.generation === undefined ? {} : { generation: user.metadata.generation }
  // What is applied for the first time is no drift.
  const repaired = applied?.hash === hash && changes > 0 ? { time, changes } : drift
  return { ...progress, outcome, applied: { hash, job, time, ...generation }, drift: repaired, failure: undefined }
}

// Soon at first, since what it waits for is often on its way.
function retryAfter(attempts: number, interval: number): number {
  return Math.min(interval, 60_000 * 2 ** Math.min(attempts - 1, 10))
}

/** Why a Job failed: the last that its pod said, or what its controller says. */
export function whyFailed(job: Live<Job>, related: Observed<ResourceType>): string {
  const said = lastMessage(related, job, containerName)
  const reason = failureReason(job)
  return said === undefined ? `${reason}: see the events of the pods of Job/${job.metadata.name}` : lastLine(said)
}

function changesOf(message: string | undefined): number {
  const found = /"changes":([0-9]{1,9})/.exec(message ?? '')
  return Number(found?.[1] ?? 0)
}
