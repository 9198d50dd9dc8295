// What Metacontroller sends to a hook and reads from it (metacontroller.k8s.io/v1alpha1, 1.5 to 4.17).
// https://metacontroller.github.io/metacontroller/api/compositecontroller.html and …/decoratorcontroller.html
import type { KubernetesObject } from './kubernetes.ts'

/**
 * Observed objects by `<Kind>.<apiVersion>` (`StatefulSet.apps/v1`, `Pod.v1`), then by key: the name, or
 * `namespace/name` under hook version v2 and under v1 for a namespaced object of a cluster-scoped parent.
 * Every declared kind is there, even when nothing of it exists.
 */
export type ObservedGroups = Record<string, Record<string, KubernetesObject>>

/** POST body of a CompositeController's sync and finalize hooks. */
export interface CompositeRequest {
  /** The CompositeController itself, as it is stored. */
  controller: KubernetesObject
  parent: KubernetesObject
  children: ObservedGroups
  /** What the customize hook asked for; empty without one. */
  related: ObservedGroups
  finalizing: boolean
}

/** Answer of a CompositeController's sync and finalize hooks. */
export interface CompositeResponse {
  /** Replaces the parent's whole status; Metacontroller adds `observedGeneration`. */
  status: Record<string, unknown>
  /** All the children there should be: whatever is observed and not in here is deleted. */
  children: KubernetesObject[]
  /** One more sync after so many seconds, once. 0 or absent: none. */
  resyncAfterSeconds?: number
  /** Finalize only: true lets the parent go. */
  finalized?: boolean
}

/** POST body of a DecoratorController's sync and finalize hooks. */
export interface DecoratorRequest {
  controller: KubernetesObject
  object: KubernetesObject
  attachments: ObservedGroups
  related: ObservedGroups
  finalizing: boolean
}

/** Answer of a DecoratorController's sync and finalize hooks. */
export interface DecoratorResponse {
  /** Labels to set on the object; null takes one off; others stay. */
  labels?: Record<string, string | null>
  annotations?: Record<string, string | null>
  /** null or absent leaves the object's status alone. */
  status?: Record<string, unknown> | null
  attachments: KubernetesObject[]
  resyncAfterSeconds?: number
  finalized?: boolean
}

/** POST body of a customize hook, for both kinds of controller. */
export interface CustomizeRequest {
  controller: KubernetesObject
  parent: KubernetesObject
}

/** One rule of a customize answer: `names` excludes selectors, `namespace` excludes `namespaceSelector`. */
export interface RelatedResourceRule {
  apiVersion: string
  /** Plural, lower case. */
  resource: string
  labelSelector?: WireSelector
  namespaceSelector?: WireSelector
  namespace?: string
  names?: string[]
}

/** metav1.LabelSelector. */
interface WireSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

/** Answer of a customize hook. */
export interface CustomizeResponse {
  relatedResources: RelatedResourceRule[]
}

/** The annotation in which Metacontroller's dynamic apply keeps what it last applied, as JSON. */
export const lastAppliedAnnotation = 'metacontroller.k8s.io/last-applied-configuration'
