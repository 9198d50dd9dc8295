// The StatefulSet controller (pkg/controller/statefulset of Kubernetes 1.36): ordinals, claims, rolling updates.
import { createHash } from 'node:crypto'
import { equal } from '../../sdk/equal.ts'
import type { KubernetesObject, OwnerReference } from '../../sdk/kubernetes.ts'
import { controllerReference } from '../children.ts'
import { type ApiError, isApiError } from '../errors.ts'
import { at, copy, goJson, listAt, numberAt, recordAt, stringsOf, textAt } from '../json.ts'
import { type Client, referenceOf } from '../store.ts'
import { controlled, type Loop, refused, startLoop, type World, writeStatus } from './loop.ts'
import { hasEnded, isAvailable, isReady, isTerminating, podFrom, podType, wanted } from './pods.ts'

const setType = { apiVersion: 'apps/v1', kind: 'StatefulSet' }
const revisionType = { apiVersion: 'apps/v1', kind: 'ControllerRevision' }
const claimType = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' }
const revisionLabel = 'controller-revision-hash'

export function startStatefulSets(world: World): Loop {
  return startLoop(world, setType, ['Pod'], (set) => reconcile(world, set))
}

interface Revisions {
  readonly current: string
  readonly update: string
  template(name: string): unknown
}

function reconcile({ client, clock }: World, set: KubernetesObject): number | undefined {
  const pods = controlled(client, podType, set).sort((left, right) => ordinalOf(left) - ordinalOf(right))
  const revisions = reconcileRevisions(client, set)
  const minReady = numberAt(set, 'spec', 'minReadySeconds') ?? 0
  const available = (pod: KubernetesObject | undefined) =>
    pod !== undefined && !isTerminating(pod) && isAvailable(pod, minReady, clock.now())
  let refusal: ApiError | undefined
  if (!isTerminating(set)) {
    setClaimOwners(client, set, pods)
    refusal = refused(() => step(client, set, pods, revisions, available))
  }
  writeStatus(client, set, statusOf(set, controlled(client, podType, set), revisions, available))
  // Tried again with back-off.
  if (refusal !== undefined) throw refusal
  return minReady > 0 && pods.some((pod) => isReady(pod) && !available(pod)) ? 1 : undefined
}

/** One round: what is missing is created, what is too much deleted, then one pod of an old revision replaced. */
function step(
  client: Client,
  set: KubernetesObject,
  pods: readonly KubernetesObject[],
  revisions: Revisions,
  available: (pod: KubernetesObject | undefined) => boolean,
): void {
  const monotonic = textAt(set, 'spec', 'podManagementPolicy') !== 'Parallel'
  const start = numberAt(set, 'spec', 'ordinals', 'start') ?? 0
  const end = start + wanted(set)
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(pod), pod]))
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal)
    if (pod !== undefined && hasEnded(pod)) {
      if (!isTerminating(pod)) remove(client, pod)
      if (monotonic) return
    } else if (pod === undefined) {
      createPod(client, set, ordinal, revisions)
      if (monotonic) return
    } else if (monotonic && !available(pod)) return
  }
  const condemned = pods.filter((pod) => ordinalOf(pod) < start || ordinalOf(pod) >= end).reverse()
  const inRange = pods.filter((pod) => !condemned.includes(pod))
  const firstUnhealthy = [...inRange, ...[...condemned].reverse()].find((pod) => !available(pod))
  for (const pod of condemned) {
    if (isTerminating(pod)) {
      if (monotonic) return
      continue
    }
    if (monotonic && !available(pod) && pod !== firstUnhealthy) return
    remove(client, pod)
    if (monotonic) return
  }
  if (textAt(set, 'spec', 'updateStrategy', 'type') === 'OnDelete') return
  const partition = numberAt(set, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0
  for (let ordinal = end - 1; ordinal >= Math.max(start, start + partition); ordinal--) {
    const pod = byOrdinal.get(ordinal)
    if (pod === undefined) return
    if (revisionOf(pod) !== revisions.update && !isTerminating(pod)) {
      remove(client, pod)
      return
    }
    if (!available(pod)) return
  }
}

function statusOf(
  set: KubernetesObject,
  pods: readonly KubernetesObject[],
  revisions: Revisions,
  available: (pod: KubernetesObject) => boolean,
): Record<string, unknown> {
  const live = pods.filter((pod) => !isTerminating(pod))
  const count = (test: (pod: KubernetesObject) => boolean) => live.filter(test).length
  const updated = count((pod) => revisionOf(pod) === revisions.update)
  const ready = pods.filter(isReady).length
  // A rolling update is complete when every replica is of the new revision and ready: it is then the current one.
  const rolling = textAt(set, 'spec', 'updateStrategy', 'type') !== 'OnDelete'
  const complete = rolling && updated === pods.length && ready === pods.length && pods.length === wanted(set)
  const current = complete ? revisions.update : revisions.current
  const status: Record<string, unknown> = {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: count(available),
    currentReplicas: count((pod) => revisionOf(pod) === current),
    updatedReplicas: updated,
    currentRevision: current,
    updateRevision: revisions.update,
    collisionCount: 0,
  }
  for (const field of ['readyReplicas', 'currentReplicas', 'updatedReplicas'])
    if (status[field] === 0) delete status[field]
  return status
}

/** The ControllerRevisions of the set: one for each template it has had and still needs. */
function reconcileRevisions(client: Client, set: KubernetesObject): Revisions {
  const template = at(set, 'spec', 'template')
  const update = `${set.metadata.name}-${hashOf(template)}`
  const known = controlled(client, revisionType, set)
  const existing = known.find(({ metadata }) => metadata.name === update)
  const newest = Math.max(0, ...known.map((revision) => numberAt(revision, 'revision') ?? 0))
  if (existing === undefined) {
    client.create({
      ...revisionType,
      metadata: {
        name: update,
        namespace: set.metadata.namespace ?? '',
        labels: { ...stringsOf(at(template, 'metadata', 'labels')), 'controller.kubernetes.io/hash': hashOf(template) },
        ownerReferences: [controllerReference(set)],
      },
      data: { spec: { template: copy(template) } },
      revision: newest + 1,
    })
  } else if (numberAt(existing, 'revision') !== newest) client.update({ ...copy(existing), revision: newest + 1 })
  const current = textAt(set, 'status', 'currentRevision') ?? update
  const templates = new Map(
    known.map((revision) => [revision.metadata.name ?? '', at(revision, 'data', 'spec', 'template')]),
  )
  return { current, update, template: (name) => (name === update ? template : (templates.get(name) ?? template)) }
}

function createPod(client: Client, set: KubernetesObject, ordinal: number, revisions: Revisions): void {
  const start = numberAt(set, 'spec', 'ordinals', 'start') ?? 0
  const partition = numberAt(set, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0
  const currentReplicas = numberAt(set, 'status', 'currentReplicas') ?? 0
  // newVersionedStatefulSetPod: below the partition, or below what the old revision still holds, the old one.
  const rolling = textAt(set, 'spec', 'updateStrategy', 'type') === 'RollingUpdate'
  const old =
    rolling &&
    (at(set, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') === undefined
      ? ordinal < start + currentReplicas
      : ordinal < start + partition)
  const revision = old ? revisions.current : revisions.update
  const name = `${set.metadata.name}-${ordinal}`
  const pod = podFrom(revisions.template(revision), set, { name })
  pod.metadata.labels = {
    ...pod.metadata.labels,
    [revisionLabel]: revision,
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
  }
  const spec = recordAt(pod, 'spec')
  spec.hostname = name
  if (textAt(set, 'spec', 'serviceName')) spec.subdomain = textAt(set, 'spec', 'serviceName')
  const claims = listAt(set, 'spec', 'volumeClaimTemplates').map((template) => {
    const volume = textAt(template, 'metadata', 'name') ?? ''
    const claimName = `${volume}-${name}`
    createClaim(client, set, template, claimName)
    return { name: volume, persistentVolumeClaim: { claimName } }
  })
  const others = listAt(spec, 'volumes').filter((volume) => !claims.some((claim) => claim.name === at(volume, 'name')))
  spec.volumes = [...claims, ...others]
  client.create(pod)
}

function createClaim(client: Client, set: KubernetesObject, template: unknown, name: string): void {
  const labels = {
    ...stringsOf(at(template, 'metadata', 'labels')),
    ...stringsOf(at(set, 'spec', 'selector', 'matchLabels')),
  }
  const annotations = stringsOf(at(template, 'metadata', 'annotations'))
  const claim = {
    ...claimType,
    metadata: { name, namespace: set.metadata.namespace ?? '', labels, annotations },
    spec: copy(recordAt(template, 'spec')),
  }
  try {
    client.create(claim)
  } catch (error) {
    if (!isApiError(error, 'AlreadyExists')) throw error
  }
}

/** persistentVolumeClaimRetentionPolicy: whom the claims of the set's pods belong to, so that the collector knows. */
function setClaimOwners(client: Client, set: KubernetesObject, pods: readonly KubernetesObject[]): void {
  const deleted = textAt(set, 'spec', 'persistentVolumeClaimRetentionPolicy', 'whenDeleted') === 'Delete'
  const scaled = textAt(set, 'spec', 'persistentVolumeClaimRetentionPolicy', 'whenScaled') === 'Delete'
  const start = numberAt(set, 'spec', 'ordinals', 'start') ?? 0
  for (const pod of pods) {
    const condemned = ordinalOf(pod) < start || ordinalOf(pod) >= start + wanted(set)
    for (const template of listAt(set, 'spec', 'volumeClaimTemplates')) {
      const name = `${textAt(template, 'metadata', 'name')}-${pod.metadata.name}`
      const claim = client.get({ ...claimType, name, namespace: set.metadata.namespace ?? '' })
      if (claim === undefined) continue
      const foreign = (claim.metadata.ownerReferences ?? []).filter(
        ({ uid }) => uid !== set.metadata.uid && uid !== pod.metadata.uid,
      )
      const owners: OwnerReference[] = [...foreign]
      if (scaled && condemned) owners.push(ownerOf(pod))
      else if (deleted) owners.push(ownerOf(set))
      if (equal(owners, claim.metadata.ownerReferences ?? [])) continue
      const updated = copy(claim)
      updated.metadata.ownerReferences = owners
      client.update(updated)
    }
  }
}

function ownerOf({ apiVersion, kind, metadata: { name = '', uid = '' } }: KubernetesObject): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true }
}

function remove(client: Client, pod: KubernetesObject): void {
  client.remove(referenceOf(pod), { uid: pod.metadata.uid ?? '' })
}

function ordinalOf(pod: KubernetesObject): number {
  return Number(/-(\d+)$/.exec(pod.metadata.name ?? '')?.[1] ?? -1)
}

function revisionOf(pod: KubernetesObject): string | undefined {
  return pod.metadata.labels?.[revisionLabel]
}

/** Ten characters that stand for a pod template. */
export function hashOf(template: unknown): string {
  return createHash('sha256').update(goJson(template)).digest('hex').slice(0, 10)
}
