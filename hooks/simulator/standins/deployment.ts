// The Deployment and ReplicaSet controllers (pkg/controller/deployment/rolling.go, pkg/controller/replicaset).
import { equal } from '../../sdk/equal.ts'
import { type KubernetesObject, kubectlAnnotation } from '../../sdk/kubernetes.ts'
import { controllerReference } from '../children.ts'
import type { Clock } from '../clock.ts'
import type { ApiError } from '../errors.ts'
import { at, copy, listAt, numberAt, recordAt, stringsOf, textAt } from '../json.ts'
import { type Client, referenceOf } from '../store.ts'
import { controlled, type Loop, refused, startLoop, type World, withCondition, writeStatus } from './loop.ts'
import { hasEnded, isAvailable, isReady, isTerminating, podFrom, podType, wanted } from './pods.ts'
import { hashOf } from './statefulset.ts'

const replicaSetType = { apiVersion: 'apps/v1', kind: 'ReplicaSet' }
const hashLabel = 'pod-template-hash'
const revisionAnnotation = 'deployment.kubernetes.io/revision'

export function startReplicaSets(world: World): Loop {
  const { client, clock } = world
  return startLoop(world, replicaSetType, ['Pod'], (set) => {
    const minReady = numberAt(set, 'spec', 'minReadySeconds') ?? 0
    const pods = controlled(client, podType, set).filter((pod) => !isTerminating(pod) && !hasEnded(pod))
    let refusal: ApiError | undefined
    if (!isTerminating(set)) {
      refusal = refused(() => {
        for (let missing = wanted(set) - pods.length; missing > 0; missing--) {
          client.create(podFrom(at(set, 'spec', 'template'), set, { generateName: `${set.metadata.name}-` }))
        }
      })
      // What is not ready goes first, then the youngest.
      const order = [...pods].sort(
        (left, right) => Number(isReady(left)) - Number(isReady(right)) || age(right) - age(left),
      )
      for (const pod of order.slice(0, Math.max(0, pods.length - wanted(set))))
        client.remove(referenceOf(pod), { uid: pod.metadata.uid ?? '' })
    }
    const now = controlled(client, podType, set).filter((pod) => !isTerminating(pod) && !hasEnded(pod))
    const available = now.filter((pod) => isAvailable(pod, minReady, clock.now())).length
    const numbers = {
      replicas: now.length,
      fullyLabeledReplicas: now.length,
      readyReplicas: now.filter(isReady).length,
      availableReplicas: available,
    }
    writeStatus(client, set, { ...counts(numbers, set), ...replicaFailure(set, refusal, clock.stamp()) })
    // Tried again with back-off.
    if (refusal !== undefined) throw refusal
    return minReady > 0 && available < now.filter(isReady).length ? 1 : undefined
  })
}

/** The condition of a ReplicaSet whose pods are refused: the first refusal's message stays until there is none. */
function replicaFailure(set: KubernetesObject, refusal: ApiError | undefined, stamp: string) {
  if (refusal === undefined) return {}
  const [before] = failuresOf(set)
  const condition = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: refusal.message }
  return { conditions: before === undefined ? withCondition([], condition, stamp) : [before] }
}

function failuresOf(object: KubernetesObject): unknown[] {
  return listAt(object, 'status', 'conditions').filter((condition) => at(condition, 'type') === 'ReplicaFailure')
}

export function startDeployments(world: World): Loop {
  const { client, clock } = world
  return startLoop(world, { apiVersion: 'apps/v1', kind: 'Deployment' }, ['ReplicaSet'], (deployment) => {
    if (isTerminating(deployment)) return undefined
    const fresh = newReplicaSet(client, deployment)
    // As `kubectl rollout history` finds it.
    const revision = String(revisionOf(fresh))
    if (deployment.metadata.annotations?.[revisionAnnotation] !== revision) {
      client.patch(referenceOf(deployment), { metadata: { annotations: { [revisionAnnotation]: revision } } })
    }
    const old = controlled(client, replicaSetType, deployment).filter(
      ({ metadata }) => metadata.uid !== fresh.metadata.uid,
    )
    const paused = at(deployment, 'spec', 'paused') === true
    if (!paused && textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate')
      recreate(client, deployment, fresh, old)
    else if (!paused) roll(client, deployment, fresh, old)
    prune(client, deployment, old)
    const status = statusOf(client, deployment, fresh, clock)
    writeStatus(client, deployment, status)
    return untilDeadline(deployment, status, clock)
  })
}

/** The ReplicaSet of the template as it is now, made when there is none. */
function newReplicaSet(client: Client, deployment: KubernetesObject): KubernetesObject {
  const template = copy(recordAt(deployment, 'spec', 'template'))
  const hash = hashOf(template)
  const sets = controlled(client, replicaSetType, deployment)
  const newest = Math.max(0, ...sets.map(revisionOf))
  const existing = sets.find(({ metadata }) => metadata.labels?.[hashLabel] === hash)
  if (existing !== undefined) {
    const revision = revisionOf(existing) === newest ? newest : newest + 1
    const annotations = { ...existing.metadata.annotations, ...handedDown(deployment, revision) }
    if (equal(annotations, existing.metadata.annotations)) return existing
    return client.update({ ...copy(existing), metadata: { ...copy(existing.metadata), annotations } })
  }
  const labels = { ...stringsOf(at(template, 'metadata', 'labels')), [hashLabel]: hash }
  const selector = copy(recordAt(deployment, 'spec', 'selector'))
  const minReadySeconds = numberAt(deployment, 'spec', 'minReadySeconds')
  return client.create({
    ...replicaSetType,
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace ?? '',
      labels,
      annotations: handedDown(deployment, newest + 1),
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: 0,
      selector: { ...selector, matchLabels: { ...stringsOf(selector.matchLabels), [hashLabel]: hash } },
      template: { ...template, metadata: { ...recordAt(template, 'metadata'), labels } },
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    },
  })
}

/** A ReplicaSet gets its Deployment's annotations; one that the Deployment loses stays (SetNewReplicaSetAnnotations). */
function handedDown({ metadata }: KubernetesObject, revision: number): Record<string, string> {
  const { [kubectlAnnotation]: _applied, ...annotations } = metadata.annotations ?? {}
  return { ...annotations, [revisionAnnotation]: String(revision) }
}

function recreate(
  client: Client,
  deployment: KubernetesObject,
  fresh: KubernetesObject,
  old: readonly KubernetesObject[],
): void {
  const running = old.filter((set) => wanted(set) > 0)
  for (const set of running) scale(client, set, 0)
  const podsLeft = old.some((set) => controlled(client, podType, set).some((pod) => !hasEnded(pod)))
  if (running.length === 0 && !podsLeft) scale(client, fresh, wanted(deployment))
}

function roll(
  client: Client,
  deployment: KubernetesObject,
  fresh: KubernetesObject,
  old: readonly KubernetesObject[],
): void {
  const replicas = wanted(deployment)
  const [surge, unavailable] = fenceposts(deployment)
  const total = [...old, fresh].reduce((sum, set) => sum + wanted(set), 0)
  if (wanted(fresh) > replicas) {
    scale(client, fresh, replicas)
    return
  }
  if (wanted(fresh) < replicas) {
    const room = replicas + surge - total
    if (room > 0) {
      scale(client, fresh, wanted(fresh) + Math.min(room, replicas - wanted(fresh)))
      return
    }
  }
  const minAvailable = replicas - unavailable
  const availableOf = (set: KubernetesObject) => numberAt(set, 'status', 'availableReplicas') ?? 0
  let removable = total - minAvailable - (wanted(fresh) - availableOf(fresh))
  if (removable <= 0) return
  const oldestFirst = [...old].sort((left, right) => revisionOf(left) - revisionOf(right))
  // First the replicas that were never healthy, whose loss costs nothing, then healthy ones as availability allows.
  const left = new Map<KubernetesObject, number>()
  for (const set of oldestFirst) {
    const cleanup = Math.min(removable, wanted(set) - availableOf(set))
    left.set(set, wanted(set) - cleanup)
    removable -= cleanup
  }
  let spare = [...old, fresh].reduce((sum, set) => sum + availableOf(set), 0) - minAvailable
  for (const set of oldestFirst) {
    const taken = Math.max(0, Math.min(left.get(set) ?? 0, spare))
    left.set(set, (left.get(set) ?? 0) - taken)
    spare -= taken
  }
  for (const [set, count] of left) scale(client, set, count)
}

/** maxSurge, rounded up, and maxUnavailable, rounded down; not both may be zero. */
function fenceposts(deployment: KubernetesObject): [number, number] {
  const replicas = wanted(deployment)
  const resolve = (value: unknown, round: (amount: number) => number) =>
    typeof value === 'string'
      ? round((Number.parseInt(value, 10) * replicas) / 100)
      : typeof value === 'number'
        ? value
        : 0
  const strategy = recordAt(deployment, 'spec', 'strategy', 'rollingUpdate')
  const surge = resolve(strategy.maxSurge, Math.ceil)
  const unavailable = resolve(strategy.maxUnavailable, Math.floor)
  return [surge, surge === 0 && unavailable === 0 ? 1 : unavailable]
}

function prune(client: Client, deployment: KubernetesObject, old: readonly KubernetesObject[]): void {
  const limit = numberAt(deployment, 'spec', 'revisionHistoryLimit') ?? 10
  const empty = old.filter((set) => wanted(set) === 0 && (numberAt(set, 'status', 'replicas') ?? 0) === 0)
  const surplus = empty
    .sort((left, right) => revisionOf(left) - revisionOf(right))
    .slice(0, Math.max(0, empty.length - limit))
  for (const set of surplus) client.remove(referenceOf(set), { propagation: 'Background' })
}

function statusOf(
  client: Client,
  deployment: KubernetesObject,
  fresh: KubernetesObject,
  clock: Clock,
): Record<string, unknown> {
  const stamp = clock.stamp()
  const sets = controlled(client, replicaSetType, deployment)
  const sum = (field: string) => sets.reduce((total, set) => total + (numberAt(set, 'status', field) ?? 0), 0)
  const live = sets.find(({ metadata }) => metadata.uid === fresh.metadata.uid)
  const availableReplicas = sum('availableReplicas')
  const updatedReplicas = numberAt(live, 'status', 'replicas') ?? 0
  const replicas = wanted(deployment)
  const enough = availableReplicas >= replicas - fenceposts(deployment)[1]
  const complete = updatedReplicas === replicas && sum('replicas') === replicas && availableReplicas === replicas
  let conditions: readonly unknown[] = [
    ...listAt(deployment, 'status', 'conditions').filter((condition) => at(condition, 'type') !== 'ReplicaFailure'),
    ...failuresOf(live ?? fresh),
  ]
  conditions = withCondition(
    conditions,
    enough
      ? {
          type: 'Available',
          status: 'True',
          reason: 'MinimumReplicasAvailable',
          message: 'Deployment has minimum availability.',
        }
      : {
          type: 'Available',
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        },
    stamp,
  )
  const now = {
    replicas: sum('replicas'),
    updatedReplicas,
    readyReplicas: sum('readyReplicas'),
    availableReplicas,
  }
  conditions = withCondition(conditions, progress(deployment, fresh, now, complete, clock), stamp)
  const status = counts(now, deployment)
  const unavailableReplicas = Math.max(0, sum('replicas') - availableReplicas)
  return { ...status, ...(unavailableReplicas > 0 ? { unavailableReplicas } : {}), conditions }
}

/**
 * The condition Progressing (pkg/controller/deployment/progress.go): its time moves with every step ahead, and when none
 * came for so long it is False until there is one. A Deployment that was complete once waits for nothing.
 */
function progress(
  deployment: KubernetesObject,
  fresh: KubernetesObject,
  now: Record<string, number>,
  complete: boolean,
  clock: Clock,
): { type: string; status: string; reason: string; message: string; lastUpdateTime: unknown } {
  const type = 'Progressing'
  const name = fresh.metadata.name
  const done = { type, status: 'True', reason: 'NewReplicaSetAvailable' }
  const before = listAt(deployment, 'status', 'conditions').find((condition) => at(condition, 'type') === type)
  const since = at(before, 'lastUpdateTime') ?? clock.stamp()
  const message = `ReplicaSet "${name}" has successfully progressed.`
  const completed = at(before, 'reason') === done.reason && at(before, 'message') === message
  if (complete || (completed && !steppedAhead(deployment, now))) {
    return { ...done, message, lastUpdateTime: completed ? since : clock.stamp() }
  }
  const underWay = {
    type,
    status: 'True',
    reason: 'ReplicaSetUpdated',
    message: `ReplicaSet "${name}" is progressing.`,
  }
  // Of a ReplicaSet that was not there before.
  const started = !String(at(before, 'message') ?? '').includes(`"${name}"`)
  if (started || steppedAhead(deployment, now)) return { ...underWay, lastUpdateTime: clock.stamp() }
  const overdue = at(before, 'reason') === 'ProgressDeadlineExceeded'
  if (!overdue && clock.now() - Date.parse(String(since)) < deadlineOf(deployment) * 1000) {
    return { ...underWay, lastUpdateTime: since }
  }
  return {
    type,
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: `ReplicaSet "${name}" has timed out progressing.`,
    lastUpdateTime: overdue ? since : clock.stamp(),
  }
}

function steppedAhead(deployment: KubernetesObject, now: Record<string, number>): boolean {
  const before = (field: string) => numberAt(deployment, 'status', field) ?? 0
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = now
  return (
    updatedReplicas > before('updatedReplicas') ||
    replicas - updatedReplicas < before('replicas') - before('updatedReplicas') ||
    readyReplicas > before('readyReplicas') ||
    availableReplicas > before('availableReplicas')
  )
}

function deadlineOf(deployment: KubernetesObject): number {
  return numberAt(deployment, 'spec', 'progressDeadlineSeconds') ?? 600
}

/** Seconds until a Deployment that is under way has to be looked at again. */
function untilDeadline(
  deployment: KubernetesObject,
  status: Record<string, unknown>,
  clock: Clock,
): number | undefined {
  const condition = listAt(status, 'conditions').find((one) => at(one, 'type') === 'Progressing')
  if (at(condition, 'reason') !== 'ReplicaSetUpdated' || at(deployment, 'spec', 'paused') === true) return undefined
  const since = Date.parse(String(at(condition, 'lastUpdateTime')))
  return Math.max(1, (since - clock.now()) / 1000 + deadlineOf(deployment))
}

/** Counts without the zeroes that Go leaves out; `replicas` of a ReplicaSet is always written. */
function counts(numbers: Record<string, number>, object: KubernetesObject): Record<string, unknown> {
  const kept = Object.entries(numbers).filter(
    ([name, count]) => count !== 0 || (name === 'replicas' && object.kind === 'ReplicaSet'),
  )
  return { observedGeneration: object.metadata.generation ?? 0, ...Object.fromEntries(kept) }
}

function scale(client: Client, set: KubernetesObject, replicas: number): void {
  if (wanted(set) === replicas) return
  client.patch(referenceOf(set), { spec: { replicas } })
}

function revisionOf(set: KubernetesObject): number {
  return Number(set.metadata.annotations?.[revisionAnnotation] ?? 0)
}

function age(pod: KubernetesObject): number {
  return Date.parse(pod.metadata.creationTimestamp ?? '')
}
