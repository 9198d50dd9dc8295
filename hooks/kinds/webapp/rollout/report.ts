// What a rollout makes of a WebApp's conditions.
import type { ConditionInput } from '../../../sdk/conditions.ts'
import type { Progress } from '../progress.ts'
import type { Delivery } from './delivery.ts'
import type { Decision } from './types.ts'

/** RolledBack, and with it Stalled: only a change of the template gets further. */
export function rolloutConditions({ status, revisions }: Decision): ConditionInput[] {
  if (status.phase !== 'Failed') {
    return [{ type: 'RolledBack', status: 'False', reason: 'NothingFailed', message: '' }]
  }
  const message = failureMessage(status.message, revisions)
  return [
    { type: 'RolledBack', status: 'True', reason: status.reason ?? 'AnalysisFailed', message },
    { type: 'Stalled', status: 'True', reason: 'RolledBack', message },
  ]
}

/** Phase and Ready, as long as a revision is being tried or has been rolled back; otherwise the counts say it all. */
export function summaryOf({ status, revisions }: Decision, progress: Progress): Pick<Delivery, 'summary'> {
  if (!progress.exists) return {}
  const { phase, reason, message } = status
  if (phase === 'Failed') {
    const text = failureMessage(message, revisions)
    return {
      summary: {
        phase: 'RolledBack',
        ready: { type: 'Ready', status: 'False', reason: 'RolledBack', message: text },
        reconciling: { type: 'Reconciling', status: 'False', reason: 'RolledBack', message: '' },
        progressing: { type: 'Progressing', status: 'False', reason: 'RolledBack', message: text },
      },
    }
  }
  if (revisions.canary === undefined || progress.refused !== undefined) return {}
  const share =
    phase === 'Finalising'
      ? `the pods that revision ${revisions.canary} was tried with go`
      : `revision ${revisions.canary} has ${status.weight} % of the requests`
  const text = message === undefined ? share : `${share}; ${message}`
  const waits = reason === 'Paused' || phase === 'WaitingPromotion'
  return {
    summary: {
      phase: 'Updating',
      ready: { type: 'Ready', status: 'False', reason: waits ? (reason ?? phase) : phase, message: text },
      progressing: { type: 'Progressing', status: waits ? 'False' : 'True', reason: reason ?? phase, message: text },
    },
  }
}

function failureMessage(message: string | undefined, { failed, stable }: Decision['revisions']): string {
  const what = message ?? `revision ${failed} failed`
  return `${what}; revision ${stable} serves, and ${failed} is not tried again until the pods are asked for differently`
}
