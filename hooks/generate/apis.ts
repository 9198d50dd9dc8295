// Which APIs a definition cannot do without, beyond those that every cluster has.
import { type Definition, parentType } from '../sdk/definition.ts'
import { groupOf } from '../sdk/kubernetes.ts'
import { groupKey } from '../sdk/observed.ts'
import type { ResourceType } from '../sdk/resources.ts'

/**
 * The kinds that a decorator names and that neither Kubernetes has nor, by one of its kinds, this suite: Metacontroller
 * starts its controller only where all of them are served. Empty for a kind of the suite.
 */
export function optionalTypes(definition: Definition, all: readonly Definition[]): ResourceType[] {
  if (definition.controller === 'composite') return []
  const own = all.flatMap((one) => (one.controller === 'composite' ? [groupKey(parentType(one))] : []))
  const types = [...definition.resources.map(({ type }) => type), ...definition.attachments]
  return types.filter((type) => !builtinGroups.has(groupOf(type.apiVersion)) && !own.includes(groupKey(type)))
}

/** All types that a definition names and that are not Kubernetes' own. */
export function customTypes(definition: Definition): ResourceType[] {
  const types =
    definition.controller === 'composite'
      ? definition.children
      : [...definition.resources.map(({ type }) => type), ...definition.attachments]
  return [...types, ...(definition.relatedTypes ?? [])].filter(
    ({ apiVersion }) => !builtinGroups.has(groupOf(apiVersion)),
  )
}

// Its ending tells nothing: snapshot.storage.k8s.io and gateway.networking.k8s.io are CRDs.
// https://kubernetes.io/docs/reference/using-api/#api-groups
const builtinGroups = new Set([
  ...['', 'apps', 'autoscaling', 'batch', 'policy'],
  ...['admissionregistration', 'apiextensions', 'certificates', 'coordination', 'discovery', 'events'].map(k8s),
  ...['flowcontrol.apiserver', 'networking', 'node', 'rbac.authorization', 'resource', 'scheduling', 'storage'].map(
    k8s,
  ),
  // Where any controller is, its kind is.
  k8s('metacontroller'),
])

function k8s(name: string): string {
  return `${name}.k8s.io`
}
