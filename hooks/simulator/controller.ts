// What composite and decorator controllers have in common.
import { equal } from '../sdk/equal.ts'
import type { KubernetesObject, ObjectType } from '../sdk/kubernetes.ts'
import { isProcessEnd, type UpdateMethod } from './children.ts'
import { controllerOf } from './claim.ts'
import type { Clock } from './clock.ts'
import { isApiError, messageOf } from './errors.ts'
import type { Informers } from './informer.ts'
import { at, copy, listAt, textAt } from './json.ts'
import type { Outcome } from './queue.ts'
import type { Record } from './recorder.ts'
import type { Resource, Resources } from './resources.ts'
import { type Client, referenceOf } from './store.ts'
import { isTooManyRequests, type WebhookSettings } from './webhook.ts'

/** What a controller is given by the process it runs in. */
export interface Process extends WebhookSettings {
  readonly client: Client
  readonly resources: Resources
  readonly informers: Informers
  readonly clock: Clock
  readonly record: Record
  readonly workers: number
  /** Seconds between two rounds in which every informer tells all it has (--cache-flush-interval). */
  readonly relistSeconds: number
}

/** A controller that runs. */
export interface Controller {
  stop(): void
}

/** The finalizer of a controller: there when it has a finalize hook, and what follows from it. */
export interface Finalizer {
  readonly name: string
  /** Puts it on or takes it off, as the controller wants it; the object as it then is. */
  sync(object: KubernetesObject): KubernetesObject
  remove(object: KubernetesObject): KubernetesObject
  has(object: KubernetesObject): boolean
  /** True when children of an object that is being deleted are still this controller's to manage. */
  manages(object: KubernetesObject): boolean
}

export function createFinalizer(client: Client, name: string, enabled: boolean): Finalizer {
  const has = (object: KubernetesObject) => (object.metadata.finalizers ?? []).includes(name)
  const change = (object: KubernetesObject, wanted: boolean): KubernetesObject =>
    updateAtomically(client, object, (current) => {
      if (has(current) === wanted) return false
      const others = (current.metadata.finalizers ?? []).filter((finalizer) => finalizer !== name)
      current.metadata.finalizers = wanted ? [...others, name] : others
      return true
    })
  return {
    name,
    has,
    sync(object) {
      if (has(object) === enabled || (enabled && object.metadata.deletionTimestamp !== undefined)) return object
      return change(object, enabled)
    },
    remove: (object) => change(object, false),
    // With one of the collector's finalizers there, the collector decides what becomes of the children.
    manages: (object) =>
      enabled &&
      has(object) &&
      !(object.metadata.finalizers ?? []).some(
        (finalizer) => finalizer === 'foregroundDeletion' || finalizer === 'orphan',
      ),
  }
}

/** Reads the live object, changes it and writes it back; NotFound when it is no longer the same one. */
export function updateAtomically(
  client: Client,
  object: KubernetesObject,
  change: (current: KubernetesObject) => boolean,
  subresource?: 'status',
): KubernetesObject {
  const live = client.get(referenceOf(object))
  if (live === undefined || live.metadata.uid !== object.metadata.uid) throw gone(object)
  const current = copy(live)
  return change(current) ? client.update(current, subresource) : live
}

function gone(object: KubernetesObject): Error {
  const name = object.metadata.name ?? ''
  return Object.assign(new Error(`${object.kind} "${name}" not found`), {
    name: 'ApiError',
    code: 404,
    reason: 'NotFound',
    causes: [],
  })
}

/** How children of each kind are updated, from `childResources` or `attachments`; OnDelete where nothing is said. */
export function updateMethods(rules: readonly unknown[], resources: Resources): (type: ObjectType) => UpdateMethod {
  const methods = new Map<string, UpdateMethod>()
  for (const rule of rules) {
    const resource = discover(resources, rule, 'child ')
    const method = textAt(rule, 'updateStrategy', 'method')
    if (method !== undefined) methods.set(`${resource.group}/${resource.kind}`, method as UpdateMethod)
  }
  return (type) => {
    const resource = resources.byKind(type)
    return methods.get(`${resource?.group}/${resource?.kind}`) ?? 'OnDelete'
  }
}

/** The kind that a rule's apiVersion and resource name; throws what makes the controller fail to start. */
export function discover(resources: Resources, rule: unknown, what = ''): Resource {
  const apiVersion = textAt(rule, 'apiVersion') ?? ''
  const plural = textAt(rule, 'resource') ?? ''
  const resource = resources.byPlural(apiVersion, plural)
  if (resource === undefined)
    throw new Error(
      `can't find ${what}resource "${plural}" in ${what === '' ? 'apiVersion ' : ''}${JSON.stringify(apiVersion).replaceAll('"', what === '' ? '"' : '')}`,
    )
  return resource
}

/** The type of the objects a rule names. */
export function typeOf(rule: unknown, resource: Resource): ObjectType {
  return { apiVersion: textAt(rule, 'apiVersion') ?? '', kind: resource.kind }
}

/** Syncs one parent and tells the queue how it went; a failure becomes a SyncError event on the parent. */
export async function attemptSync(
  process: Process,
  parent: KubernetesObject,
  sync: () => Promise<void>,
): Promise<Outcome> {
  try {
    await sync()
    return 'done'
  } catch (error) {
    if (isProcessEnd(error)) return 'done'
    if (isTooManyRequests(error)) return error.afterSeconds
    try {
      process.record(parent, 'Warning', 'SyncError', `Sync error: ${messageOf(error)}`)
    } catch (recording) {
      if (!isApiError(recording) && !isProcessEnd(recording)) throw recording
    }
    return 'failed'
  }
}

/** True when an update is one that `ignoreStatusChanges` hides: the same generation, labels and annotations. */
export function isStatusChange(previous: KubernetesObject, object: KubernetesObject): boolean {
  return (
    previous.metadata.generation === object.metadata.generation &&
    equal(previous.metadata.labels, object.metadata.labels) &&
    equal(previous.metadata.annotations, object.metadata.annotations) &&
    object.metadata.deletionTimestamp === undefined
  )
}

/** Asks for every parent again and again: at the controller's own period or at the process's relist, what is shorter. */
export function startResync(process: Process, spec: unknown, enqueueAll: () => void): () => void {
  const own = at(spec, 'resyncPeriodSeconds')
  const periods = [process.relistSeconds, ...(typeof own === 'number' ? [Math.max(1, own)] : [])]
  const period = Math.min(...periods)
  let cancel = () => {}
  const wait = () => {
    cancel = process.clock.after(period, () => {
      enqueueAll()
      wait()
    })
  }
  wait()
  return () => cancel()
}

/** The parent that a child's controller reference means, if it is one of `resource` and still the same. */
export function parentOf(
  informers: Informers,
  type: ObjectType,
  resource: Resource,
  child: KubernetesObject,
): KubernetesObject | undefined {
  const owner = controllerOf(child)
  if (owner === undefined || owner.kind !== resource.kind || groupOfReference(owner.apiVersion) !== resource.group)
    return undefined
  const parent = informers.of(type).get(owner.name, resource.namespaced ? child.metadata.namespace : undefined)
  return parent?.metadata.uid === owner.uid ? parent : undefined
}

/** `Database ns/name`, for messages. */
export function described(kind: string, object: KubernetesObject): string {
  return `${kind} ${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`
}

/** A hook's list of children: every entry an object with apiVersion, kind and name, in the parent's namespace unless it says another. */
export function childrenOf(answer: unknown, field: string, parent: KubernetesObject): KubernetesObject[] {
  return listAt(answer, field).map((child, index) => {
    if (child === null) throw crash(`${field}[${index}] is null`)
    const apiVersion = textAt(child, 'apiVersion')
    const kind = textAt(child, 'kind')
    if (apiVersion === undefined || kind === undefined) {
      throw new Error(
        `can't unmarshal webhookResponse: Object 'Kind' is missing in '${JSON.stringify(child).slice(0, 200)}'`,
      )
    }
    const object = copy(child) as KubernetesObject
    object.metadata ??= {}
    const { namespace } = parent.metadata
    if ((object.metadata.namespace ?? '') === '' && namespace !== undefined) object.metadata.namespace = namespace
    return object
  })
}

function crash(why: string): Error {
  return new Error(
    `panic: runtime error: invalid memory address or nil pointer dereference (${why}); Metacontroller would crash here`,
  )
}

function groupOfReference(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
}
