// What became of a Job, and what its pod had to say.
import type { Live, Observed } from '../../sdk/observed.ts'
import { type Job, Pod, type ResourceType } from '../../sdk/resources.ts'

/** How a Job ended, by its conditions: its counters also count what was retried. */
export function jobOutcome(job: Job | undefined): 'succeeded' | 'failed' | 'running' | 'absent' {
  if (job === undefined) return 'absent'
  if (conditionOf(job, 'Complete') !== undefined) return 'succeeded'
  return conditionOf(job, 'Failed') === undefined ? 'running' : 'failed'
}

/** Why a Job failed, in the words of its controller: BackoffLimitExceeded, DeadlineExceeded … */
export function failureReason(job: Job): string {
  return conditionOf(job, 'Failed')?.reason ?? 'Failed'
}

/** When a Job ended: RFC 3339, undefined while it runs. */
export function endOf(job: Job): string | undefined {
  return (conditionOf(job, 'Complete') ?? conditionOf(job, 'Failed'))?.lastTransitionTime
}

/**
 * The termination message of the container, in the latest pod of the Job that left one: how a Job tells its result
 * without a right to write anything. With FallbackToLogsOnError it is the end of the log of a pod that failed.
 * https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
 */
export function lastMessage(related: Observed<ResourceType>, job: Live<Job>, container: string): string | undefined {
  const pods = related
    .list(Pod)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid))
    .sort((left, right) =>
      (left.metadata.creationTimestamp ?? '') < (right.metadata.creationTimestamp ?? '') ? 1 : -1,
    )
  for (const { status } of pods) {
    const states = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
    const message = states.find(({ name }) => name === container)?.state?.terminated?.message?.trim()
    if (message) return message
  }
  return undefined
}

/** The end of a failed container's log as one line that fits into a condition. */
export function lastLine(message: string): string {
  const line =
    message
      .split('\n')
      .findLast((text) => text.trim() !== '')
      ?.trim() ?? ''
  return line.length > 500 ? `${line.slice(0, 500)}…` : line
}

function conditionOf(job: Job, type: string) {
  return job.status?.conditions?.find((one) => one.type === type && one.status === 'True')
}
