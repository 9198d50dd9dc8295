// What applying resources would do to a cluster: the simulator's plan, with what people and pipelines ask of it.

import { lastApplied } from '../sdk/changes.ts'
import { findCondition } from '../sdk/conditions.ts'
import type { Credentials } from '../sdk/credentials.ts'
import { type Definition, hookName, type Settings } from '../sdk/definition.ts'
import { equal } from '../sdk/equal.ts'
import type { KubernetesObject, ObjectReference } from '../sdk/kubernetes.ts'
import type { ResourceType } from '../sdk/resources.ts'
import { applyUpdate } from '../simulator/apply.ts'
import { type PlannedChange, planWrites, type Plan as SimulatedPlan } from '../simulator/index.ts'
import { createResources } from '../simulator/resources.ts'
import { type FieldDifference, objectDifferences } from './differences.ts'
import { installationOf } from './installation.ts'
import { appliedTo, withoutMemory } from './kubectl.ts'
import { recoverPasswords, standInCredentials } from './passwords.ts'
import { find, identity, identityOf, placed, referenceTo } from './references.ts'
import type { Subject } from './suite.ts'
import { type HookAnswer, inProcessTransport } from './transport.ts'

/** One child, and what becomes of it. */
export interface ChildForecast extends ObjectReference {
  /** `replace`: deleted and made again. `blocked`: should change, and cannot. */
  readonly action: 'create' | 'change' | 'replace' | 'remove' | 'blocked'
  /** Of a change, a replacement and what is blocked. */
  readonly fields: readonly FieldDifference[]
  /** True when the change is in a pod template that runs: its pods are replaced. */
  readonly restartsPods: boolean
  /** True when it is what was applied before: somebody else has changed the child since. */
  readonly drift: boolean
  /** Why it is blocked. */
  readonly reason?: string
}

/** One resource, and what applying it would do. */
export interface Forecast {
  readonly parent: ObjectReference
  readonly action: 'create' | 'change' | 'none'
  /** Of the resource itself, defaults included. */
  readonly fields: readonly FieldDifference[]
  /** What the API server would refuse it for: nothing else happens then. */
  readonly refused?: { readonly message: string; readonly causes: readonly { field: string; message: string }[] }
  /** Why the kind would leave its children as they are. */
  readonly held?: { readonly reason: string; readonly message: string }
  readonly children: readonly ChildForecast[]
  /** How many children stay as they are. */
  readonly unchanged: number
  /** What Metacontroller would report (SyncError), beside what is told of the children. */
  readonly errors: readonly string[]
}

export interface ForecastOptions {
  readonly definitions: readonly Definition[]
  readonly subjects: readonly Subject[]
  /** What there is: the resources, their children, what they refer to, whatever holds a child's name. */
  readonly observed: readonly KubernetesObject[]
  /** Objects that are applied together with the resources. */
  readonly others: readonly KubernetesObject[]
  /** Without them, passwords are taken from the observed Secrets. */
  readonly credentials?: Credentials
  readonly settings: Settings
  readonly now: Date
}

/** Says for each subject what `kubectl apply` would set off. Touches nothing. */
export async function forecast(options: ForecastOptions): Promise<Forecast[]> {
  const { observed, subjects, credentials } = options
  const parents = subjects.map(({ object }) => appliedTo(find(observed, object), object))
  if (credentials !== undefined) return summarize(options, parents, await plan(options, parents, credentials))
  const standIns = standInCredentials()
  const first = await plan(options, parents, standIns)
  const recovered = recoverPasswords(first.answers.values(), observed, standIns)
  return summarize(options, parents, recovered ? await plan(options, parents, standIns) : first)
}

/** The children that would be desired of each parent at first sight: whatever a cluster should be asked about. */
export async function desiredChildren(options: ForecastOptions): Promise<KubernetesObject[]> {
  const { observed, subjects, credentials } = options
  const parents = subjects.map(({ object }) => appliedTo(find(observed, object), object))
  const { answers } = await plan(options, parents, credentials ?? standInCredentials())
  return [...answers.values()].flatMap(({ children, parent }) =>
    children.map((child) => placed(child, parent.metadata.namespace)),
  )
}

interface Planned extends SimulatedPlan {
  /** The last answer about each parent, by its identity and hook. */
  readonly answers: ReadonlyMap<string, HookAnswer>
}

async function plan(
  { definitions, observed, others, settings, now }: ForecastOptions,
  parents: readonly KubernetesObject[],
  credentials: Credentials,
): Promise<Planned> {
  const answers = new Map<string, HookAnswer>()
  const environment = { now, credentials, settings }
  const installation = installationOf(definitions, 'http://hooks')
  const given = new Set(others.map(identity))
  const applied = new Set(parents.map(identity))
  const simulated = await planWrites({
    definitions: installation,
    observed: [...observed.filter((object) => !given.has(identity(object))), ...others]
      .filter(servedBy(installation))
      .map((object) => (applied.has(identity(object)) ? withoutMemory(object) : object)),
    parents,
    transport: inProcessTransport(
      definitions,
      () => environment,
      (answer) => {
        if ('relatedResources' in answer.response) return
        answers.set(`${hookName(answer.definition)} ${identity(answer.parent)}`, answer)
      },
    ),
  })
  return { ...simulated, answers }
}

/** A dump of a cluster may hold kinds that no simulator knows, and that no answer can depend on. */
function servedBy(installation: readonly KubernetesObject[]): (object: KubernetesObject) => boolean {
  const resources = createResources()
  for (const object of installation) if (object.kind === 'CustomResourceDefinition') resources.define(object)
  return (object) => resources.byKind(object) !== undefined
}

function summarize(
  { observed, subjects }: ForecastOptions,
  parents: readonly KubernetesObject[],
  planned: Planned,
): Forecast[] {
  return subjects.map(({ definition, object }, index): Forecast => {
    const parent = referenceTo(object)
    const wanted = parents[index] ?? object
    const live = find(observed, object)
    const after = find(planned.parents, object) ?? wanted
    const fields = live === undefined ? [] : objectDifferences(live, after).filter(isOfAuthor)
    const action = live === undefined ? 'create' : fields.length > 0 ? 'change' : 'none'
    const refusal = planned.refused.find(({ reference }) => identityOf(reference) === identityOf(parent))
    const nothing = { parent, action, fields, children: [], unchanged: 0, errors: [] } as const
    if (refusal !== undefined) {
      const { message, causes } = refusal.error
      const tried = live === undefined ? [] : objectDifferences(live, wanted).filter(isOfAuthor)
      return { ...nothing, fields: tried, refused: { message, causes } }
    }
    const answer = planned.answers.get(`${hookName(definition)} ${identity(object)}`)
    const declared = definition.controller === 'composite' ? definition.children : definition.attachments
    const own = declaredReferences(planned, answer, declared, after)
    const children = [
      ...planned.changes.filter(({ reference }) => own.has(identityOf(reference))).map(describeChange),
      ...blockedChildren(answer, declared, observed, planned),
    ]
    const errors = planned.errors.filter(
      (text) =>
        text.includes(object.metadata.name ?? '') && !children.some(({ reason }) => reason && text.includes(reason)),
    )
    const held = answer?.hold ?? stalled(after)
    const touched = new Set(children.map(identityOf))
    const desired = (answer?.children ?? []).map((child) => identity(placed(child, object.metadata.namespace)))
    return {
      ...nothing,
      ...(held && { held }),
      children: children.sort((left, right) => order(left) - order(right)),
      unchanged: desired.filter((id) => !touched.has(id)).length,
      errors: [...new Set(errors)].map((text) => text.replace(/^Sync error: /, '')),
    }
  })
}

/** The children that belong to this subject's controller: those it desires, and those that its parent owns. */
function declaredReferences(
  planned: Planned,
  answer: HookAnswer | undefined,
  declared: readonly ResourceType[],
  parent: KubernetesObject,
): Set<string> {
  const desired = (answer?.children ?? []).map((child) => identity(placed(child, parent.metadata.namespace)))
  const removed = planned.changes.filter(({ before, reference }) => {
    const type = declared.some(({ apiVersion, kind }) => apiVersion === reference.apiVersion && kind === reference.kind)
    return type && before?.metadata.ownerReferences?.some(({ uid }) => uid === parent.metadata.uid)
  })
  return new Set([...desired, ...removed.map(({ reference }) => identityOf(reference))])
}

function describeChange({ action, reference, before, after }: PlannedChange): ChildForecast {
  const actions = { create: 'create', update: 'change', replace: 'replace', delete: 'remove' } as const
  const fields = before && after ? objectDifferences(before, after).filter(isOfAuthor) : []
  const [earlier, later] = [before && lastApplied(before), after && lastApplied(after)]
  return {
    ...reference,
    action: actions[action],
    fields,
    restartsPods: action !== 'create' && changesPods(reference.kind, action, fields),
    drift: action === 'update' && earlier !== undefined && later !== undefined && equal(earlier, later),
  }
}

const workloads = new Set(['StatefulSet', 'Deployment', 'DaemonSet'])

function changesPods(kind: string, action: PlannedChange['action'], fields: readonly FieldDifference[]): boolean {
  if (!workloads.has(kind)) return false
  return (
    action !== 'update' || fields.some(({ field }) => field === 'spec.template' || field.startsWith('spec.template.'))
  )
}

/** Desired children that are not as desired after all: forbidden updates, and names that others hold. */
function blockedChildren(
  answer: HookAnswer | undefined,
  declared: readonly ResourceType[],
  observed: readonly KubernetesObject[],
  planned: Planned,
): ChildForecast[] {
  if (answer === undefined || answer.hold !== undefined) return []
  const changed = new Set(planned.changes.map(({ reference }) => identityOf(reference)))
  return answer.children.flatMap((bare): ChildForecast[] => {
    const child = placed(bare, answer.parent.metadata.namespace)
    const live = find(observed, child)
    if (live === undefined || changed.has(identity(child))) return []
    const forecast = { ...referenceTo(child), action: 'blocked', restartsPods: false, drift: false } as const
    const owner = live.metadata.ownerReferences?.find(({ controller }) => controller === true)
    if (owner?.uid !== answer.parent.metadata.uid) {
      const holder = owner === undefined ? 'nobody' : `${owner.kind} ${owner.name}`
      const reason = `the name is taken: an object of that name exists and belongs to ${holder}; it is left alone`
      return [{ ...forecast, fields: [], reason }]
    }
    const wanted = {
      ...child,
      metadata: { ...child.metadata, labels: { ...generated(live), ...child.metadata.labels } },
    }
    const fields = objectDifferences(live, applyUpdate(live, wanted)).filter(isOfAuthor)
    if (fields.length === 0) return []
    const method = declared.find(({ apiVersion, kind }) => apiVersion === child.apiVersion && kind === child.kind)
    if (method?.updateMethod === 'OnDelete') {
      return [{ ...forecast, fields, reason: 'it is updated only when somebody deletes it (OnDelete)' }]
    }
    return [{ ...forecast, fields, reason: refusalOf(child, planned.errors) }]
  })
}

/** The label by which Metacontroller tells children. */
function generated({ metadata: { labels } }: KubernetesObject): Record<string, string> {
  const uid = labels?.['controller-uid']
  return uid === undefined ? {} : { 'controller-uid': uid }
}

/** What the API server says about a child, out of Metacontroller's report. */
function refusalOf({ kind, metadata: { name = '' } }: KubernetesObject, errors: readonly string[]): string {
  for (const text of errors) {
    const start = text.search(new RegExp(`${kind}(\\.[a-z0-9.-]+)? "${name.replaceAll('.', '\\.')}" is `))
    if (start >= 0) return text.slice(start).replace(/\]$/, '')
  }
  return 'Metacontroller cannot bring it there'
}

function stalled(parent: KubernetesObject): { reason: string; message: string } | undefined {
  const { conditions } = (parent.status ?? {}) as {
    conditions?: { type: string; status: string; reason: string; message: string }[]
  }
  const found = findCondition(conditions, 'Stalled')
  return found?.status === 'True' ? { reason: found.reason, message: found.message } : undefined
}

/** Owners and finalizers are Metacontroller's own book-keeping. */
function isOfAuthor({ field }: FieldDifference): boolean {
  return !/^metadata\.(finalizers|ownerReferences)/.test(field)
}

function order({ action }: ChildForecast): number {
  return ['blocked', 'remove', 'replace', 'change', 'create'].indexOf(action)
}
