// Whether the revision that is being tried is good so far. Its pods must be ready, and queries must be answered as the
// spec asks. Nothing is stored while all is well; one check fails at most in each interval, whatever the clock does.
import { shortHash } from '../../../sdk/names.ts'
import { resolve, type Split } from './replicas.ts'
import { later, stamp, stretch } from './time.ts'
import type { Check, Decision, Reason, RolloutInput, RolloutStatus, Step, Workload } from './types.ts'

/** What is analysed when the spec does not say: that the pods are ready. */
const defaults = { intervalSeconds: 60, threshold: 3, maxRestarts: Number.POSITIVE_INFINITY, metrics: undefined }

/** spec.rollout.analysis, or what stands for it. */
export function analysisOf({ spec }: RolloutInput) {
  return spec.analysis ?? defaults
}

/** What a look at a step under way has found. */
export interface Findings extends Pick<Decision, 'start' | 'keep' | 'resyncAfterSeconds'> {
  /** What the status has to remember. */
  memory: Pick<
    RolloutStatus,
    'stepStartedAt' | 'failedChecks' | 'failingSince' | 'lastFailedAt' | 'lastFailedCheck' | 'reason' | 'message'
  >
  /** Its time is over, and all is well. */
  complete: boolean
}

/** Looks at a step whose time has begun. */
export function examine(
  state: RolloutStatus,
  step: Step,
  target: Split,
  input: RolloutInput,
  stable: Workload,
  canary: Workload,
): Findings {
  const { intervalSeconds, metrics = [] } = analysisOf(input)
  // Only where the last look found nothing but time to wait for: what else holds a step up may do so for long.
  const due = state.phase === 'Waiting' && state.reason === undefined ? step.pauseSeconds : undefined
  const { since, seconds } = stretch(state.stepStartedAt, input.now, due)
  const pods = podCheck(state, intervalSeconds, target, input.now, canary)
  const queries = metrics.length === 0 ? unasked : queryCheck({ ...state, stepStartedAt: since }, step, seconds, input)
  const over = seconds >= step.pauseSeconds
  const trouble =
    pods.trouble ?? queries.trouble ?? stableTrouble(input, stable) ?? (over ? queries.pending : undefined)
  const waits = [step.pauseSeconds - seconds, pods.nextIn, queries.nextIn].filter((wait) => wait > 0)
  const next = Math.min(...waits)
  return {
    memory: {
      stepStartedAt: since,
      failedChecks: state.failedChecks + pods.failed + queries.failed,
      failingSince: pods.failingSince,
      lastFailedAt: pods.failed > 0 ? stamp(input.now) : state.lastFailedAt,
      lastFailedCheck: queries.lastFailedCheck,
      reason: trouble?.reason,
      message: trouble?.message,
    },
    complete: over && trouble === undefined,
    start: queries.start,
    keep: queries.keep,
    resyncAfterSeconds: Number.isFinite(next) ? Math.ceil(next) : undefined,
  }
}

interface Trouble {
  reason: Reason
  message: string
}

// A pod that is replaced, or one more of them, is away for a moment: what counts is to be so for a whole interval.
function podCheck(state: RolloutStatus, interval: number, target: Split, now: Date, canary: Workload) {
  if (canary.available >= target.canary) {
    return { failed: 0, failingSince: undefined, nextIn: Number.POSITIVE_INFINITY }
  }
  const failing = stretch(state.failingSince, now)
  const uncounted = stretch(later(failing.since, state.lastFailedAt), now)
  const failed = uncounted.seconds >= interval ? 1 : 0
  const message = `${canary.available} of ${target.canary} pods are ready`
  return {
    failed,
    failingSince: failing.since,
    trouble: { reason: 'CanaryNotReady', message } satisfies Trouble,
    nextIn: failed > 0 ? interval : interval - uncounted.seconds,
  }
}

interface QueryFindings extends Pick<Findings, 'start' | 'keep'> {
  failed: number
  lastFailedCheck?: number | undefined
  trouble?: Trouble
  /** Why the step cannot end yet. */
  pending?: Trouble
  nextIn: number
}

const unasked: QueryFindings = { failed: 0, keep: [], nextIn: Number.POSITIVE_INFINITY }

// One Job at a time, at the end of each interval. The last one of a step must have passed for the step to end.
function queryCheck(state: RolloutStatus, step: Step, seconds: number, input: RolloutInput): QueryFindings {
  const { intervalSeconds } = analysisOf(input)
  const first = Math.min(intervalSeconds, step.pauseSeconds)
  const number = seconds < first ? 0 : Math.max(1, Math.floor(seconds / intervalSeconds))
  const needed = Math.max(1, Math.floor(step.pauseSeconds / intervalSeconds))
  const known = input.checks
    .filter((check) => check.id === checkId(state, input.wanted, check.number))
    .sort((one, other) => one.number - other.number)
  const latest: Check | undefined = known[known.length - 1]
  const fresh = latest?.outcome === 'failed' && latest.number > (state.lastFailedCheck ?? 0)
  const lastFailedCheck = fresh ? latest.number : state.lastFailedCheck
  // What has just been counted is kept until the status is known to remember it.
  const idle = latest?.outcome !== 'running' && !fresh
  const start = idle && number > (latest?.number ?? 0) && number > (lastFailedCheck ?? 0) ? number : undefined
  const passed = latest?.outcome === 'passed' && latest.number >= needed
  return {
    failed: fresh ? 1 : 0,
    lastFailedCheck,
    ...(latest?.outcome === 'failed'
      ? { trouble: { reason: 'CheckFailing', message: latest.message ?? `check ${latest.number} failed` } }
      : {}),
    ...(passed ? {} : { pending: { reason: 'CheckRunning', message: `check ${Math.max(number, 1)} has to pass` } }),
    ...(start === undefined ? {} : { start: { id: checkId(state, input.wanted, start), number: start } }),
    keep: latest === undefined || start !== undefined ? [] : [latest.id],
    nextIn: fresh ? 1 : number === 0 ? first - seconds : (number + 1) * intervalSeconds - seconds,
  }
}

/** Names one check of one step of one rollout: nothing that a Job asks about can change under its name. */
function checkId({ startedAt, step, stepStartedAt }: RolloutStatus, revision: string, number: number): string {
  // A Job's name is a label of its pods, which has 63 characters, and a WebApp's name takes up to 45 of them.
  return shortHash(JSON.stringify([revision, startedAt, step, stepStartedAt, number])).slice(0, 8)
}

// A comparison with pods that are not well says nothing, and a step further would lean on them.
function stableTrouble({ spec }: RolloutInput, stable: Workload): Trouble | undefined {
  const missing = stable.wanted - stable.available
  if (missing <= resolve(spec.maxUnavailable, stable.wanted, Math.floor)) return undefined
  const message = `${stable.available} of ${stable.wanted} pods of the stable revision are ready`
  return { reason: 'StableNotReady', message }
}
