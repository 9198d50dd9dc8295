// How a canary leaves, for whatever reason.
import { moveTowards } from './replicas.ts'
import { stretch } from './time.ts'
import type { Decision, RolloutInput, RolloutStatus, Workload } from './types.ts'

/** What a canary that leaves makes of a decision. In these phases `stepStartedAt` is when it began to leave. */
type Leaving = Pick<Decision, 'stable' | 'canary' | 'resyncAfterSeconds'> & { stepStartedAt: string | undefined }

/**
 * Brings the stable Deployment to all of its pods and takes the canary's away. As long as its pods serve, no more of them
 * go than the stable ones replace. Where a selector or a route has led requests to them, they stay until that is known to
 * have changed: for scaleDownDelaySeconds, or until the route has weight 0.
 */
export function drain(input: RolloutInput, stable: Workload): Leaving {
  const { canary, spec, previous } = input
  const target = { stable: input.replicas, canary: 0 }
  const moved = moveTowards(target, input, stable, canary)
  const part = { template: 'observed', replicas: moved.stable } as const
  if (canary === undefined || (canary.wanted === 0 && canary.pods === 0)) {
    return { stable: part, canary: undefined, stepStartedAt: undefined }
  }
  const since = stretch(isLeaving(previous) ? previous?.stepStartedAt : undefined, input.now)
  const stay = (replicas: number, resyncAfterSeconds?: number): Leaving => ({
    stable: part,
    canary: { template: 'observed', replicas },
    stepStartedAt: since.since,
    resyncAfterSeconds,
  })
  if (canary.wanted === 0) return stay(0)
  const wait = spec.strategy === 'blueGreen' ? spec.scaleDownDelaySeconds - since.seconds : 0
  if (wait > 0) return stay(canary.wanted, Math.ceil(wait))
  const patience = spec.progressDeadlineSeconds - since.seconds
  // Whatever route there was: the strategy may have changed since. One that nobody keeps any more holds up nothing.
  if ((input.routeWeight ?? 0) > 0 && patience > 0) return stay(canary.wanted, Math.ceil(patience))
  if (input.serving === 'stable') return stay(0)
  // A revision that failed serves where there is nothing else, but not for ever.
  if (input.revisions.failed !== canary.revision) return stay(moved.canary)
  return patience > 0 ? stay(moved.canary, Math.ceil(patience)) : stay(0)
}

function isLeaving(previous: RolloutStatus | undefined): boolean {
  return previous?.phase === 'Failed' || previous?.phase === 'Finalising' || previous?.reason === 'Draining'
}
