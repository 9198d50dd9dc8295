// What Metacontroller, the hook service's optional events part and people may do: exactly the kinds and verbs in use.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/
import type { Definition } from '../sdk/definition.ts'
import { groupOf, type KubernetesObject } from '../sdk/kubernetes.ts'
import type { PolicyRule, ResourceType } from '../sdk/resources.ts'

/** Where Metacontroller's own manifests put its service account. */
const metacontrollerAccount = { kind: 'ServiceAccount', name: 'metacontroller', namespace: 'metacontroller' }
const hookAccount = { kind: 'ServiceAccount', name: 'operator-hooks-events', namespace: 'operator-hooks' }

/**
 * Metacontroller's own needs, under the names of its own manifests: applied after those, it narrows their right to
 * everything. Verbs as its code uses them (4.17.2): the two controller kinds and ControllerRevisions are watched
 * (revisions are written for rolling updates only, which this suite never asks for), CRDs are looked up for the
 * status subresource, namespaces are watched for customize hooks.
 */
export function metacontrollerRbac(): KubernetesObject[] {
  return [
    role('ClusterRole', 'metacontroller', undefined, [
      grant('metacontroller.k8s.io', ['compositecontrollers', 'decoratorcontrollers'], watch),
      grant('metacontroller.k8s.io', ['controllerrevisions'], watch),
      grant('apiextensions.k8s.io', ['customresourcedefinitions'], watch),
      grant('', ['namespaces'], watch),
      grant(['', 'events.k8s.io'], ['events'], ['create', 'patch']),
    ]),
    binding('ClusterRole', 'metacontroller', undefined, metacontrollerAccount),
    // Only with --leader-election, which more than one replica needs.
    role('Role', 'metacontroller-leader-election', 'metacontroller', [
      grant('coordination.k8s.io', ['leases'], ['get', 'create', 'update', 'patch']),
    ]),
    binding('Role', 'metacontroller-leader-election', 'metacontroller', metacontrollerAccount),
  ]
}

/** What Metacontroller needs for these definitions, beside its own needs; `name` is that of the role and its binding. */
export function controllerRbac(name: string, definitions: readonly Definition[]): KubernetesObject[] {
  const rules = [...rulesOf(definitions.flatMap(wantedBy)), ...definitions.flatMap(grantsOf)]
  return [role('ClusterRole', name, undefined, rules), binding('ClusterRole', name, undefined, metacontrollerAccount)]
}

/** What the hook service needs when it writes events; without that part it needs nothing at all. */
export function eventsRbac(): KubernetesObject[] {
  return [
    role('ClusterRole', 'operator-hooks-events', undefined, [grant('events.k8s.io', ['events'], ['create', 'patch'])]),
    binding('ClusterRole', 'operator-hooks-events', undefined, hookAccount),
  ]
}

/** What the hook service needs to warn of quotas, whichever of its two service accounts it has then. */
export function quotasRbac(): KubernetesObject[] {
  const plain = { ...hookAccount, name: 'operator-hooks' }
  return [
    role('ClusterRole', 'operator-hooks-quotas', undefined, [grant('', ['resourcequotas'], ['list', 'watch'])]),
    binding('ClusterRole', 'operator-hooks-quotas', undefined, plain, hookAccount),
  ]
}

/** The suite's kinds in the roles that every cluster has: whoever may edit Deployments may edit them too. */
export function userRbac(definitions: readonly Definition[]): KubernetesObject[] {
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  const edit = composites.flatMap((composite) => {
    const { group, plural } = composite
    const scalable = Object.values(composite.versions).some(({ scale }) => scale !== undefined)
    const scale = { group, resource: `${plural}/scale`, verbs: ['get', 'update', 'patch'] }
    return [{ group, resource: plural, verbs: userVerbs }, ...(scalable ? [scale] : [])]
  })
  const view = composites.map(({ group, plural }) => ({ group, resource: plural, verbs: watch }))
  return [
    role('ClusterRole', 'operator-hooks-view', undefined, rulesOf(view), ['view', 'edit', 'admin']),
    role('ClusterRole', 'operator-hooks-edit', undefined, rulesOf(edit), ['edit', 'admin']),
  ]
}

const watch = ['get', 'list', 'watch']
const userVerbs = ['create', 'update', 'patch', 'delete', 'deletecollection']
/** Finalizers, labels and annotations are written by update; nobody creates or deletes a parent. */
const parentVerbs = [...watch, 'update']
/** Dynamic apply writes whole objects: patch would be for server-side apply, on which holding could not rely. */
const childVerbs = [...watch, 'create', 'update', 'delete']

function wantedBy(definition: Definition): Wanted[] {
  const parents =
    definition.controller === 'composite'
      ? [{ group: definition.group, resource: definition.plural }]
      : definition.resources.map(({ type }) => ({ group: groupOf(type.apiVersion), resource: type.resource }))
  return [
    ...parents.map((parent) => ({ ...parent, verbs: parentVerbs })),
    // For ownerReferences with blockOwnerDeletion where OwnerReferencesPermissionEnforcement is on (OpenShift).
    ...parents.map(({ group, resource }) => ({ group, resource: `${resource}/finalizers`, verbs: ['update'] })),
    // A decorator of this suite leaves the status of what it decorates alone.
    ...(definition.controller === 'composite'
      ? [{ group: definition.group, resource: `${definition.plural}/status`, verbs: ['update'] }]
      : []),
    ...childrenOf(definition).map((type) => wanted(type, childVerbs)),
    ...relatedTypesOf(definition).map((type) => wanted(type, watch)),
  ]
}

function wanted(type: ResourceType, verbs: readonly string[]): Wanted {
  return { group: groupOf(type.apiVersion), resource: type.resource, verbs }
}

function childrenOf(definition: Definition): readonly ResourceType[] {
  return definition.controller === 'composite' ? definition.children : definition.attachments
}

function relatedTypesOf(definition: Definition): readonly ResourceType[] {
  if (definition.related !== undefined && definition.relatedTypes === undefined) {
    throw new Error(`${nameOf(definition)}: has "related" but no "relatedTypes", which Metacontroller may read`)
  }
  return definition.relatedTypes ?? []
}

// The API server lets nobody hand out what they do not hold: to create a Role or a binding to it, Metacontroller must
// hold every rule in it. `escalate` and `bind` would allow any role at all.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
function grantsOf(definition: Definition): readonly PolicyRule[] {
  const roles = childrenOf(definition).filter(({ apiVersion }) => groupOf(apiVersion) === rbacApi)
  if (roles.length > 0 && definition.grants === undefined) {
    const kinds = roles.map(({ kind }) => kind).join(' and ')
    throw new Error(`${nameOf(definition)}: has ${kinds} among its children but no "grants": the rules they may hold`)
  }
  return definition.grants ?? []
}

function nameOf(definition: Definition): string {
  return definition.controller === 'composite' ? definition.kind : definition.name
}

function grant(groups: string | string[], resources: string[], verbs: readonly string[]): PolicyRule {
  return { apiGroups: [groups].flat(), resources, verbs: [...verbs] }
}

/** One rule for each group and set of verbs, however many definitions asked for the same. */
function rulesOf(wanted: readonly Wanted[]): PolicyRule[] {
  const verbsOf = new Map<string, { group: string; resource: string; verbs: Set<string> }>()
  for (const { group, resource, verbs } of wanted) {
    const key = `${group}/${resource}`
    const entry = verbsOf.get(key) ?? { group, resource, verbs: new Set() }
    for (const verb of verbs) entry.verbs.add(verb)
    verbsOf.set(key, entry)
  }
  const rules = new Map<string, PolicyRule>()
  for (const { group, resource, verbs } of [...verbsOf.values()].sort(byGroupAndResource)) {
    const inOrder = allVerbs.filter((verb) => verbs.has(verb))
    const key = `${group} ${inOrder}`
    const rule = rules.get(key) ?? grant(group, [], inOrder)
    rule.resources?.push(resource)
    rules.set(key, rule)
  }
  return [...rules.values()]
}

interface Wanted {
  group: string
  resource: string
  verbs: readonly string[]
}

const allVerbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']

function byGroupAndResource(a: Omit<Wanted, 'verbs'>, b: Omit<Wanted, 'verbs'>) {
  const [left, right] = [`${a.group} ${a.resource}`, `${b.group} ${b.resource}`]
  return left < right ? -1 : left > right ? 1 : 0
}

const rbacApi = 'rbac.authorization.k8s.io'

function role(
  kind: 'ClusterRole' | 'Role',
  name: string,
  namespace: string | undefined,
  rules: readonly PolicyRule[],
  aggregateTo: readonly string[] = [],
): KubernetesObject {
  const labels = Object.fromEntries(aggregateTo.map((role) => [`${rbacApi}/aggregate-to-${role}`, 'true']))
  return { apiVersion: `${rbacApi}/v1`, kind, metadata: metadata(name, namespace, labels), rules }
}

function binding(
  roleKind: 'ClusterRole' | 'Role',
  name: string,
  namespace: string | undefined,
  ...subjects: readonly object[]
): KubernetesObject {
  return {
    apiVersion: `${rbacApi}/v1`,
    kind: `${roleKind}Binding`,
    metadata: metadata(name, namespace),
    roleRef: { apiGroup: rbacApi, kind: roleKind, name },
    subjects: [...subjects],
  }
}

function metadata(name: string, namespace: string | undefined, labels: Record<string, string> = {}) {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { 'app.kubernetes.io/part-of': 'operator-hooks', ...labels },
  }
}
