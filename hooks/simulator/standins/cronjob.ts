// The CronJob controller (pkg/controller/cronjob of Kubernetes 1.36).
import { Cron } from 'croner'
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { controllerReference } from '../children.ts'
import { rfc3339 } from '../clock.ts'
import { isApiError } from '../errors.ts'
import { at, copy, numberAt, recordAt, stringsOf, textAt } from '../json.ts'
import { type Client, referenceOf } from '../store.ts'
import { outcomeOf } from './job.ts'
import { controlled, type Loop, startLoop, type World, writeStatus } from './loop.ts'
import { isTerminating } from './pods.ts'

const jobType = { apiVersion: 'batch/v1', kind: 'Job' }

export function startCronJobs(world: World): Loop {
  return startLoop(world, { apiVersion: 'batch/v1', kind: 'CronJob' }, ['Job'], (cronJob) => reconcile(world, cronJob))
}

function reconcile({ client, clock }: World, cronJob: KubernetesObject): number | undefined {
  if (isTerminating(cronJob)) return undefined
  cleanUp(client, cronJob)
  const jobs = controlled(client, jobType, cronJob)
  const active = jobs.filter((job) => outcomeOf(job) === undefined)
  const suspended = at(cronJob, 'spec', 'suspend') === true
  const schedule = scheduleOf(cronJob)
  const now = clock.now()
  const last = textAt(cronJob, 'status', 'lastScheduleTime')
  const deadline = numberAt(cronJob, 'spec', 'startingDeadlineSeconds')
  const since = Math.max(
    Date.parse(last ?? cronJob.metadata.creationTimestamp ?? ''),
    deadline === undefined ? 0 : now - deadline * 1000,
  )
  const due = suspended ? undefined : schedule.latest(since, now)
  let lastScheduleTime = last
  if (due !== undefined && mayStart(client, cronJob, active)) {
    lastScheduleTime = rfc3339(due)
    const job = createJob(client, cronJob, due)
    if (job !== undefined) active.push(job)
  }
  const successes = jobs
    .filter((job) => outcomeOf(job) === 'Complete')
    .map((job) => textAt(job, 'status', 'completionTime') ?? '')
  const lastSuccessfulTime = [textAt(cronJob, 'status', 'lastSuccessfulTime') ?? '', ...successes].sort().at(-1)
  writeStatus(client, cronJob, {
    ...(active.length > 0 ? { active: active.map(jobReference) } : {}),
    ...(lastScheduleTime === undefined ? {} : { lastScheduleTime }),
    ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}),
  })
  const next = schedule.next(now)
  return suspended || next === undefined ? undefined : (next - now) / 1000
}

function mayStart(client: Client, cronJob: KubernetesObject, active: KubernetesObject[]): boolean {
  const policy = textAt(cronJob, 'spec', 'concurrencyPolicy')
  if (policy === 'Forbid') return active.length === 0
  if (policy === 'Replace') {
    for (const job of active.splice(0))
      client.remove(referenceOf(job), { propagation: 'Background', uid: job.metadata.uid ?? '' })
  }
  return true
}

function createJob(client: Client, cronJob: KubernetesObject, due: number): KubernetesObject | undefined {
  const template = at(cronJob, 'spec', 'jobTemplate')
  const annotations = {
    ...stringsOf(at(template, 'metadata', 'annotations')),
    'batch.kubernetes.io/cronjob-scheduled-timestamp': rfc3339(due),
  }
  try {
    return client.create({
      ...jobType,
      metadata: {
        name: `${cronJob.metadata.name}-${Math.floor(due / 60000)}`,
        namespace: cronJob.metadata.namespace ?? '',
        labels: stringsOf(at(template, 'metadata', 'labels')),
        annotations,
        ownerReferences: [controllerReference(cronJob)],
      },
      spec: copy(recordAt(template, 'spec')),
    })
  } catch (error) {
    if (isApiError(error, 'AlreadyExists')) return undefined
    throw error
  }
}

/** Removes finished Jobs beyond the history limits, the oldest first. */
function cleanUp(client: Client, cronJob: KubernetesObject): void {
  const jobs = controlled(client, jobType, cronJob).filter((job) => !isTerminating(job))
  for (const [outcome, field] of [
    ['Complete', 'successfulJobsHistoryLimit'],
    ['Failed', 'failedJobsHistoryLimit'],
  ] as const) {
    const finished = jobs
      .filter((job) => outcomeOf(job) === outcome)
      .sort((left, right) => startOf(left) - startOf(right))
    const limit = numberAt(cronJob, 'spec', field) ?? 0
    for (const job of finished.slice(0, Math.max(0, finished.length - limit)))
      client.remove(referenceOf(job), { propagation: 'Background' })
  }
}

function startOf(job: KubernetesObject): number {
  return Date.parse(textAt(job, 'status', 'startTime') ?? job.metadata.creationTimestamp ?? '')
}

function jobReference({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }: KubernetesObject) {
  return { apiVersion, kind, name, namespace, uid, resourceVersion }
}

function scheduleOf(cronJob: KubernetesObject) {
  const pattern = textAt(cronJob, 'spec', 'schedule') ?? ''
  const every = /^@every (.+)$/.exec(pattern)?.[1]
  if (every !== undefined) return intervalOf(every, Date.parse(cronJob.metadata.creationTimestamp ?? ''))
  const cron = new Cron(pattern, {
    paused: true,
    mode: '5-part',
    timezone: textAt(cronJob, 'spec', 'timeZone') ?? 'UTC',
  })
  return {
    next: (now: number) => cron.nextRun(new Date(now))?.getTime(),
    /** The last time after `since` that has come. */
    latest(since: number, now: number): number | undefined {
      const run = cron.previousRuns(1, new Date(now + 1000))[0]?.getTime()
      return run !== undefined && run > since && run <= now ? run : undefined
    },
  }
}

function intervalOf(text: string, start: number) {
  const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 }
  const parts = [...text.matchAll(/(\d+)([smh])/g)]
  const step = Math.max(
    1000,
    parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ''] ?? 0), 0),
  )
  return {
    next: (now: number) => start + (Math.floor((now - start) / step) + 1) * step,
    latest(since: number, now: number): number | undefined {
      const run = start + Math.floor((now - start) / step) * step
      return run > since ? run : undefined
    },
  }
}
