// What the rollout of a WebApp is decided from, and what is decided. Nothing in here knows how a Deployment is written:
// a template is known by its revision alone, so that every state can be set up and tested in a line.

/** spec.rollout, its defaults filled in. */
export interface RolloutSpec {
  strategy: 'rolling' | 'canary' | 'blueGreen'
  /** Of a canary: its share of the requests in percent (1–99), and for how long. */
  steps?: readonly Step[] | undefined
  promotion: 'automatic' | 'manual'
  analysis?: Analysis | undefined
  /** Until the pods of a step have to be ready. */
  progressDeadlineSeconds: number
  /** Pods that may be missing: a count, or a share such as `25%` (rounded down, as a Deployment does). */
  maxUnavailable: number | string
  /** Pods that may be there beyond `replicas`: a count, or a share (rounded up). */
  maxSurge: number | string
  /** What divides the requests. */
  traffic: 'replicas' | 'gateway'
  /** Of blueGreen: how long the set of pods that lost the requests stays. */
  scaleDownDelaySeconds: number
}

export interface Step {
  weight: number
  pauseSeconds: number
}

interface Analysis {
  intervalSeconds: number
  /** Failed checks until a revision is rolled back. */
  threshold: number
  /** Restarts of its containers that a revision may have. */
  maxRestarts: number
  metrics?: readonly Metric[] | undefined
}

/** A query, and between what its answer has to lie. */
interface Metric {
  name: string
  query: string
  min?: number | undefined
  max?: number | undefined
  /** URL of the Prometheus that answers it. */
  address: string
}

/** Where a rollout is. */
export const phases = [
  'Initializing',
  'Progressing',
  'Waiting',
  'WaitingPromotion',
  'Promoting',
  'Finalising',
  'Succeeded',
  'Failed',
] as const

type Phase = (typeof phases)[number]

/** Why a rollout waits, or why it failed. Machines may rely on these. */
export const reasons = [
  'RollingOut',
  'Draining',
  'CanaryNotReady',
  'StableNotReady',
  'RouteNotReady',
  'CheckFailing',
  'CheckRunning',
  'PromotionNeeded',
  'Paused',
  'Suspended',
  'AnalysisFailed',
  'ContainersRestarted',
  'ProgressDeadlineExceeded',
  'Aborted',
] as const

export type Reason = (typeof reasons)[number]

/** status.rollout: with the observed Deployments, all the memory there is. Times are RFC 3339; none of them ticks. */
export interface RolloutStatus {
  phase: Phase
  strategy: RolloutSpec['strategy']
  /** Index of the step. */
  step: number
  /** The canary's share of the requests in percent. */
  weight: number
  failedChecks: number
  reason?: Reason | undefined
  message?: string | undefined
  /** When the canary began. */
  startedAt?: string | undefined
  /** Since when the pods of the step have been coming; the progress deadline counts from here. */
  startingSince?: string | undefined
  /** When the step's own time began: its pods were ready, and the route had the weight. */
  stepStartedAt?: string | undefined
  /** Since when the pods have not been ready within a step. */
  failingSince?: string | undefined
  /** When a failed check was last counted. */
  lastFailedAt?: string | undefined
  /** Number of the step's last check by query that failed. */
  lastFailedCheck?: number | undefined
  /** Pods of the stable Deployment as the canary began; an autoscaler does not go below while it lasts. */
  baseReplicas?: number | undefined
}

/** status.revision: hashes of pod templates. */
export interface Revisions {
  /** What the spec asks for. */
  current?: string | undefined
  /** What last ran on every pod of the stable Deployment. */
  stable?: string | undefined
  /** What is being tried. */
  canary?: string | undefined
  /** What was rolled back; it is not tried again until the template changes. */
  failed?: string | undefined
}

/** An observed Deployment. */
export interface Workload {
  revision: string | undefined
  /** spec.replicas */
  wanted: number
  /** status.replicas, .updatedReplicas, .availableReplicas */
  pods: number
  updated: number
  available: number
  /** Whether the status speaks of the spec as it is. */
  settled: boolean
  /** Whether Kubernetes itself has given up on its rollout (Progressing is False). */
  overdue: boolean
}

/** An analysis Job. */
export interface Check {
  /** What its name ends in: see checkId. */
  id: string
  /** Which check of its step it is, from 1. */
  number: number
  outcome: 'running' | 'passed' | 'failed'
  message?: string | undefined
}

/** Whose pods the Service of the WebApp's own name leads to. */
export type Serving = 'both' | 'stable' | 'canary'

export interface RolloutInput {
  spec: RolloutSpec
  /** Pods that there should be: as the spec says, or as an autoscaler has decided; 0 while the application is stopped. */
  replicas: number
  /** Whether an autoscaler owns the count of the stable Deployment. */
  autoscaled: boolean
  paused: boolean
  /** Revision of the template that the spec asks for. */
  wanted: string
  revisions: Revisions
  previous: RolloutStatus | undefined
  stable: Workload | undefined
  canary: Workload | undefined
  serving: Serving | undefined
  /** Restarts of the containers of the canary's pods; undefined when nobody looks at pods. */
  restarts: number | undefined
  checks: readonly Check[]
  /** The canary's weight that the route is known to have. */
  routeWeight: number | undefined
  /** Revisions that a person named in an annotation. */
  promote: string | undefined
  abort: string | undefined
  now: Date
}

/** What a Deployment should be. */
export interface Part {
  /** The template that the spec asks for, or the one that it was last given. */
  template: 'wanted' | 'observed'
  replicas: number
}

export interface Decision {
  status: RolloutStatus
  revisions: Revisions
  stable: Part
  /** undefined: it goes. */
  canary: Part | undefined
  serving: Serving
  /** Below this an autoscaler must not go for now. */
  minReplicas?: number | undefined
  /** Check to run, and ids of those whose Jobs stay. */
  start?: { id: string; number: number } | undefined
  keep: readonly string[]
  resyncAfterSeconds?: number | undefined
}
