// How many pods there should be, and who says so (docs/decisions/0015-who-counts-replicas.md).
import type { Live } from '../../sdk/observed.ts'
import { scaleManager } from '../../sdk/ownership.ts'
import type { Deployment } from '../../sdk/resources.ts'
import type { WebApp } from './schema.ts'

export interface Replicas {
  count: number
  /**
   * Who decides: spec.replicas; the autoscaler of the spec; or whoever set the number that is there, until
   * spec.replicas changes: an autoscaler that has been switched off, one that others have put on the Deployment, or
   * `kubectl scale`.
   */
  owner: 'spec' | 'autoscaler' | 'others'
  /** Annotations of the Deployment by which the next answer knows. */
  annotations: Record<string, string>
}

/** The value of spec.replicas that does not hold, as long as it stays the same. */
const overridden = 'platform.example.com/replicas-overridden'

/** The count to go back to after suspension. */
const beforeSuspension = 'platform.example.com/replicas-before-suspension'

/** `observed` is the Deployment that an autoscaler works on. */
export function replicasOf(app: WebApp, observed: Live<Deployment> | undefined): Replicas {
  const running = decide(app, observed)
  if (!app.spec.suspend) return running
  const annotations = { ...running.annotations, [beforeSuspension]: String(running.count) }
  return { ...running, count: 0, annotations }
}

function decide({ spec }: WebApp, observed: Live<Deployment> | undefined): Replicas {
  const { replicas, autoscaling } = spec
  const asked: Replicas = { count: replicas, owner: 'spec', annotations: {} }
  const annotations = { [overridden]: String(replicas) }
  const current = currentCount(observed)
  const scaled = observed !== undefined && scaleManager(observed) !== undefined
  if (autoscaling.enabled) {
    const first = Math.min(Math.max(autoscaling.minReplicas, replicas), autoscaling.maxReplicas)
    // An autoscaler never starts from 0, and who means it to stay there (KEDA, people) used the scale subresource.
    const known = current !== undefined && (current > 0 || scaled)
    return { count: known ? current : first, owner: 'autoscaler', annotations }
  }
  if (current === undefined) return asked
  const before = observed?.metadata.annotations?.[overridden]
  if (before === undefined ? !scaled : before !== String(replicas)) return asked
  return { count: current, owner: 'others', annotations }
}

function currentCount(observed: Live<Deployment> | undefined): number | undefined {
  const count = observed?.spec?.replicas
  const remembered = Number(observed?.metadata.annotations?.[beforeSuspension])
  return count === 0 && remembered > 0 ? remembered : count
}
