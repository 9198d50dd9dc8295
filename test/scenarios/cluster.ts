// What a scenario may do with a cluster, whatever carries it: the simulator, a real control plane, real nodes.
// A scenario is written once against this and runs on every tier that has the capabilities it asks for.
import type { TourCluster } from '../../hooks/cli/demo/cluster.ts'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'

export type { PodBehaviour, Propagation } from '../../hooks/cli/demo/cluster.ts'
export type { ApiError } from '../../hooks/simulator/errors.ts'

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

export interface Cluster extends TourCluster {
  readonly tier: 'simulator' | 'control-plane' | 'node'
  readonly capabilities: Capabilities
  readonly hook: HookService
  readonly metacontroller: Metacontroller

  /** Creates; an existing object is an ApiError with reason AlreadyExists. */
  create(object: KubernetesObject): Promise<KubernetesObject>
  /**
   * Asks `probe` again and again until it answers something truthy, and returns that. The error after
   * `seconds` (default 60, of the cluster's time) names `what` and the last answer or error.
   */
  until<T>(what: string, probe: () => Promise<T | undefined | false | null>, seconds?: number): Promise<T>
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
