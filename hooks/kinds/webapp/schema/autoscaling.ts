// A number of pods that follows the load: a HorizontalPodAutoscaler, or KEDA.
import * as z from 'zod'
import { labelSelectorSchema } from '../../../sdk/podspec.ts'
import { quantity, rule } from '../../../sdk/schema.ts'

const target = rule(
  z.object({
    type: z.enum(['Utilization', 'Value', 'AverageValue']).describe('What the number means.'),
    averageUtilization: z.int().min(1).max(10000).optional().describe('Percent of what pods ask for.'),
    averageValue: quantity().optional().describe('Amount for each pod.'),
    value: quantity().optional().describe('Amount in all.'),
  }),
  {
    rule: "self.type == 'Utilization' ? has(self.averageUtilization) && !has(self.averageValue) && !has(self.value) : self.type == 'Value' ? has(self.value) && !has(self.averageUtilization) && !has(self.averageValue) : has(self.averageValue) && !has(self.averageUtilization) && !has(self.value)",
    message: 'give averageUtilization for Utilization, value for Value and averageValue for AverageValue, and no other',
  },
  ({ type, averageUtilization, averageValue, value }) => {
    const given = { Utilization: averageUtilization, AverageValue: averageValue, Value: value }
    return Object.entries(given).every(([name, amount]) => (amount !== undefined) === (name === type))
  },
)

const metricIdentifier = z.object({
  name: z.string().min(1).max(253).describe('Name of the metric.'),
  selector: labelSelectorSchema.optional().describe('Labels of the metric.'),
})

const sources = {
  resource: z
    .object({
      name: z.string().min(1).max(253).describe('cpu, memory …'),
      target: target.describe('What is aimed at.'),
    })
    .optional()
    .describe('A resource of the pods.'),
  containerResource: z
    .object({
      name: z.string().min(1).max(253).describe('cpu, memory …'),
      container: z.string().min(1).max(63).describe('Container that counts.'),
      target: target.describe('What is aimed at.'),
    })
    .optional()
    .describe('A resource of one container.'),
  pods: z
    .object({ metric: metricIdentifier.describe('The metric.'), target: target.describe('What is aimed at.') })
    .optional()
    .describe('A metric of the pods.'),
  object: z
    .object({
      describedObject: z
        .object({
          apiVersion: z.string().min(1).max(253).describe('API version of the object.'),
          kind: z.string().min(1).max(63).describe('Kind of the object.'),
          name: z.string().min(1).max(253).describe('Name of the object.'),
        })
        .describe('The object, in the same namespace.'),
      metric: metricIdentifier.describe('The metric.'),
      target: target.describe('What is aimed at.'),
    })
    .optional()
    .describe('A metric of another object.'),
  external: z
    .object({ metric: metricIdentifier.describe('The metric.'), target: target.describe('What is aimed at.') })
    .optional()
    .describe('A metric from outside the cluster.'),
} as const

/** autoscaling/v2 MetricSpec.type, and the field that goes with each. */
const fieldOf = {
  Resource: 'resource',
  ContainerResource: 'containerResource',
  Pods: 'pods',
  Object: 'object',
  External: 'external',
} as const

const metric = rule(
  z.object({
    type: z.enum(['Resource', 'ContainerResource', 'Pods', 'Object', 'External']).describe('Kind of metric.'),
    ...sources,
  }),
  {
    rule: Object.entries(fieldOf)
      .map(([type, field]) => `(self.type == '${type}') == has(self.${field})`)
      .join(' && '),
    message: 'give the field that goes with the type, such as pods for Pods, and no other',
  },
  (value) => Object.entries(fieldOf).every(([type, field]) => (value.type === type) === (value[field] !== undefined)),
)

const scalingRules = z.object({
  stabilizationWindowSeconds: z
    .int()
    .min(0)
    .max(3600)
    .optional()
    .describe('Seconds over which the gentlest advice counts.'),
  selectPolicy: z.enum(['Max', 'Min', 'Disabled']).optional().describe('Which of the policies holds; Max when absent.'),
  policies: z
    .array(
      z.object({
        type: z.enum(['Pods', 'Percent']).describe('What value counts.'),
        value: z.int().min(1).max(10000).describe('How much may change'),
        periodSeconds: z.int().min(1).max(1800).describe('within so many seconds.'),
      }),
    )
    .min(1)
    .max(8)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('How fast.'),
})

const trigger = z.object({
  type: z.string().min(1).max(63).describe("Type of KEDA's trigger, such as kafka or prometheus."),
  name: z.string().min(1).max(63).optional().describe('Name of the trigger.'),
  metricType: z.enum(['AverageValue', 'Value', 'Utilization']).optional().describe('What its number means.'),
  metadata: z
    .record(z.string(), z.string().max(4096))
    .meta({ maxProperties: 32 })
    .default({})
    .describe('What the trigger is told.'),
  authenticationRef: z
    .object({
      name: z.string().min(1).max(253).describe('Name of the TriggerAuthentication.'),
      kind: z.enum(['TriggerAuthentication', 'ClusterTriggerAuthentication']).optional().describe('Its kind.'),
    })
    .optional()
    .describe('How it proves who it is.'),
})

export const autoscaling = rule(
  z.object({
    enabled: z.boolean().default(false).describe('Whether the number of pods follows the load.'),
    minReplicas: z.int().min(1).max(1000).default(1).describe('Least number of pods.'),
    maxReplicas: z.int().min(1).max(1000).default(10).describe('Most number of pods.'),
    targetCPUUtilization: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe('Share of the requested CPU to aim at, in percent; 80 when nothing else is given.'),
    targetMemoryUtilization: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe('Share of the requested memory to aim at, in percent.'),
    metrics: z
      .array(metric)
      .max(16)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe('Further metrics to aim at, as in a HorizontalPodAutoscaler.'),
    behavior: z
      .object({
        scaleUp: scalingRules.optional().describe('How fast pods come.'),
        scaleDown: scalingRules.optional().describe('How fast pods go.'),
      })
      .optional()
      .describe('How fast the number changes.'),
    triggers: z
      .array(trigger)
      .max(16)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe('Triggers of KEDA, where that is installed: with any of them KEDA scales instead.'),
  }),
  {
    rule: 'self.minReplicas <= self.maxReplicas',
    message: 'must not be above maxReplicas',
    fieldPath: '.minReplicas',
  },
  ({ minReplicas, maxReplicas }) => minReplicas <= maxReplicas,
)
