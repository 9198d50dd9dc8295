// What one answer of a sync or finalize hook did, for those who tell of it: metrics, the log, Events.
import type { Evaluation } from '../sdk/evaluate.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import type { CompositeResponse, DecoratorResponse, ObservedGroups } from '../sdk/wire.ts'

export interface Story extends Evaluation<CompositeResponse | DecoratorResponse> {
  /** The parent, or the decorated object. */
  subject: KubernetesObject
  observed: ObservedGroups
  desired: readonly KubernetesObject[]
}

interface Stated {
  type: string
  status?: string
  reason?: string
  message?: string
}

/** A condition of the object's status, before the answer or after it. */
export function conditionOf(status: unknown, type: string): Stated | undefined {
  const { conditions } = (status ?? {}) as { conditions?: Stated[] }
  return conditions?.find((condition) => condition.type === type)
}

/** Whether a hold is one that the status, or on a decorated object the annotation, does not tell of already. */
export function isNewHold({ hold, subject, response }: Story): boolean {
  if (hold === undefined) return false
  if ('attachments' in response) {
    const before = subject.metadata.annotations ?? {}
    return Object.entries(response.annotations ?? {}).some(([key, value]) => before[key] !== value)
  }
  const before = conditionOf(subject.status, 'Stalled')
  const after = conditionOf(response.status, 'Stalled')
  return before?.status !== 'True' || before.reason !== after?.reason || before.message !== after?.message
}
