// A picture of what there is: parents, their children and what hangs below these, each with its state in a few words.
import { type Condition, findCondition } from '../sdk/conditions.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import type { Branch } from './present.ts'
import type { Paint } from './shell.ts'

/** The tree below each root, by owner references. */
export function pictureOf(
  roots: readonly KubernetesObject[],
  objects: readonly KubernetesObject[],
  paint: Paint,
): Branch[] {
  const below = Map.groupBy(objects, ({ metadata }) => ownerOf(metadata)?.uid)
  const branch = (object: KubernetesObject): Branch => {
    const claims = object.kind === 'StatefulSet' ? claimsOf(object, objects) : []
    const children = [...(below.get(object.metadata.uid) ?? []), ...claims].filter(isShown).sort(byKindAndName)
    return { line: lineOf(object, paint), below: children.map(branch) }
  }
  return roots.map(branch)
}

/** `StatefulSet/orders 3/3 ready` */
function lineOf(object: KubernetesObject, paint: Paint): string {
  const { text, good } = stateOf(object)
  const state = good === undefined ? paint.dim(text) : good ? paint.green(text) : paint.yellow(text)
  return `${object.kind}/${paint.bold(object.metadata.name ?? '')}${text === '' ? '' : ` ${state}`}`
}

/** What there is to say of an object's state, and whether it is a good one; undefined when neither. */
export function stateOf(object: KubernetesObject): { text: string; good?: boolean } {
  const spec = recordOf(object.spec)
  const status = recordOf(object.status)
  if (object.metadata.deletionTimestamp !== undefined && object.kind === 'Pod') return { text: 'stopping', good: false }
  switch (object.kind) {
    case 'StatefulSet':
    case 'Deployment':
    case 'ReplicaSet': {
      const [ready, wanted] = [Number(status.readyReplicas ?? 0), Number(spec.replicas ?? 1)]
      return { text: `${ready}/${wanted} ready`, good: ready >= wanted }
    }
    case 'Pod':
      return podState(status)
    case 'Job': {
      if (Number(status.succeeded ?? 0) > 0) return { text: 'succeeded', good: true }
      return Number(status.failed ?? 0) > 0 ? { text: 'failed', good: false } : { text: 'running', good: false }
    }
    case 'CronJob':
      return { text: `${spec.schedule}${spec.suspend === true ? ', suspended' : ''}` }
    case 'Secret':
    case 'ConfigMap':
      return { text: someOf(Object.keys(recordOf(object.data))) }
    case 'Service': {
      const ports = Array.isArray(spec.ports) ? spec.ports.map((port) => String(recordOf(port).port)).join(', ') : ''
      return { text: spec.clusterIP === 'None' ? `headless, port ${ports}` : `port ${ports}` }
    }
    case 'PersistentVolumeClaim': {
      const size = recordOf(recordOf(spec.resources).requests).storage
      return { text: `${size}, ${status.phase ?? 'Pending'}`, good: status.phase === 'Bound' }
    }
    case 'PodDisruptionBudget': {
      const [key, value] = Object.entries(spec).find(([name]) => /^(min|max)(Un)?[aA]vailable$/.test(name)) ?? []
      return { text: key === undefined ? '' : `${key} ${value}` }
    }
    default:
      return parentState(status)
  }
}

function parentState(status: Record<string, unknown>): { text: string; good?: boolean } {
  const conditions = Array.isArray(status.conditions) ? (status.conditions as Condition[]) : []
  const ready = findCondition(conditions, 'Ready')
  if (ready === undefined) return { text: typeof status.phase === 'string' ? status.phase : '' }
  const phase = typeof status.phase === 'string' ? status.phase : ready.status === 'True' ? 'Ready' : ready.reason
  const endpoints = recordOf(status.endpoints)
  const detail = ready.status === 'True' ? endpoints.primary : ready.message
  const text = typeof detail === 'string' && detail !== '' ? `${phase}: ${detail}` : phase
  return { text, good: ready.status === 'True' }
}

function podState(status: Record<string, unknown>): { text: string; good?: boolean } {
  const conditions = Array.isArray(status.conditions) ? (status.conditions as Condition[]) : []
  if (findCondition(conditions, 'Ready')?.status === 'True') return { text: 'ready', good: true }
  const [container] = Array.isArray(status.containerStatuses) ? status.containerStatuses : []
  const { reason } = recordOf(recordOf(recordOf(container).state).waiting)
  if (typeof reason === 'string') return { text: reason, good: false }
  const phase = typeof status.phase === 'string' ? status.phase : 'Pending'
  return { text: phase === 'Running' ? 'running, not ready' : phase, good: phase === 'Succeeded' }
}

/** Claims outlive their StatefulSet, so that they are tied to it by name alone. */
function claimsOf({ spec, metadata }: KubernetesObject, objects: readonly KubernetesObject[]): KubernetesObject[] {
  const templates = recordOf(spec).volumeClaimTemplates
  const names = Array.isArray(templates) ? templates.map((one) => String(recordOf(recordOf(one).metadata).name)) : []
  return objects.filter(
    (object) =>
      object.kind === 'PersistentVolumeClaim' &&
      object.metadata.namespace === metadata.namespace &&
      ownerOf(object.metadata) === undefined &&
      names.some((name) => new RegExp(`^${name}-${metadata.name}-\\d+$`).test(object.metadata.name ?? '')),
  )
}

/** Revisions and endpoints are what Kubernetes keeps for itself. */
function isShown({ kind }: KubernetesObject): boolean {
  return !['ControllerRevision', 'Endpoints', 'EndpointSlice', 'Event'].includes(kind)
}

/** What runs comes first. */
const order = [
  'StatefulSet',
  'Deployment',
  'CronJob',
  'Job',
  'Pod',
  'PersistentVolumeClaim',
  'Service',
  'ConfigMap',
  'Secret',
]

function byKindAndName(left: KubernetesObject, right: KubernetesObject): number {
  const rank = ({ kind }: KubernetesObject) => (order.includes(kind) ? order.indexOf(kind) : order.length)
  const key = ({ kind, metadata }: KubernetesObject) => `${kind}/${metadata.name}`
  return rank(left) - rank(right) || key(left).localeCompare(key(right), 'en', { numeric: true })
}

function ownerOf({ ownerReferences }: KubernetesObject['metadata']) {
  return ownerReferences?.find(({ controller }) => controller === true)
}

function someOf(names: readonly string[]): string {
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}

function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {}
}
