// What the scenarios of a Database share: how one is written down, and what to ask a cluster about it.
import type { Condition } from '../../hooks/sdk/conditions.ts'
import { isRecord, type KubernetesObject, type ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster } from './cluster.ts'

const databaseType = { apiVersion: 'example.com/v1', kind: 'Database' }

/**
 * The version of each engine that scenarios ask for, where they do not say which. Where nothing runs, any will do; a
 * tier with containers says which it has images of.
 */
export const versions = { postgresql: '13.8', mysql: '8.4.3', mongodb: '7.0.14' }

/** A Database of one instance with the least that a spec needs; `spec` is laid over it. */
export function database(namespace: string, name: string, spec: Record<string, unknown> = {}): KubernetesObject {
  return {
    ...databaseType,
    metadata: { namespace, name },
    spec: { engine: 'postgresql', version: versions.postgresql, storage: { size: '1Gi' }, ...spec },
  }
}

/** Every child of a Database without backups, by kind and name. */
export function childReferences(namespace: string, name: string): ObjectReference[] {
  return [
    { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name },
    { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: `${name}-config` },
    { apiVersion: 'v1', kind: 'Secret', namespace, name: `${name}-secret` },
    { apiVersion: 'v1', kind: 'Service', namespace, name },
    { apiVersion: 'v1', kind: 'Service', namespace, name: `${name}-readonly` },
    { apiVersion: 'v1', kind: 'Service', namespace, name: `${name}-headless` },
    { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name },
    { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', namespace, name },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name },
  ]
}

export const backupReference = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  namespace,
  name: `${name}-backup`,
})

export const statefulSetOf = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  namespace,
  name,
})

export const databaseBackupAt = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'example.com/v1',
  kind: 'DatabaseBackup',
  namespace,
  name,
})

export const databaseAt = (namespace: string, name: string): ObjectReference => ({ ...databaseType, namespace, name })

/** The object; an error when it is not there. */
export async function present(cluster: Cluster, reference: ObjectReference): Promise<KubernetesObject> {
  const object = await cluster.get(reference)
  if (object === undefined) throw new Error(`${reference.kind}/${reference.name} is not there`)
  return object
}

/** The value at a path of fields and list indices; undefined where there is none. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>((inner, part) => {
    if (Array.isArray(inner)) return inner[Number(part)]
    return isRecord(inner) ? inner[part] : undefined
  }, value)
}

export function phaseOf(object: KubernetesObject | undefined): unknown {
  return at(object, 'status', 'phase')
}

export function conditionOf(object: KubernetesObject | undefined, type: string): Condition | undefined {
  const conditions = at(object, 'status', 'conditions')
  return Array.isArray(conditions) ? conditions.find((condition: Condition) => condition.type === type) : undefined
}

/** Waits until the Database is in that phase, and gives it. */
export function untilPhase(cluster: Cluster, reference: ObjectReference, phase: string, seconds = 90) {
  return cluster.until(
    `${reference.name} is ${phase}`,
    async () => {
      const object = await cluster.get(reference)
      return phaseOf(object) === phase && settled(object) ? object : undefined
    },
    seconds,
  )
}

/** Waits until the condition has that status (and reason), and gives the Database. */
export function untilCondition(
  cluster: Cluster,
  reference: ObjectReference,
  type: string,
  status: string,
  reason?: string,
  seconds = 90,
) {
  return cluster.until(
    `${type} of ${reference.name} is ${status}${reason === undefined ? '' : ` (${reason})`}`,
    async () => {
      const object = await cluster.get(reference)
      const condition = conditionOf(object, type)
      const right = condition?.status === status && (reason === undefined || condition.reason === reason)
      return right ? object : undefined
    },
    seconds,
  )
}

/** Applies it and waits until it runs. */
export async function running(cluster: Cluster, object: KubernetesObject): Promise<ObjectReference> {
  await cluster.apply(object)
  const reference = databaseAt(String(object.metadata.namespace), String(object.metadata.name))
  await untilPhase(cluster, reference, 'Running')
  await untilCondition(cluster, reference, 'Ready', 'True')
  return reference
}

/** Waits until none of them is there any more. */
export function untilGone(cluster: Cluster, references: readonly ObjectReference[], seconds = 90) {
  return cluster.until(
    `${references.map(({ kind, name }) => `${kind}/${name}`).join(', ')} gone`,
    async () => {
      const left = await Promise.all(references.map((reference) => cluster.get(reference)))
      return left.every((object) => object === undefined)
    },
    seconds,
  )
}

// The status speaks of the spec as it is now.
function settled(object: KubernetesObject | undefined): boolean {
  return at(object, 'status', 'observedGeneration') === object?.metadata.generation
}
