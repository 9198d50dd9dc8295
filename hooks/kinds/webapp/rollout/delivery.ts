// What a strategy is given, and what it answers: the seam between a WebApp and the way its revisions come about.
import type { ConditionInput } from '../../../sdk/conditions.ts'
import type { ClockContext } from '../../../sdk/definition.ts'
import type { ConfigMap, Deployment, Job, Service } from '../../../sdk/resources.ts'
import type { WebAppChildren } from '../children.ts'
import type { Progress } from '../progress.ts'
import type { Replicas } from '../replicas.ts'
import type { Revision } from '../revision.ts'
import type { Phase, WebApp, WebAppStatus } from '../schema.ts'

export interface Wanted {
  /** What the spec asks for. */
  revision: Revision
  /** How many pods in all, who says so, and the annotations that belong on the Deployment <name>. */
  replicas: Replicas
}

export interface Delivery {
  configurations: readonly (ConfigMap | undefined)[]
  deployments: readonly Deployment[]
  services: readonly Service[]
  jobs: readonly Job[]
  /** The counts of all pods together, and how far they are. */
  progress: Progress
  status: Pick<WebAppStatus, 'revision' | 'rollout' | 'traffic'>
  /** Conditions of its own, such as RolledBack. */
  conditions: readonly ConditionInput[]
  /** Replaces the phase, and the reason and message of Ready and Reconciling, where the counts alone would mislead. */
  summary?: { phase: Phase; ready: ConditionInput; reconciling?: ConditionInput; progressing?: ConditionInput }
  /** Below this an autoscaler must not go for now. */
  minReplicas?: number
  resyncAfterSeconds?: number
}

export type Strategy = (app: WebApp, context: ClockContext<WebAppChildren>, wanted: Wanted) => Delivery
