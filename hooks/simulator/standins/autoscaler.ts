// The HorizontalPodAutoscaler's controller (pkg/controller/podautoscaler/horizontal.go) in a cluster that serves no
// metrics: it keeps the number of pods within its bounds, and says that it knows nothing of their load.
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { at, listAt, numberAt, textAt } from '../json.ts'
import { referenceOf } from '../store.ts'
import { type Loop, startLoop, type World, withCondition, writeStatus } from './loop.ts'

const autoscalerType = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler' }

export function startAutoscalers(world: World): Loop {
  const { client, clock } = world
  const targets = (autoscaler: KubernetesObject, { kind, metadata }: KubernetesObject) =>
    textAt(autoscaler, 'spec', 'scaleTargetRef', 'kind') === kind &&
    textAt(autoscaler, 'spec', 'scaleTargetRef', 'name') === metadata.name
  return startLoop(
    world,
    autoscalerType,
    [],
    (autoscaler): undefined => {
      if (autoscaler.metadata.deletionTimestamp !== undefined) return
      const target = client.get({
        apiVersion: textAt(autoscaler, 'spec', 'scaleTargetRef', 'apiVersion') ?? '',
        kind: textAt(autoscaler, 'spec', 'scaleTargetRef', 'kind') ?? '',
        name: textAt(autoscaler, 'spec', 'scaleTargetRef', 'name') ?? '',
        namespace: autoscaler.metadata.namespace ?? '',
      })
      const able: Condition =
        target === undefined
          ? { status: 'False', reason: 'FailedGetScale', message: 'the controller was unable to get the target' }
          : { status: 'True', reason: 'SucceededGetScale', message: 'the controller could get its current scale' }
      let conditions = withCondition(
        listAt(autoscaler, 'status', 'conditions'),
        { type: 'AbleToScale', ...able },
        clock.stamp(),
      )
      if (target === undefined) {
        writeStatus(client, autoscaler, { desiredReplicas: 0, currentMetrics: null, conditions })
        return
      }
      const current = numberAt(target, 'spec', 'replicas') ?? 1
      const least = numberAt(autoscaler, 'spec', 'minReplicas') ?? 1
      const most = numberAt(autoscaler, 'spec', 'maxReplicas') ?? least
      const desired = current === 0 ? 0 : Math.min(Math.max(current, least), most)
      if (desired !== current) client.patch(referenceOf(target), { spec: { replicas: desired } }, 'scale')
      const active = { type: 'ScalingActive', status: 'False', ...inactive(autoscaler, current) }
      // Outside its bounds it looks at no metric.
      if (desired === current) conditions = withCondition(conditions, active, clock.stamp())
      writeStatus(client, autoscaler, {
        currentReplicas: current,
        desiredReplicas: desired,
        currentMetrics: null,
        conditions,
      })
    },
    (changed) =>
      changed.kind === 'Deployment' || changed.kind === 'StatefulSet'
        ? client.list(autoscalerType, changed.metadata.namespace).filter((one) => targets(one, changed))
        : [],
  )
}

interface Condition {
  status: string
  reason: string
  message: string
}

/** Why it does not scale: there is nothing to scale, or no metric to scale by. The first metric gives the reason. */
function inactive(autoscaler: KubernetesObject, current: number): { reason: string; message: string } {
  if (current === 0) {
    const message = 'scaling is disabled since the replica count of the target is zero'
    return { reason: 'ScalingDisabled', message }
  }
  const type = String(at(listAt(autoscaler, 'spec', 'metrics')[0], 'type') ?? 'Resource')
  return {
    reason: `FailedGet${type}Metric`,
    message: 'the HPA was unable to compute the replica count: unable to get metrics',
  }
}
