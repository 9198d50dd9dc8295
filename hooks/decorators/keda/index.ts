// KEDA: a ScaledObject for each WebApp that is to be scaled by triggers. https://keda.sh/docs/latest/reference/scaledobject-spec/
//
// KEDA makes a HorizontalPodAutoscaler of its own from it. Two of them at one Deployment would fight, so the WebApp makes
// none where it has triggers, and here none is asked for as long as one is there.
import { scaledByKeda } from '../../kinds/webapp/autoscaler.ts'
import { webapp } from '../../kinds/webapp/index.ts'
import { labels, names } from '../../kinds/webapp/names.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import type { Notice } from '../../sdk/decorated.ts'
import { decorator, objectsOf } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { withoutEmpty } from '../../sdk/podspec.ts'
import { HorizontalPodAutoscaler, resourceType } from '../../sdk/resources.ts'

interface Trigger {
  type: string
  name?: string
  metricType?: string
  metadata: Record<string, string>
  authenticationRef?: { name: string; kind?: string }
}

type ScaledObject = {
  apiVersion: 'keda.sh/v1alpha1'
  kind: 'ScaledObject'
  metadata: ObjectMeta & { name: string }
  spec: {
    scaleTargetRef: { apiVersion: string; kind: string; name: string }
    minReplicaCount: number
    maxReplicaCount: number
    advanced?: { horizontalPodAutoscalerConfig: { behavior: object } }
    triggers: Trigger[]
  }
}

const ScaledObject = resourceType<ScaledObject>('keda.sh/v1alpha1', 'ScaledObject', 'scaledobjects')

export const keda = decorator({
  name: 'keda',
  description:
    'A ScaledObject for each WebApp with autoscaling.triggers, in place of its HorizontalPodAutoscaler: there are never both.',
  resources: [{ ...objectsOf<WebApp>(webapp), ignoreStatusChanges: true }],
  attachments: [ScaledObject],
  relatedTypes: [HorizontalPodAutoscaler],
  related: ({ metadata: { name } }) => [{ type: HorizontalPodAutoscaler, names: [name] }],
  sync(app, { observed, related }) {
    if (!scaledByKeda(app) || app.spec.suspend) return { attachments: [] }
    const { name } = app.metadata
    const other = related.get(HorizontalPodAutoscaler, names(app).autoscaler)
    if (other === undefined) return { attachments: [scaledObject(app)], notice: leftOut(app) }
    const own = other.metadata.ownerReferences?.some(({ uid }) => uid === app.metadata.uid)
    return {
      attachments: observed.list(ScaledObject).map(heldChild),
      // Its own is about to go, and its going is seen.
      notice: own
        ? undefined
        : {
            reason: 'AutoscalerInTheWay',
            message: `HorizontalPodAutoscaler ${name} is not the WebApp's own: as long as it is there, KEDA is given nothing to scale`,
          },
    }
  },
})

function scaledObject(app: WebApp): ScaledObject {
  const { minReplicas, maxReplicas, behavior, triggers = [] } = app.spec.autoscaling
  const { targetCPUUtilization, targetMemoryUtilization } = app.spec.autoscaling
  return {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: { name: app.metadata.name, labels: labels(app) },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: names(app).deployment('stable') },
      minReplicaCount: minReplicas,
      maxReplicaCount: maxReplicas,
      ...(behavior &&
        Object.keys(behavior).length > 0 && {
          advanced: { horizontalPodAutoscalerConfig: { behavior: withoutEmpty(behavior) } },
        }),
      triggers: [
        ...triggers.map((trigger) => ({ ...trigger }) as Trigger),
        ...utilization('cpu', targetCPUUtilization),
        ...utilization('memory', targetMemoryUtilization),
      ],
    },
  }
}

function utilization(type: 'cpu' | 'memory', percent: number | undefined): Trigger[] {
  return percent === undefined ? [] : [{ type, metricType: 'Utilization', metadata: { value: String(percent) } }]
}

function leftOut(app: WebApp): Notice | undefined {
  const { metrics = [] } = app.spec.autoscaling
  if (metrics.length === 0) return undefined
  return {
    reason: 'MetricsLeftOut',
    message:
      'spec.autoscaling.metrics: are those of a HorizontalPodAutoscaler; with triggers KEDA scales, so write them as triggers',
  }
}
