// How everything is looked at again as soon as the hook service is back after an outage. Metacontroller's back-off gives
// each resource the length of the outage once more, and what would cut it, a short resync period, costs a busy API server
// all the time. So each resource of this suite is related to one object that the decorator `resumption` marks when an
// outage is over: Metacontroller then queues them all at once (docs/decisions/0034-after-an-outage.md).
import type { RelatedResourceRule } from './wire.ts'

/** The decorator, and the DecoratorController that it marks: its own. */
export const resumptionName = 'resumption'

const controllers = { apiVersion: 'metacontroller.k8s.io/v1alpha1', resource: 'decoratorcontrollers' } as const

/** Under hook version v2: that DecoratorController by its name. */
export const resumptionRule: RelatedResourceRule = { ...controllers, names: [resumptionName] }

/**
 * Under v1, where a namespaced parent is shown nothing of what has no namespace. Metacontroller 1.5 tells the parent of
 * its changes all the same, and goes by the labels alone.
 */
export const narrowResumptionRule: RelatedResourceRule = {
  ...controllers,
  labelSelector: {
    matchLabels: { 'app.kubernetes.io/part-of': 'operator-hooks', 'app.kubernetes.io/name': resumptionName },
  },
}
