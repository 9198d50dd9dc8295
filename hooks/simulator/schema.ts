// Custom resources: what a CRD's structural schema prunes, defaults and refuses
// (k8s.io/apiextensions-apiserver/pkg/apiserver/schema, validation and registry/customresource).
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import { equal } from '../sdk/equal.ts'
import { isRecord, type KubernetesObject, versionOf } from '../sdk/kubernetes.ts'
import { checkRules, goDuration } from './cel.ts'
import { duplicateValue, type FieldError, invalidValue, requiredValue, unsupportedValue } from './errors.ts'
import { at, copy, listAt } from './json.ts'

/** A node of a structural schema (apiextensions JSONSchemaProps). */
export type Schema = Readonly<Record<string, unknown>>

/** One version of a CRD, ready for its objects. */
export interface CustomResourceSchema {
  readonly schema: Schema
  /** Takes out what the schema does not know and fills in what it defaults, in place. */
  prepare(object: KubernetesObject): void
  /** What is wrong with a prepared object, and, on an update, with its difference to the old one. */
  check(object: KubernetesObject, old?: KubernetesObject): FieldError[]
}

/** Compiles one version's schema. The answer is to be kept: compiling costs milliseconds. */
export function compileSchema(crd: KubernetesObject, apiVersion: string): CustomResourceSchema {
  const found = listAt(crd, 'spec', 'versions').find((version) => at(version, 'name') === versionOf(apiVersion))
  const declared = at(found, 'schema', 'openAPIV3Schema')
  const schema: Schema = isRecord(declared)
    ? declared
    : { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  let validate: ValidateFunction | undefined
  return {
    schema,
    prepare(object) {
      prune(object, schema, true)
      applyDefaults(object, schema)
    },
    check(object, old) {
      validate ??= compile(schema)
      const value = withoutMetadata(object)
      const before = old === undefined ? undefined : withoutMetadata(old)
      const faults = [...structureErrors(validate, value, before), ...listErrors(value, schema, '')]
      const blocking = faults.filter((fault) => fault.blocking)
      const causes = faults.map(({ field, message }) => ({ field, message }))
      if (blocking.length > 0) {
        if (hasRules(schema)) causes.push(uncheckedRules)
        return causes
      }
      return [...causes, ...checkRules(object, schema, old)]
    },
  }
}

const uncheckedRules: FieldError = {
  field: '<nil>',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
}

interface Fault extends FieldError {
  /** True when CEL rules are not looked at because of it. */
  readonly blocking: boolean
}

/** The API server looks after apiVersion, kind and metadata itself, whatever the schema says. */
function withoutMetadata(object: KubernetesObject): Record<string, unknown> {
  const { metadata, ...rest } = object
  return { ...rest, metadata: { name: metadata.name ?? '' } }
}

function prune(value: unknown, schema: Schema, root = false): void {
  if (Array.isArray(value)) {
    for (const item of value) prune(item, schemaAt(schema.items))
    return
  }
  if (!isRecord(value)) return
  const properties = schemaAt(schema.properties)
  const rest = schema.additionalProperties
  const keep = schema['x-kubernetes-preserve-unknown-fields'] === true || rest === true
  const embedded = root || schema['x-kubernetes-embedded-resource'] === true
  for (const [key, inner] of Object.entries(value)) {
    if (embedded && (key === 'apiVersion' || key === 'kind' || key === 'metadata')) continue
    const property = properties[key]
    if (isRecord(property)) prune(inner, property)
    else if (isRecord(rest)) prune(inner, rest)
    else if (!keep) delete value[key]
  }
}

function applyDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    for (const item of value) applyDefaults(item, schemaAt(schema.items))
    return
  }
  if (!isRecord(value)) return
  for (const [key, property] of Object.entries(schemaAt(schema.properties))) {
    if (!isRecord(property)) continue
    // A null that the schema does not allow counts as absent where there is a default.
    const dropped = value[key] === null && property.nullable !== true && 'default' in property
    if ((value[key] === undefined || dropped) && 'default' in property) value[key] = copy(property.default)
    applyDefaults(value[key], property)
  }
  if (isRecord(schema.additionalProperties)) {
    const named = schemaAt(schema.properties)
    for (const [key, inner] of Object.entries(value))
      if (named[key] === undefined) applyDefaults(inner, schema.additionalProperties)
  }
}

function schemaAt(value: unknown): Schema {
  return isRecord(value) ? value : {}
}

function compile(schema: Schema): ValidateFunction {
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    verbose: true,
    logger: false,
    unicodeRegExp: false,
    validateFormats: true,
  })
  formats.default(ajv)
  // Kubernetes writes durations as Go does, not as ISO 8601, and takes words as well: `1 hour`.
  ajv.addFormat('duration', (text: string) => goDuration.test(text) || wordyDuration.test(text))
  ajv.addFormat('cidr', /^[0-9a-fA-F.:]+\/\d+$/)
  return ajv.compile(openApiToJsonSchema(schema))
}

const wordyDuration = /^(\d+\s*([nuµm]s|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*)+$/

/** OpenAPI's dialect in JSON Schema's: boolean exclusive bounds and int-or-string. */
function openApiToJsonSchema(schema: Schema): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' && isRecord(value)) {
      result.properties = Object.fromEntries(
        Object.entries(value).map(([name, inner]) => [name, openApiToJsonSchema(schemaAt(inner))]),
      )
    } else if ((key === 'items' || key === 'not' || key === 'additionalProperties') && isRecord(value))
      result[key] = openApiToJsonSchema(value)
    else if ((key === 'allOf' || key === 'anyOf' || key === 'oneOf') && Array.isArray(value))
      result[key] = value.map((inner) => openApiToJsonSchema(schemaAt(inner)))
    else if (keywords.has(key)) result[key] = value
  }
  if (schema.exclusiveMinimum === true) result.exclusiveMinimum = schema.minimum
  if (schema.exclusiveMaximum === true) result.exclusiveMaximum = schema.maximum
  if (schema['x-kubernetes-int-or-string'] === true) result.type = ['integer', 'string']
  if (schema.nullable === true && result.type === undefined) delete result.nullable
  return result
}

const keywords = new Set([
  ...[
    'type',
    'format',
    'enum',
    'pattern',
    'minimum',
    'maximum',
    'multipleOf',
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
  ],
  ...['uniqueItems', 'minProperties', 'maxProperties', 'required', 'nullable'],
])

function structureErrors(validate: ValidateFunction, value: unknown, old: unknown): Fault[] {
  if (validate(value)) return []
  const faults = (validate.errors ?? []).map((error) => ({ error, steps: stepsOf(error.instancePath) }))
  return (
    faults
      // What was wrong before and has not changed is let through: CRDValidationRatcheting.
      .filter(
        ({ steps, error }) =>
          old === undefined || error.data === undefined || !equal(at(value, ...steps), at(old, ...steps)),
      )
      .map(({ error, steps }) => faultOf(error, steps))
  )
}

function stepsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** `spec.backup.volumes[0].name`. */
function pathOf(steps: readonly string[]): string {
  return steps.reduce(
    (path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : path === '' ? step : `${path}.${step}`),
    '',
  )
}

function faultOf(error: ErrorObject, steps: readonly string[]): Fault {
  const field = pathOf(steps)
  const limit = String(error.params.limit)
  const body = `${field} in body`
  const says = (text: string): Fault => ({ ...invalidValue(field, `${body} ${text}`, error.data), blocking: false })
  switch (error.keyword) {
    case 'required':
      return { ...requiredValue(pathOf([...steps, String(error.params.missingProperty)])), blocking: true }
    case 'enum':
      return { ...unsupportedValue(field, error.data, error.params.allowedValues), blocking: true }
    case 'type': {
      const wanted = Array.isArray(error.params.type) ? error.params.type.join(',') : String(error.params.type)
      const actual = typeName(error.data)
      return { ...invalidValue(field, `${body} must be of type ${wanted}: "${actual}"`, actual), blocking: true }
    }
    case 'pattern':
      return says(`should match '${error.params.pattern}'`)
    case 'format':
      return { ...says(`must be of type ${error.params.format}: ${JSON.stringify(error.data)}`), blocking: true }
    case 'minimum':
      return says(`should be greater than or equal to ${limit}`)
    case 'maximum':
      return says(`should be less than or equal to ${limit}`)
    case 'exclusiveMinimum':
      return says(`should be greater than ${limit}`)
    case 'exclusiveMaximum':
      return says(`should be less than ${limit}`)
    case 'multipleOf':
      return says(`should be a multiple of ${error.params.multipleOf}`)
    case 'minLength':
      return says(`should be at least ${limit} chars long`)
    case 'maxLength':
      return { field, message: `Too long: may not be more than ${limit} bytes`, blocking: true }
    case 'minItems':
      return says(`should have at least ${limit} items`)
    case 'maxItems':
    case 'maxProperties': {
      const size = Array.isArray(error.data) ? error.data.length : Object.keys(schemaAt(error.data)).length
      return {
        field,
        message: `Too many: ${size}: must have at most ${limit} ${limit === '1' ? 'item' : 'items'}`,
        blocking: true,
      }
    }
    case 'minProperties':
      return says(`should have at least ${limit} properties`)
    case 'uniqueItems':
      return says("shouldn't contain duplicates")
    default:
      return {
        ...invalidValue(field === '' ? '<nil>' : field, `"${field}" must validate ${error.keyword}`, ''),
        blocking: false,
      }
  }
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

/** x-kubernetes-list-type set and map: no entry twice, every key there. */
function listErrors(value: unknown, schema: Schema, path: string): Fault[] {
  if (isRecord(value)) {
    const properties = schemaAt(schema.properties)
    return Object.entries(value).flatMap(([key, inner]) => {
      const property = properties[key] ?? schema.additionalProperties
      return isRecord(property) ? listErrors(inner, property, path === '' ? key : `${path}.${key}`) : []
    })
  }
  if (!Array.isArray(value)) return []
  const keys = listAt(schema, 'x-kubernetes-list-map-keys').map(String)
  const kind = schema['x-kubernetes-list-type']
  const identity = (item: unknown) =>
    kind === 'map' ? keys.map((key) => at(item, key) ?? at(schema, 'items', 'properties', key, 'default')) : item
  const faults: Fault[] = []
  for (const [index, item] of value.entries()) {
    faults.push(...listErrors(item, schemaAt(schema.items), `${path}[${index}]`))
    if (kind !== 'map' && kind !== 'set') continue
    if (value.slice(0, index).some((earlier) => equal(identity(earlier), identity(item)))) {
      const shown = kind === 'map' ? Object.fromEntries(keys.map((key) => [key, at(item, key)])) : item
      faults.push({ ...duplicateValue(`${path}[${index}]`, shown), blocking: false })
    }
  }
  return faults
}

function hasRules(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasRules)
  if (!isRecord(schema)) return false
  return 'x-kubernetes-validations' in schema || Object.values(schema).some(hasRules)
}
