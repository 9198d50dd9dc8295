// The state machine of a rollout: a pure function from what is observed, what the status last said and the time, to what
// there should be now. docs/rollouts.md has it as a diagram.
import { analysis, isUnderWay } from './analysis.ts'
import { absent, decision, hasProved, isComplete, isStuck, unchanged } from './decision.ts'
import { drain } from './drain.ts'
import { moveTowards, splitFor } from './replicas.ts'
import { stepsOf } from './steps.ts'
import { stamp } from './time.ts'
import type { Decision, RolloutInput, Workload } from './types.ts'

/** Decides one step. Called again with what has become of it, it comes to rest or asks to be called at a time. */
export function decide(input: RolloutInput): Decision {
  const { stable, canary, wanted, spec, revisions } = input
  if (stable === undefined || spec.strategy === 'rolling') return direct(input, stable)
  // What never ran on all pods is nothing to go back to, and holding on to it would keep a fix out.
  const proven = stable.revision === revisions.stable || hasProved(stable)
  if (input.replicas === 0) return proven ? suspended(input, stable) : direct(input, stable)
  if (canary !== undefined && canary.wanted > 0 && canary.revision === stable.revision) {
    if (wanted === stable.revision || (!isStuck(stable) && wanted !== revisions.stable)) {
      return promotion(input, stable, canary)
    }
    // What ran before the promotion is asked for again, or a fix for what cannot be finished.
    if (!isComplete(stable)) return direct(input, stable)
  }
  if (stable.revision === wanted) return settled(input, stable)
  if (!proven) return direct(input, stable)
  if (revisions.failed === wanted) return failed(input, stable)
  if (input.paused) return frozen(input, stable)
  if (canary !== undefined && canary.revision !== wanted) return replaced(input, stable, canary)
  return analysis(input, stable)
}

// The template goes to the stable Deployment at once, and Kubernetes replaces its pods: at first, with strategy rolling,
// and over what never ran. A canary that is still there leaves as the stable pods can do without it.
function direct(input: RolloutInput, stable: Workload | undefined): Decision {
  const leaving = drain(input, stable ?? absent)
  const done = stable !== undefined && stable.revision === input.wanted && isComplete(stable)
  const gone = leaving.canary === undefined
  return decision(input, {
    phase: done && gone ? 'Succeeded' : stable === undefined ? 'Initializing' : 'Progressing',
    reason: !gone ? 'Draining' : done ? undefined : 'RollingOut',
    ...leaving,
    stable: { template: 'wanted', replicas: input.replicas },
  })
}

/** No pod runs, and no template changes: what was asked for meanwhile is tried when pods run again. */
function suspended(input: RolloutInput, stable: Workload): Decision {
  const { canary, revisions, wanted } = input
  const gone = canary === undefined || (canary.wanted === 0 && canary.pods === 0)
  return decision(input, {
    phase: 'Succeeded',
    reason: 'Suspended',
    message: stable.revision === wanted ? undefined : `revision ${wanted} is tried when pods run again`,
    stable: { template: 'observed', replicas: 0 },
    canary: gone ? undefined : { template: 'observed', replicas: 0 },
    failed: revisions.failed === wanted ? wanted : undefined,
  })
}

/** The stable Deployment has what is wanted, and nothing is tried: what is left of a canary goes. */
function settled(input: RolloutInput, stable: Workload): Decision {
  const leaving = drain(input, stable)
  const done = isComplete(stable)
  const gone = leaving.canary === undefined
  return decision(input, {
    phase: !gone ? 'Finalising' : done ? 'Succeeded' : 'Progressing',
    reason: !gone ? 'Draining' : done ? undefined : 'RollingOut',
    ...leaving,
  })
}

/** Another revision was being tried: its pods go before the new one's come, so that none gets a share unanalysed. */
function replaced(input: RolloutInput, stable: Workload, canary: Workload): Decision {
  return decision(input, {
    phase: 'Progressing',
    reason: 'Draining',
    message: `the pods of revision ${canary.revision} leave before those of ${input.wanted} come`,
    canaryRevision: input.wanted,
    ...drain(input, stable),
  })
}

/** The wanted revision was rolled back, and stays so until the template changes. */
function failed(input: RolloutInput, stable: Workload): Decision {
  const { previous, wanted } = input
  return decision(input, {
    phase: 'Failed',
    reason: previous?.phase === 'Failed' ? previous.reason : 'AnalysisFailed',
    message: previous?.phase === 'Failed' ? previous.message : undefined,
    failedChecks: previous?.failedChecks ?? 0,
    baseReplicas: previous?.baseReplicas,
    failed: wanted,
    ...drain(input, stable),
  })
}

/** Paused: neither time nor checks go on, and what is there stays as it is; only the number of pods still follows. */
function frozen(input: RolloutInput, stable: Workload): Decision {
  const { previous, canary, wanted } = input
  const begun = isUnderWay(input) ? previous : undefined
  const weight = canary === undefined ? 0 : ((begun ?? previous)?.weight ?? 0)
  const target =
    canary === undefined || canary.wanted === 0 ? { stable: input.replicas, canary: 0 } : splitFor(weight, input)
  const replicas = moveTowards(target, input, stable, canary)
  return decision(input, {
    ...(begun ?? { step: 0 }),
    phase: 'Waiting',
    reason: 'Paused',
    message: `spec.paused: revision ${wanted} goes on when it is taken back`,
    weight,
    startingSince: undefined,
    stepStartedAt: undefined,
    failingSince: undefined,
    canaryRevision: begun === undefined ? undefined : wanted,
    stable: { template: 'observed', replicas: replicas.stable },
    canary: canary && { template: 'observed', replicas: replicas.canary },
  })
}

/**
 * The stable Deployment is given the canary's template, while the canary goes on serving. Then the requests go back to
 * it, and the canary leaves. Should the stable pods not become ready, everything stays as it is: the revision was good
 * beside them, and what they ran before is half gone.
 */
function promotion(input: RolloutInput, stable: Workload, canary: Workload): Decision {
  const { previous } = input
  const steps = stepsOf(input)
  const common = {
    startedAt: previous?.startedAt,
    baseReplicas: previous?.baseReplicas,
    step: steps.length - 1,
    canaryRevision: canary.revision,
  }
  if (previous?.phase === 'Finalising') {
    return decision(input, { ...common, phase: 'Finalising', reason: 'Draining', ...drain(input, stable) })
  }
  if (isComplete(stable)) {
    const since = stamp(input.now)
    return decision(input, { ...common, phase: 'Finalising', stepStartedAt: since, ...unchanged(stable, canary) })
  }
  const stuck = isStuck(stable)
  const ready = `${stable.available} of ${stable.wanted} pods of the stable Deployment are ready`
  return decision(input, {
    ...common,
    phase: 'Promoting',
    weight: previous?.phase === 'Promoting' ? previous.weight : (steps[steps.length - 1]?.weight ?? 0),
    failedChecks: previous?.failedChecks ?? 0,
    stepStartedAt: previous?.phase === 'Promoting' ? previous.stepStartedAt : stamp(input.now),
    reason: stuck ? 'StableNotReady' : 'RollingOut',
    message: stuck
      ? `${ready} with revision ${stable.revision}; the canary goes on serving beside them, and the next template goes to them at once`
      : undefined,
    stable: {
      template: 'observed',
      replicas: Math.max(stable.wanted, input.replicas - canary.wanted),
    },
    canary: { template: 'observed', replicas: canary.wanted },
  })
}
