// What all decisions share.
import { resolve } from './replicas.ts'
import type { Decision, RolloutInput, RolloutStatus, Serving, Workload } from './types.ts'

/** A state as it is written down: what it does not say is nothing. */
export interface Outcome
  extends Pick<Decision, 'stable' | 'canary' | 'start' | 'resyncAfterSeconds'>,
    Partial<Omit<RolloutStatus, 'phase' | 'strategy'>>,
    Pick<RolloutStatus, 'phase'> {
  keep?: readonly string[]
  /** The revision that is being tried. */
  canaryRevision?: string | undefined
  failed?: string | undefined
}

/** Makes a whole decision of a state. */
export function decision(input: RolloutInput, outcome: Outcome): Decision {
  const { spec, wanted, revisions, stable } = input
  const { stable: part, canary, start, keep = [], resyncAfterSeconds, canaryRevision, failed, ...status } = outcome
  const weight = status.weight ?? 0
  return {
    status: { step: 0, failedChecks: 0, ...status, weight, strategy: spec.strategy },
    revisions: {
      current: wanted,
      stable: stable !== undefined && hasProved(stable) ? stable.revision : revisions.stable,
      canary: canaryRevision,
      failed,
    },
    stable: stable?.revision === wanted ? { ...part, template: 'wanted' } : part,
    canary,
    serving: servingFor(input, weight),
    minReplicas: canary === undefined ? undefined : status.baseReplicas,
    start,
    keep,
    resyncAfterSeconds,
  }
}

/**
 * Both Deployments as they are, where a turn is taken that the status alone remembers. What Metacontroller gives of the
 * parent may be one write old, while the children that it gives are new: were they changed together with the status, the
 * next look could see the change without the reason for it, and take it back. So the status goes first; seen from the
 * old one, nothing has changed and the same turn is taken again.
 */
export function unchanged(
  stable: Workload,
  canary: Workload,
): Pick<Decision, 'stable' | 'canary' | 'resyncAfterSeconds'> {
  return {
    stable: { template: 'observed', replicas: stable.wanted },
    canary: { template: 'observed', replicas: canary.wanted },
    // A status of one's own making brings no sync.
    resyncAfterSeconds: 1,
  }
}

/** A Deployment that does not exist. */
export const absent: Workload = {
  revision: undefined,
  wanted: 0,
  pods: 0,
  updated: 0,
  available: 0,
  settled: true,
  overdue: false,
}

/** Whether all pods of a Deployment are ready and have its template. */
export function isComplete({ settled, wanted, pods, updated, available }: Workload): boolean {
  return settled && pods === wanted && updated === wanted && available >= wanted
}

/** Whether a Deployment's template has run on all of its pods. */
export function hasProved(workload: Workload): boolean {
  return workload.wanted > 0 && isComplete(workload)
}

/** Whether Kubernetes has given up on a Deployment's rollout. */
export function isStuck(workload: Workload): boolean {
  return workload.settled && workload.overdue
}

/**
 * Where pods are counted to divide requests, and with strategy rolling, the Service leads to all of them. Otherwise it
 * leads to one set; and it leaves the other only when this one can bear the load, so that a change of the strategy in
 * the middle of a rollout takes no request's pod away.
 */
function servingFor(input: RolloutInput, weight: number): Serving {
  const { spec, serving, stable, canary, replicas } = input
  if (spec.strategy === 'rolling' || (spec.strategy === 'canary' && spec.traffic === 'replicas')) return 'both'
  if (spec.strategy === 'blueGreen' && weight === 100) return 'canary'
  const enough = (stable?.available ?? 0) >= replicas - resolve(spec.maxUnavailable, replicas, Math.floor)
  return serving === 'both' && (canary?.available ?? 0) > 0 && !enough ? 'both' : 'stable'
}
