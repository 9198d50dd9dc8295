// What a zod schema says beyond zod, for the CRD: CEL rules, list-map keys, quantities, passthrough objects.
// Everything said here is checked twice: by the API server from the CRD, and by the hook in case the CRD that is
// installed is older than the hook.
import * as z from 'zod'
import { fieldBelow } from './fields.ts'

/** x-kubernetes-validations: https://kubernetes.io/docs/reference/using-api/cel/ */
export interface ValidationRule {
  /** A CEL expression over `self` (and `oldSelf`: a transition rule, checked on updates only). */
  rule: string
  /** What is wrong and what is allowed, as kubectl shows it behind the field's path. */
  message: string
  /** A path below the value, such as `.replicas`, when the fault lies there. */
  fieldPath?: string
  reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate'
  /** With `oldSelf` optional, the rule also runs on creation. */
  optionalOldSelf?: boolean
}

/**
 * Adds a CEL rule to a schema, and its twin for the hook: `check` answers true for a value that is right.
 * Leave `check` out only for transition rules, which need the old value.
 */
export function rule<Schema extends z.ZodType>(
  schema: Schema,
  validation: ValidationRule,
  check?: (value: z.output<Schema>) => boolean,
): Schema {
  const meta = schema.meta() ?? {}
  const rules = Array.isArray(meta[validationsKey]) ? meta[validationsKey] : []
  const path = validation.fieldPath?.split('.').filter((part) => part !== '') ?? []
  const checked = check === undefined ? schema : schema.refine(check, { message: validation.message, path })
  return checked.meta({ ...meta, [validationsKey]: [...rules, validation] }) as Schema
}

/** A value that can be given once and never changed. `what` starts the message: "the engine". */
export function immutable<Schema extends z.ZodType>(schema: Schema, what: string): Schema {
  return rule(schema, { rule: 'self == oldSelf', message: `${what} cannot be changed` })
}

/** A Kubernetes quantity: 500m, 1.5Gi, 2 (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/). */
export function quantity() {
  return z
    .union([z.int(), z.string().max(32)])
    .transform(String)
    .refine((text) => quantityPattern.test(text), { message: 'must be a quantity such as 500m, 1.5Gi or 2' })
    .meta({ 'x-kubernetes-int-or-string': true, pattern: quantityPattern.source })
}

/** A port by number or name, a percentage or a count: an integer or a string. */
export function intOrString() {
  return z.union([z.int(), z.string().max(256)]).meta({ 'x-kubernetes-int-or-string': true })
}

/**
 * A list whose items are told apart by some of their fields, so that server-side apply merges them. With CEL rules on
 * the list or in its items it needs `most`, or the API server refuses the CRD: the rules could cost too much.
 */
export function listMap<Item extends z.ZodObject>(
  item: Item,
  keys: readonly (keyof Item['shape'] & string)[],
  { least = 0, most }: { least?: number; most?: number } = {},
) {
  const list = least > 0 ? z.array(item).min(least) : z.array(item)
  return (most === undefined ? list : list.max(most))
    .refine((items) => new Set(items.map((one) => JSON.stringify(keys.map((key) => one[key])))).size === items.length, {
      message: `no two items may have the same ${keys.join(' and ')}`,
    })
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys })
}

/** An object that Kubernetes itself checks where it is used: any fields, kept as they are. */
export function passthrough<Model extends object>() {
  return z
    .custom<Model>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
      message: 'must be an object',
    })
    .meta({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true })
}

/** The key under which a schema's CEL rules lie in its metadata and in the CRD. */
const validationsKey = 'x-kubernetes-validations'

/** One fault of a spec: where, and what would be right. */
export interface Problem {
  /** As kubectl names fields: `spec.backup.destination.s3.bucket`, `spec.tolerations[0].key`. */
  field: string
  message: string
  /** CamelCase: why a resource is held because of it; InvalidSpec unless given. */
  reason?: string
}

/** Faults in the words of `kubectl`: `spec.version: must match …; spec.replicas: …`. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems.map(({ field, message }) => `${field}: ${message}`).join('; ')
}

/** Checks a value and fills in its defaults; `root` is the field it is (`spec`). */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  root: string,
): { value: z.output<Schema>; problems?: undefined } | { value?: undefined; problems: Problem[] } {
  const result = schema.safeParse(value)
  if (result.success) return { value: result.data }
  return {
    problems: result.error.issues.map((issue) => ({
      field: issue.path.reduce<string>(below, root),
      message: issue.message,
    })),
  }
}

function below(path: string, step: PropertyKey): string {
  return fieldBelow(path, typeof step === 'number' ? step : String(step))
}

// Exponents of two digits: the numbers that more of them make take seconds to work with.
const quantityPattern = /^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$/
