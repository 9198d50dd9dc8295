// Between versions of a kind: every version is converted to the stored one and from it, so that each new version needs two
// functions and not two for every other.
import type { Composite, Converted, Convertible } from './definition.ts'
import { isRecord, type KubernetesObject } from './kubernetes.ts'
import { describeProblems } from './schema.ts'

/**
 * The object in another version of its kind, or a sentence that says why it has none. Throws what the kind's conversion
 * throws. Of the metadata nothing changes but labels and annotations, which is all that the API server allows.
 */
export function convertObject(
  definition: Composite,
  object: KubernetesObject,
  version: string,
): { object: KubernetesObject; fault?: undefined } | { object?: undefined; fault: string } {
  const from = object.apiVersion.slice(definition.group.length + 1)
  if (from === version) return { object }
  const { conversions = {}, group } = definition
  const steps = [conversions[from]?.toStorage, conversions[version]?.fromStorage]
  let current = object
  for (const step of steps) {
    if (step === undefined) continue
    const made = step(current)
    if (made.problems !== undefined) {
      return { fault: `${titleOf(object)} has no ${group}/${version}: ${describeProblems(made.problems)}` }
    }
    current = merged(current, made)
  }
  return { object: { ...current, apiVersion: `${group}/${version}` } }
}

/**
 * Metadata that takes along what the other version has no field for, in an annotation: `carried` finds it there on the way
 * back. Fields that are undefined are left out, and without any there is no annotation.
 */
export function carry(
  metadata: Convertible['metadata'],
  annotation: string,
  fields: Readonly<Record<string, unknown>>,
): { annotations: Record<string, string> | undefined } {
  const text = JSON.stringify(fields)
  const { [annotation]: _, ...others } = metadata.annotations ?? {}
  return { annotations: orNone(text === '{}' ? others : { ...others, [annotation]: text }) }
}

/**
 * What `carry` has put into the annotation, and the metadata without it. Whoever writes the resource may write the
 * annotation too: what is in it is checked like any other input, and what cannot be read counts as nothing.
 */
export function carried(
  metadata: Convertible['metadata'],
  annotation: string,
): { fields: Readonly<Record<string, unknown>>; metadata: { annotations: Record<string, string> | undefined } } {
  const { [annotation]: text, ...others } = metadata.annotations ?? {}
  return { fields: fieldsIn(text), metadata: { annotations: orNone(others) } }
}

/** The object with the fields that are there; undefined when none is, so that a conversion adds no empty object. */
export function present<Fields extends object>(fields: Fields): Fields | undefined {
  return Object.values(fields).some((value) => value !== undefined) ? fields : undefined
}

function merged(
  object: KubernetesObject,
  made: Exclude<Converted, { problems: readonly unknown[] }>,
): KubernetesObject {
  const { metadata, ...parts } = made
  const { labels, annotations, ...fixed } = object.metadata
  const kept = { labels, annotations, ...metadata }
  return {
    ...object,
    ...parts,
    metadata: {
      ...fixed,
      ...(kept.labels && { labels: kept.labels }),
      ...(kept.annotations && { annotations: kept.annotations }),
    },
  }
}

function fieldsIn(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {}
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

function orNone(annotations: Record<string, string>): Record<string, string> | undefined {
  return Object.keys(annotations).length > 0 ? annotations : undefined
}

/** `Database default/orders`. */
export function titleOf({ kind, metadata: { name, namespace } }: KubernetesObject): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}
