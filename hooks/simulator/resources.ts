// Which kinds the simulated API server serves: the built-in ones below, and those that CRDs add.
import { groupOf, type KubernetesObject, type ObjectType, versionOf } from '../sdk/kubernetes.ts'
import { at, listAt, textAt } from './json.ts'

/** What discovery tells about a kind. */
export interface Resource {
  readonly group: string
  /** The version it is stored in. */
  readonly version: string
  /** Every version that is served. */
  readonly versions: readonly string[]
  readonly kind: string
  /** Plural, lower case: the resource's name in URLs. */
  readonly plural: string
  readonly namespaced: boolean
  /** True when status is written by itself, and lost from other writes. */
  readonly status: boolean
  /** Where the scale subresource finds its numbers (`.spec.replicas`), if there is one. */
  readonly scale?: { readonly spec: string; readonly status: string; readonly selector?: string }
  /** True when metadata.generation counts changes of what is neither metadata nor status. */
  readonly generation: boolean
  /** The CRD it comes from; absent for what is built in. */
  readonly crd?: KubernetesObject
}

/** `deployments.apps`, `pods`: as API errors and CRD names say it. */
export function groupResource(resource: Pick<Resource, 'group' | 'plural'>): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

/** `Deployment.apps`, `Pod`: as validation errors say it. */
export function groupKind(resource: Pick<Resource, 'group' | 'kind'>): string {
  return resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`
}

/** The kinds of one server. */
export interface Resources {
  byKind(type: ObjectType): Resource | undefined
  byPlural(apiVersion: string, plural: string): Resource | undefined
  all(): Resource[]
  /** Serves (or, with `gone`, no longer serves) what a CRD defines. */
  define(crd: KubernetesObject, gone?: boolean): void
}

/** Starts with the built-in kinds. */
export function createResources(): Resources {
  const table = new Map<string, Resource>()
  const keyOf = (group: string, kind: string) => `${group}/${kind}`
  for (const resource of builtIn) table.set(keyOf(resource.group, resource.kind), resource)
  const served = (resource: Resource | undefined, apiVersion: string) =>
    resource?.versions.includes(versionOf(apiVersion)) ? resource : undefined
  return {
    byKind: ({ apiVersion, kind }) => served(table.get(keyOf(groupOf(apiVersion), kind)), apiVersion),
    byPlural: (apiVersion, plural) =>
      served(
        [...table.values()].find((resource) => resource.group === groupOf(apiVersion) && resource.plural === plural),
        apiVersion,
      ),
    all: () => [...table.values()],
    define(crd, gone = false) {
      const resource = resourceOf(crd)
      if (gone) table.delete(keyOf(resource.group, resource.kind))
      else table.set(keyOf(resource.group, resource.kind), resource)
    },
  }
}

function resourceOf(crd: KubernetesObject): Resource {
  const versions = listAt(crd, 'spec', 'versions').filter((version) => at(version, 'served') === true)
  const stored = versions.find((version) => at(version, 'storage') === true) ?? versions[0]
  const scale = at(stored, 'subresources', 'scale')
  const selector = textAt(scale, 'labelSelectorPath')
  return {
    group: textAt(crd, 'spec', 'group') ?? '',
    version: textAt(stored, 'name') ?? '',
    versions: versions.map((version) => textAt(version, 'name') ?? ''),
    kind: textAt(crd, 'spec', 'names', 'kind') ?? '',
    plural: textAt(crd, 'spec', 'names', 'plural') ?? '',
    namespaced: textAt(crd, 'spec', 'scope') === 'Namespaced',
    status: at(stored, 'subresources', 'status') !== undefined,
    generation: true,
    crd,
    ...(scale === undefined
      ? {}
      : {
          scale: {
            spec: textAt(scale, 'specReplicasPath') ?? '.spec.replicas',
            status: textAt(scale, 'statusReplicasPath') ?? '.status.replicas',
            ...(selector === undefined ? {} : { selector }),
          },
        }),
  }
}

const workloadScale = { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' }

/** s: has a status subresource; g: counts generations; c: cluster-scoped; x: has a scale subresource. */
function builtin(apiVersion: string, kind: string, plural: string, traits = ''): Resource {
  return {
    group: groupOf(apiVersion),
    version: versionOf(apiVersion),
    versions: [versionOf(apiVersion)],
    kind,
    plural,
    namespaced: !traits.includes('c'),
    status: traits.includes('s'),
    generation: traits.includes('g'),
    ...(traits.includes('x') ? { scale: workloadScale } : {}),
  }
}

const metacontroller = 'metacontroller.k8s.io/v1alpha1'

const builtIn: readonly Resource[] = [
  builtin('v1', 'Namespace', 'namespaces', 'cs'),
  builtin('v1', 'Node', 'nodes', 'cs'),
  builtin('v1', 'Pod', 'pods', 'sg'),
  builtin('v1', 'Service', 'services', 's'),
  builtin('v1', 'Endpoints', 'endpoints'),
  builtin('v1', 'ConfigMap', 'configmaps'),
  builtin('v1', 'Secret', 'secrets'),
  builtin('v1', 'ServiceAccount', 'serviceaccounts'),
  builtin('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims', 's'),
  builtin('v1', 'PersistentVolume', 'persistentvolumes', 'cs'),
  builtin('v1', 'ResourceQuota', 'resourcequotas', 's'),
  builtin('v1', 'LimitRange', 'limitranges'),
  builtin('v1', 'Event', 'events'),
  builtin('events.k8s.io/v1', 'Event', 'events'),
  builtin('apps/v1', 'Deployment', 'deployments', 'sgx'),
  builtin('apps/v1', 'ReplicaSet', 'replicasets', 'sgx'),
  builtin('apps/v1', 'StatefulSet', 'statefulsets', 'sgx'),
  builtin('apps/v1', 'DaemonSet', 'daemonsets', 'sg'),
  builtin('apps/v1', 'ControllerRevision', 'controllerrevisions'),
  builtin('batch/v1', 'Job', 'jobs', 'sg'),
  builtin('batch/v1', 'CronJob', 'cronjobs', 'sg'),
  builtin('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets', 'sg'),
  builtin('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies', 'g'),
  builtin('networking.k8s.io/v1', 'Ingress', 'ingresses', 'sg'),
  builtin('networking.k8s.io/v1', 'IngressClass', 'ingressclasses', 'cg'),
  builtin('autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers', 's'),
  builtin('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', 'g'),
  builtin('coordination.k8s.io/v1', 'Lease', 'leases'),
  builtin('rbac.authorization.k8s.io/v1', 'Role', 'roles'),
  builtin('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'),
  builtin('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', 'c'),
  builtin('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', 'c'),
  builtin('storage.k8s.io/v1', 'StorageClass', 'storageclasses', 'c'),
  builtin('scheduling.k8s.io/v1', 'PriorityClass', 'priorityclasses', 'cg'),
  builtin('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', 'csg'),
  // Metacontroller's own kinds are served from the start: a simulated cluster always has it installed.
  builtin(metacontroller, 'CompositeController', 'compositecontrollers', 'csg'),
  builtin(metacontroller, 'DecoratorController', 'decoratorcontrollers', 'csg'),
  builtin(metacontroller, 'ControllerRevision', 'controllerrevisions', 'g'),
]
