// The few shapes of the Kubernetes API that every part of the suite speaks of. Typed children come from
// kubernetes-types; what is here is what they have in common.

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/** metav1.OwnerReference. */
export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** metav1.ObjectMeta as it travels in JSON: times are RFC 3339 strings. */
export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: unknown[]
}

/** Any object of the Kubernetes API: the fields all kinds share, and whatever else the kind has. */
export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  [field: string]: unknown
}

/** Group, version and kind's name: enough to say what an object is. */
export interface ObjectType {
  readonly apiVersion: string
  readonly kind: string
}

/** Enough to find one object. `namespace` is absent for cluster-scoped kinds. */
export interface ObjectReference extends ObjectType {
  readonly name: string
  readonly namespace?: string
}

/** Where `kubectl apply` keeps the whole object as it was applied. */
export const kubectlAnnotation = 'kubectl.kubernetes.io/last-applied-configuration'

/** `apps/v1` → `apps`; the core group, `v1`, is the empty string. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

/** `apps/v1` → `v1`. */
export function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf('/') + 1)
}

/** True for a JSON object: not null, not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
