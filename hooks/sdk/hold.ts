// Holding: an answer that changes nothing. Metacontroller deletes what an answer leaves out, so when it is not
// known what should be, every observed child is answered as it was last applied. That causes no write, still
// repairs drift, and the next valid spec goes on from there (seen on Metacontroller 1.5.20 and 4.17.2).
import { lastApplied } from './changes.ts'
import type { KubernetesObject, ObjectMeta } from './kubernetes.ts'
import type { ObservedGroups } from './wire.ts'

/** Every observed child as it was last applied. */
export function heldChildren(observed: ObservedGroups): KubernetesObject[] {
  return Object.values(observed).flatMap((group) => Object.values(group).map((live) => heldChild(live)))
}

/** One observed child as it was last applied. */
export function heldChild<Resource extends KubernetesObject>(live: Resource): Resource {
  // What was applied to an object of a kind is of that kind.
  return (lastApplied(live) ?? asDesired(live)) as Resource
}

// An adopted object, or one written by server-side apply, has no annotation: then what is there is what is wanted,
// less what only the API server may set.
function asDesired(live: KubernetesObject): KubernetesObject {
  const { status: _status, metadata, ...rest } = live
  const { name, namespace, labels, annotations } = metadata
  const kept: ObjectMeta = {}
  if (name !== undefined) kept.name = name
  if (namespace !== undefined) kept.namespace = namespace
  if (labels !== undefined) kept.labels = labels
  if (annotations !== undefined) kept.annotations = annotations
  return { ...rest, apiVersion: live.apiVersion, kind: live.kind, metadata: kept }
}
