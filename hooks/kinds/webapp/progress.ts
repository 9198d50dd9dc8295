// How far Deployments are on the way to what is asked for.
import type { Live } from '../../sdk/observed.ts'
import type { Deployment } from '../../sdk/resources.ts'
import { revisionIn } from './revision.ts'

export interface Progress {
  exists: boolean
  /** Pods that are asked for, that exist, and that are ready. */
  wanted: number
  replicas: number
  ready: number
  /** The number of pods is not yet what is asked for. */
  scaling: boolean
  /** Pods of another revision are still there, or those of this one are not all there yet. */
  updating: boolean
  /** Nothing is left to do. */
  settled: boolean
  /** The Deployment's own word that it made no progress within its deadline. */
  stuck: boolean
  /** Why the API server refuses pods: a quota, a policy. */
  refused?: string
}

/** One Deployment that should have `wanted` pods of `revision`. */
export function progressOf(deployment: Live<Deployment> | undefined, wanted: number, revision: string): Progress {
  const status = deployment?.status
  const { replicas, ready } = countsOf(deployment)
  // Counts and conditions of an earlier generation say nothing about this one.
  const current = (status?.observedGeneration ?? 0) >= (deployment?.metadata.generation ?? 0)
  const scaling = deployment !== undefined && (deployment.spec?.replicas !== wanted || replicas !== wanted)
  const updating =
    deployment !== undefined &&
    (revisionIn(deployment) !== revision || !current || (status?.updatedReplicas ?? 0) < Math.min(wanted, replicas))
  const condition = (type: string) => status?.conditions?.find((one) => one.type === type)
  const failure = condition('ReplicaFailure')
  return {
    exists: deployment !== undefined,
    wanted,
    replicas,
    ready,
    scaling,
    updating,
    settled: deployment !== undefined && current && !scaling && !updating && ready === wanted,
    stuck: current && condition('Progressing')?.reason === 'ProgressDeadlineExceeded',
    ...(current && failure?.status === 'True' && { refused: withoutPodName(failure.message ?? '') }),
  }
}

// Each try names another pod: `pods "shop-5d8-x2x4z" is forbidden: exceeded quota: …`. A status that repeated it would be
// written as often.
function withoutPodName(message: string): string {
  return message.replace(/^pods "[^"]*" is forbidden: /, '')
}

/** Pods of a Deployment that exist and that are ready, as its controller counts them. */
export function countsOf(deployment: Deployment | undefined): { replicas: number; ready: number } {
  return { replicas: deployment?.status?.replicas ?? 0, ready: deployment?.status?.readyReplicas ?? 0 }
}
