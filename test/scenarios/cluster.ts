// What a scenario may do with a cluster, whatever carries it: the simulator, a real control plane, real nodes.
// A scenario is written once against this and runs on every tier that has the capabilities it asks for.
import type { KubernetesObject, ObjectReference, ObjectType } from '../../hooks/sdk/kubernetes.ts'

/** What the API server said when it refused a request: metav1.Status as an error. */
export interface ApiError extends Error {
  readonly name: 'ApiError'
  /** HTTP status: 409, 422 … */
  readonly code: number
  /** metav1.StatusReason: Invalid, Conflict, NotFound, AlreadyExists … */
  readonly reason: string
  /** The fields it was refused for, as the API server names them (`spec.version`). */
  readonly causes: readonly { readonly field: string; readonly message: string }[]
}

/** metav1.DeletionPropagation. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan'

/** The hook service that the cluster's Metacontroller calls. */
export interface HookService {
  /** Base URL, without a trailing slash, as this process reaches it. */
  readonly url: string
  start(): Promise<void>
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>
  /** SIGKILL, at once. */
  kill(): Promise<void>
  /** False before `start`, and once it was stopped or killed: so one sees that a fault has struck. */
  running(): boolean
  /** The text of GET /metrics. */
  metrics(): Promise<string>
  /** How many requests to /hooks/ were answered since it started. */
  answered(): Promise<number>
  /** Kills the service right before it answers request number `n` from now (1 = the next). Needs `faults`. */
  killBeforeAnswer(n: number): void
}

/** The Metacontroller of the cluster. */
interface Metacontroller {
  /** SIGKILL, at once. */
  kill(): Promise<void>
  start(): Promise<void>
  /** False once it was killed: so one sees that a fault has struck. */
  running(): boolean
  /** Kills it right after its write number `n` from now (1 = the next) to the API server. Needs `faults`. */
  killAfterWrite(n: number): void
}

/** What some tiers cannot do. */
interface Capabilities {
  /** Time can be wound on: `pass` costs none. Elsewhere `pass` really waits. */
  readonly clock: boolean
  /** killBeforeAnswer and killAfterWrite work. */
  readonly faults: boolean
  /** Containers really run. */
  readonly containers: boolean
}

/** How pods of one workload should behave from now on, where no container really runs. */
export type PodBehaviour = 'run' | 'stay-pending' | 'crash' | 'never-ready' | 'succeed' | 'fail'

export interface Cluster {
  readonly tier: 'simulator' | 'control-plane' | 'node'
  readonly capabilities: Capabilities
  readonly hook: HookService
  readonly metacontroller: Metacontroller

  /** Creates the object, or replaces what `kubectl apply` would (labels, annotations, spec, data). Throws ApiError. */
  apply(object: KubernetesObject): Promise<KubernetesObject>
  /** Creates; an existing object is an ApiError with reason AlreadyExists. */
  create(object: KubernetesObject): Promise<KubernetesObject>
  /** The object, or undefined when there is none. */
  get(reference: ObjectReference): Promise<KubernetesObject | undefined>
  list(type: ObjectType, options?: { namespace?: string; labels?: Record<string, string> }): Promise<KubernetesObject[]>
  /** A JSON merge patch (RFC 7386), to the object or to one of its subresources. */
  patch(reference: ObjectReference, patch: object, subresource?: 'status' | 'scale'): Promise<KubernetesObject>
  delete(reference: ObjectReference, propagation?: Propagation): Promise<void>
  /** A new, empty namespace, its name made from `hint`; it is gone when the cluster is. */
  namespace(hint: string): Promise<string>
  /**
   * Asks `probe` again and again until it answers something truthy, and returns that. The error after
   * `seconds` (default 60, of the cluster's time) names `what` and the last answer or error.
   */
  until<T>(what: string, probe: () => Promise<T | undefined | false | null>, seconds?: number): Promise<T>
  /** Lets so many seconds of the cluster's time go by. */
  pass(seconds: number): Promise<void>
  /**
   * Decides how pods whose owner is `workload` (a StatefulSet, Deployment or Job by kind and name; name may be
   * a prefix ending in `*`) behave from now on. Not on a tier with `containers`.
   */
  behave(workload: { kind: string; namespace: string; name: string }, behaviour: PodBehaviour): Promise<void>
  /** events.k8s.io/v1 or core/v1 events about an object, oldest first. */
  events(reference: ObjectReference): Promise<{ reason: string; type: string; note: string; count: number }[]>
}

/** One behaviour of the product, told as a story. `run` throws when it is not so. */
/**
 * How many are a crowd: several times as many as Metacontroller works on at once. Where they race for real, a hundred; on the
 * simulator each of them costs a tenth of a second and shows nothing that the others have not.
 */
export function crowdOf({ tier }: Cluster): number {
  return tier === 'simulator' ? 30 : 100
}

export interface Scenario {
  readonly title: string
  /** Capabilities without which it cannot be told. */
  readonly needs?: readonly (keyof Capabilities)[]
  /** Capabilities with which it cannot be told: it has pods behave at will, or needs engines that are nowhere run. */
  readonly lacks?: readonly (keyof Capabilities)[]
  /** Seconds of real time it may take on the control plane; 120 if absent. */
  readonly seconds?: number
  run(cluster: Cluster): Promise<void>
}
