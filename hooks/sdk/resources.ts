// The kinds of object that a hook may emit, each with the plural that Metacontroller needs and the way it is
// updated. Types come from kubernetes-types: client-node's model classes are not wire types (`_from`, Date …).
import type * as apps from 'kubernetes-types/apps/v1.js'
import type * as autoscaling from 'kubernetes-types/autoscaling/v2.js'
import type * as batch from 'kubernetes-types/batch/v1.js'
import type * as core from 'kubernetes-types/core/v1.js'
import type * as discovery from 'kubernetes-types/discovery/v1.js'
import type * as networking from 'kubernetes-types/networking/v1.js'
import type * as policy from 'kubernetes-types/policy/v1.js'
import type * as rbac from 'kubernetes-types/rbac/v1.js'
import type { KubernetesObject, ObjectMeta } from './kubernetes.ts'

/** How Metacontroller brings an observed child to what is desired. `Rolling*` hangs after the first child: never. */
export type UpdateMethod = 'InPlace' | 'Recreate' | 'OnDelete'

/** A kind of object, and the TypeScript type of its objects as they travel in JSON. */
export interface ResourceType<Resource extends KubernetesObject = KubernetesObject> {
  readonly apiVersion: Resource['apiVersion']
  readonly kind: Resource['kind']
  /** Plural, lower case: `statefulsets`. */
  readonly resource: string
  readonly namespaced: boolean
  readonly updateMethod: UpdateMethod
  /** Never set: it only carries the type. */
  readonly wire?: Resource
}

/** One rule of a Role: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
export type PolicyRule = rbac.PolicyRule

/** The objects of a resource type. */
export type ObjectOf<Type extends ResourceType> = NonNullable<Type['wire']>

/** A kubernetes-types interface as a hook must write it: type and name are there, the rest as it was. */
type Wire<Model> = {
  [Field in keyof Model as Field extends 'apiVersion' | 'kind' | 'metadata' ? never : Field]: Model[Field]
} & {
  apiVersion: Model extends { apiVersion?: infer Version extends string } ? Version : string
  kind: Model extends { kind?: infer Kind extends string } ? Kind : string
  metadata: ObjectMeta & { name: string }
}

/** Describes a kind of object; `updateMethod` is InPlace unless the kind's template cannot change in place. */
export function resourceType<Resource extends KubernetesObject>(
  apiVersion: Resource['apiVersion'],
  kind: Resource['kind'],
  resource: string,
  options: { namespaced?: boolean; updateMethod?: UpdateMethod } = {},
): ResourceType<Resource> {
  return { apiVersion, kind, resource, namespaced: true, updateMethod: 'InPlace', ...options }
}

/** Whether an object is of a type: for decorators that look at several. */
export function isOf<Type extends ResourceType>(type: Type, object: KubernetesObject): object is ObjectOf<Type> {
  return object.kind === type.kind && object.apiVersion === type.apiVersion
}

export type StatefulSet = Wire<apps.StatefulSet>
export type Deployment = Wire<apps.Deployment>
export type Service = Wire<core.Service>
export type ConfigMap = Wire<core.ConfigMap>
export type Secret = Wire<core.Secret>
export type ServiceAccount = Wire<core.ServiceAccount>
export type Namespace = Wire<core.Namespace>
export type PersistentVolumeClaim = Wire<core.PersistentVolumeClaim>
export type Pod = Wire<core.Pod>
export type ResourceQuota = Wire<core.ResourceQuota>
export type LimitRange = Wire<core.LimitRange>
export type Job = Wire<batch.Job>
export type CronJob = Wire<batch.CronJob>
export type PodDisruptionBudget = Wire<policy.PodDisruptionBudget>
export type NetworkPolicy = Wire<networking.NetworkPolicy>
export type EndpointSlice = Wire<discovery.EndpointSlice>
export type Ingress = Wire<networking.Ingress>
export type HorizontalPodAutoscaler = Wire<autoscaling.HorizontalPodAutoscaler>
export type Role = Wire<rbac.Role>
export type RoleBinding = Wire<rbac.RoleBinding>

export const StatefulSet = resourceType<StatefulSet>('apps/v1', 'StatefulSet', 'statefulsets')
export const Deployment = resourceType<Deployment>('apps/v1', 'Deployment', 'deployments')
export const Service = resourceType<Service>('v1', 'Service', 'services')
export const ConfigMap = resourceType<ConfigMap>('v1', 'ConfigMap', 'configmaps')
export const Secret = resourceType<Secret>('v1', 'Secret', 'secrets')
export const ServiceAccount = resourceType<ServiceAccount>('v1', 'ServiceAccount', 'serviceaccounts')
export const Namespace = resourceType<Namespace>('v1', 'Namespace', 'namespaces', { namespaced: false })
export const PersistentVolumeClaim = resourceType<PersistentVolumeClaim>(
  'v1',
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
)
export const Pod = resourceType<Pod>('v1', 'Pod', 'pods')
export const ResourceQuota = resourceType<ResourceQuota>('v1', 'ResourceQuota', 'resourcequotas')
export const LimitRange = resourceType<LimitRange>('v1', 'LimitRange', 'limitranges')
export const Job = resourceType<Job>('batch/v1', 'Job', 'jobs')
export const CronJob = resourceType<CronJob>('batch/v1', 'CronJob', 'cronjobs')
export const PodDisruptionBudget = resourceType<PodDisruptionBudget>(
  'policy/v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
)
export const NetworkPolicy = resourceType<NetworkPolicy>('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies')
export const EndpointSlice = resourceType<EndpointSlice>('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices')
export const Ingress = resourceType<Ingress>('networking.k8s.io/v1', 'Ingress', 'ingresses')
export const HorizontalPodAutoscaler = resourceType<HorizontalPodAutoscaler>(
  'autoscaling/v2',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
)
export const Role = resourceType<Role>('rbac.authorization.k8s.io/v1', 'Role', 'roles')
export const RoleBinding = resourceType<RoleBinding>('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings')
