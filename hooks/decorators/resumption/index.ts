// Resumption: marks that the hook service is back after an outage, so that everything is looked at again at once.
//
// A Lease says when Metacontroller last had an answer, and since when it has had them without a break. Once in ten
// seconds it is renewed; where that was not possible for longer, a new unbroken time begins, and that goes as an annotation
// onto this very DecoratorController, to which every resource of the suite is related (sdk/resumption.ts).
import { decorator } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import type { KubernetesObject, ObjectMeta } from '../../sdk/kubernetes.ts'
import { recommendedLabels } from '../../sdk/names.ts'
import { resourceType } from '../../sdk/resources.ts'
import { resumptionName } from '../../sdk/resumption.ts'

type Lease = {
  apiVersion: 'coordination.k8s.io/v1'
  kind: 'Lease'
  metadata: ObjectMeta & { name: string; namespace: string }
  /** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
  spec: { holderIdentity: string; acquireTime: string; renewTime: string; leaseDurationSeconds: number }
}

type DecoratorController = KubernetesObject & { metadata: { name: string } }

const Lease = resourceType<Lease>('coordination.k8s.io/v1', 'Lease', 'leases')
const DecoratorController = resourceType<DecoratorController>(
  'metacontroller.k8s.io/v1alpha1',
  'DecoratorController',
  'decoratorcontrollers',
  { namespaced: false },
)

/** On the DecoratorController: since when there have been answers without a break. */
const since = 'decorators.example.com/answering-since'
const leaseNamespace = 'decorators.example.com/lease-namespace'

const periodSeconds = 10
/** So long without an answer is an outage. After a shorter one Metacontroller's back-off is as short. */
const outageSeconds = 3 * periodSeconds
/** A renewal is seen, and asks again: that must not be a reason for the next. */
const renewedAfterSeconds = periodSeconds / 2

export const resumption = decorator({
  name: resumptionName,
  description:
    'Has every resource of the suite looked at again as soon as the hook service answers after an outage: a Lease tells how long there was no answer.',
  // All of them, and not only itself by a selector: that would want a finalizer, without which nothing stands in the way
  // of removing the suite.
  resources: [{ type: DecoratorController }],
  attachments: [Lease],
  sets: { annotations: [since] },
  parameters: { [leaseNamespace]: 'operator-hooks' },
  resyncPeriodSeconds: periodSeconds,
  clock: true,
  sync(controller, context) {
    const { observed, parameters } = context
    const { name, annotations = {} } = controller.metadata
    if (name !== resumptionName) return { attachments: [] }
    const namespace = parameters[leaseNamespace] || 'operator-hooks'
    const now = context.now.getTime()
    const seen = observed.get(Lease, resumptionName, namespace)
    const renewed = timeOf(seen?.spec.renewTime)
    const marked = annotations[since]
    // A mark younger than the Lease: what was written together with it has not been seen yet.
    const ahead = timeOf(marked) > renewed
    const heard = ahead ? timeOf(marked) : renewed
    const unbroken = now - heard < outageSeconds * 1000
    if (seen !== undefined && unbroken && now - renewed < renewedAfterSeconds * 1000) {
      return { attachments: [heldChild(seen)], annotations: { [since]: seen.spec.acquireTime } }
    }
    const renewTime = microTime(now)
    const acquireTime = (unbroken ? (ahead ? marked : seen?.spec.acquireTime) : undefined) ?? renewTime
    return { attachments: [lease(namespace, acquireTime, renewTime)], annotations: { [since]: acquireTime } }
  },
})

function lease(namespace: string, acquireTime: string, renewTime: string): Lease {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: resumptionName,
      namespace,
      labels: recommendedLabels({ name: resumptionName, instance: resumptionName, component: 'lease' }),
    },
    spec: { holderIdentity: 'operator-hooks', acquireTime, renewTime, leaseDurationSeconds: outageSeconds },
  }
}

/** Milliseconds; long ago where there is no time. */
function timeOf(text: string | undefined): number {
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? 0 : time
}

/** As the API server writes a MicroTime, so that it is equal to what is stored. */
function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z')
}
