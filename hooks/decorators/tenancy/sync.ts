// From a tenant's Namespace to all that is in it, and back to nothing when it is no longer a tenant's.
import type { Notice } from '../../sdk/decorated.ts'
import type { Decoration, DecoratorContext, DecoratorHold, Related } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { compareQuantities } from '../../sdk/quantity.ts'
import { LimitRange, type Namespace, NetworkPolicy, ResourceQuota, RoleBinding } from '../../sdk/resources.ts'
import { limitRange, resourceQuota } from './limits.ts'
import { annotations, beforeAnnotation, names, protectedNamespaces, tenantLabel } from './names.ts'
import { networkPolicies } from './networkpolicies.ts'
import { ownerBinding, ownersOf } from './owners.ts'
import { planOf, plans } from './plan.ts'
import { currentLevel, labelsBefore, levelOf, podSecurityLabels, rememberedLabels } from './podsecurity.ts'

/** The kinds of object that a tenant's namespace is given. */
export const attachments = [ResourceQuota, LimitRange, NetworkPolicy, RoleBinding] as const

type Attachments = (typeof attachments)[number]
type Attachment = NonNullable<Decoration<Attachments>['attachments'][number]>
export type TenancyContext = DecoratorContext<Attachments>

/** The name of the controller, which Metacontroller writes on all that it attaches. */
export const controller = 'tenancy'

export function sync(namespace: Namespace, context: TenancyContext): Decoration<Attachments> | DecoratorHold {
  const { name, deletionTimestamp, labels = {} } = namespace.metadata
  const tenant = labels[tenantLabel]
  // All of it goes with the namespace.
  if (deletionTimestamp !== undefined) return asItIs(namespace, context)
  if (tenant === undefined || protectedNamespaces.includes(name)) return released(namespace)
  if (tenant === '')
    return { hold: { reason: 'NoTenant', message: `${tenantLabel}: must name a tenant, but is empty` } }
  return decorated(namespace, tenant, context)
}

/** What stands where something of the tenant's is to be: Metacontroller does not say when a name is taken. */
export function related({ metadata: { name: namespace } }: Namespace): Related[] {
  return [
    { type: ResourceQuota, namespace, names: [names.quota] },
    { type: LimitRange, namespace, names: [names.limits] },
    { type: NetworkPolicy, namespace, names: [names.defaultDeny, names.dns, names.sameTenant] },
    { type: RoleBinding, namespace, names: [names.owners] },
  ]
}

function decorated(namespace: Namespace, tenant: string, context: TenancyContext): Decoration<Attachments> {
  const { name, annotations: given = {} } = namespace.metadata
  const plan = planOf(given[annotations.plan])
  const owners = ownersOf(given[annotations.owners])
  const security = levelOf(given[annotations.podSecurity])
  const held = (type: Attachments, child: string): Attachment | undefined => {
    const live = context.observed.get(type, child, name)
    return live === undefined ? undefined : heldChild(live)
  }
  // A namespace that was never sized gets the least there is: an unlimited one would be felt by all the others.
  const sized = typeof plan === 'string' ? plans.small : plan
  const keep = typeof plan === 'string'
  const wanted: (Attachment | undefined)[] = [
    (keep ? held(ResourceQuota, names.quota) : undefined) ?? resourceQuota(tenant, name, sized),
    (keep ? held(LimitRange, names.limits) : undefined) ?? limitRange(tenant, name, sized),
    ...networkPolicies(tenant, name),
    typeof owners === 'string' ? held(RoleBinding, names.owners) : ownerBinding(tenant, name, owners),
  ]
  const taken = wanted.filter((child) => child !== undefined && isTaken(child, namespace, context))
  const level = security.problem === undefined ? security.level : heldLevel(namespace)
  const notice = firstOf(
    problemOf('InvalidAnnotation', [plan, owners, security.problem]),
    problemOf('NameTaken', taken.map(takenBy)),
    problemOf('BelowUsage', [usageAbove(name, context)]),
  )
  return {
    attachments: wanted.filter((child) => !taken.includes(child)),
    labels: podSecurityLabels(level),
    annotations: { [beforeAnnotation]: rememberedLabels(namespace, observedOf(context).length === 0) },
    notice,
  }
}

function asItIs({ metadata }: Namespace, context: TenancyContext): Decoration<Attachments> {
  const before = metadata.annotations?.[beforeAnnotation]
  return {
    attachments: observedOf(context).map(heldChild),
    ...(before === undefined ? {} : { annotations: { [beforeAnnotation]: before } }),
  }
}

/** Takes off what was put on, and nothing else: a namespace that was never a tenant's is not written to. */
function released(namespace: Namespace): Decoration<Attachments> {
  const before = labelsBefore(namespace)
  return { attachments: [], ...(before === undefined ? {} : { labels: before }) }
}

function observedOf({ observed }: TenancyContext): Attachment[] {
  return attachments.flatMap((type): Attachment[] => observed.list(type))
}

/** The labels stay as they are while nobody knows what they should be. */
function heldLevel(namespace: Namespace) {
  const managed = namespace.metadata.annotations?.[beforeAnnotation] !== undefined
  return (managed ? currentLevel(namespace) : undefined) ?? 'restricted'
}

function isTaken({ apiVersion, kind, metadata }: Attachment, namespace: Namespace, context: TenancyContext): boolean {
  const type = attachments.find((one) => one.apiVersion === apiVersion && one.kind === kind)
  if (type === undefined) return false
  const there: KubernetesObject | undefined = context.related.get(type, metadata.name, namespace.metadata.name)
  if (there === undefined || context.observed.get(type, metadata.name, namespace.metadata.name) !== undefined) {
    return false
  }
  // The cache of what is related may be ahead of that of the attachments.
  const { ownerReferences = [], annotations: noted = {} } = there.metadata
  const own = ownerReferences.some((owner) => owner.controller === true && owner.uid === namespace.metadata.uid)
  return !(own && noted['metacontroller.k8s.io/decorator-controller'] === controller)
}

function takenBy(child: Attachment | undefined): string {
  return `${child?.kind}/${child?.metadata.name} belongs to something else and is left alone: delete or rename it`
}

/** Usage above a quota stops nothing that runs; but nothing new starts, and whoever lowered the plan should know. */
function usageAbove(namespace: string, { observed }: TenancyContext): string | undefined {
  const { hard = {}, used = {} } = observed.get(ResourceQuota, names.quota, namespace)?.status ?? {}
  const above = Object.keys(hard).filter(
    (resource) => compareQuantities(used[resource] ?? '0', hard[resource] ?? '0') > 0,
  )
  if (above.length === 0) return undefined
  return `more is in use than the plan allows of ${above.join(', ')}: what runs goes on, and nothing new that needs it starts`
}

function problemOf(reason: string, messages: readonly unknown[]): Notice | undefined {
  const told = messages.filter((message) => typeof message === 'string')
  return told.length === 0 ? undefined : { reason, message: told.join('; ') }
}

/** One reason, and all that there is to say. */
function firstOf(...problems: (Notice | undefined)[]): Notice | undefined {
  const found = problems.filter((problem) => problem !== undefined)
  const [first] = found
  return first && { reason: first.reason, message: found.map(({ message }) => message).join('; ') }
}
