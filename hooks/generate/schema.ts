// zod → structural schema, the subset of OpenAPI 3.0 that a CustomResourceDefinition may hold:
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
// Whatever zod says that the API server could not check is refused here, so that nothing is lost unseen.
import * as z from 'zod'
import { isRecord, type Json } from '../sdk/kubernetes.ts'
import type { ValidationRule } from '../sdk/schema.ts'
import { flattenUnion } from './unions.ts'

/** JSONSchemaProps of apiextensions.k8s.io/v1, as far as this suite writes them. */
export interface StructuralSchema {
  description?: string
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  format?: string
  nullable?: boolean
  default?: Json
  enum?: Json[]
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  exclusiveMinimum?: boolean
  maximum?: number
  exclusiveMaximum?: boolean
  multipleOf?: number
  minItems?: number
  maxItems?: number
  minProperties?: number
  maxProperties?: number
  /** Value validations beside those above: only for several patterns on one string. */
  allOf?: { pattern: string }[]
  /** Only in the one form that goes with int-or-string. */
  anyOf?: { type: 'integer' | 'string' }[]
  items?: StructuralSchema
  required?: string[]
  properties?: Record<string, StructuralSchema>
  additionalProperties?: StructuralSchema
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: 'atomic' | 'granular'
  'x-kubernetes-validations'?: ValidationRule[]
}

/**
 * The schema of what a user may write for `schema`: defaults are optional, unknown fields are the API server's to
 * prune. `root` names the field in errors: `Database spec`. Throws an Error naming the field and what to write
 * instead when a structural schema cannot hold it.
 */
export function structuralSchema(schema: z.ZodType, root: string): StructuralSchema {
  const converted = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    cycles: 'throw',
    // What has no JSON form becomes {} and is refused below, where the field's path is known.
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => markLosses(zodSchema, jsonSchema),
  })
  const { $schema: _dialect, '~standard': _standard, definitions, ...plain } = converted
  if (isRecord(definitions)) {
    const ids = Object.keys(definitions).join(', ')
    throw cannot(root, `.meta({ id }) makes a reference, which a structural schema has not: leave out the id ${ids}`)
  }
  return convert(plain, root)
}

type Node = Record<string, unknown>

// What zod leaves out of its JSON Schema without a word. It is noted in the node, where `convert` finds it together
// with the field's path and with what .meta() may have added.
function markLosses({ _zod }: z.core.$ZodTypes, node: Node): void {
  const { def } = _zod
  if (unrepresentable.has(def.type)) node[lossKey] = `z.${def.type}() has no form in JSON`
  if (def.type === 'tuple') node[lossKey] = 'a tuple is not structural: use an object, or z.array()'
  if (def.type === 'intersection') node[lossKey] = 'an intersection is not structural: use .extend()'
  if (def.type === 'custom' || def.type === 'transform') node[unknownInputKey] = def.type
  if (def.type === 'record') {
    const { def: key } = def.keyType._zod
    if (key.type !== 'string' || key.checks?.length) {
      node[lossKey] = "a map's keys cannot be limited: use z.string() keys and rule() with self.all(key, …)"
    }
  }
  for (const { _zod: check } of def.checks ?? []) {
    const pattern = 'pattern' in check.def ? check.def.pattern : undefined
    if (pattern instanceof RegExp && pattern.flags.replace(/[uv]/, '') !== '') {
      node[lossKey] = `the flags of ${pattern} would be lost: write the pattern without them`
    }
  }
}

const lossKey = 'x-loss'
const unknownInputKey = 'x-unknown-input'

const unrepresentable = new Set<string>([
  ...['bigint', 'date', 'file', 'function', 'map', 'nan', 'never', 'null', 'promise', 'set', 'symbol', 'undefined'],
  'void',
])

function convert(marked: Node, field: string): StructuralSchema {
  const { [lossKey]: loss, [unknownInputKey]: unknownInput, ...node } = marked
  if (loss !== undefined) throw cannot(field, String(loss))
  if (unknownInput !== undefined && node.type === undefined) {
    throw cannot(
      field,
      `what z.${unknownInput}() takes is not known: say it with .meta({ type: … }), or use passthrough()`,
    )
  }
  if (node['x-kubernetes-int-or-string'] === true) return intOrString(node, field)
  if (node.oneOf !== undefined || node.anyOf !== undefined) {
    const flat = flattenUnion(node, (problem) => cannot(field, problem))
    return convert(flat, field)
  }
  const schema: StructuralSchema = {}
  const source = withFormat(node)
  for (const keyword of Object.keys(source)) {
    if (!known.has(keyword)) throw cannot(field, `"${keyword}" is not a keyword of a structural schema`)
  }
  for (const keyword of copied) if (source[keyword] !== undefined) Object.assign(schema, { [keyword]: source[keyword] })
  if (source.deprecated === true) {
    schema.description = `Deprecated: ${schema.description ?? 'it will be removed.'}`
  }
  if (source.allOf !== undefined) schema.allOf = patternsOf(source.allOf, field)
  if (isRecord(source.items)) schema.items = convert(source.items, `${field}[]`)
  if (isRecord(source.properties)) {
    schema.properties = Object.fromEntries(
      Object.entries(source.properties)
        .filter(([, property]) => isRecord(property))
        .map(([name, property]) => [name, convert(property as Node, `${field}.${name}`)]),
    )
  }
  withUnknownFields(schema, source.additionalProperties, field)
  if (schema.type === undefined && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    // z.any() and z.unknown(): everything the API server would otherwise prune.
    schema['x-kubernetes-preserve-unknown-fields'] = true
  }
  if (schema.default !== undefined) schema.default = completed(schema.default, schema)
  refuseFaults(schema, field)
  return ordered(schema)
}

// JSON Schema writes it as a union of an integer and a string; the API server takes exactly this form of it.
function intOrString(node: Node, field: string): StructuralSchema {
  const branches = Array.isArray(node.anyOf) ? node.anyOf.filter(isRecord) : []
  const { anyOf: _, ...own } = node
  const merged: Node = { ...own }
  for (const branch of branches) {
    for (const [keyword, value] of Object.entries(withFormat(branch))) {
      if (keyword !== 'type' && keyword !== 'format') merged[keyword] ??= value
    }
  }
  delete merged['x-kubernetes-int-or-string']
  const converted = convert({ ...merged, type: 'string' }, field)
  const { type: _type, ...rest } = converted
  return ordered({ ...rest, anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true })
}

// z.int() is bounded by what a double can hold, which is no bound of the API's; zod's patterns for what the API
// server knows as a format are long and partly beyond RE2.
function withFormat(node: Node): Node {
  const next = { ...node }
  if (next.type === 'integer') {
    if (next.minimum === Number.MIN_SAFE_INTEGER) delete next.minimum
    if (next.maximum === Number.MAX_SAFE_INTEGER) delete next.maximum
    const { minimum, maximum } = next
    const fits = Number(minimum) >= -(2 ** 31) && Number(maximum) < 2 ** 31
    next.format ??= fits ? 'int32' : 'int64'
    if (minimum === -(2 ** 31) && maximum === 2 ** 31 - 1) {
      delete next.minimum
      delete next.maximum
    }
  }
  if (next.type === 'number') next.format ??= 'double'
  if (next.type === 'string' && typeof next.format === 'string') {
    if (checkedFormats.has(next.format)) delete next.pattern
    else if (!plainFormats.has(next.format)) delete next.format
  }
  return next
}

/** Formats that the API server checks as zod does, so that the pattern can go. */
const checkedFormats = new Set(['date', 'date-time', 'ipv4', 'ipv6', 'uuid'])
/** Formats that the API server checks in its own way; the pattern stays. */
const plainFormats = new Set(['byte', 'cidr', 'email', 'hostname', 'mac', 'password', 'uri'])

function patternsOf(value: unknown, field: string): { pattern: string }[] {
  const parts = Array.isArray(value) ? value.filter(isRecord) : []
  return parts.map((part) => {
    const extra = Object.keys(part).filter((keyword) => keyword !== 'type' && keyword !== 'pattern')
    if (extra.length > 0 || typeof part.pattern !== 'string') throw cannot(field, 'allOf may hold patterns only')
    return { pattern: part.pattern }
  })
}

// `false` (z.strictObject) is what the API server does anyway: it prunes, or refuses under strict field validation.
function withUnknownFields(schema: StructuralSchema, additional: unknown, field: string): void {
  if (additional === undefined || additional === false) return
  const any = additional === true || (isRecord(additional) && Object.keys(additional).length === 0)
  if (schema.properties !== undefined && Object.keys(schema.properties).length > 0) {
    if (!any)
      throw cannot(field, 'an object has either named fields or a catchall: put the map into a field of its own')
    schema['x-kubernetes-preserve-unknown-fields'] = true
    return
  }
  delete schema.properties
  if (any) schema['x-kubernetes-preserve-unknown-fields'] = true
  else if (isRecord(additional)) schema.additionalProperties = convert(additional, `${field}.*`)
}

function refuseFaults(schema: StructuralSchema, field: string): void {
  for (const pattern of [schema.pattern, ...(schema.allOf ?? []).map((part) => part.pattern)]) {
    // The API server's patterns are Go's RE2: https://github.com/google/re2/wiki/Syntax
    if (pattern !== undefined && /\(\?<?[=!]|(^|[^\\])(\\\\)*\\[1-9k]/.test(pattern)) {
      throw cannot(field, `${pattern} uses lookaround or back-references, which the API server's RE2 has not`)
    }
  }
  for (const { fieldPath = '' } of schema['x-kubernetes-validations'] ?? []) {
    if (!hasField(schema, fieldPath)) throw cannot(field, `the rule's fieldPath "${fieldPath}" points at no field`)
  }
  const keys = schema['x-kubernetes-list-map-keys']
  if (schema['x-kubernetes-list-type'] === 'map' && keys === undefined) {
    throw cannot(field, 'a list of type map needs x-kubernetes-list-map-keys')
  }
  for (const key of keys ?? []) {
    const property = schema.items?.properties?.[key]
    if (property === undefined) throw cannot(field, `the list's key "${key}" is not a field of its items`)
    if (property.default === undefined && !schema.items?.required?.includes(key)) {
      throw cannot(field, `the list's key "${key}" must be required or have a default`)
    }
  }
  if (schema.enum?.some((value) => value === null)) throw cannot(field, 'null in an enum: use .nullable()')
  if (schema.enum !== undefined && new Set(schema.enum.map((value) => typeof value)).size > 1) {
    throw cannot(field, 'an enum holds values of one type')
  }
  if (schema.nullable && schema.enum !== undefined) {
    throw cannot(field, 'the API server refuses null for an enum even where it is nullable: make it optional')
  }
}

// The paths that CEL rules take: dots and names, or a map's key in brackets and quotes.
function hasField(schema: StructuralSchema, path: string): boolean {
  const steps = [...path.matchAll(/\.([A-Za-z_][\w-]*)|\['([^']*)'\]/g)]
  if (steps.map(([step]) => step).join('') !== path) return false
  let node: StructuralSchema | undefined = schema
  for (const [, name, key] of steps) node = node?.properties?.[name ?? key ?? ''] ?? node?.additionalProperties
  return node !== undefined
}

/** Copied as they are, in the order in which a person reads a schema. */
const copied = [
  'description',
  'type',
  'format',
  'nullable',
  'default',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'exclusiveMinimum',
  'maximum',
  'exclusiveMaximum',
  'multipleOf',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const

const order: readonly (keyof StructuralSchema)[] = [
  ...copied.slice(0, copied.indexOf('required')),
  'allOf',
  'anyOf',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'x-kubernetes-validations',
]

/** What may stand in a node; the last five are for readers of the zod schema and left out of the CRD. */
const known = new Set<string>([
  ...copied,
  ...['allOf', 'items', 'properties', 'additionalProperties', 'deprecated'],
  ...['title', 'examples', 'readOnly', 'contentEncoding', 'propertyNames'],
])

/**
 * A value with the defaults of a schema filled in below it. The API server would do the same when it uses a default,
 * but it checks the default's own CEL rules without.
 */
export function completed(value: Json, schema: StructuralSchema): Json {
  if (Array.isArray(value)) return value.map((item) => completed(item, schema.items ?? {}))
  if (!isRecord(value)) return value
  const whole: Record<string, Json | undefined> = { ...value }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const own = whole[name] ?? property.default
    if (own !== undefined) whole[name] = completed(own, property)
  }
  return whole
}

/** The same with its keywords in the order in which a person reads them. */
export function ordered(schema: StructuralSchema): StructuralSchema {
  return Object.fromEntries(order.filter((key) => schema[key] !== undefined).map((key) => [key, schema[key]]))
}

function cannot(field: string, problem: string): Error {
  return new Error(`${field}: ${problem}`)
}
