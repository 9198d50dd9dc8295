// A DecoratorController at work (pkg/controller/decorator/controller.go of Metacontroller 4.17).
import { equal } from '../sdk/equal.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { manageChildren } from './children.ts'
import { controllerOf } from './claim.ts'
import {
  attemptSync,
  type Controller,
  childrenOf,
  createFinalizer,
  described,
  discover,
  isStatusChange,
  type Process,
  parentOf,
  startResync,
  typeOf,
  updateMethods,
} from './controller.ts'
import { createCustomize } from './customize.ts'
import { isApiError, messageOf } from './errors.ts'
import { at, copy, listAt, numberAt, recordAt } from './json.ts'
import { createGroups, type ObjectGroups } from './objects.ts'
import { createQueue } from './queue.ts'
import type { Resource } from './resources.ts'
import { selectorOf } from './selectors.ts'
import { isTooManyRequests, type Webhook, webhookOf } from './webhook.ts'

const answerFields = ['labels', 'annotations', 'status', 'attachments', 'resyncAfterSeconds', 'finalized']
const createdBy = 'metacontroller.k8s.io/decorator-controller'

/** Starts the controller that `controller`, a stored DecoratorController, describes. Throws why it cannot start. */
export function startDecorator(controller: KubernetesObject, process: Process): Controller {
  const { client, clock, informers, resources } = process
  const name = controller.metadata.name ?? ''
  const spec = recordAt(controller, 'spec')
  const hooks = spec.hooks
  if (!isRecord(hooks)) throw new Error('no hooks defined')
  const rules = listAt(spec, 'resources').map((rule) => ruleOf(rule, discover(resources, rule)))
  const attachmentRules = listAt(spec, 'attachments')
  const method = updateMethods(attachmentRules, resources)
  const attachmentTypes = attachmentRules.map((rule) => typeOf(rule, discover(resources, rule, 'child ')))
  const syncHook = webhookOf(hooks.sync, answerFields, process)
  const finalizeHook = webhookOf(hooks.finalize, answerFields, process)
  const customizeHook = webhookOf(hooks.customize, ['relatedResources'], process)
  const finalizer = createFinalizer(
    client,
    `metacontroller.io/decoratorcontroller-${name}`,
    hooks.finalize !== undefined,
  )
  let stopped = false

  const ruleFor = (object: KubernetesObject) =>
    rules.find(({ resource }) => resource === resources.byKind(object) || resource.kind === object.kind)
  const selected = (object: KubernetesObject) => ruleFor(object)?.matches(object) ?? false
  const cares = (object: KubernetesObject) => selected(object) || finalizer.has(object)
  const parents = () => rules.flatMap(({ type }) => informers.of(type).list())
  const enqueue = (object: KubernetesObject) => {
    if (cares(object)) queue.add(queueKey(object))
  }
  const queue = createQueue(clock, process.workers, async (key) => {
    const [apiVersion = '', kind = '', namespace = '', parentName = ''] = key.split('|')
    const parent = informers.of({ apiVersion, kind }).get(parentName, namespace === '' ? undefined : namespace)
    return parent === undefined || stopped ? 'done' : attemptSync(process, parent, () => syncParent(parent))
  })
  const customize = createCustomize({
    hook: customizeHook,
    controller,
    informers,
    resources,
    clock,
    parents,
    enqueue,
    stopped: () => stopped,
  })

  const syncParent = async (cached: KubernetesObject): Promise<void> => {
    if (!cares(cached)) return
    const parent = finalizer.sync(cached)
    if (!cares(parent)) return
    const observed = attached(parent)
    const related = await customize.related(parent)
    const answer = await ask(parent, observed, related)
    if (stopped) return
    const resyncAfter = numberAt(answer, 'resyncAfterSeconds') ?? 0
    if (resyncAfter > 0) queue.addAfter(queueKey(parent), resyncAfter)
    const attachments = childrenOf(answer, 'attachments', parent)
    if (!decorate(parent, answer)) return
    for (const child of attachments) child.metadata.annotations = { ...child.metadata.annotations, [createdBy]: name }
    if (parent.metadata.deletionTimestamp !== undefined && !finalizer.manages(parent)) return
    const desired = createGroups(attachments)
    try {
      manageChildren({
        client,
        parent,
        observed,
        desired,
        method,
        known: (type) => resources.byKind(type) !== undefined,
      })
    } catch (error) {
      if (error instanceof Error && error.name === 'ProcessEnd') throw error
      throw new Error(`can't reconcile children for ${described(parent.kind, parent)}: ${messageOf(error)}`)
    }
  }

  const attached = (parent: KubernetesObject): ObjectGroups => {
    const groups = createGroups()
    for (const type of attachmentTypes) {
      groups.init(type)
      for (const object of informers.of(type).list(parent.metadata.namespace)) {
        const mine =
          controllerOf(object)?.uid === parent.metadata.uid && object.metadata.annotations?.[createdBy] === name
        if (mine) groups.add(object)
      }
    }
    return groups
  }

  const ask = async (
    parent: KubernetesObject,
    observed: ObjectGroups,
    related: ObjectGroups,
  ): Promise<Record<string, unknown>> => {
    const finalizing =
      finalizeHook !== undefined && (parent.metadata.deletionTimestamp !== undefined || !selected(parent))
    const [kind, hook]: [string, Webhook | undefined] = finalizing ? ['finalize', finalizeHook] : ['sync', syncHook]
    if (hook === undefined) throw new Error('no enabled hooks found')
    const request = {
      controller,
      object: parent,
      attachments: observed.wire(hook.version, parent),
      related: related.wire(hook.version, parent),
      finalizing,
    }
    try {
      return await hook.call(parent, request)
    } catch (error) {
      if (isTooManyRequests(error)) throw error
      throw new Error(`${kind} hook failed (version=${hook.version}): ${messageOf(error)}`)
    }
  }

  /** Writes labels, annotations and status to the object; false when it has moved on and the rest must wait. */
  const decorate = (parent: KubernetesObject, answer: Record<string, unknown>): boolean => {
    const updated = copy(parent)
    const labels = patched(parent.metadata.labels, answer.labels)
    const annotations = patched(parent.metadata.annotations, answer.annotations)
    const status = isRecord(answer.status) ? copy(answer.status) : parent.status
    const statusChanged = !equal(status, parent.status)
    const leaves = answer.finalized === true && finalizer.has(parent)
    const changed =
      !equal(labels, parent.metadata.labels ?? {}) || !equal(annotations, parent.metadata.annotations ?? {})
    if (!changed && !statusChanged && !leaves) return true
    updated.metadata.labels = labels
    updated.metadata.annotations = annotations
    if (status !== undefined) updated.status = status
    try {
      if (statusChanged && resources.byKind(parent)?.status === true) {
        const written = client.update(updated, 'status')
        updated.metadata.resourceVersion = written.metadata.resourceVersion ?? ''
      }
      if (leaves)
        updated.metadata.finalizers = (updated.metadata.finalizers ?? []).filter(
          (finalizerName) => finalizerName !== finalizer.name,
        )
      client.update(updated)
      return true
    } catch (error) {
      if (isApiError(error, 'NotFound') || isApiError(error, 'Conflict')) return false
      if (!isApiError(error)) throw error
      throw new Error(`can't update ${described(parent.kind, parent)}: ${error.message}`)
    }
  }

  const ends = [
    ...rules.map(({ type, ignoresStatus }) =>
      informers.of(type).onChange(({ type: change, object, previous }) => {
        if (change === 'MODIFIED' && ignoresStatus && previous !== undefined && isStatusChange(previous, object)) return
        enqueue(object)
      }),
    ),
    ...attachmentTypes.map((type) =>
      informers.of(type).onChange(({ object }) => {
        for (const rule of rules) {
          const parent = parentOf(informers, rule.type, rule.resource, object)
          if (parent !== undefined) enqueue(parent)
        }
      }),
    ),
    startResync(process, spec, () => parents().forEach(enqueue)),
  ]
  return {
    stop() {
      stopped = true
      queue.stop()
      for (const end of ends) end()
    },
  }
}

function ruleOf(rule: unknown, resource: Resource) {
  const byLabels = selectorOf(at(rule, 'labelSelector'), 'everything')
  const annotations = at(rule, 'annotationSelector')
  const byAnnotations = selectorOf(
    annotations === undefined
      ? undefined
      : { matchLabels: at(annotations, 'matchAnnotations'), matchExpressions: at(annotations, 'matchExpressions') },
    'everything',
  )
  return {
    resource,
    type: typeOf(rule, resource),
    ignoresStatus: at(rule, 'ignoreStatusChanges') === true,
    matches: ({ metadata }: KubernetesObject) => byLabels(metadata.labels) && byAnnotations(metadata.annotations),
  }
}

function queueKey({ apiVersion, kind, metadata }: KubernetesObject): string {
  return `${apiVersion}|${kind}|${metadata.namespace ?? ''}|${metadata.name}`
}

/** A string map with an answer's changes: null takes a key out. */
function patched(current: Record<string, string> | undefined, changes: unknown): Record<string, string> {
  const result = { ...current }
  if (!isRecord(changes)) return result
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete result[key]
    else if (typeof value === 'string') result[key] = value
  }
  return result
}
