// The state that a cluster ends in, written so that two clusters can be compared: what a hook decides is kept, what
// the API server or chance decides is left out.
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { replicationLabel } from '../../hooks/sdk/roles.ts'
import { lastAppliedAnnotation } from '../../hooks/sdk/wire.ts'
import type { Cluster } from './cluster.ts'

/** All objects of the suite's kinds and of those that they are made of, in a namespace: by kind and name, comparable across clusters. */
export async function endState(cluster: Cluster, namespace: string): Promise<Record<string, unknown>> {
  const lists = await Promise.all(
    kinds.map(async (type) => (await cluster.list(type, { namespace })).map((object) => ({ ...object, ...type }))),
  )
  return Object.fromEntries(
    lists
      .flat()
      .filter((object) => !ofCluster(object))
      .map((object): [string, unknown] => [`${object.kind}/${object.metadata.name}`, comparable(object)])
      .sort(([a], [b]) => a.localeCompare(b)),
  )
}

const kinds = [
  { apiVersion: 'example.com/v1', kind: 'Database' },
  { apiVersion: 'platform.example.com/v1', kind: 'WebApp' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'Secret' },
  { apiVersion: 'v1', kind: 'ServiceAccount' },
  { apiVersion: 'batch/v1', kind: 'CronJob' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
]

// Every namespace has these of its own.
function ofCluster({ kind, metadata }: KubernetesObject): boolean {
  return (
    (kind === 'ServiceAccount' && metadata.name === 'default') ||
    (kind === 'ConfigMap' && metadata.name === 'kube-root-ca.crt')
  )
}

function comparable(object: KubernetesObject): unknown {
  const { metadata, status, ...rest } = object
  const annotations = { ...metadata.annotations }
  delete annotations[lastAppliedAnnotation]
  delete annotations['kubectl.kubernetes.io/last-applied-configuration']
  const labels = { ...metadata.labels }
  // Both name an object's UID, which is another on every cluster.
  delete labels['controller-uid']
  const body = {
    ...rest,
    metadata: {
      name: metadata.name,
      labels,
      annotations,
      owners: metadata.ownerReferences?.map(({ kind, name, controller }) => ({ kind, name, controller })),
      finalizers: metadata.finalizers,
    },
    ...(['Database', 'WebApp'].includes(object.kind) ? { status: withoutElection(status) } : {}),
  }
  return strip(object.kind === 'Secret' ? { ...body, data: Object.keys(object.data ?? {}).sort() } : body, object.kind)
}

// Which member is the primary is decided by who was ready first.
function withoutElection(status: unknown): unknown {
  if (!isRecord(status) || !isRecord(status.topology)) return status
  const { members } = status.topology
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : []
  return {
    ...status,
    topology: Array.isArray(members) ? members.filter(isRecord).map(({ name, ready }) => ({ name, ready })) : members,
    conditions: conditions.map((one) => (one.type === 'PrimaryAvailable' ? { ...one, message: '' } : one)),
  }
}

// Files of a volume: Metacontroller 4 merges them by `path`, so that a new one comes last; 1.5 takes them as they are answered.
function inOrder(list: readonly unknown[]): readonly unknown[] {
  const files = list.filter(isRecord).filter((item) => 'path' in item && 'key' in item)
  if (files.length === 0 || files.length < list.length) return list
  return files.sort((one, other) => String(one.path).localeCompare(String(other.path)))
}

function withoutHash(annotations: unknown): unknown {
  return isRecord(annotations) ? { ...annotations, 'example.com/restart-hash': 'HASH' } : annotations
}

// What restarts a member of a group or a replica set has the UID of its Database in it.
function hashOfUid(value: Record<string, unknown>, field: string): boolean {
  return field === 'annotations' && isRecord(value.labels) && replicationLabel in value.labels
}

const chosenByCluster = new Set(['clusterIP', 'clusterIPs', 'lastTransitionTime', 'nodePort', 'healthCheckNodePort'])

function strip(value: unknown, kind: string): unknown {
  if (Array.isArray(value)) return inOrder(value).map((item) => strip(item, kind))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([field, inner]) => inner !== undefined && !(chosenByCluster.has(field) && inner !== 'None'))
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([field, inner]) => [field, strip(hashOfUid(value, field) ? withoutHash(inner) : inner, kind)]),
  )
}
