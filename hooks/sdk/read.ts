// From a resource as it is stored to one that a kind's functions can work with: its spec checked, defaulted, and seen
// through by the kind itself. Admission and sync read it the same way, so that neither knows of a fault the other does not.
import { type Composite, type Findings, type Parent, type Review, type Settings, storedVersion } from './definition.ts'
import { isRecord, type KubernetesObject } from './kubernetes.ts'
import { describeProblems, type Problem, parse } from './schema.ts'

export type Read =
  | { parent: Parent; warnings: readonly string[]; problems?: undefined }
  | { parent?: undefined; warnings: readonly string[]; problems: readonly Problem[] }

/** Reads a resource of the stored version. Problems of its schema come alone: the kind is asked only about what fits it. */
export function readResource(definition: Composite, object: KubernetesObject, review: Review): Read {
  const { parent, problems } = withDefaults(definition, object, review)
  if (problems !== undefined) return { problems, warnings: [] }
  const { problems: found = [], warnings = [] }: Findings = definition.validate?.(parent, review) ?? {}
  return found.length > 0 ? { problems: found, warnings } : { parent, warnings }
}

/**
 * The same without asking the kind what it thinks of the resource: for what is to be cleaned up, right or wrong. `filled`
 * is the spec as it was given, with what the kind's own `default` adds to it.
 */
export function withDefaults(
  definition: Composite,
  object: KubernetesObject,
  review: { operation?: Review['operation']; old?: Parent; settings: Settings },
): { parent: Parent; filled: unknown; problems?: undefined } | { parent?: undefined; problems: readonly Problem[] } {
  const { version } = storedVersion(definition)
  const given = object.spec ?? {}
  const parsed = parse(version.spec, given, 'spec')
  if (parsed.problems !== undefined) return { problems: parsed.problems }
  const parent = { ...object, spec: parsed.value } as unknown as Parent
  if (definition.default === undefined) return { parent, filled: given }
  const filled = fill(given, definition.default(parent, review))
  const whole = parse(version.spec, filled, 'spec')
  if (whole.problems !== undefined) {
    throw new Error(`${definition.kind}: its own defaults make the spec invalid: ${describeProblems(whole.problems)}`)
  }
  return { parent: { ...parent, spec: whole.value as Parent['spec'] }, filled }
}

// What is given, and of the defaults whatever it leaves out. Lists are taken whole or not at all.
function fill(given: unknown, defaults: unknown): unknown {
  if (given === undefined) return defaults
  if (!isRecord(given) || !isRecord(defaults)) return given
  const filled: Record<string, unknown> = { ...given }
  for (const [field, value] of Object.entries(defaults)) {
    if (value !== undefined) filled[field] = fill(given[field], value)
  }
  return filled
}
