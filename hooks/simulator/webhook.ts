// Calling a hook as Metacontroller does (pkg/hooks/webhook.go and webhook_etag.go of 4.17).
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import { at, numberAt, textAt } from './json.ts'

/** One HTTP POST. It may throw when no answer comes. */
export type Transport = (request: HookCall) => Promise<HookAnswer>

export interface HookCall {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutSeconds: number
}

export interface HookAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The URL of a hook named by a Service; throws when there is none. */
export type ResolveService = (service: { name: string; namespace: string; port: number; protocol: string }) => string

/** A hook of one controller. */
export interface Webhook {
  readonly version: 'v1' | 'v2'
  /** The answer, parsed. Throws TooManyRequests for a 429, otherwise an Error worded as Metacontroller's. */
  call(root: KubernetesObject, request: object): Promise<Record<string, unknown>>
}

/** A 429: ask again after so many seconds. */
export interface TooManyRequests extends Error {
  readonly name: 'TooManyRequests'
  readonly afterSeconds: number
}

export function isTooManyRequests(error: unknown): error is TooManyRequests {
  return error instanceof Error && error.name === 'TooManyRequests'
}

/** Sends with the built-in fetch. */
export const fetchTransport: Transport = async ({ url, headers, body, timeoutSeconds }) => {
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    signal: AbortSignal.timeout(timeoutSeconds * 1000),
  })
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
}

/**
 * Reads one hook of a controller's spec; undefined when it has none of that name.
 * @param allowed the top-level fields an answer may have: strict mode (the default of v2) refuses others
 */
export function webhookOf(hook: unknown, allowed: readonly string[], settings: WebhookSettings): Webhook | undefined {
  const webhook = at(hook, 'webhook')
  if (!isRecord(webhook)) return undefined
  const version = textAt(hook, 'version') === 'v2' ? 'v2' : 'v1'
  const strict = (textAt(webhook, 'responseUnMarshallMode') ?? (version === 'v2' ? 'strict' : 'loose')) === 'strict'
  const url = urlOf(webhook, settings.resolve)
  const timeoutSeconds = durationOf(textAt(webhook, 'timeout') ?? '10s')
  const etags = etagCache(webhook.etag, settings.clock)
  return {
    version,
    async call(root, request) {
      const key = `${root.kind}/${root.metadata.namespace ?? ''}/${root.metadata.name}`
      const cached = etags?.get(key)
      const headers: Record<string, string> = { 'content-type': 'application/json' }
      if (cached !== undefined) headers['if-none-match'] = cached.etag
      const answer = await send(settings.transport, { url, headers, body: JSON.stringify(request), timeoutSeconds })
      if (answer.status === 429) throw tooManyRequests(answer.headers['retry-after'], settings.clock)
      const reused = cached !== undefined && (answer.status === 304 || answer.status === 412)
      if (!reused && answer.status !== 200)
        throw new Error(`unsupported status code: ${answer.status} body: ${answer.body}`)
      const body = reused ? cached.body : answer.body
      const etag = answer.headers.etag
      if (!reused && etag !== undefined && etag !== '') etags?.set(key, { etag, body })
      return read(body, version, strict, allowed)
    },
  }
}

export interface WebhookSettings {
  readonly transport: Transport
  readonly resolve: ResolveService
  readonly clock: Clock
}

async function send(transport: Transport, call: HookCall): Promise<HookAnswer> {
  try {
    return await transport(call)
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
    throw new Error(`http error: Post "${call.url}": ${messageOf(error)}${cause}`)
  }
}

function read(body: string, version: string, strict: boolean, allowed: readonly string[]): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch (error) {
    throw new Error(`can't unmarshal webhookResponse (version: ${version}): ${messageOf(error)}`)
  }
  if (parsed === null) return {}
  if (!isRecord(parsed))
    throw new Error(
      `can't unmarshal webhookResponse (version: ${version}): json: cannot unmarshal ${typeof parsed} into Go value`,
    )
  const unknown = Object.keys(parsed).filter((field) => !allowed.includes(field))
  if (strict && unknown.length > 0) {
    throw new Error(
      `strict validation failed for ${version} webhookResponse (mode: strict): ${unknown.map((field) => `unknown field "${field}"`).join(', ')}`,
    )
  }
  return parsed
}

function tooManyRequests(retryAfter: string | undefined, clock: Clock): TooManyRequests {
  const text = retryAfter ?? ''
  // Whole seconds or an RFC 1123 date; anything else counts as 0, at once.
  const date = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN
  const seconds = /^[+-]?\d+$/.test(text) ? Number(text) : 0
  const afterSeconds = Number.isNaN(date) ? seconds : Math.ceil((date - clock.now()) / 1000)
  return Object.assign(new Error('too many requests'), { name: 'TooManyRequests' as const, afterSeconds })
}

function urlOf(webhook: Record<string, unknown>, resolve: ResolveService): string {
  if (typeof webhook.url === 'string') return webhook.url
  const path = textAt(webhook, 'path')
  const name = textAt(webhook, 'service', 'name')
  const namespace = textAt(webhook, 'service', 'namespace')
  if (webhook.service === undefined || path === undefined) {
    throw new Error("invalid webhook config: must specify either a full 'url', or both 'service' and 'path'")
  }
  if (!name || !namespace) throw new Error("invalid webhook config: 'service' must specify both 'name' and 'namespace'")
  const port = numberAt(webhook, 'service', 'port') ?? 80
  return `${resolve({ name, namespace, port, protocol: textAt(webhook, 'service', 'protocol') ?? 'http' })}${path}`
}

function etagCache(etag: unknown, clock: Clock) {
  if (at(etag, 'enabled') !== true) return undefined
  const seconds = numberAt(etag, 'cacheTimeoutSeconds')
  if (seconds !== undefined && at(etag, 'cacheCleanupSeconds') === undefined) {
    throw new Error(
      'runtime error: invalid memory address or nil pointer dereference (etag.cacheTimeoutSeconds without etag.cacheCleanupSeconds)',
    )
  }
  const entries = new Map<string, { etag: string; body: string; until: number }>()
  return {
    get(key: string) {
      const entry = entries.get(key)
      return entry !== undefined && entry.until > clock.now() ? entry : undefined
    },
    set(key: string, entry: { etag: string; body: string }) {
      entries.set(key, {
        ...entry,
        until: seconds === undefined || seconds < 1 ? Number.POSITIVE_INFINITY : clock.now() + seconds * 1000,
      })
    },
  }
}

/** A Go duration in seconds; what is none or not positive counts as 10 s, as there. */
function durationOf(text: string): number {
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 }
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?)(ms|s|m|h)/g)]
  const seconds = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ''] ?? 0), 0)
  return seconds > 0 ? seconds : 10
}
