// The first look at a body: is it a hook request, and one for this definition? Faults are told by the field's path and
// the type that was found, never by a value: Metacontroller puts the answer to a refused request into an Event.
import type { Composite, Decorator, Definition } from '../sdk/definition.ts'
import { parentType } from '../sdk/definition.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { groupKey } from '../sdk/observed.ts'
import type { ResourceType } from '../sdk/resources.ts'
import type { CompositeRequest, CustomizeRequest, DecoratorRequest } from '../sdk/wire.ts'
import { type Body, lengthOf } from './body.ts'

/** A body that is a hook request, or the sentence that says why it is none. */
type Checked<Request> = { request: Request; fault?: undefined } | { request?: undefined; fault: string }

/** Parses a body. The parser's own message is kept back, because it quotes what it stumbled over. */
export function parseBody(body: Body | undefined): { value: unknown; fault?: undefined } | { fault: string } {
  const bytes = body === undefined ? 0 : lengthOf(body)
  if (body === undefined || bytes === 0) return { fault: 'the body is empty; a hook request is a JSON object' }
  try {
    return { value: JSON.parse(Buffer.concat(body, bytes).toString('utf8')) }
  } catch (error) {
    const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined
    const where = position === undefined ? '' : `, as character ${position} shows`
    return { fault: `the body (${bytes} bytes) is not JSON${where}` }
  }
}

/** Checks a CompositeController's sync or finalize request. `finalizing` is taken from the hook where it is absent. */
export function checkComposite(definition: Composite, finalizing: boolean, body: unknown): Checked<CompositeRequest> {
  if (!isRecord(body)) return { fault: mustBe('the body', 'an object', body) }
  const fault =
    objectFault(body.parent, 'parent') ??
    parentFault(body.parent, definition) ??
    groupsFault(body.children, 'children', definition.children) ??
    relatedFault(body.related) ??
    finalizingFault(body.finalizing)
  if (fault !== undefined) return { fault }
  if (isRecord(body.parent)) mendStatus(body.parent.status)
  // Go writes an empty map as null when nothing was asked for.
  body.related ??= {}
  body.finalizing ??= finalizing
  return { request: body as object as CompositeRequest }
}

/** Checks a DecoratorController's sync or finalize request. */
export function checkDecorator(definition: Decorator, finalizing: boolean, body: unknown): Checked<DecoratorRequest> {
  if (!isRecord(body)) return { fault: mustBe('the body', 'an object', body) }
  const fault =
    objectFault(body.object, 'object') ??
    targetFault(body.object, 'object', definition) ??
    groupsFault(body.attachments, 'attachments', definition.attachments) ??
    relatedFault(body.related) ??
    finalizingFault(body.finalizing)
  if (fault !== undefined) return { fault }
  body.related ??= {}
  body.finalizing ??= finalizing
  return { request: body as object as DecoratorRequest }
}

/** Checks a customize request; both kinds of controller call the object `parent`. */
export function checkCustomize(definition: Definition, body: unknown): Checked<CustomizeRequest> {
  if (!isRecord(body)) return { fault: mustBe('the body', 'an object', body) }
  const fault =
    objectFault(body.parent, 'parent') ??
    (definition.controller === 'composite'
      ? parentFault(body.parent, definition)
      : targetFault(body.parent, 'parent', definition))
  if (fault !== undefined) return { fault }
  const controller = body.controller ?? {}
  if (!isRecord(controller)) return { fault: mustBe('controller', 'an object', controller) }
  return { request: { ...(body as object as CustomizeRequest), controller: controller as KubernetesObject } }
}

function parentFault(parent: unknown, definition: Composite): string | undefined {
  if (!isRecord(parent)) return undefined
  const { apiVersion, kind } = parentType(definition)
  if (parent.kind !== kind) return `parent.kind: must be ${kind} here, but is ${named(parent.kind)}`
  if (parent.apiVersion !== apiVersion) {
    return `parent.apiVersion: must be ${apiVersion} here, but is ${named(parent.apiVersion)}`
  }
  for (const part of ['spec', 'status']) {
    const value = parent[part]
    if (value !== undefined && value !== null && !isRecord(value)) return mustBe(`parent.${part}`, 'an object', value)
  }
  return undefined
}

// A status is what this service wrote, or an older one, or somebody else: a condition that is none is left out, so that
// the next answer writes it anew. To refuse the request would leave the resource stuck with it.
function mendStatus(status: unknown): void {
  if (!isRecord(status) || status.conditions === undefined) return
  const { conditions } = status
  if (!Array.isArray(conditions)) delete status.conditions
  else if (!conditions.every(isCondition)) status.conditions = conditions.filter(isCondition)
}

function isCondition(value: unknown): boolean {
  return isRecord(value) && conditionFields.every((field) => typeof value[field] === 'string')
}

const conditionFields = ['type', 'status', 'reason', 'message', 'lastTransitionTime']

function targetFault(object: unknown, field: string, definition: Decorator): string | undefined {
  if (!isRecord(object)) return undefined
  const known = definition.resources.some(
    ({ type }) => type.kind === object.kind && type.apiVersion === object.apiVersion,
  )
  if (known) return undefined
  const kinds = definition.resources.map(({ type }) => `${type.apiVersion} ${type.kind}`).join(', ')
  return `${field}.kind: ${definition.name} decorates ${kinds}, not ${named(object.apiVersion)} ${named(object.kind)}`
}

// An API object with the identity that every answer needs: names for its children, the UID for its credentials.
function objectFault(value: unknown, field: string): string | undefined {
  if (!isRecord(value)) return mustBe(field, 'an object', value)
  for (const name of ['apiVersion', 'kind']) {
    if (typeof value[name] !== 'string') return mustBe(`${field}.${name}`, 'a string', value[name])
  }
  const { metadata } = value
  if (!isRecord(metadata)) return mustBe(`${field}.metadata`, 'an object', metadata)
  for (const name of ['name', 'uid']) {
    const text = metadata[name]
    if (typeof text !== 'string' || text === '') return mustBe(`${field}.metadata.${name}`, 'a string', text)
  }
  const { namespace } = metadata
  if (namespace !== undefined && typeof namespace !== 'string') {
    return mustBe(`${field}.metadata.namespace`, 'a string', namespace)
  }
  return undefined
}

function groupsFault(value: unknown, field: string, declared: readonly ResourceType[]): string | undefined {
  if (!isRecord(value)) return mustBe(field, 'an object of groups such as {"Pod.v1": {}}', value)
  let groups = 0
  for (const key in value) {
    groups++
    const fault = groupFault(value[key], `${field}[${JSON.stringify(key)}]`)
    if (fault !== undefined) return fault
  }
  // Metacontroller sends every group that its controller object declares. When one is missing, the controller object is
  // older than this service, and what exists of that kind cannot be seen: it must not be taken for absent. A request
  // written by hand may leave all of them out.
  const missing = groups === 0 ? undefined : declared.find((type) => value[groupKey(type)] === undefined)
  if (missing === undefined) return undefined
  return `${field}: the group "${groupKey(missing)}" is missing: apply the controllers of this version, whose object names that kind too`
}

function groupFault(group: unknown, field: string): string | undefined {
  if (!isRecord(group)) return mustBe(field, 'an object', group)
  for (const key in group) {
    const object = group[key]
    const at = () => `${field}[${JSON.stringify(key)}]`
    if (!isRecord(object)) return mustBe(at(), 'an object', object)
    if (typeof object.kind !== 'string') return mustBe(`${at()}.kind`, 'a string', object.kind)
    if (typeof object.apiVersion !== 'string') return mustBe(`${at()}.apiVersion`, 'a string', object.apiVersion)
    if (!isRecord(object.metadata)) return mustBe(`${at()}.metadata`, 'an object', object.metadata)
    if (typeof object.metadata.name !== 'string') {
      return mustBe(`${at()}.metadata.name`, 'a string', object.metadata.name)
    }
  }
  return undefined
}

function relatedFault(related: unknown): string | undefined {
  return related === undefined || related === null ? undefined : groupsFault(related, 'related', [])
}

function finalizingFault(finalizing: unknown): string | undefined {
  return finalizing === undefined || typeof finalizing === 'boolean'
    ? undefined
    : mustBe('finalizing', 'true or false', finalizing)
}

/** What is wrong with the type of a field, without its value. */
export function mustBe(field: string, wanted: string, found: unknown): string {
  if (found === undefined) return `${field}: is missing; it must be ${wanted}`
  if (found === '') return `${field}: must be ${wanted}, but is empty`
  const type = found === null ? 'null' : Array.isArray(found) ? 'a list' : `a ${typeof found}`.replace('a o', 'an o')
  return `${field}: must be ${wanted}, but is ${type}`
}

/** A type name of the API is no secret, but only what looks like one is repeated. */
export function named(value: unknown): string {
  return typeof value === 'string' && /^[A-Za-z0-9./-]{1,100}$/.test(value) ? value : 'something else'
}
