// The first look at what the API server sends to its webhooks, and the shape of what it reads from them.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ and
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
import { type Composite, parentType } from '../sdk/definition.ts'
import { groupOf, isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import type { Problem } from '../sdk/schema.ts'
import { mustBe, named } from './request.ts'

/** admission.k8s.io/v1 AdmissionReview, as far as it is read here. */
export interface AdmissionReview {
  apiVersion: string
  kind: 'AdmissionReview'
  request: {
    uid: string
    operation: string
    name?: string
    namespace?: string
    subResource?: string
    dryRun?: boolean
    object?: KubernetesObject
    oldObject?: KubernetesObject
  }
}

/** apiextensions.k8s.io/v1 ConversionReview. */
export interface ConversionReview {
  apiVersion: string
  kind: 'ConversionReview'
  request: { uid: string; desiredAPIVersion: string; objects: KubernetesObject[] }
}

type Checked<Review> = { review: Review; fault?: undefined } | { review?: undefined; fault: string }

/** Checks the review of one resource of the kind, in its stored version, or of what is no resource at all (a deletion). */
export function checkAdmission(definition: Composite, body: unknown): Checked<AdmissionReview> {
  const { fault, request } = checkReview(body, 'admission.k8s.io/v1', 'AdmissionReview')
  if (fault !== undefined) return { fault }
  const { operation, object, oldObject } = request
  if (typeof operation !== 'string') return { fault: mustBe('request.operation', 'a string', operation) }
  if (isLookedAt(operation, request.subResource)) {
    const wrong =
      objectFault(object, 'request.object', definition) ??
      (operation === 'UPDATE' ? objectFault(oldObject, 'request.oldObject', definition) : undefined)
    if (wrong !== undefined) return { fault: wrong }
  }
  return { review: body as AdmissionReview }
}

/** Whether there is anything to say: of what is created or updated as a whole, and not by way of a subresource. */
export function isLookedAt(operation: string, subResource: unknown): boolean {
  return (operation === 'CREATE' || operation === 'UPDATE') && (subResource === undefined || subResource === '')
}

/** Checks that every object is of the kind, and all versions are among its own. */
export function checkConversion(definition: Composite, body: unknown): Checked<ConversionReview> {
  const { fault, request } = checkReview(body, 'apiextensions.k8s.io/v1', 'ConversionReview')
  if (fault !== undefined) return { fault }
  const { desiredAPIVersion, objects } = request
  const versions = Object.keys(definition.versions).map((version) => `${definition.group}/${version}`)
  const allowed = versions.join(' or ')
  if (typeof desiredAPIVersion !== 'string' || !versions.includes(desiredAPIVersion)) {
    return { fault: `request.desiredAPIVersion: must be ${allowed} here, but is ${named(desiredAPIVersion)}` }
  }
  if (!Array.isArray(objects)) return { fault: mustBe('request.objects', 'a list', objects) }
  for (const [index, object] of objects.entries()) {
    const at = `request.objects[${index}]`
    if (!isRecord(object)) return { fault: mustBe(at, 'an object', object) }
    if (object.kind !== definition.kind) {
      return { fault: `${at}.kind: must be ${definition.kind} here, but is ${named(object.kind)}` }
    }
    if (typeof object.apiVersion !== 'string' || !versions.includes(object.apiVersion)) {
      return { fault: `${at}.apiVersion: must be ${allowed} here, but is ${named(object.apiVersion)}` }
    }
    // What a conversion is handed is what its types say, as far as the API server has not checked it already.
    const wrong = partsFault(object, at)
    if (wrong !== undefined) return { fault: wrong }
  }
  return { review: body as ConversionReview }
}

/** The API server shows at most 256 characters of each: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response */
const longestWarning = 256

/** Lets a request through, with warnings for whoever sent it and the changes to be made. */
export function allowed(review: AdmissionReview, warnings: readonly string[] = [], patch: readonly object[] = []) {
  return answerTo(review, {
    allowed: true,
    ...(warnings.length > 0 && { warnings: warnings.map(shortened) }),
    ...(patch.length > 0 && {
      patchType: 'JSONPatch',
      patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
    }),
  })
}

/** Refuses a request as the API server itself refuses what is invalid, so that kubectl shows each field by its path. */
export function denied(
  review: AdmissionReview,
  { group, kind }: Composite,
  problems: readonly Problem[],
  warnings: readonly string[],
) {
  const { name = review.request.object?.metadata?.name ?? '' } = review.request
  const sentences = problems.map(({ field, message }) => `${field}: ${message}`)
  return answerTo(review, {
    allowed: false,
    ...(warnings.length > 0 && { warnings: warnings.map(shortened) }),
    status: {
      code: 422,
      reason: 'Invalid',
      message: sentences.join('; '),
      details: {
        name,
        group,
        kind,
        causes: problems.map(({ field, message }) => ({ reason: 'FieldValueInvalid', field, message })),
      },
    },
  })
}

/** All objects in the order in which they came. */
export function converted(review: ConversionReview, convertedObjects: readonly object[]) {
  return answerTo(review, { result: { status: 'Success' }, convertedObjects })
}

/** None of them: the API server does not store or show a part. */
export function notConverted(review: ConversionReview, message: string) {
  return answerTo(review, { result: { status: 'Failure', message } })
}

function answerTo({ apiVersion, kind, request: { uid } }: AdmissionReview | ConversionReview, response: object) {
  return { apiVersion, kind, response: { uid, ...response } }
}

function checkReview(body: unknown, apiVersion: string, kind: string) {
  if (!isRecord(body)) return { fault: mustBe('the body', 'an object', body) }
  if (body.kind !== kind) return { fault: `kind: must be ${kind} here, but is ${named(body.kind)}` }
  if (body.apiVersion !== apiVersion) {
    return { fault: `apiVersion: must be ${apiVersion} here, but is ${named(body.apiVersion)}` }
  }
  const { request } = body
  if (!isRecord(request)) return { fault: mustBe('request', 'an object', request) }
  if (typeof request.uid !== 'string' || request.uid === '')
    return { fault: mustBe('request.uid', 'a string', request.uid) }
  return { request }
}

function objectFault(object: unknown, field: string, definition: Composite): string | undefined {
  if (!isRecord(object)) return mustBe(field, 'an object', object)
  const { apiVersion, kind } = parentType(definition)
  if (object.kind !== kind) return `${field}.kind: must be ${kind} here, but is ${named(object.kind)}`
  if (object.apiVersion !== apiVersion) {
    const hint =
      groupOf(String(object.apiVersion)) === definition.group ? '; the rule is to name that version alone' : ''
    return `${field}.apiVersion: must be ${apiVersion} here, but is ${named(object.apiVersion)}${hint}`
  }
  return partsFault(object, field)
}

function partsFault(object: Record<string, unknown>, field: string): string | undefined {
  if (!isRecord(object.metadata)) return mustBe(`${field}.metadata`, 'an object', object.metadata)
  for (const part of ['spec', 'status']) {
    const value = object[part]
    if (value !== undefined && !isRecord(value)) return mustBe(`${field}.${part}`, 'an object', value)
  }
  for (const part of ['labels', 'annotations']) {
    const value = object.metadata[part]
    if (value !== undefined && !isRecord(value)) return mustBe(`${field}.metadata.${part}`, 'an object', value)
  }
  return undefined
}

function shortened(warning: string): string {
  return warning.length > longestWarning ? `${warning.slice(0, longestWarning - 1)}…` : warning
}
