import type { Job } from '../../sdk/resources.ts'

/** How a Job ended, by its conditions: its counters also count what was retried. */
export function jobOutcome(job: Job | undefined): 'succeeded' | 'failed' | 'running' | 'absent' {
  if (job === undefined) return 'absent'
  const holds = (type: string) => job.status?.conditions?.some((one) => one.type === type && one.status === 'True')
  if (holds('Complete')) return 'succeeded'
  return holds('Failed') ? 'failed' : 'running'
}
