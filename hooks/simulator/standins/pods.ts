// Scheduler and kubelets: pods get a node, start, become ready, end and terminate, as they are told to behave.
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { isRecord } from '../../sdk/kubernetes.ts'
import { controllerReference } from '../children.ts'
import { controllerOf } from '../claim.ts'
import { at, copy, listAt, numberAt, recordAt, stringsOf, textAt } from '../json.ts'
import { referenceOf } from '../store.ts'
import { startLoop, type World, writeStatus } from './loop.ts'

export const claimType = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' }
export const podType = { apiVersion: 'v1', kind: 'Pod' }

/** What becomes of the pods of a workload. */
export type PodBehaviour = 'run' | 'stay-pending' | 'crash' | 'never-ready' | 'succeed' | 'fail'

/** A StatefulSet, Deployment, CronJob or Job; the name may end in `*`. */
export interface Workload {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** How long things take, in seconds of the clock. */
export interface PodTimes {
  /** From creation to Running and Ready. */
  readonly start: number
  /** From Running to its end, for a pod that ends. */
  readonly run: number
  /** From the wish to stop to the stop, within the grace period. */
  readonly stop: number
}

export interface Kubelets {
  behave(workload: Workload, behaviour: PodBehaviour): void
  stop(): void
}

const nodes = ['node-0', 'node-1', 'node-2']

export function startKubelets(world: World, times: PodTimes): Kubelets {
  const { client, clock } = world
  const rules: { workload: Workload; behaviour: PodBehaviour }[] = []
  let scheduled = 0

  for (const [index, name] of nodes.entries()) {
    const labels = {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'topology.kubernetes.io/zone': `zone-${'abc'[index]}`,
    }
    const node = client.create({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} })
    writeStatus(client, node, { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }] })
  }

  const behaviourOf = (pod: KubernetesObject): PodBehaviour => {
    // The latest rule is the one that holds.
    const rule = rules.findLast(({ workload }) => ownsPod(world, workload, pod))
    return rule?.behaviour ?? (controllerOf(pod)?.kind === 'Job' ? 'succeed' : 'run')
  }
  const unbound = (pod: KubernetesObject) =>
    claimsOf(pod).find(
      (name) => client.get({ ...claimType, namespace: pod.metadata.namespace ?? '', name }) === undefined,
    )
  const reconcile = (pod: KubernetesObject): number | undefined => {
    if (pod.metadata.deletionTimestamp !== undefined) return terminate(pod)
    const phase = textAt(pod, 'status', 'phase')
    if (phase === 'Succeeded' || phase === 'Failed') return undefined
    const behaviour = behaviourOf(pod)
    if (behaviour === 'stay-pending') {
      writeStatus(client, pod, pending(pod, '0/3 nodes are available.', clock.stamp()))
      return undefined
    }
    if (textAt(pod, 'spec', 'nodeName') === undefined) {
      const missing = unbound(pod)
      if (missing !== undefined) {
        writeStatus(client, pod, pending(pod, `persistentvolumeclaim "${missing}" not found`, clock.stamp()))
        return undefined
      }
      const bound = copy(pod)
      recordAt(bound, 'spec').nodeName = nodes[scheduled++ % nodes.length]
      client.update(bound)
      return undefined
    }
    const age = (clock.now() - Date.parse(pod.metadata.creationTimestamp ?? '')) / 1000
    if (age < times.start) {
      writeStatus(client, pod, waiting(pod, clock.stamp()))
      return times.start - age
    }
    const ends =
      behaviour === 'succeed' ||
      behaviour === 'fail' ||
      (behaviour === 'crash' && textAt(pod, 'spec', 'restartPolicy') === 'Never')
    const end = times.start + times.run
    if (ends && age >= end) {
      writeStatus(client, pod, ended(pod, behaviour === 'succeed', clock.stamp()))
      return undefined
    }
    writeStatus(client, pod, running(pod, ends ? 'run' : behaviour, clock.stamp()))
    return ends ? end - age : undefined
  }
  const loop = startLoop(world, podType, [], reconcile, (changed) =>
    changed.kind === 'PersistentVolumeClaim'
      ? client
          .list(podType, changed.metadata.namespace)
          .filter((pod) => claimsOf(pod).includes(changed.metadata.name ?? ''))
      : [],
  )
  const terminate = (pod: KubernetesObject): number | undefined => {
    // deletionTimestamp is the end of the grace period; the wish was that much earlier.
    const grace = pod.metadata.deletionGracePeriodSeconds ?? 0
    const asked = Date.parse(pod.metadata.deletionTimestamp ?? '') - grace * 1000
    const left = (asked - clock.now()) / 1000 + Math.min(times.stop, grace)
    if (left > 0) return left
    if (client.get(referenceOf(pod)) !== undefined) client.remove(referenceOf(pod), { graceSeconds: 0 })
    return undefined
  }
  return {
    behave(workload, behaviour) {
      const kinds = ['StatefulSet', 'Deployment', 'CronJob', 'Job']
      if (!kinds.includes(workload.kind))
        throw new Error(`workload.kind is ${workload.kind}; it may be ${kinds.join(', ')}`)
      rules.push({ workload, behaviour })
      for (const pod of client.list(podType, workload.namespace)) if (ownsPod(world, workload, pod)) loop.add(pod)
    },
    stop: loop.stop,
  }
}

/** A pod made from a template, controlled by `owner`. */
export function podFrom(
  template: unknown,
  owner: KubernetesObject,
  name: { name: string } | { generateName: string },
): KubernetesObject {
  const { namespace = '' } = owner.metadata
  const labels = stringsOf(at(template, 'metadata', 'labels'))
  const annotations = stringsOf(at(template, 'metadata', 'annotations'))
  return {
    ...podType,
    metadata: { ...name, namespace, labels, annotations, ownerReferences: [controllerReference(owner)] },
    spec: copy(recordAt(template, 'spec')),
  }
}

export function isReady(pod: KubernetesObject): boolean {
  return textAt(pod, 'status', 'phase') === 'Running' && conditionTime(pod, 'Ready') !== undefined
}

/** Ready for at least so many seconds. */
export function isAvailable(pod: KubernetesObject, minReadySeconds: number, now: number): boolean {
  const since = isReady(pod) ? conditionTime(pod, 'Ready') : undefined
  return since !== undefined && (minReadySeconds === 0 || now - since >= minReadySeconds * 1000)
}

export function isTerminating(object: KubernetesObject): boolean {
  return object.metadata.deletionTimestamp !== undefined
}

export function hasEnded(pod: KubernetesObject): boolean {
  const phase = textAt(pod, 'status', 'phase')
  return phase === 'Succeeded' || phase === 'Failed'
}

function conditionTime(pod: KubernetesObject, type: string): number | undefined {
  const condition = listAt(pod, 'status', 'conditions').find((candidate) => at(candidate, 'type') === type)
  return at(condition, 'status') === 'True' ? Date.parse(textAt(condition, 'lastTransitionTime') ?? '') : undefined
}

function ownsPod({ client }: World, { kind, namespace, name }: Workload, pod: KubernetesObject): boolean {
  if (pod.metadata.namespace !== namespace) return false
  const owner = controllerOf(pod)
  const matches = (other: string) => (name.endsWith('*') ? other.startsWith(name.slice(0, -1)) : other === name)
  if (owner === undefined) return false
  if (owner.kind === kind) return matches(owner.name)
  // A Deployment's pods belong to its ReplicaSets, a CronJob's to its Jobs.
  const between = client.get({ apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, namespace })
  const above = between === undefined ? undefined : controllerOf(between)
  return above !== undefined && above.kind === kind && matches(above.name)
}

type Status = Record<string, unknown>

function pending(pod: KubernetesObject, message: string, stamp: string): Status {
  const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
  return { ...recordAt(pod, 'status'), phase: 'Pending', conditions: conditions(pod, [condition], stamp) }
}

function waiting(pod: KubernetesObject, stamp: string): Status {
  return {
    ...recordAt(pod, 'status'),
    phase: 'Pending',
    conditions: conditions(
      pod,
      [scheduledCondition, { type: 'Ready', status: 'False', reason: 'ContainersNotReady' }],
      stamp,
    ),
    hostIP: '10.0.0.1',
    startTime: textAt(pod, 'status', 'startTime') ?? stamp,
    containerStatuses: containers(pod, false, { waiting: { reason: 'ContainerCreating' } }),
  }
}

function running(pod: KubernetesObject, behaviour: PodBehaviour, stamp: string): Status {
  const ready = behaviour === 'run'
  const startedAt =
    textAt(pod, 'status', 'containerStatuses', 0, 'state', 'running', 'startedAt') ??
    textAt(containerState(pod), 'running', 'startedAt') ??
    stamp
  const state =
    behaviour === 'crash'
      ? { waiting: { reason: 'CrashLoopBackOff', message: 'back-off restarting failed container' } }
      : { running: { startedAt } }
  const readiness = ready ? { status: 'True' } : { status: 'False', reason: 'ContainersNotReady' }
  const listed = conditions(
    pod,
    [
      scheduledCondition,
      { type: 'Initialized', status: 'True' },
      { type: 'ContainersReady', ...readiness },
      { type: 'Ready', ...readiness },
    ],
    stamp,
  )
  return {
    ...recordAt(pod, 'status'),
    phase: 'Running',
    conditions: listed,
    hostIP: '10.0.0.1',
    podIP: textAt(pod, 'status', 'podIP') ?? podAddress(pod),
    startTime: textAt(pod, 'status', 'startTime') ?? stamp,
    containerStatuses: containers(pod, ready, state, behaviour === 'crash' ? 5 : 0),
  }
}

function ended(pod: KubernetesObject, success: boolean, stamp: string): Status {
  const reason = success ? 'Completed' : 'Error'
  const state = {
    terminated: {
      exitCode: success ? 0 : 1,
      reason,
      startedAt: textAt(pod, 'status', 'startTime') ?? stamp,
      finishedAt: stamp,
    },
  }
  const condition = { status: 'False', reason: success ? 'PodCompleted' : 'PodFailed' }
  return {
    ...recordAt(pod, 'status'),
    phase: success ? 'Succeeded' : 'Failed',
    conditions: conditions(
      pod,
      [scheduledCondition, { type: 'ContainersReady', ...condition }, { type: 'Ready', ...condition }],
      stamp,
    ),
    containerStatuses: containers(pod, false, state),
  }
}

const scheduledCondition = { type: 'PodScheduled', status: 'True' }

function conditions(
  pod: KubernetesObject,
  wanted: readonly { type: string; status: string; reason?: string; message?: string }[],
  stamp: string,
) {
  const known = listAt(pod, 'status', 'conditions')
  return wanted.map((condition) => {
    const old = known.find((candidate) => at(candidate, 'type') === condition.type)
    const lastTransitionTime = at(old, 'status') === condition.status ? at(old, 'lastTransitionTime') : stamp
    return { ...condition, lastTransitionTime }
  })
}

function containers(pod: KubernetesObject, ready: boolean, state: Status, restartCount = 0): Status[] {
  return listAt(pod, 'spec', 'containers')
    .filter(isRecord)
    .map(({ name, image }) => ({ name, image, imageID: '', ready, started: ready, restartCount, state }))
}

function containerState(pod: KubernetesObject): unknown {
  return at(listAt(pod, 'status', 'containerStatuses')[0], 'state')
}

/** An address from the pod's uid: the same pod always has the same. */
function podAddress(pod: KubernetesObject): string {
  const number = Number.parseInt((pod.metadata.uid ?? '0').slice(0, 6), 16)
  return `10.244.${(number >> 8) & 255}.${number & 255 || 1}`
}

/** The number of replicas a workload wants. */
export function wanted(object: KubernetesObject): number {
  return numberAt(object, 'spec', 'replicas') ?? 1
}

/** Names of the claims that a pod mounts. */
export function claimsOf(pod: KubernetesObject): string[] {
  return listAt(pod, 'spec', 'volumes').flatMap((volume) => textAt(volume, 'persistentVolumeClaim', 'claimName') ?? [])
}
