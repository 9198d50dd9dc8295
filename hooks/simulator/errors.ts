// What the API server answers when it refuses: metav1.Status as an Error, worded as Kubernetes words it.
import { goJson } from './json.ts'

/** metav1.Status of a refused request. `causes` names the fields as the API server does (`spec.version`). */
export interface ApiError extends Error {
  readonly name: 'ApiError'
  readonly code: number
  readonly reason: string
  readonly causes: readonly FieldError[]
}

/** One field and what is wrong with it: field.Error of k8s.io/apimachinery. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

/** True for an ApiError; with `reason`, for one of that reason. */
export function isApiError(error: unknown, reason?: string): error is ApiError {
  return (
    error instanceof Error &&
    error.name === 'ApiError' &&
    (reason === undefined || Reflect.get(error, 'reason') === reason)
  )
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** 404 for an object, worded `deployments.apps "x" not found`. */
export function notFound(resource: string, name: string): ApiError {
  return apiError(404, 'NotFound', `${resource} "${name}" not found`)
}

/** 404 for a kind that the server does not know. */
export function noSuchKind(apiVersion: string, kind: string): ApiError {
  return apiError(404, 'NotFound', `no matches for kind "${kind}" in version "${apiVersion}"`)
}

/** 409 for a name that is held already. */
export function alreadyExists(resource: string, name: string): ApiError {
  return apiError(409, 'AlreadyExists', `${resource} "${name}" already exists`)
}

/** 409 for a write that came from an old resourceVersion or another uid. */
export function conflict(resource: string, name: string, why: string): ApiError {
  return apiError(409, 'Conflict', `Operation cannot be fulfilled on ${resource} "${name}": ${why}`)
}

/** 422 with one cause a field. */
export function invalid(kind: string, name: string, causes: readonly FieldError[]): ApiError {
  const texts = [...new Set(causes.map((cause) => `${cause.field}: ${cause.message}`))]
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  return apiError(422, 'Invalid', `${kind} "${name}" is invalid: ${list}`, causes)
}

/** 403. */
export function forbidden(resource: string, name: string, why: string): ApiError {
  return apiError(403, 'Forbidden', `${resource} "${name}" is forbidden: ${why}`)
}

/** 400. */
export function badRequest(message: string): ApiError {
  return apiError(400, 'BadRequest', message)
}

/** field.Invalid: the value is shown unless it is left out. */
export function invalidValue(field: string, detail: string, value?: unknown): FieldError {
  return {
    field,
    message: value === undefined ? `Invalid value: ${detail}` : `Invalid value: ${shown(value)}: ${detail}`,
  }
}

/** field.Required. */
export function requiredValue(field: string, detail = ''): FieldError {
  return { field, message: detail === '' ? 'Required value' : `Required value: ${detail}` }
}

/** field.Forbidden. */
export function forbiddenField(field: string, detail: string): FieldError {
  return { field, message: `Forbidden: ${detail}` }
}

/** field.NotSupported. */
export function unsupportedValue(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map((allowed) =>
    JSON.stringify(typeof allowed === 'string' ? allowed : JSON.stringify(allowed)),
  )
  return { field, message: `Unsupported value: ${shown(value)}: supported values: ${list.join(', ')}` }
}

/** field.Duplicate. */
export function duplicateValue(field: string, value: unknown): FieldError {
  return { field, message: `Duplicate value: ${shown(value)}` }
}

/** An ApiError of any kind. */
export function apiError(code: number, reason: string, message: string, causes: readonly FieldError[] = []): ApiError {
  return Object.assign(new Error(message), { name: 'ApiError' as const, code, reason, causes })
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : goJson(value)
}
