// A client of the Kubernetes API in a hundred lines: plain REST with a bearer token. @kubernetes/client-node would
// do, but it costs a second to import per test file, and its errors have to be taken apart to become ApiError.
import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent, request } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import {
  groupOf,
  isRecord,
  type KubernetesObject,
  type ObjectReference,
  type ObjectType,
  versionOf,
} from '../../hooks/sdk/kubernetes.ts'
import type { ApiError, Propagation } from '../scenarios/cluster.ts'

export interface Client {
  readonly server: string
  /** Any request; throws ApiError unless the status is 2xx. The body and the answer are JSON. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>
  /** The REST path of a kind, an object or a subresource; asks the discovery API for the plural once. */
  path(at: ObjectType & { namespace?: string; name?: string }, subresource?: string): Promise<string>
  get(reference: ObjectReference): Promise<KubernetesObject | undefined>
  list(type: ObjectType, options?: ListOptions): Promise<KubernetesObject[]>
  create(object: KubernetesObject, query?: string): Promise<KubernetesObject>
  /** Server-side apply with force: sets the fields given, removes those given last time and no longer. */
  apply(object: KubernetesObject): Promise<KubernetesObject>
  /** Creates the object, or puts it in the place of the one there; fields the schema does not know are pruned. */
  replace(object: KubernetesObject): Promise<KubernetesObject>
  patch(reference: ObjectReference, patch: object, subresource?: string): Promise<KubernetesObject>
  delete(reference: ObjectReference, propagation?: Propagation): Promise<void>
  close(): void
}

interface ListOptions {
  namespace?: string
  /** Labels with these values. */
  labels?: Record<string, string>
  /** A label that is there, whatever its value. */
  labelled?: string
  fields?: Record<string, string>
}

/** A client for `server` (https://…), trusting the certificates in `ca` (PEM); or for http://…, a proxy that logs in itself. */
export function connect(server: string, ca: string, token: string): Client {
  const pool = { keepAlive: true, maxSockets: 64 }
  const agent = server.startsWith('https:') ? new Agent({ ...pool, ca }) : new PlainAgent(pool)
  const plurals = new Map<string, Map<string, { plural: string; namespaced: boolean }>>()

  const ask = async (method: string, path: string, body?: unknown, contentType = 'application/json') => {
    const once = () => send(agent, `${server}${path}`, method, token, body, contentType)
    // A connection that is kept may be closed by the other end just when it is used again: what only reads asks anew.
    const sent = method === 'GET' ? once().catch(once) : once()
    let { status, text } = await sent
    // The API server sheds load, or a CRD's storage is being set up: as client-go does, wait and ask again.
    for (let tries = 1; status === 429 && tries < 50; tries++) {
      await wait(200)
      ;({ status, text } = await once())
    }
    if (status < 200 || status > 299) throw apiError(status, text, `${method} ${path}`)
    return parse(text)
  }

  const discover = async ({ apiVersion, kind }: ObjectType) => {
    const known = plurals.get(apiVersion)?.get(kind)
    if (known) return known
    const root = groupOf(apiVersion) === '' ? `/api/${versionOf(apiVersion)}` : `/apis/${apiVersion}`
    const found = resourcesOf(await ask('GET', root))
    plurals.set(apiVersion, found)
    const resource = found.get(kind)
    if (!resource) throw apiError(404, '', `the API server serves no ${kind} in ${apiVersion}`)
    return resource
  }

  const pathOf: Client['path'] = async ({ apiVersion, kind, namespace, name }, subresource) => {
    const { plural, namespaced } = await discover({ apiVersion, kind })
    const root = groupOf(apiVersion) === '' ? `/api/${versionOf(apiVersion)}` : `/apis/${apiVersion}`
    if (namespaced && namespace === undefined && name !== undefined) {
      throw new Error(`${kind} ${name} needs a namespace`)
    }
    const scope = namespaced && namespace !== undefined ? `/namespaces/${namespace}` : ''
    const object = name === undefined ? '' : `/${encodeURIComponent(name)}`
    return `${root}${scope}/${plural}${object}${subresource ? `/${subresource}` : ''}`
  }

  const one = async (method: string, path: string, body?: unknown, contentType?: string) =>
    asObject(await ask(method, path, body, contentType))

  return {
    server,
    request: ask,
    path: pathOf,
    async get(reference) {
      try {
        return await one('GET', await pathOf(reference))
      } catch (error) {
        if (isApiError(error) && error.code === 404) return undefined
        throw error
      }
    },
    async list(type, { namespace, labels, labelled, fields } = {}) {
      const query = new URLSearchParams()
      if (labels) query.set('labelSelector', selector(labels))
      if (labelled) query.set('labelSelector', labelled)
      if (fields) query.set('fieldSelector', selector(fields))
      const path = await pathOf({ ...type, ...(namespace === undefined ? {} : { namespace }) })
      const answer = await ask('GET', `${path}?${query}`)
      if (!isRecord(answer) || !Array.isArray(answer.items)) throw new Error(`${path} did not answer a list`)
      // Items of a list carry neither apiVersion nor kind.
      return answer.items.map((item) => asObject({ apiVersion: type.apiVersion, kind: type.kind, ...item }))
    },
    create: async (object, query = '') => one('POST', `${await pathOf(collectionOf(object))}${query}`, object),
    apply: async (object) => {
      const path = `${await pathOf(referenceOf(object))}?fieldManager=scenario&force=true`
      return one('PATCH', path, withoutServerFields(object), 'application/apply-patch+yaml')
    },
    replace: async (object) => {
      const reference = referenceOf(object)
      const path = await pathOf(reference)
      try {
        return await one('POST', `${await pathOf(collectionOf(object))}?fieldValidation=Ignore`, object)
      } catch (error) {
        if (!(isApiError(error) && error.reason === 'AlreadyExists')) throw error
      }
      const now = await one('GET', path)
      const { resourceVersion = '' } = now.metadata
      const metadata = { ...object.metadata, resourceVersion }
      return one('PUT', `${path}?fieldValidation=Ignore`, { ...object, metadata })
    },
    patch: async (reference, patch, subresource) =>
      one('PATCH', await pathOf(reference, subresource), patch, 'application/merge-patch+json'),
    async delete(reference, propagationPolicy = 'Background') {
      await ask('DELETE', await pathOf(reference), { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy })
    },
    close: () => agent.destroy(),
  }
}

/** Whether an error is the API server's refusal. */
export function isApiError(error: unknown): error is ApiError {
  return error instanceof Error && error.name === 'ApiError'
}

/** Where an object is, taken from the object itself. */
export function referenceOf({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference {
  if (!metadata.name) throw new Error(`a ${kind} without metadata.name`)
  const { name, namespace } = metadata
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) }
}

function collectionOf({ apiVersion, kind, metadata: { namespace } }: KubernetesObject) {
  return { apiVersion, kind, ...(namespace === undefined ? {} : { namespace }) }
}

function send(
  agent: Agent | PlainAgent,
  url: string,
  method: string,
  token: string,
  body: unknown,
  contentType: string,
) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string | number> = { accept: 'application/json' }
    if (token !== '') headers.authorization = `Bearer ${token}`
    if (payload !== undefined) {
      headers['content-type'] = contentType
      headers['content-length'] = Buffer.byteLength(payload)
    }
    const open = agent instanceof Agent ? request : plainRequest
    const outgoing = open(url, { agent, method, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

/** metav1.Status as an ApiError; anything else becomes one with the text as its message. */
function apiError(code: number, text: string, what: string): ApiError {
  const status = parse(text)
  const details = isRecord(status) && isRecord(status.details) ? status.details : {}
  const causes = (Array.isArray(details.causes) ? details.causes.filter(isRecord) : []).map((cause) => ({
    field: String(cause.field ?? ''),
    message: String(cause.message ?? ''),
  }))
  const said = isRecord(status) ? status : {}
  const message = String(said.message ?? (text || what))
  const reason = String(said.reason ?? (code === 404 ? 'NotFound' : 'Unknown'))
  return Object.assign(new Error(message), { name: 'ApiError' as const, code, reason, causes })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function resourcesOf(answer: unknown) {
  const found = new Map<string, { plural: string; namespaced: boolean }>()
  const resources = isRecord(answer) && Array.isArray(answer.resources) ? answer.resources.filter(isRecord) : []
  for (const { name, kind, namespaced } of resources) {
    const plural = String(name)
    // `deployments/scale` and its like are subresources.
    if (!plural.includes('/')) found.set(String(kind), { plural, namespaced: namespaced === true })
  }
  return found
}

function asObject(value: unknown): KubernetesObject {
  if (!isRecord(value) || !isRecord(value.metadata)) throw new Error('the API server did not answer an object')
  const { apiVersion, kind, metadata } = value
  return { ...value, apiVersion: String(apiVersion), kind: String(kind), metadata }
}

function selector(terms: Record<string, string>): string {
  return Object.entries(terms)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}

/** An object that was read may be applied again: what only the API server writes is left out, as apply demands. */
function withoutServerFields({ status: _, ...object }: KubernetesObject): KubernetesObject {
  const { managedFields, resourceVersion, uid, creationTimestamp, generation, ...metadata } = object.metadata
  return { ...object, metadata }
}
