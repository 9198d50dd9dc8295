// Drift: a child changed or deleted behind the hook's back, and what becomes of that.
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster } from './cluster.ts'
import { at, present } from './database.ts'

/** Takes a label off a child, changes a field of it and deletes it, and waits each time until it is as it was. */
export async function driftRepaired(cluster: Cluster, reference: ObjectReference): Promise<void> {
  await labelRepaired(cluster, reference, await present(cluster, reference))
  await fieldRepaired(cluster, reference)
  await deletionRepaired(cluster, reference)
}

async function labelRepaired(cluster: Cluster, reference: ObjectReference, before: KubernetesObject): Promise<void> {
  const label = 'app.kubernetes.io/managed-by'
  const wanted = before.metadata.labels?.[label]
  assert.ok(wanted, `${reference.kind}/${reference.name} says who manages it`)
  await cluster.patch(reference, { metadata: { labels: { [label]: null } } })
  await cluster.until(`the label of ${reference.kind}/${reference.name} is back`, async () => {
    return (await cluster.get(reference))?.metadata.labels?.[label] === wanted
  })
}

interface Drift {
  path: (string | number)[]
  /** A merge patch that changes what lies there. */
  patch(before: KubernetesObject): object
}

const drifts: Record<string, Drift> = {
  StatefulSet: { path: ['spec', 'replicas'], patch: () => ({ spec: { replicas: 5 } }) },
  // Another value for each key: a key that nobody applied would be nobody's to take away.
  Service: { path: ['spec', 'selector'], patch: (before) => ({ spec: { selector: otherValues(before) } }) },
  ConfigMap: { path: ['data'], patch: (before) => ({ data: otherData(before) }) },
  Secret: { path: ['data', 'password'], patch: () => ({ data: { password: 'YnkgaGFuZA==' } }) },
  ServiceAccount: {
    path: ['automountServiceAccountToken'],
    patch: () => ({ automountServiceAccountToken: true }),
  },
  PodDisruptionBudget: {
    path: ['spec', 'unhealthyPodEvictionPolicy'],
    patch: () => ({ spec: { unhealthyPodEvictionPolicy: 'IfHealthyBudget' } }),
  },
  NetworkPolicy: { path: ['spec', 'ingress'], patch: () => ({ spec: { ingress: [{}] } }) },
  Deployment: { path: ['spec', 'template', 'spec', 'containers', 0, 'image'], patch: otherImage },
  HorizontalPodAutoscaler: { path: ['spec', 'maxReplicas'], patch: () => ({ spec: { maxReplicas: 77 } }) },
  Ingress: { path: ['spec', 'rules'], patch: () => ({ spec: { rules: [{ host: 'other.example.com' }] } }) },
  DatabaseBackup: {
    path: ['spec', 'suspend'],
    patch: (before) => ({ spec: { suspend: !at(before, 'spec', 'suspend') } }),
  },
}

function otherData(configMap: KubernetesObject): Record<string, string> {
  return Object.fromEntries(Object.keys(at(configMap, 'data') ?? {}).map((key) => [key, '# by hand']))
}

// A merge patch replaces a list as a whole.
function otherImage(deployment: KubernetesObject): object {
  const containers = at(deployment, 'spec', 'template', 'spec', 'containers')
  const changed = Array.isArray(containers) ? containers.map((container) => ({ ...container, image: 'other:1' })) : []
  return { spec: { template: { spec: { containers: changed } } } }
}

function otherValues(service: KubernetesObject): Record<string, string> {
  return Object.fromEntries(Object.keys(at(service, 'spec', 'selector') ?? {}).map((key) => [key, 'other']))
}

async function fieldRepaired(cluster: Cluster, reference: ObjectReference): Promise<void> {
  const drift = drifts[reference.kind]
  assert.ok(drift, `a drift of ${reference.kind} is known`)
  const before = await present(cluster, reference)
  const wanted = at(before, ...drift.path)
  await cluster.patch(reference, drift.patch(before))
  await cluster.until(`${drift.path.join('.')} of ${reference.kind}/${reference.name} is as it was`, async () => {
    return isDeepStrictEqual(at(await cluster.get(reference), ...drift.path), wanted)
  })
}

async function deletionRepaired(cluster: Cluster, reference: ObjectReference): Promise<void> {
  const before = await present(cluster, reference)
  await cluster.delete(reference)
  await cluster.until(`${reference.kind}/${reference.name} is back`, async () => {
    const object = await cluster.get(reference)
    return object !== undefined && object.metadata.uid !== before.metadata.uid
  })
}
