// The CEL rules of CRDs (x-kubernetes-validations), with the functions that Kubernetes adds to the language:
// https://kubernetes.io/docs/reference/using-api/cel/
import { BlockList, isIP } from 'node:net'
import { Environment } from '@marcbachmann/cel-js'
import { equal } from '../sdk/equal.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { canonicalQuantity, compareQuantities, parseQuantity } from '../sdk/quantity.ts'
import { duplicateValue, type FieldError, forbiddenField, invalidValue, messageOf, requiredValue } from './errors.ts'
import { at, listAt } from './json.ts'
import type { Schema } from './schema.ts'

/**
 * What the rules of a schema refuse. A rule that speaks of `oldSelf` is asked only where there is an old value,
 * or where it says `optionalOldSelf`; one that does not is forgiven on an update that left its value unchanged.
 */
export function checkRules(object: KubernetesObject, schema: Schema, old?: KubernetesObject): FieldError[] {
  return visit({ value: object, old, schema, path: '', root: true })
}

interface Node {
  readonly value: unknown
  /** The same place in the old object; undefined when there is none, or no way to tell which it is. */
  readonly old: unknown
  readonly schema: Schema
  readonly path: string
  readonly root?: boolean
}

function visit(node: Node): FieldError[] {
  const { value, old, schema, path } = node
  if (value === undefined || value === null) return []
  const faults = listAt(schema, 'x-kubernetes-validations').flatMap((rule) => judge(rule, node))
  if (Array.isArray(value)) {
    const items = schemaOf(schema.items)
    for (const [index, item] of value.entries()) {
      faults.push(...visit({ value: item, old: oldItem(item, old, schema), schema: items, path: `${path}[${index}]` }))
    }
  } else if (isRecord(value)) {
    for (const [key, inner] of Object.entries(value)) {
      const property = at(schema, 'properties', key)
      const named = isRecord(property)
      const next = named ? property : schema.additionalProperties
      const step = named ? (path === '' ? key : `${path}.${key}`) : `${path}[${key}]`
      if (isRecord(next)) faults.push(...visit({ value: inner, old: at(old, key), schema: next, path: step }))
    }
  }
  return faults
}

/** Items of a list correlate only by the keys of a list map. */
function oldItem(item: unknown, old: unknown, schema: Schema): unknown {
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map') return undefined
  const keys = listAt(schema, 'x-kubernetes-list-map-keys').map(String)
  return old.find((earlier: unknown) => keys.every((key) => equal(at(earlier, key), at(item, key))))
}

function judge(rule: unknown, { value, old, schema, path, root = false }: Node): FieldError[] {
  const text = String(at(rule, 'rule'))
  const optional = at(rule, 'optionalOldSelf') === true
  const transition = /\boldSelf\b/.test(text)
  if (transition && old === undefined && !optional) return []
  if (!transition && old !== undefined && equal(old, value)) return []
  const self = toCel(value, schema, root)
  const previous = old === undefined ? undefined : toCel(old, schema, root)
  const type = String(schema.type)
  const bad = (detail: string) => [invalidValue(path, detail, type)]
  const evaluate = (expression: string) =>
    compiled(
      expression,
      optional,
    )({ self, oldSelf: previous ?? null, previous: previous === undefined ? [] : [previous] })
  let holds: unknown
  try {
    holds = evaluate(text)
  } catch (error) {
    return bad(`${firstLine(messageOf(error))} evaluating rule: ${String(at(rule, 'message') ?? text)}`)
  }
  if (holds === true) return []
  // The API server's name for the object itself.
  const place = `${path}${String(at(rule, 'fieldPath') ?? '')}`.replace(/^\./, '') || '<nil>'
  const detail = explain(rule, text, evaluate)
  const shown = schema.type === 'object' || schema.type === 'array' ? undefined : value
  switch (at(rule, 'reason')) {
    case 'FieldValueForbidden':
      return [forbiddenField(place, detail)]
    case 'FieldValueRequired':
      return [requiredValue(place, detail)]
    case 'FieldValueDuplicate':
      return [duplicateValue(place, shown)]
    default:
      return [invalidValue(place, detail, shown)]
  }
}

function explain(rule: unknown, text: string, evaluate: (expression: string) => unknown): string {
  const expression = at(rule, 'messageExpression')
  if (typeof expression === 'string') {
    try {
      const message = evaluate(expression)
      if (typeof message === 'string' && message.trim() !== '' && !message.includes('\n')) return message
    } catch {
      // A message expression that fails gives way to the message, as on the API server.
    }
  }
  const message = at(rule, 'message')
  return typeof message === 'string' && message.trim() !== '' ? message.trim() : `failed rule: ${text.trim()}`
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}

type Evaluate = (context: Record<string, unknown>) => unknown

const cache = new Map<string, Evaluate>()

function compiled(expression: string, optional: boolean): Evaluate {
  const key = `${optional}:${expression}`
  const known = cache.get(key)
  if (known !== undefined) return known
  // `oldSelf` as an optional value: one made by the language itself from a list of none or one.
  const source = optional
    ? expression.replace(/\boldSelf\b/g, '(size(previous) > 0 ? optional.of(previous[0]) : optional.none())')
    : expression
  const evaluate: Evaluate = environment.parse(source)
  cache.set(key, evaluate)
  return evaluate
}

/** The value as CEL sees it: integers as int, times and durations as such, awkward names escaped. */
function toCel(value: unknown, schema: Schema, root = false): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'number')
    return schema.type === 'number' ? value : Number.isInteger(value) ? BigInt(value) : value
  if (typeof value === 'string') {
    if (schema.format === 'date-time') return new Date(value)
    // A duration that is none is the schema's to refuse; rules see it as it was written.
    return schema.format === 'duration' && goDuration.test(value)
      ? environment.evaluate('duration(text)', { text: value })
      : value
  }
  if (Array.isArray(value)) return value.map((item) => toCel(item, schemaOf(schema.items)))
  if (!isRecord(value)) return value
  const result: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    const property = at(schema, 'properties', key)
    if (root && key === 'metadata')
      result.metadata = { name: at(inner, 'name') ?? '', generateName: at(inner, 'generateName') ?? '' }
    else if (root && (key === 'apiVersion' || key === 'kind')) result[key] = inner
    else if (isRecord(property)) result[escaped(key)] = toCel(inner, property)
    else if (isRecord(schema.additionalProperties)) result[key] = toCel(inner, schema.additionalProperties)
  }
  return result
}

/** A duration as Go writes it: `1h30m`. */
export const goDuration = /^[+-]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$|^0$/

const reserved = new Set([
  'true',
  'false',
  'null',
  'in',
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'function',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'namespace',
  'return',
])

function escaped(key: string): string {
  if (reserved.has(key)) return `__${key}__`
  return key
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__')
}

function schemaOf(value: unknown): Schema {
  return isRecord(value) ? value : {}
}

class QuantityValue {
  readonly text: string
  constructor(text: string) {
    if (parseQuantity(text) === undefined) throw new Error(`quantity parse error: ${JSON.stringify(text)}`)
    this.text = text
  }
}
class UrlValue {
  readonly url: URL
  constructor(text: string) {
    this.url = new URL(text)
  }
}
class IpValue {
  readonly text: string
  constructor(text: string) {
    if (isIP(text) === 0) throw new Error(`IP Address ${JSON.stringify(text)} parse error`)
    this.text = text
  }
}
class CidrValue {
  readonly address: string
  readonly length: number
  constructor(text: string) {
    const [address = '', length = ''] = text.split('/')
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(length) || Number(length) > (isIP(address) === 4 ? 32 : 128)) {
      throw new Error(`network address parse error: ${JSON.stringify(text)}`)
    }
    this.address = address
    this.length = Number(length)
  }
}

const environment = kubernetesEnvironment()

function kubernetesEnvironment(): Environment {
  const succeeds = (attempt: () => unknown) => {
    try {
      attempt()
      return true
    } catch {
      return false
    }
  }
  const ordered = (list: readonly unknown[]) =>
    list.every((item, index) => index === 0 || compare(list[index - 1], item) <= 0)
  return new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
  })
    .registerType('kubernetes.Quantity', QuantityValue)
    .registerType('kubernetes.URL', UrlValue)
    .registerType('net.IP', IpValue)
    .registerType('net.CIDR', CidrValue)
    .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new QuantityValue(text))
    .registerFunction('isQuantity(string): bool', (text: string) => parseQuantity(text) !== undefined)
    .registerFunction(
      'kubernetes.Quantity.compareTo(kubernetes.Quantity): int',
      (left: QuantityValue, right: QuantityValue) => BigInt(compareQuantities(left.text, right.text)),
    )
    .registerFunction(
      'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool',
      (left: QuantityValue, right: QuantityValue) => compareQuantities(left.text, right.text) > 0,
    )
    .registerFunction(
      'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool',
      (left: QuantityValue, right: QuantityValue) => compareQuantities(left.text, right.text) < 0,
    )
    .registerFunction('kubernetes.Quantity.sign(): int', (quantity: QuantityValue) =>
      BigInt(compareQuantities(quantity.text, '0')),
    )
    .registerFunction(
      'kubernetes.Quantity.isInteger(): bool',
      (quantity: QuantityValue) => nano(quantity) % 1000000000n === 0n,
    )
    .registerFunction('kubernetes.Quantity.asInteger(): int', (quantity: QuantityValue) => nano(quantity) / 1000000000n)
    .registerFunction(
      'kubernetes.Quantity.asApproximateFloat(): double',
      (quantity: QuantityValue) => Number(nano(quantity)) / 1e9,
    )
    .registerFunction(
      'kubernetes.Quantity.add(kubernetes.Quantity): kubernetes.Quantity',
      (left: QuantityValue, right: QuantityValue) => ofNano(nano(left) + nano(right)),
    )
    .registerFunction(
      'kubernetes.Quantity.sub(kubernetes.Quantity): kubernetes.Quantity',
      (left: QuantityValue, right: QuantityValue) => ofNano(nano(left) - nano(right)),
    )
    .registerFunction('url(string): kubernetes.URL', (text: string) => new UrlValue(text))
    .registerFunction('isURL(string): bool', (text: string) => succeeds(() => new UrlValue(text)))
    .registerFunction('kubernetes.URL.getScheme(): string', ({ url }: UrlValue) => url.protocol.replace(/:$/, ''))
    .registerFunction('kubernetes.URL.getHost(): string', ({ url }: UrlValue) => url.host)
    .registerFunction('kubernetes.URL.getHostname(): string', ({ url }: UrlValue) => url.hostname)
    .registerFunction('kubernetes.URL.getPort(): string', ({ url }: UrlValue) => url.port)
    .registerFunction('kubernetes.URL.getEscapedPath(): string', ({ url }: UrlValue) => url.pathname)
    .registerFunction('ip(string): net.IP', (text: string) => new IpValue(text))
    .registerFunction('isIP(string): bool', (text: string) => isIP(text) !== 0)
    .registerFunction('net.IP.family(): int', ({ text }: IpValue) => BigInt(isIP(text)))
    .registerFunction('cidr(string): net.CIDR', (text: string) => new CidrValue(text))
    .registerFunction('isCIDR(string): bool', (text: string) => succeeds(() => new CidrValue(text)))
    .registerFunction('net.CIDR.prefixLength(): int', ({ length }: CidrValue) => BigInt(length))
    .registerFunction('net.CIDR.containsIP(string): bool', contains)
    .registerFunction('net.CIDR.containsIP(net.IP): bool', (network: CidrValue, { text }: IpValue) =>
      contains(network, text),
    )
    .registerFunction(
      'string.find(string): string',
      (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? '',
    )
    .registerFunction(
      'string.findAll(string): list<string>',
      (text: string, pattern: string) => text.match(new RegExp(pattern, 'g')) ?? [],
    )
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.replaceAll(from, to),
    )
    .registerFunction('string.charAt(int): string', (text: string, index: bigint) => text.charAt(Number(index)))
    .registerFunction('list.isSorted(): bool', ordered)
    .registerFunction('list.sum(): dyn', (list: readonly unknown[]) => list.reduce(add, 0n))
    .registerFunction('list.min(): dyn', (list: readonly unknown[]) =>
      list.reduce((least, item) => (compare(item, least) < 0 ? item : least)),
    )
    .registerFunction('list.max(): dyn', (list: readonly unknown[]) =>
      list.reduce((most, item) => (compare(item, most) > 0 ? item : most)),
    )
    .registerFunction('list.indexOf(dyn): int', (list: readonly unknown[], item: unknown) =>
      BigInt(list.findIndex((other) => equal(other, item))),
    )
    .registerFunction('list.lastIndexOf(dyn): int', (list: readonly unknown[], item: unknown) =>
      BigInt(list.findLastIndex((other) => equal(other, item))),
    )
}

function nano({ text }: QuantityValue): bigint {
  return parseQuantity(text)?.nano ?? 0n
}

function ofNano(amount: bigint): QuantityValue {
  return new QuantityValue(canonicalQuantity(`${amount}n`) ?? '0')
}

function compare(left: unknown, right: unknown): number {
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  return Number(left) - Number(right)
}

function add(sum: unknown, item: unknown): unknown {
  return typeof sum === 'bigint' && typeof item === 'bigint' ? sum + item : Number(sum) + Number(item)
}

function contains({ address, length }: CidrValue, text: string): boolean {
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  const network = new BlockList()
  network.addSubnet(address, length, family)
  return isIP(text) !== 0 && network.check(text, isIP(text) === 4 ? 'ipv4' : 'ipv6')
}
