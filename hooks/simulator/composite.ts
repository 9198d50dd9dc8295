// A CompositeController at work (pkg/controller/composite/controller.go of Metacontroller 4.17).
import { equal } from '../sdk/equal.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { manageChildren } from './children.ts'
import { claimChildren, controllerOf } from './claim.ts'
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
  updateAtomically,
  updateMethods,
} from './controller.ts'
import { createCustomize } from './customize.ts'
import { isApiError, messageOf } from './errors.ts'
import { at, copy, listAt, numberAt, recordAt } from './json.ts'
import { createGroups, type ObjectGroups } from './objects.ts'
import { createQueue } from './queue.ts'
import { isEmptySelector, type Selector, selectorOf } from './selectors.ts'
import { keyOf } from './store.ts'
import { isTooManyRequests, type Webhook, webhookOf } from './webhook.ts'

const answerFields = ['status', 'children', 'resyncAfterSeconds', 'finalized']

/** Starts the controller that `controller`, a stored CompositeController, describes. Throws why it cannot start. */
export function startComposite(controller: KubernetesObject, process: Process): Controller {
  const { client, clock, informers, resources } = process
  const spec = recordAt(controller, 'spec')
  const hooks = spec.hooks
  if (!isRecord(hooks)) throw new Error('no hooks defined')
  const parentRule = spec.parentResource
  const resource = discover(resources, parentRule)
  const parentType = typeOf(parentRule, resource)
  const childRules = listAt(spec, 'childResources')
  const method = updateMethods(childRules, resources)
  const childTypes = childRules.map((rule) => {
    const child = discover(resources, rule, 'child ')
    return { type: typeOf(rule, child), namespaced: child.namespaced }
  })
  const syncHook = webhookOf(hooks.sync, answerFields, process)
  const finalizeHook = webhookOf(hooks.finalize, answerFields, process)
  const customizeHook = webhookOf(hooks.customize, ['relatedResources'], process)
  const finalizer = createFinalizer(
    client,
    `metacontroller.io/compositecontroller-${controller.metadata.name}`,
    hooks.finalize !== undefined,
  )
  const selected = selectorOf(at(parentRule, 'labelSelector'), 'everything')
  const generated = spec.generateSelector === true
  const parents = informers.of(parentType)
  let stopped = false

  const cares = (parent: KubernetesObject) => finalizer.has(parent) || selected(parent.metadata.labels)
  const enqueue = (parent: KubernetesObject) => {
    if (cares(parent)) queue.add(keyOf(parent.metadata))
  }

  const queue = createQueue(clock, process.workers, async (key) => {
    const slash = key.indexOf('/')
    const parent = slash < 0 ? parents.get(key) : parents.get(key.slice(slash + 1), key.slice(0, slash))
    return parent === undefined || stopped ? 'done' : attemptSync(process, parent, () => syncParent(parent))
  })
  const customize = createCustomize({
    hook: customizeHook,
    controller,
    informers,
    resources,
    clock,
    parents: () => parents.list(),
    enqueue,
    stopped: () => stopped,
  })

  const syncParent = async (cached: KubernetesObject): Promise<void> => {
    if (!cares(cached)) return
    let parent = syncFinalizer(cached)
    if (!cares(parent)) return
    const observed = claim(parent)
    const related = await customize.related(parent)
    const answer = await ask(parent, observed, related)
    if (stopped) return
    const resyncAfter = numberAt(answer, 'resyncAfterSeconds') ?? 0
    if (resyncAfter > 0) queue.addAfter(keyOf(parent.metadata), resyncAfter)
    const children = childrenOf(answer, 'children', parent)
    if (answer.finalized === true) parent = finalizer.remove(parent)
    checkLabels(parent, children)
    let failure: Error | undefined
    if (parent.metadata.deletionTimestamp === undefined || finalizer.manages(parent)) {
      const desired = createGroups(children)
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
        failure = new Error(`can't reconcile children for ${described(resource.kind, parent)}: ${messageOf(error)}`)
        if (error instanceof Error && error.name === 'ProcessEnd') throw error
      }
    }
    if (updateStatus(parent, answer.status) && failure !== undefined) throw failure
  }

  const syncFinalizer = (parent: KubernetesObject) => {
    try {
      return finalizer.sync(parent)
    } catch (error) {
      if (!isApiError(error)) throw error
      throw new Error(`can't sync finalizer for ${described(resource.kind, parent)}: ${error.message}`)
    }
  }

  const selectorFor = (parent: KubernetesObject): Selector => {
    if (generated) return (labels) => labels?.['controller-uid'] === parent.metadata.uid
    const selector = at(parent, 'spec', 'selector')
    if (isEmptySelector(selector))
      throw new Error('.spec.selector must have either matchLabels, matchExpressions, or both')
    return selectorOf(selector)
  }

  const claim = (parent: KubernetesObject): ObjectGroups => {
    const matches = selectorFor(parent)
    const groups = createGroups()
    for (const { type } of childTypes) {
      groups.init(type)
      const all = informers.of(type).list(resource.namespaced ? parent.metadata.namespace : undefined)
      const candidates = all.filter((object) => {
        const owner = controllerOf(object)
        return owner === undefined || owner.uid === parent.metadata.uid
      })
      for (const child of claimChildren(client, parent, matches, candidates)) groups.add(child)
    }
    return groups
  }

  const ask = async (
    parent: KubernetesObject,
    observed: ObjectGroups,
    related: ObjectGroups,
  ): Promise<Record<string, unknown>> => {
    const leaving = parent.metadata.deletionTimestamp !== undefined || !selected(parent.metadata.labels)
    const finalizing = finalizeHook !== undefined && leaving
    const [name, hook]: [string, Webhook | undefined] = finalizing ? ['finalize', finalizeHook] : ['sync', syncHook]
    if (hook === undefined) throw new Error(`sync hook nil//not defined for ${described(resource.kind, parent)}`)
    const request = {
      controller,
      parent,
      children: observed.wire(hook.version, parent),
      related: related.wire(hook.version, parent),
      finalizing,
    }
    try {
      return await hook.call(parent, request)
    } catch (error) {
      if (isTooManyRequests(error)) throw error
      const failed = `${name} hook failed (version=${hook.version}): ${messageOf(error)}`
      throw new Error(`sync hook failed for ${described(resource.kind, parent)}: ${failed}`)
    }
  }

  const checkLabels = (parent: KubernetesObject, children: readonly KubernetesObject[]) => {
    const matches = selectorFor(parent)
    for (const child of children) {
      if (generated) child.metadata.labels = { 'controller-uid': parent.metadata.uid ?? '', ...child.metadata.labels }
      if (!matches(child.metadata.labels)) {
        throw new Error(`labels on desired child ${described(child.kind, child)} don't match parent selector`)
      }
    }
  }

  /** False when the parent is gone or has moved on, so that nothing more is to be said of this sync. */
  const updateStatus = (parent: KubernetesObject, answered: unknown): boolean => {
    const status: Record<string, unknown> = isRecord(answered) ? copy(answered) : {}
    status.observedGeneration = parent.metadata.generation ?? 0
    try {
      updateAtomically(
        client,
        parent,
        (current) => {
          if (equal(current.status, status)) return false
          current.status = status
          return true
        },
        resource.status ? 'status' : undefined,
      )
      return true
    } catch (error) {
      if (isApiError(error, 'NotFound') || isApiError(error, 'Conflict')) return false
      if (!isApiError(error)) throw error
      throw new Error(`can't update status for ${described(resource.kind, parent)}: ${error.message}`)
    }
  }

  const onChild = (child: KubernetesObject) => {
    if (controllerOf(child) !== undefined) {
      const parent = parentOf(informers, parentType, resource, child)
      if (parent !== undefined) enqueue(parent)
      return
    }
    // An orphan: whoever selects it may want to adopt it.
    if (child.metadata.deletionTimestamp !== undefined) return
    for (const parent of parents.list(resource.namespaced ? child.metadata.namespace : undefined)) {
      try {
        if (selectorFor(parent)(child.metadata.labels)) enqueue(parent)
      } catch {
        // A parent without a usable selector selects nothing; its own sync says so.
      }
    }
  }

  const ends = [
    parents.onChange(({ type, object, previous }) => {
      const ignored = at(parentRule, 'ignoreStatusChanges') === true
      if (type === 'MODIFIED' && ignored && previous !== undefined && isStatusChange(previous, object)) return
      enqueue(object)
    }),
    ...childTypes.map(({ type }) => informers.of(type).onChange(({ object }) => onChild(object))),
    startResync(process, spec, () => parents.list().forEach(enqueue)),
  ]
  return {
    stop() {
      stopped = true
      queue.stop()
      for (const end of ends) end()
    },
  }
}
