// From the objects of a file to the kinds of this suite that answer for them, and what is wrong with them.
import type * as z from 'zod'
import {
  type Composite,
  type Decorated,
  type Decorator,
  type Definition,
  parentType,
  storedVersion,
} from '../sdk/definition.ts'
import { fieldBelow, valueAt } from '../sdk/fields.ts'
import { groupOf, type KubernetesObject, versionOf } from '../sdk/kubernetes.ts'
import { readResource } from '../sdk/read.ts'
import type { Problem } from '../sdk/schema.ts'
import { selectorOf } from '../simulator/selectors.ts'
import { inputError } from './command.ts'
import { describePlace, type Place, type SourceObject } from './documents.ts'
import type { Paint } from './shell.ts'
import { didYouMean } from './suggest.ts'

/** An object that a kind of this suite answers for. */
export interface Subject {
  readonly source: SourceObject
  /** With a namespace, where its kind lives in one. */
  readonly object: KubernetesObject
  readonly definition: Definition
}

/**
 * Parts the objects of files into those this suite answers for and the others, which go with them (Secrets that
 * they name, for instance). Throws an input error for a kind that is nearly or by its group one of this suite's,
 * and when there is nothing at all to answer for.
 */
export function sortSources(
  sources: readonly SourceObject[],
  definitions: readonly Definition[],
  namespace = 'default',
): { subjects: Subject[]; others: KubernetesObject[] } {
  const subjects: Subject[] = []
  const others: KubernetesObject[] = []
  for (const source of sources) {
    const found = definitions.filter((definition) => answersFor(definition, source.object))
    if (found.length === 0) refuseLookalike(source, definitions)
    const namespaced = found.length === 0 || found.some((definition) => isNamespaced(definition, source.object))
    const object = namespaced ? inNamespace(source.object, namespace) : source.object
    if (found.length === 0) others.push(object)
    for (const definition of found) subjects.push({ source, object, definition })
  }
  if (subjects.length > 0) return { subjects, others }
  const known = definitions.flatMap(kindsOf).map(({ apiVersion, kind }) => `${kind} (${apiVersion})`)
  throw inputError(`nothing in these files is of a kind that this suite answers for: ${known.join(', ')}`)
}

/** All that is wrong with a subject, in the order of its file; none when `kubectl apply` would take it. */
export function findProblems({ definition, object, source }: Subject): Problem[] {
  if (definition.controller === 'decorator') return []
  const { version } = storedVersion(definition)
  const spec = object.spec ?? {}
  const problems = [...misnamed(object), ...unknownFields(version.spec, spec, 'spec')]
  problems.push(...(readResource(definition, object, { settings: { imageRegistry: '' } }).problems ?? []))
  const lineOf = ({ field }: Problem) => source.place(field).line
  return problems.sort((left, right) => lineOf(left) - lineOf(right))
}

/** Where a problem stands in its file. */
export function placeOf({ source }: Subject, { field, message }: Problem): Place {
  return source.place(field, message.startsWith(unknownField) ? 'key' : 'value')
}

/** A problem with its place in the file, and the value that is wrong. */
export function describeProblem(subject: Subject, problem: Problem, paint: Paint): string {
  const { field, message } = problem
  const value = valueAt(subject.source.object, field)
  // An unquoted version such as 13.8 is a number in YAML.
  const quoted = message.includes('expected string') && /^(number|boolean)$/.test(typeof value)
  const hint = quoted ? `; quote it: "${value}"` : ''
  const given = value === undefined || typeof value === 'object' ? '' : ` ${JSON.stringify(value)}:`
  return describePlace(
    placeOf(subject, problem),
    `${paint.red('error:')} ${paint.bold(field)}:${given} ${message}${hint}`,
  )
}

/** `Database default/orders`. */
export function titleOf({ kind, metadata: { name = '', namespace } }: KubernetesObject): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

const unknownField = 'unknown field'

function answersFor(definition: Definition, object: KubernetesObject): boolean {
  if (definition.controller === 'decorator') return definition.resources.some((decorated) => selects(decorated, object))
  return isOf(parentType(definition), object)
}

function selects({ type, labelSelector, annotationSelector }: Decorated, object: KubernetesObject): boolean {
  if (!isOf(type, object)) return false
  const { matchAnnotations: matchLabels, matchExpressions } = annotationSelector ?? {}
  const { labels, annotations } = object.metadata
  return (
    selectorOf(labelSelector, 'everything')(labels) &&
    selectorOf({ matchLabels, matchExpressions }, 'everything')(annotations)
  )
}

function isOf(type: { apiVersion: string; kind: string }, { apiVersion, kind }: KubernetesObject): boolean {
  return type.apiVersion === apiVersion && type.kind === kind
}

function kindsOf(definition: Definition): { apiVersion: string; kind: string }[] {
  return definition.controller === 'composite' ? [parentType(definition)] : definition.resources.map(({ type }) => type)
}

function isNamespaced(definition: Composite | Decorator, object: KubernetesObject): boolean {
  if (definition.controller === 'composite') return definition.scope === 'Namespaced'
  return definition.resources.some(({ type }) => isOf(type, object) && type.namespaced)
}

/** Kinds without a namespace that may well stand in the same file. */
const clusterScoped = new Set(['Namespace', 'Node', 'StorageClass', 'PriorityClass', 'PersistentVolume', 'ClusterRole'])

function inNamespace(object: KubernetesObject, namespace: string): KubernetesObject {
  if (object.metadata.namespace !== undefined || clusterScoped.has(object.kind)) return object
  return { ...object, metadata: { ...object.metadata, namespace } }
}

function refuseLookalike({ object, place }: SourceObject, definitions: readonly Definition[]): void {
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  const group = groupOf(object.apiVersion)
  const inGroup = composites.filter((definition) => definition.group === group)
  if (inGroup.length === 0) {
    const sameKind = composites.find(({ kind }) => kind === object.kind)
    if (sameKind === undefined) return
    const { apiVersion } = parentType(sameKind)
    const message = `apiVersion: "${object.apiVersion}" has no ${object.kind}; here it is of ${apiVersion}`
    throw inputError(describePlace(place('apiVersion'), message))
  }
  const known = inGroup.map(({ kind }) => kind)
  const definition = inGroup.find(({ kind }) => kind === object.kind)
  if (definition === undefined) {
    const message = `kind: "${object.kind}" is not a kind of ${group}: there is ${known.join(', ')}`
    throw inputError(describePlace(place('kind'), `${message}${didYouMean(object.kind, known)}`))
  }
  const version = versionOf(object.apiVersion)
  const versions = Object.keys(definition.versions)
  if (versions.includes(version)) {
    const stored = `${group}/${definition.storage}`
    const message = `apiVersion: ${version} is converted by the API server; write it as ${stored} to use it here`
    throw inputError(describePlace(place('apiVersion'), message))
  }
  const message = `apiVersion: ${group} has no version "${version}" of ${object.kind}: there is ${versions.join(', ')}`
  throw inputError(describePlace(place('apiVersion'), message))
}

/** RFC 1123 subdomain: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names */
function misnamed({ metadata: { name } }: KubernetesObject): Problem[] {
  const field = 'metadata.name'
  if (name === undefined || name === '') return [{ field, message: 'is required' }]
  const right = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name) && name.length <= 253
  if (right) return []
  return [
    { field, message: "must be lower case letters, digits, '-' and '.', and start and end with a letter or digit" },
  ]
}

// kubectl asks for strict field validation, and so refuses what the schema does not know; zod passes it over.
function unknownFields(schema: z.ZodType, value: unknown, path: string): Problem[] {
  const inner = unwrap(schema)
  const { def } = inner
  if (Array.isArray(value)) {
    if (def.type !== 'array') return []
    const { element } = def as { element: z.ZodType } & typeof def
    return value.flatMap((item, index) => unknownFields(element, item, `${path}[${index}]`))
  }
  if (typeof value !== 'object' || value === null) return []
  if (def.type === 'record') {
    const { valueType } = def as { valueType: z.ZodType } & typeof def
    return Object.entries(value).flatMap(([key, item]) => unknownFields(valueType, item, fieldBelow(path, key)))
  }
  if (def.type !== 'object') return []
  const { shape, catchall } = def as { shape: Record<string, z.ZodType>; catchall?: z.ZodType } & typeof def
  return Object.entries(value).flatMap(([key, item]) => {
    const known = shape[key]
    const field = fieldBelow(path, key)
    if (known !== undefined) return unknownFields(known, item, field)
    if (catchall !== undefined) return []
    const names = Object.keys(shape)
    const allowed = names.length > 12 ? '' : `: there is ${names.join(', ')}`
    return [{ field, message: `${unknownField}${allowed}${didYouMean(key, names)}` }]
  })
}

/** The schema below what only says that a value may be missing, has a default or is changed after it was read. */
function unwrap(schema: z.ZodType): z.ZodType {
  const { def } = schema
  if ('innerType' in def) return unwrap(def.innerType as z.ZodType)
  if (def.type === 'pipe') return unwrap((def as { in: z.ZodType } & typeof def).in)
  if (def.type === 'lazy') return unwrap((def as { getter: () => z.ZodType } & typeof def).getter())
  return schema
}
