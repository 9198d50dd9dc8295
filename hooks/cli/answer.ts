// What the hook service would answer for an object, computed in this process.
import { type Definition, hookName } from '../sdk/definition.ts'
import { type Environment, type Evaluation, evaluateComposite, evaluateDecorator } from '../sdk/evaluate.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { groupKey } from '../sdk/observed.ts'
import type { CompositeResponse, DecoratorResponse, ObservedGroups } from '../sdk/wire.ts'

/** An answer's children, whichever controller they are for. */
export interface ChildrenAnswer {
  readonly children: readonly KubernetesObject[]
  readonly status?: Record<string, unknown>
  readonly hold?: { reason: string; message: string }
}

/**
 * The answer to the first sync of an object of which nothing exists yet. `beside` are the objects there are, of which a
 * kind sees those of its namespace that it may look at.
 */
export function firstAnswer(
  definition: Definition,
  object: KubernetesObject,
  environment: Environment,
  beside: readonly KubernetesObject[] = [],
): ChildrenAnswer {
  const parent = asStored(object, environment.now)
  const related = relatedOf(definition, parent, beside, environment.now)
  const shared = { controller: controllerOf(definition), related, finalizing: false }
  if (definition.controller === 'composite') {
    const children = emptyGroups(definition.children)
    const evaluation: Evaluation<CompositeResponse> = evaluateComposite(
      definition,
      { ...shared, parent, children },
      environment,
    )
    const { hold, response } = evaluation
    return { children: response.children, status: response.status, ...(hold && { hold }) }
  }
  const attachments = emptyGroups(definition.attachments)
  const evaluation: Evaluation<DecoratorResponse> = evaluateDecorator(
    definition,
    { ...shared, object: parent, attachments },
    environment,
  )
  const { hold, response } = evaluation
  return { children: response.attachments, ...(hold && { hold }) }
}

function relatedOf(
  { relatedTypes = [] }: Definition,
  { metadata: { namespace } }: KubernetesObject,
  beside: readonly KubernetesObject[],
  now: Date,
): ObservedGroups {
  const groups = emptyGroups(relatedTypes)
  for (const object of beside) {
    const group = groups[groupKey(object)]
    if (group === undefined || object.metadata.namespace !== namespace) continue
    group[`${namespace}/${object.metadata.name}`] = asStored(object, now)
  }
  return groups
}

/** The object with what the API server gives a new one; the uid is made up. */
function asStored(object: KubernetesObject, now: Date): KubernetesObject {
  return {
    ...object,
    metadata: {
      uid: '00000000-0000-4000-8000-000000000000',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: `${now.toISOString().slice(0, 19)}Z`,
      ...object.metadata,
    },
  }
}

function controllerOf(definition: Definition): KubernetesObject {
  const kind = definition.controller === 'composite' ? 'CompositeController' : 'DecoratorController'
  return { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind, metadata: { name: hookName(definition) } }
}

function emptyGroups(types: readonly { apiVersion: string; kind: string }[]): ObservedGroups {
  return Object.fromEntries(types.map((type) => [groupKey(type), {}]))
}
