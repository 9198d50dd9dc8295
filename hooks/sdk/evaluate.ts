// From a hook's request to its answer, for any definition: check the spec, ask the kind, check its answer, add
// what all kinds share. Pure: the clock, the keys and the settings come in as arguments.
import * as z from 'zod'
import { imageProblems } from './allowlist.ts'
import type { Change } from './changes.ts'
import { findChanges } from './changes.ts'
import { findFault } from './check.ts'
import { type Condition, type ConditionInput, findCondition, stampConditions } from './conditions.ts'
import type { Credentials } from './credentials.ts'
import { type Marks, marksOf, missingNotice, type Notice } from './decorated.ts'
import {
  type Answer,
  type ClockContext,
  type Composite,
  type Decorator,
  type FinalAnswer,
  type Hold,
  type Parent,
  type Related,
  type Settings,
  storedVersion,
} from './definition.ts'
import { heldChildren } from './hold.ts'
import { isRecord, type KubernetesObject } from './kubernetes.ts'
import { groupKey, observe } from './observed.ts'
import { quotaExceeded, refusalsOf } from './quota.ts'
import { readResource, withDefaults } from './read.ts'
import { Pod, ResourceQuota, type ResourceType } from './resources.ts'
import { narrowResumptionRule, resumptionRule } from './resumption.ts'
import { describeProblems, type Problem } from './schema.ts'
import type {
  CompositeRequest,
  CompositeResponse,
  CustomizeRequest,
  CustomizeResponse,
  DecoratorRequest,
  DecoratorResponse,
  ObservedGroups,
  RelatedResourceRule,
} from './wire.ts'

/** What an answer may depend on beside the request. */
export interface Environment {
  now: Date
  credentials: Credentials
  settings: Settings
}

/** An answer, and what there is to tell about it. */
export interface Evaluation<Response> {
  response: Response
  /** Why nothing was done; undefined when the answer is the kind's own. */
  hold?: { reason: string; message: string }
  /** A fault of the kind itself, behind a hold: for the log, at level error. */
  defect?: string
  changes: readonly Change[]
  /** False when the same request may have another answer later: no ETag then. */
  cacheable: boolean
}

/** After so many seconds a desired child that does not appear is taken to collide with somebody else's object. */
export const nameTakenAfterSeconds = 10

/** After so many seconds a desired child that a quota has no room for is taken to be refused. */
const refusedAfterSeconds = 2

/** Reasons that the SDK itself gives. */
export const reasons = {
  invalidSpec: 'InvalidSpec',
  invalidChild: 'InvalidChild',
  nameTaken: 'NameTaken',
} as const

/** Answers a CompositeController's sync or finalize hook. Throws only what the kind's own code throws. */
export function evaluateComposite(
  definition: Composite,
  request: CompositeRequest,
  environment: Environment,
): Evaluation<CompositeResponse> {
  const namespace = request.parent.metadata.namespace
  const finalizing = request.finalizing && definition.finalize !== undefined
  // Whoever lets a resource go is not asked whether it should have been.
  const read = finalizing ? withDefaults : readResource
  const { parent, problems } = read(definition, request.parent, { settings: environment.settings })
  if (problems !== undefined) {
    // Nothing was ever made of it, so there is nothing to clean up.
    if (finalizing && isEmpty(request.children)) return released(request)
    return held(definition, request, environment, { hold: refusalOf(problems) })
  }
  const { context, clock } = contextOf(definition, request.children, request.related, namespace, environment)
  const answer: Answer | FinalAnswer | Hold =
    finalizing && definition.finalize !== undefined
      ? definition.finalize(parent, context)
      : definition.sync(parent, context)
  if ('hold' in answer) return held(definition, request, environment, answer, !clock.read)

  const children = answer.children.filter((child) => child !== undefined)
  const fault = findFault(children, definition.children, namespace)
  if (fault !== undefined) {
    const hold = { hold: { reason: reasons.invalidChild, message: fault } }
    const evaluation = held(definition, request, environment, hold, !clock.read)
    return { ...evaluation, defect: fault }
  }
  const finalized = isFinal(answer)
  const changes = findChanges(children, request.children, namespace)
  // What exists runs until it is changed or deleted by whoever owns it: a deletion only must bring in nothing new.
  const creates = ({ kind, metadata }: KubernetesObject) =>
    changes.some((change) => change.action === 'create' && change.kind === kind && change.name === metadata.name)
  const images = imageProblems(
    finalizing ? children.filter(creates) : children,
    request.parent.spec,
    environment.settings,
  )
  if (images.length > 0) {
    if (finalizing && isEmpty(request.children)) return released(request)
    return held(definition, request, environment, { hold: refusalOf(images) })
  }
  const missing = request.finalizing ? [] : changes.filter(({ action }) => action === 'create')
  const status = request.parent.status as { conditions?: Condition[] } | undefined
  const applied =
    refusedByQuota(missing, children, definition.children, request.related, status?.conditions, environment.now) ??
    appliedCondition(missing, status?.conditions, environment.now)
  // Both wait for somebody to act.
  const stuck = applied.reason === reasons.nameTaken || applied.reason === quotaExceeded
  const resyncAfterSeconds = lookAgain(answer.resyncAfterSeconds, missing, changes)
  return {
    response: {
      status: {
        ...answer.status,
        conditions: stampConditions(
          summarize(answer.conditions, applied, stuck ? applied : undefined),
          status?.conditions ?? [],
          environment.now,
          request.parent.metadata.generation,
        ),
      },
      children,
      ...(resyncAfterSeconds === undefined ? {} : { resyncAfterSeconds }),
      ...(request.finalizing ? { finalized } : {}),
    },
    ...(stuck ? { hold: { reason: applied.reason, message: applied.message } } : {}),
    changes,
    cacheable: !clock.read && missing.length === 0,
  }
}

/** Answers a DecoratorController's sync or finalize hook. Throws only what the decorator's own code throws. */
export function evaluateDecorator(
  definition: Decorator,
  request: DecoratorRequest,
  environment: Environment,
): Evaluation<DecoratorResponse> {
  const { object, finalizing } = request
  // Whoever calls by hand may leave it empty.
  const controller = { ...request.controller, metadata: request.controller.metadata ?? {} }
  const namespace = object.metadata.namespace
  const { context: shared, clock } = contextOf(definition, request.attachments, request.related, namespace, environment)
  const held = (hold: Notice, resyncAfterSeconds?: number): Evaluation<DecoratorResponse> => ({
    response: {
      // Its other marks stay as they are.
      ...marksOf({ ...definition, sets: {} }, object, {}, hold),
      attachments: heldChildren(request.attachments),
      ...(resyncAfterSeconds === undefined ? {} : { resyncAfterSeconds }),
      ...(finalizing ? { finalized: false } : {}),
    },
    hold,
    changes: [],
    cacheable: !clock.read,
  })
  if (finalizing && definition.finalize === undefined) {
    // What it made goes, and so does every mark that it left.
    const response = { ...marksOf(definition, object, {}, undefined), attachments: [], finalized: true }
    return { response, changes: findChanges([], request.attachments, namespace), cacheable: !clock.read }
  }
  const target = targetOf(definition, object, environment.settings)
  // The conditions of an invalid resource say so already.
  if (target.problems !== undefined) {
    const { response, ...rest } = held({ reason: reasons.invalidSpec, message: describeProblems(target.problems) })
    const { annotations: _untold, ...quiet } = response
    return { ...rest, response: quiet }
  }
  const parameters = { ...definition.parameters, ...controller.metadata.annotations }
  const context = Object.assign(shared, { parameters })
  const answer =
    finalizing && definition.finalize !== undefined
      ? definition.finalize(target.object, context)
      : definition.sync(target.object, context)
  if ('hold' in answer) {
    return held(answer.hold, answer.resyncAfterSeconds)
  }
  const attachments = answer.attachments.filter((attachment) => attachment !== undefined)
  const fault = findFault(attachments, definition.attachments, namespace)
  if (fault !== undefined) {
    const notice = { reason: reasons.invalidChild, message: fault }
    return { ...held(notice), defect: fault }
  }
  const images = imageProblems(attachments, undefined, environment.settings)
  if (images.length > 0) return held(refusalOf(images))
  const changes = findChanges(attachments, request.attachments, namespace)
  const missing = finalizing ? [] : changes.filter(({ action }) => action === 'create')
  const notice = answer.notice ?? missingNotice(definition, object, controller, missing, environment.now)
  const again = missing.length > 0 ? Math.min(answer.resyncAfterSeconds ?? 5, 5) : answer.resyncAfterSeconds
  return {
    response: {
      ...marksOf(definition, object, isFinal(answer) ? {} : pickMarks(answer), notice),
      attachments,
      ...(again === undefined ? {} : { resyncAfterSeconds: again }),
      ...(finalizing ? { finalized: isFinal(answer) } : {}),
    },
    ...(notice === undefined || notice.reason === 'Creating' ? {} : { hold: notice }),
    changes,
    cacheable: !clock.read && missing.length === 0,
  }
}

function pickMarks({ labels, annotations }: Marks): Marks {
  return { ...(labels && { labels }), ...(annotations && { annotations }) }
}

/** The object as the decorator sees it: of a kind of this suite, checked and defaulted. */
function targetOf(
  { resources }: Decorator,
  object: KubernetesObject,
  settings: Settings,
): { object: NamedObject; problems?: undefined } | { problems: readonly Problem[] } {
  const rule = resources.find(({ type }) => groupKey(type) === groupKey(object))
  if (rule?.definition === undefined) return { object: object as NamedObject }
  const { parent, problems } = withDefaults(rule.definition, object, { settings })
  return problems === undefined ? { object: { ...object, ...parent } as NamedObject } : { problems }
}

type NamedObject = KubernetesObject & { metadata: { name: string } }

/** Answers a customize hook. A namespaced parent gets to see nothing outside its own namespace. */
export function evaluateCustomize(
  definition: Composite | Decorator,
  request: CustomizeRequest,
  settings: Settings = { imageRegistry: '' },
): CustomizeResponse {
  const parentNamespace = request.parent.metadata.namespace
  let related: readonly Related[] = []
  if (definition.controller === 'composite') {
    const { parent } = withDefaults(definition, request.parent, { settings })
    // An invalid spec asks for nothing; the sync that follows says what is wrong with it.
    if (parent !== undefined) related = definition.related?.(parent) ?? []
  } else {
    const target = targetOf(definition, request.parent, settings)
    if (target.problems === undefined) related = definition.related?.(target.object) ?? []
  }
  const rules = related.map((wanted) => relatedRule(wanted, parentNamespace, definition.relatedTypes))
  const narrowed = parentNamespace !== undefined && hookVersion(request.controller, 'customize') === 'v1'
  return {
    relatedResources: narrowed ? [...rules.map(ofOwnNamespace), narrowResumptionRule] : [...rules, resumptionRule],
  }
}

/**
 * The hook version that a controller asks for. Metacontroller before 4 knows none, and drops the field.
 */
function hookVersion(controller: KubernetesObject, hook: string): string {
  const { spec } = controller
  const hooks = isRecord(spec) && isRecord(spec.hooks) ? spec.hooks[hook] : undefined
  return isRecord(hooks) && typeof hooks.version === 'string' ? hooks.version : 'v1'
}

/**
 * What a rule becomes under v1. There a selector without a namespace means the parent's own, and a name without one any
 * namespace's; and Metacontroller 1.5 keeps answers by the parent's name and generation alone, so that an answer that
 * names a namespace is also taken for the parent of that name in another, whose sync then fails for ever.
 *
 * And it goes by a rule's selector whatever the kind of the object that has changed: one that selects everything would
 * have each parent of the cluster synced at every change of an autoscaler or a claim. No quota bears the label that the
 * children of this suite bear. And no claim or EndpointSlice bears what every pod of a StatefulSet does, whose other labels they
 * share: a member of a database is written to all the time.
 */
function ofOwnNamespace({ apiVersion, resource, labelSelector }: RelatedResourceRule): RelatedResourceRule {
  const all = resource === ResourceQuota.resource ? { matchExpressions: [noChild] } : {}
  if (labelSelector === undefined) return { apiVersion, resource, labelSelector: all }
  if (resource === Pod.resource || labelSelector.matchLabels === undefined)
    return { apiVersion, resource, labelSelector }
  return { apiVersion, resource, labelSelector: { ...labelSelector, matchExpressions: [noMember] } }
}

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#controller-revision-hash */
const noMember = { key: 'controller-revision-hash', operator: 'DoesNotExist' }

/** Metacontroller labels so what it makes for a CompositeController with generateSelector. */
const noChild = { key: 'controller-uid', operator: 'DoesNotExist' }

function relatedRule(
  wanted: Related,
  parentNamespace: string | undefined,
  declared: readonly ResourceType[] | undefined,
): RelatedResourceRule {
  const { type, names, labels } = wanted
  const namespace = wanted.namespace ?? parentNamespace
  if (parentNamespace !== undefined && (namespace !== parentNamespace || !type.namespaced)) {
    throw new Error(`a parent in namespace "${parentNamespace}" asked for ${type.kind} in "${namespace}"`)
  }
  if (declared !== undefined && !declared.some((one) => groupKey(one) === groupKey(type))) {
    // Metacontroller has no right to watch it, and would wait for it for ever.
    throw new Error(`${type.apiVersion} ${type.kind} is asked for but not among relatedTypes`)
  }
  const home = namespace !== undefined && type.namespaced ? { namespace } : {}
  // Metacontroller 1.5 takes a namespace or a selector, not both: so all of a namespace is asked for without one.
  const all = 'namespace' in home && labels === undefined
  return {
    apiVersion: type.apiVersion,
    resource: type.resource,
    ...home,
    ...(names ? { names: [...names] } : all ? {} : { labelSelector: { matchLabels: { ...labels } } }),
  }
}

function contextOf<Children extends ResourceType>(
  definition: { clock?: boolean },
  children: ObservedGroups,
  related: ObservedGroups,
  namespace: string | undefined,
  environment: Environment,
): { context: ClockContext<Children>; clock: { read: boolean } } {
  const clock = { read: false }
  const shared = {
    observed: observe<Children>(children, namespace),
    related: observe<ResourceType>(related, namespace),
    credentials: environment.credentials,
    settings: environment.settings,
  }
  const context = {
    ...shared,
    get now() {
      // The types hide it; this keeps an undeclared read from being answered out of a cache for ever.
      if (definition.clock !== true) throw new Error('the definition reads `now` without declaring `clock: true`')
      clock.read = true
      return environment.now
    },
  }
  return { context, clock }
}

function refusalOf(problems: readonly Problem[]): Hold['hold'] {
  const [first] = problems
  return { reason: first?.reason ?? reasons.invalidSpec, message: describeProblems(problems) }
}

function held(
  definition: Composite,
  request: CompositeRequest,
  environment: Environment,
  hold: Hold,
  cacheable = true,
): Evaluation<CompositeResponse> {
  const { conditions: before = [], ...previous } = (request.parent.status ?? {}) as { conditions?: Condition[] }
  delete (previous as { observedGeneration?: number }).observedGeneration
  const { reason, message } = hold.hold
  const { phase: phases } = storedVersion(definition).version.status.shape
  // A status that the CRD does not allow would be refused, and nobody would learn why it is held.
  const canFail = phases !== undefined && z.safeParse(phases, 'Failed').success
  const phase = canFail && isEmpty(request.children) ? { phase: 'Failed' } : {}
  const metadata = request.parent.metadata as Parent['metadata']
  const counts = definition.counts?.(metadata, observe(request.children, metadata.namespace))
  const stated = hold.conditions ?? []
  const kept = before.filter(({ type }) => !ofSdk.has(type) && findCondition(stated, type) === undefined)
  const applied = findCondition(before, 'Applied') ?? {
    type: 'Applied',
    status: 'Unknown',
    reason,
    message: 'nothing was applied yet',
  }
  const conditions = summarize([...kept, ...stated], applied, { reason, message })
  return {
    response: {
      status: {
        ...previous,
        ...phase,
        ...counts,
        ...hold.status,
        conditions: stampConditions(conditions, before, environment.now, request.parent.metadata.generation),
      },
      children: heldChildren(request.children),
      ...(hold.resyncAfterSeconds === undefined ? {} : { resyncAfterSeconds: hold.resyncAfterSeconds }),
      ...(request.finalizing ? { finalized: false } : {}),
    },
    hold: hold.hold,
    changes: [],
    cacheable,
  }
}

function released(request: CompositeRequest): Evaluation<CompositeResponse> {
  const status = (request.parent.status ?? {}) as Record<string, unknown>
  return { response: { status, children: [], finalized: true }, changes: [], cacheable: true }
}

const ofSdk = new Set(['Reconciling', 'Stalled', 'Applied'])

// Ready first, then kstatus' two, so that generic tools (kubectl wait, Flux, Argo CD) understand every kind:
// https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
function summarize(
  conditions: readonly ConditionInput[],
  applied: ConditionInput,
  stalled: { reason: string; message: string } | undefined,
): ConditionInput[] {
  const stated = (type: string) => findCondition(conditions, type)
  const ready: ConditionInput = stalled
    ? { type: 'Ready', status: 'False', ...pick(stalled) }
    : (stated('Ready') ?? { type: 'Ready', status: 'Unknown', reason: 'Unknown', message: 'the kind does not say' })
  // What waits for a person is not on its way: kstatus takes the first of the two that is true.
  const stuck = stalled !== undefined || stated('Stalled')?.status === 'True'
  const busy = !stuck && (ready.status !== 'True' || applied.status !== 'True')
  const reconciling: ConditionInput = busy
    ? { type: 'Reconciling', status: 'True', ...pick(ready.status === 'True' ? applied : ready) }
    : { type: 'Reconciling', status: 'False', reason: stuck ? 'Stalled' : 'Settled', message: '' }
  const stall: ConditionInput = stalled
    ? { type: 'Stalled', status: 'True', ...pick(stalled) }
    : { type: 'Stalled', status: 'False', reason: 'Progressing', message: '' }
  return [
    ready,
    stalled === undefined ? (stated('Reconciling') ?? reconciling) : reconciling,
    stalled === undefined ? (stated('Stalled') ?? stall) : stall,
    applied,
    ...conditions.filter(({ type }) => type !== 'Ready' && !ofSdk.has(type)),
  ]
}

function pick({ reason, message }: { reason: string; message: string }) {
  return { reason, message }
}

// Where a kind asks to see the quotas of its namespace: a child that one of them leaves no room for does not appear. One
// that was created a moment ago may be counted already and not be seen yet, so it is given that moment.
function refusedByQuota(
  missing: readonly Change[],
  children: readonly KubernetesObject[],
  types: readonly ResourceType[],
  related: ObservedGroups,
  before: readonly Condition[] | undefined,
  now: Date,
): ConditionInput | undefined {
  const quotas = Object.values(related[groupKey(ResourceQuota)] ?? {}) as ResourceQuota[]
  const previous = findCondition(before, 'Applied')
  if (missing.length === 0 || quotas.length === 0 || previous?.status !== 'False') return undefined
  const seconds = (now.getTime() - Date.parse(previous.lastTransitionTime)) / 1000
  if (seconds < refusedAfterSeconds) return undefined
  const refusals = missing.flatMap(({ apiVersion, kind, name }) => {
    const object = children.find(
      (child) => groupKey(child) === groupKey({ apiVersion, kind }) && child.metadata.name === name,
    )
    const resource = types.find((type) => groupKey(type) === groupKey({ apiVersion, kind }))?.resource
    if (object === undefined || resource === undefined) return []
    return refusalsOf([{ what: `${kind}/${name}`, object, resource }], quotas)
  })
  if (refusals.length === 0) return undefined
  return { type: 'Applied', status: 'False', reason: quotaExceeded, message: refusals.join('; ') }
}

// When somebody else's object has a child's name, Metacontroller neither says so nor tries again before the next
// sync. All that can be seen is that the child does not appear; the condition's own transition time says for how long.
function appliedCondition(
  missing: readonly Change[],
  before: readonly Condition[] | undefined,
  now: Date,
): ConditionInput {
  if (missing.length === 0) return { type: 'Applied', status: 'True', reason: 'AllPresent', message: '' }
  const names = missing.map(({ kind, name }) => `${kind}/${name}`)
  const waiting: ConditionInput = {
    type: 'Applied',
    status: 'False',
    reason: 'Creating',
    message: `waiting for ${names.join(', ')} to appear`,
  }
  const previous = findCondition(before, 'Applied')
  if (previous?.status !== 'False') return waiting
  const earlier =
    /^(?:waiting for )?(.*) (?:to appear|cannot be created:.*)$/.exec(previous.message)?.[1]?.split(', ') ?? []
  const seconds = (now.getTime() - Date.parse(previous.lastTransitionTime)) / 1000
  if (previous.reason !== reasons.nameTaken && seconds < nameTakenAfterSeconds) {
    // Children become visible one by one: a status that counted them down would be written as often.
    return names.every((name) => earlier.includes(name)) ? { ...waiting, message: previous.message } : waiting
  }
  // While the set still shrinks, somebody is at work: a slow API server takes no names.
  if (names.length !== earlier.length || !names.every((name) => earlier.includes(name))) return waiting
  return {
    type: 'Applied',
    status: 'False',
    reason: reasons.nameTaken,
    message: `${names.join(', ')} cannot be created: an object of that name exists that belongs to something else, and it is left alone; rename or delete it, or give this resource another name`,
  }
}

// What is not there yet is looked for soon. A write may be refused, and is tried again with pauses that double: they end
// here, since what the refusal was about is most often mended by somebody.
function lookAgain(
  asked: number | undefined,
  missing: readonly Change[],
  changes: readonly Change[],
): number | undefined {
  if (changes.length === 0) return asked
  return Math.min(asked ?? Number.POSITIVE_INFINITY, missing.length > 0 ? 5 : 30)
}

function isFinal(answer: object): boolean {
  return 'finalized' in answer && answer.finalized === true
}

function isEmpty(groups: ObservedGroups): boolean {
  return Object.values(groups).every((group) => Object.keys(group).length === 0)
}
