// The Job controller (pkg/controller/job) and the one that removes finished Jobs (ttlSecondsAfterFinished).
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import type { ApiError } from '../errors.ts'
import { at, listAt, numberAt, textAt } from '../json.ts'
import { referenceOf } from '../store.ts'
import { controlled, type Loop, refused, startLoop, type World, withCondition, writeStatus } from './loop.ts'
import { hasEnded, isReady, isTerminating, podFrom, podType } from './pods.ts'

const jobType = { apiVersion: 'batch/v1', kind: 'Job' }

export function startJobs(world: World): Loop {
  return startLoop(world, jobType, ['Pod'], (job) => reconcile(world, job))
}

/** Complete, Failed or undefined while it is neither. */
export function outcomeOf(job: KubernetesObject): 'Complete' | 'Failed' | undefined {
  const type = listAt(job, 'status', 'conditions')
    .filter((condition) => at(condition, 'status') === 'True')
    .map((condition) => at(condition, 'type'))
  if (type.includes('Complete')) return 'Complete'
  return type.includes('Failed') ? 'Failed' : undefined
}

/** The first of a failed pod's replacements waits so long, each further one twice as long, at most 10 minutes. */
const podBackoff = 10

function reconcile({ client, clock }: World, job: KubernetesObject): number | undefined {
  if (isTerminating(job)) return undefined
  if (outcomeOf(job) !== undefined) return removeWhenDue({ client, clock }, job)
  const pods = controlled(client, podType, job)
  const succeeded = pods.filter((pod) => textAt(pod, 'status', 'phase') === 'Succeeded').length
  const failed = pods.filter((pod) => textAt(pod, 'status', 'phase') === 'Failed')
  const restarts = pods
    .flatMap((pod) => listAt(pod, 'status', 'containerStatuses'))
    .reduce((sum: number, container) => sum + (numberAt(container, 'restartCount') ?? 0), 0)
  const active = pods.filter((pod) => !hasEnded(pod) && !isTerminating(pod))
  const completions = numberAt(job, 'spec', 'completions')
  const parallelism = numberAt(job, 'spec', 'parallelism') ?? 1
  const suspended = at(job, 'spec', 'suspend') === true
  const backoffLimit = numberAt(job, 'spec', 'backoffLimit') ?? 6
  const startTime = suspended ? undefined : (textAt(job, 'status', 'startTime') ?? clock.stamp())
  const deadline = numberAt(job, 'spec', 'activeDeadlineSeconds')
  const age = startTime === undefined ? 0 : (clock.now() - Date.parse(startTime)) / 1000
  const overdue = deadline !== undefined && !suspended && age >= deadline
  const enough = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions
  let conditions: readonly unknown[] = listAt(job, 'status', 'conditions')
  let again: number | undefined
  let refusal: ApiError | undefined
  const status: Record<string, unknown> = {
    ready: active.filter(isReady).length,
    terminating: 0,
    uncountedTerminatedPods: {},
  }
  const finish = (type: 'Complete' | 'Failed', reason: string, message: string) => {
    const first = type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget'
    conditions = withCondition(conditions, { type: first, status: 'True', reason, message }, clock.stamp())
    conditions = withCondition(conditions, { type, status: 'True', reason, message }, clock.stamp())
    for (const pod of active) client.remove(referenceOf(pod), { uid: pod.metadata.uid ?? '' })
    active.length = 0
    status.ready = 0
  }
  if (enough) {
    finish('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods')
    status.completionTime = clock.stamp()
  } else if (failed.length > backoffLimit || restarts > backoffLimit) {
    finish('Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  } else if (overdue) finish('Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline')
  else if (suspended) {
    for (const pod of active) client.remove(referenceOf(pod), { uid: pod.metadata.uid ?? '' })
    conditions = withCondition(
      conditions,
      { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' },
      clock.stamp(),
    )
  } else {
    if (listAt(job, 'status', 'conditions').some((condition) => at(condition, 'type') === 'Suspended')) {
      conditions = withCondition(
        conditions,
        { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' },
        clock.stamp(),
      )
    }
    const wait = waitAfter(failed, clock.now())
    const missing =
      Math.min(parallelism, completions === undefined ? parallelism : completions - succeeded) - active.length
    if (missing > 0 && wait > 0) again = wait
    refusal = refused(() => {
      for (let index = 0; index < missing && wait <= 0; index++) {
        const pod = podFrom(at(job, 'spec', 'template'), job, { generateName: `${job.metadata.name}-` })
        active.push(client.create(pod))
      }
    })
    if (deadline !== undefined) again = Math.min(again ?? deadline - age, deadline - age)
  }
  if (startTime !== undefined) status.startTime = startTime
  if (active.length > 0) status.active = active.length
  if (succeeded > 0) status.succeeded = succeeded
  if (failed.length > 0) status.failed = failed.length
  if (conditions.length > 0) status.conditions = conditions
  writeStatus(client, job, status)
  // Tried again with back-off.
  if (refusal !== undefined) throw refusal
  return again
}

/** Seconds until a failed pod may be replaced. */
function waitAfter(failed: readonly KubernetesObject[], now: number): number {
  if (failed.length === 0) return 0
  const ends = failed.map((pod) =>
    Date.parse(textAt(listAt(pod, 'status', 'containerStatuses')[0], 'state', 'terminated', 'finishedAt') ?? ''),
  )
  const delay = Math.min(podBackoff * 2 ** (failed.length - 1), 600)
  return delay - (now - Math.max(...ends.filter((end) => !Number.isNaN(end)), 0)) / 1000
}

function removeWhenDue({ client, clock }: Pick<World, 'client' | 'clock'>, job: KubernetesObject): number | undefined {
  const ttl = numberAt(job, 'spec', 'ttlSecondsAfterFinished')
  if (ttl === undefined) return undefined
  const finished = listAt(job, 'status', 'conditions').find((condition) => at(condition, 'type') === outcomeOf(job))
  const left = ttl - (clock.now() - Date.parse(textAt(finished, 'lastTransitionTime') ?? '')) / 1000
  if (left > 0) return left
  client.remove(referenceOf(job), { propagation: 'Foreground', uid: job.metadata.uid ?? '' })
  return undefined
}
