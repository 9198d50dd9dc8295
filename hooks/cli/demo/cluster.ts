// What the tour asks of a cluster, simulated or real.
import type { KubernetesObject, ObjectReference, ObjectType } from '../../sdk/kubernetes.ts'

/** metav1.DeletionPropagation. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan'

/** How pods of one workload should behave from now on, where no container really runs. */
export type PodBehaviour = 'run' | 'stay-pending' | 'crash' | 'never-ready' | 'succeed' | 'fail'

export interface TourCluster {
  /** Creates the object, or replaces what `kubectl apply` would (labels, annotations, spec, data). Throws ApiError. */
  apply(object: KubernetesObject): Promise<KubernetesObject>
  /** The object, or undefined when there is none. */
  get(reference: ObjectReference): Promise<KubernetesObject | undefined>
  list(type: ObjectType, options?: { namespace?: string; labels?: Record<string, string> }): Promise<KubernetesObject[]>
  /** A JSON merge patch (RFC 7386), to the object or to one of its subresources. */
  patch(reference: ObjectReference, patch: object, subresource?: 'status' | 'scale'): Promise<KubernetesObject>
  delete(reference: ObjectReference, propagation?: Propagation): Promise<void>
  /** A new, empty namespace, its name made from `hint`; it is gone when the cluster is. */
  namespace(hint: string): Promise<string>
  /** Lets so many seconds of the cluster's time go by. */
  pass(seconds: number): Promise<void>
  /**
   * Decides how pods whose owner is `workload` (a StatefulSet, Deployment or Job by kind and name; name may be
   * a prefix ending in `*`) behave from now on. Not on a tier with `containers`.
   */
  behave(workload: { kind: string; namespace: string; name: string }, behaviour: PodBehaviour): Promise<void>
}
