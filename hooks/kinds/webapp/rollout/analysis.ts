// The wanted revision beside the stable one: step by step it gets a larger share, as long as it does well.
import { analysisOf, examine } from './checks.ts'
import { absent, decision, isStuck, type Outcome, unchanged } from './decision.ts'
import { moveTowards, type Split, splitFor } from './replicas.ts'
import { gateOf, stepsOf } from './steps.ts'
import { stamp, stretch } from './time.ts'
import type { Decision, Reason, RolloutInput, RolloutStatus, Step, Workload } from './types.ts'

/** Whether the status speaks of a rollout of the wanted revision, by the strategy that the spec asks for. */
export function isUnderWay({ previous, revisions, wanted, spec }: RolloutInput): boolean {
  return (
    previous !== undefined &&
    revisions.canary === wanted &&
    previous.strategy === spec.strategy &&
    previous.reason !== 'Draining' &&
    phases.has(previous.phase)
  )
}

// Promoting too: what was observed of the stable Deployment may be older than its new template.
const phases = new Set(['Progressing', 'Waiting', 'WaitingPromotion', 'Promoting'])

/** One look at the rollout of the wanted revision, no pod of another being left. */
export function analysis(input: RolloutInput, stable: Workload): Decision {
  const { wanted, spec, abort, restarts } = input
  const steps = stepsOf(input)
  const state = isUnderWay(input) && input.previous !== undefined ? input.previous : beginning(input, stable)
  const index = Math.min(state.step, steps.length - 1)
  const step: Step = steps[index] ?? { weight: 0, pauseSeconds: 0 }
  const canary = input.canary ?? absent
  const { threshold, maxRestarts } = analysisOf(input)
  const scene: Scene = { input, stable, canary, state, index, step, target: splitFor(step.weight, input) }
  if (state.phase === 'Promoting') return promote(scene)
  if (abort === wanted) return fail(scene, 'Aborted', `revision ${wanted} was aborted by hand`)
  if (restarts !== undefined && restarts > maxRestarts) {
    const message = `containers of revision ${wanted} restarted ${restarts} times, and may ${maxRestarts} times`
    return fail(scene, 'ContainersRestarted', message)
  }
  if (state.stepStartedAt === undefined) return arrive(scene)

  const { memory, complete, ...checks } = examine(state, step, scene.target, input, stable, canary)
  if (memory.failedChecks > state.failedChecks && memory.failedChecks >= threshold) {
    const message = `${memory.failedChecks} checks of revision ${wanted} failed: ${memory.message}`
    return fail({ ...scene, state: { ...state, ...memory } }, 'AnalysisFailed', message, checks.keep)
  }
  const seen = { ...scene, state: { ...state, ...memory } }
  if (!complete) {
    const phase = state.phase === 'WaitingPromotion' ? 'WaitingPromotion' : 'Waiting'
    return stay(seen, { phase, reason: memory.reason, message: memory.message, ...checks })
  }
  if (index === gateOf(input) && spec.promotion === 'manual' && input.promote !== wanted) {
    const message = `revision ${wanted} is good so far: promote it with the annotation platform.example.com/promote: "${wanted}"`
    return stay(seen, { phase: 'WaitingPromotion', reason: 'PromotionNeeded', message, ...checks })
  }
  const last = index === steps.length - 1
  return last ? promote(seen, checks.keep) : advance(seen, checks.keep)
}

/** All that the functions below look at. */
interface Scene {
  input: RolloutInput
  stable: Workload
  canary: Workload
  state: RolloutStatus
  index: number
  step: Step
  /** Pods of each that the step asks for. */
  target: Split
}

function beginning({ spec, now }: RolloutInput, stable: Workload): RolloutStatus {
  const startedAt = stamp(now)
  return {
    phase: 'Progressing',
    strategy: spec.strategy,
    step: 0,
    weight: 0,
    failedChecks: 0,
    startedAt,
    baseReplicas: stable.wanted,
  }
}

/**
 * The pods of the step come first, then its weight is asked for, and its time begins once the route has it: so no share
 * leads to pods that are not there.
 */
function arrive(scene: Scene): Decision {
  const { input, state, step, canary } = scene
  const { spec, now, wanted } = input
  const pods = missingPods(scene)
  const deadline = spec.progressDeadlineSeconds
  const waited = stretch(state.startingSince, now, deadline)
  if (pods !== undefined) {
    const { blamed, ...why } = pods
    if (blamed && (waited.seconds >= deadline || isStuck(canary))) {
      const message = `the pods of revision ${wanted} did not become ready within ${deadline} s: ${why.message}`
      return fail(scene, 'ProgressDeadlineExceeded', message)
    }
    return stay(scene, {
      phase: 'Progressing',
      ...why,
      weight: state.weight,
      startingSince: waited.since,
      resyncAfterSeconds: blamed ? Math.max(1, Math.ceil(deadline - waited.seconds)) : undefined,
    })
  }
  const route = missingRoute(scene)
  if (route !== undefined) return stay(scene, { phase: 'Progressing', ...route, startingSince: waited.since })
  const first = Math.min(step.pauseSeconds, analysisOf(input).intervalSeconds)
  return stay(scene, {
    phase: 'Waiting',
    startingSince: undefined,
    stepStartedAt: stamp(now),
    resyncAfterSeconds: Math.max(1, first),
  })
}

/** What the pods of a step lack, and whether the revision is to blame. */
function missingPods({ input, stable, canary, target }: Scene) {
  const { settled, wanted, pods, available, updated } = canary
  if (!settled || pods < wanted || available < wanted || updated < wanted) {
    const message = `${available} of ${target.canary} pods are ready`
    return { reason: 'CanaryNotReady', message, blamed: true } as const
  }
  if (wanted !== target.canary || (!input.autoscaled && stable.wanted !== target.stable)) {
    const message = `${wanted} of ${target.canary} pods are there beside ${stable.wanted} of the stable revision, which become ${target.stable}`
    return { reason: 'RollingOut', message, blamed: false } as const
  }
  return undefined
}

/** Nobody is to blame for a route that does not follow; but time that it does not divide requests is not analysis. */
function missingRoute({ input: { spec, routeWeight }, step: { weight } }: Scene) {
  if (spec.traffic !== 'gateway' || weight === 0 || routeWeight === weight) return undefined
  const known = routeWeight === undefined ? 'no route is known to be accepted' : `it has ${routeWeight} %`
  return { reason: 'RouteNotReady', message: `the route does not give it ${weight} % yet: ${known}` } as const
}

/** The step goes on; `more` is what there is to say beyond it. */
function stay(scene: Scene, more: Partial<Outcome> & Pick<Outcome, 'phase'>): Decision {
  const { input, stable, canary, target, index, step, state } = scene
  const move = moveTowards(target, input, stable, canary)
  return decision(input, {
    ...state,
    reason: undefined,
    message: undefined,
    step: index,
    weight: step.weight,
    canaryRevision: input.wanted,
    stable: { template: 'observed', replicas: move.stable },
    canary: { template: 'wanted', replicas: move.canary },
    ...more,
  })
}

/** The next step. */
function advance({ input, stable, canary, state, index }: Scene, keep: readonly string[]): Decision {
  const { strategy, weight, failedChecks, startedAt, baseReplicas } = state
  return decision(input, {
    ...{ phase: 'Progressing', strategy, step: index + 1, weight, failedChecks, startedAt, baseReplicas },
    reason: 'RollingOut',
    canaryRevision: input.wanted,
    ...unchanged(stable, canary),
    keep,
  })
}

function promote({ input, stable, canary, state, index, step }: Scene, keep: readonly string[] = []): Decision {
  return decision(input, {
    phase: 'Promoting',
    reason: 'RollingOut',
    step: index,
    weight: step.weight,
    failedChecks: state.failedChecks,
    startedAt: state.startedAt,
    baseReplicas: state.baseReplicas,
    stepStartedAt: state.phase === 'Promoting' ? state.stepStartedAt : stamp(input.now),
    canaryRevision: input.wanted,
    stable: { template: 'wanted', replicas: stable.wanted },
    canary: { template: 'wanted', replicas: canary.wanted },
    keep,
  })
}

/** Rolls back: the revision is remembered and has no weight. Its pods leave once the status is known to say so. */
function fail(scene: Scene, reason: Reason, message: string, keep: readonly string[] = []): Decision {
  const { input, stable, canary, state } = scene
  const { failedChecks, baseReplicas } = state
  return decision(input, {
    ...{ phase: 'Failed', reason, message, failedChecks, baseReplicas },
    failed: input.wanted,
    ...unchanged(stable, canary),
    canary: input.canary && { template: 'observed', replicas: canary.wanted },
    keep,
  })
}
