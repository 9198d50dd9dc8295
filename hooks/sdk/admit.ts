// What the API server asks before it stores a resource: may it be, and what is to be filled in. Pure, like the answers to
// hooks: nothing here writes anything, so that a dry run is no other case.
import { imageProblems } from './allowlist.ts'
import { type Composite, type Hold, parentType } from './definition.ts'
import { equal } from './equal.ts'
import { type Environment, evaluateComposite } from './evaluate.ts'
import { valueAt } from './fields.ts'
import { isRecord, type KubernetesObject } from './kubernetes.ts'
import { groupKey } from './observed.ts'
import { readResource, withDefaults } from './read.ts'
import type { Problem } from './schema.ts'

/** A resource on its way into the API server, in the stored version. */
export interface Admission {
  operation: 'CREATE' | 'UPDATE'
  object: KubernetesObject
  /** As it is stored now; there on updates. */
  oldObject?: KubernetesObject
}

export interface Verdict {
  /** Why it is refused; none: it is let in. */
  problems: readonly Problem[]
  warnings: readonly string[]
  /** What it would consist of if nothing of it existed yet; undefined when it is refused or its kind holds. */
  children?: readonly KubernetesObject[]
  /** The same of the resource before the update. */
  childrenBefore?: readonly KubernetesObject[]
}

/** One operation of a JSON patch (RFC 6902). */
export interface PatchOperation {
  op: 'add'
  path: string
  value: unknown
}

/**
 * Looks at a resource as its kind's sync would. What was wrong before an update and is still the same is no reason to
 * refuse the update: it is warned of, so that a rule that has become stricter keeps nobody from changing other fields.
 * Warnings that the resource has caused before are not repeated.
 */
export function evaluateValidation(definition: Composite, admission: Admission, environment: Environment): Verdict {
  const { operation, object, oldObject } = admission
  const { settings } = environment
  const before = oldObject && withDefaults(definition, oldObject, { settings })
  const review = { operation, settings, ...(before?.parent && { old: before.parent }) }
  const now = lookAt(definition, object, review, environment)
  if (oldObject === undefined) return now
  const then = lookAt(definition, oldObject, { settings }, environment)
  const isKnown = ({ field, message }: Problem) =>
    then.problems.some((one) => one.field === field && one.message === message) &&
    equal(valueAt(object, field), valueAt(oldObject, field))
  const kept = now.problems.filter(isKnown).map(({ field, message }) => `${field}: ${message} (as before)`)
  return {
    ...now,
    problems: now.problems.filter((problem) => !isKnown(problem)),
    warnings: [...now.warnings.filter((warning) => !then.warnings.includes(warning)), ...kept],
    ...(then.children && { childrenBefore: then.children }),
  }
}

/** The operations that fill in what the kind's `default` says; none when nothing is left out, or the spec is not valid. */
export function evaluateDefaults(
  definition: Composite,
  admission: Admission,
  environment: Environment,
): PatchOperation[] {
  if (definition.default === undefined) return []
  const { operation, object, oldObject } = admission
  const { settings } = environment
  const old = oldObject && withDefaults(definition, oldObject, { settings }).parent
  const read = withDefaults(definition, object, { operation, settings, ...(old && { old }) })
  return read.parent === undefined ? [] : additions(object.spec, read.filled, '/spec')
}

/** What a resource would consist of if nothing of it existed yet, or why its kind would hold it. */
function forecast(
  definition: Composite,
  object: KubernetesObject,
  environment: Environment,
): { children: readonly KubernetesObject[]; hold?: undefined } | { children?: undefined; hold: Hold['hold'] } {
  // There is no UID before a resource is.
  const { name = '', uid = 'new' } = object.metadata
  // Anybody may ask, with any UID: whatever a kind writes into a message, no real password can be in it.
  const credentials = { ...environment.credentials, derive: () => '0'.repeat(43) }
  const { response, hold } = evaluateComposite(
    definition,
    {
      controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController', metadata: {} },
      parent: { ...object, ...parentType(definition), metadata: { ...object.metadata, name, uid } },
      children: Object.fromEntries(definition.children.map((type) => [groupKey(type), {}])),
      related: Object.fromEntries((definition.relatedTypes ?? []).map((type) => [groupKey(type), {}])),
      finalizing: false,
    },
    { ...environment, credentials },
  )
  return hold === undefined ? { children: response.children } : { hold }
}

function lookAt(
  definition: Composite,
  object: KubernetesObject,
  review: Parameters<typeof readResource>[2],
  environment: Environment,
): Verdict {
  const { problems, warnings } = readResource(definition, object, review)
  if (problems !== undefined) return { problems, warnings }
  const { allowedImages: _, ...settings } = environment.settings
  const { children, hold } = forecast(definition, object, { ...environment, settings })
  // What a kind waits for may come; that it waits is worth a word.
  if (hold !== undefined) return { problems: [], warnings: [...warnings, `it would be held: ${hold.message}`] }
  return { problems: imageProblems(children, object.spec, environment.settings), warnings, children }
}

// The largest values that are wholly new, so that a patch is as short as it can be.
function additions(before: unknown, after: unknown, path: string): PatchOperation[] {
  if (before === undefined) return after === undefined ? [] : [{ op: 'add', path, value: after }]
  if (!isRecord(before) || !isRecord(after)) return []
  return Object.entries(after).flatMap(([field, value]) =>
    additions(before[field], value, `${path}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  )
}
