// The HorizontalPodAutoscaler <name>, where the spec asks for one and KEDA does not do its work.
import type { HorizontalPodAutoscalerBehavior, MetricSpec } from 'kubernetes-types/autoscaling/v2.js'
import { withoutEmpty } from '../../sdk/podspec.ts'
import { canonicalQuantity } from '../../sdk/quantity.ts'
import type { HorizontalPodAutoscaler } from '../../sdk/resources.ts'
import { labels, names } from './names.ts'
import type { WebApp } from './schema.ts'

/** `least`: what it must not go below for now, however few the spec allows. */
export function autoscaler(app: WebApp, least = 0): HorizontalPodAutoscaler | undefined {
  const { enabled, minReplicas, maxReplicas, behavior } = app.spec.autoscaling
  if (!enabled || scaledByKeda(app)) return undefined
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: names(app).autoscaler, labels: labels(app) },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: names(app).deployment('stable') },
      minReplicas: Math.min(Math.max(minReplicas, least), maxReplicas),
      maxReplicas,
      metrics: metrics(app),
      ...(behavior &&
        Object.keys(behavior).length > 0 && { behavior: withoutEmpty(behavior) as HorizontalPodAutoscalerBehavior }),
    },
  }
}

/** Whether the spec has triggers for KEDA, which then makes an autoscaler of its own. */
export function scaledByKeda({ spec: { autoscaling } }: WebApp): boolean {
  return autoscaling.enabled && (autoscaling.triggers ?? []).length > 0
}

function metrics(app: WebApp): MetricSpec[] {
  const { targetCPUUtilization, targetMemoryUtilization, metrics: further = [] } = app.spec.autoscaling
  const given = targetCPUUtilization !== undefined || targetMemoryUtilization !== undefined || further.length > 0
  const cpu = given ? targetCPUUtilization : 80
  return [
    ...(cpu === undefined ? [] : [utilization('cpu', cpu)]),
    ...(targetMemoryUtilization === undefined ? [] : [utilization('memory', targetMemoryUtilization)]),
    ...further.map((metric) => canonicalTargets(withoutEmpty(metric)) as MetricSpec),
  ]
}

function utilization(name: string, averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name, target: { type: 'Utilization', averageUtilization } } }
}

// The list has no merge key: it is compared as a whole with what the API server made of it.
function canonicalTargets<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value).map(([key, inner]) => {
    if (key === 'averageValue' || (key === 'value' && typeof inner === 'string'))
      return [key, canonicalQuantity(inner) ?? inner]
    return [key, canonicalTargets(inner)]
  })
  return Object.fromEntries(entries) as Value
}
