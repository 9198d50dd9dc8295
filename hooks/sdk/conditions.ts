// metav1.Condition: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
import * as z from 'zod'

/** A condition as a kind states it: the SDK adds the times. */
export interface ConditionInput {
  /** CamelCase: Ready, Reconciling, Stalled, or the kind's own. */
  type: string
  status: 'True' | 'False' | 'Unknown'
  /** CamelCase and never empty: a named constant that machines may rely on. */
  reason: string
  /** For people. Nothing in it may move by itself (no times, no counters that tick). */
  message: string
}

/** A condition as it is stored. */
export interface Condition extends ConditionInput {
  /** RFC 3339, whole seconds: when `status` last changed. */
  lastTransitionTime: string
  observedGeneration?: number
}

/** The CRD schema of `status.conditions`: a map by type, as kubectl wait and server-side apply want it. */
export const conditionsSchema = z
  .array(
    z.object({
      type: z
        .string()
        .max(316)
        .regex(
          /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/,
        )
        .describe('What the condition is about, such as Ready.'),
      status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
      observedGeneration: z
        .int()
        .min(0)
        .optional()
        .describe('The metadata.generation that the condition was set for.')
        .meta({ format: 'int64' }),
      lastTransitionTime: z.string().meta({ format: 'date-time' }).describe('When the status last changed.'),
      reason: z
        .string()
        .min(1)
        .max(1024)
        .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
        .describe('Why, in one CamelCase word that a machine can rely on.'),
      message: z.string().max(32768).describe('Why, for people.'),
    }),
  )
  .describe('What holds for this resource right now.')
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })

/**
 * Gives conditions their times: `lastTransitionTime` is carried over from the condition of the same type in
 * `previous` unless the status changed, so that an unchanged state is an unchanged status (Metacontroller
 * syncs again on every change of a parent's status).
 */
export function stampConditions(
  next: readonly ConditionInput[],
  previous: readonly Condition[],
  now: Date,
  generation: number | undefined,
): Condition[] {
  const time = `${now.toISOString().slice(0, 19)}Z`
  return next.map(({ type, status, reason, message }) => {
    const before = previous.find((condition) => condition.type === type)
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : time
    const stamped: Condition = { type, status, reason, message, lastTransitionTime }
    return generation === undefined ? stamped : { ...stamped, observedGeneration: generation }
  })
}

/** The condition of that type, or undefined. */
export function findCondition<C extends { type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type)
}
