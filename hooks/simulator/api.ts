// The simulated API server over HTTP, for curl and kubectl: discovery, lists, watches, objects, writes, tables.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { discovery } from './discovery.ts'
import { type ApiError, apiError, badRequest, isApiError, messageOf, notFound } from './errors.ts'
import { at } from './json.ts'
import { groupResource, type Resource } from './resources.ts'
import { selectorOf } from './selectors.ts'
import type { Simulator } from './simulator.ts'
import type { Change, Propagation } from './store.ts'
import { tableOf } from './table.ts'

export interface ApiFacade {
  /** `http://127.0.0.1:8001` */
  readonly url: string
  close(): Promise<void>
}

/** Serves a simulator on loopback; port 0 takes a free one. Rejects with EADDRINUSE when the port is taken. */
export async function serveApi(simulator: Simulator, port = 0): Promise<ApiFacade> {
  const server = createServer((request, response) => void answer(simulator, request, response))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const { port: taken } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${taken}`, close: () => closed(server) }
}

async function answer(simulator: Simulator, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const steps = url.pathname.split('/').filter((step) => step !== '')
  let target: Target | undefined
  try {
    const found = discovery(simulator.store.resources.all(), steps)
    if (found !== undefined) return send(response, 200, found)
    target = targetOf(simulator, steps)
    if (target.name === undefined && url.searchParams.get('watch') === 'true') {
      return watch(simulator, target, url, request, response)
    }
    const body = await respond(simulator, target, url, request)
    send(response, request.method === 'POST' ? 201 : 200, presented(simulator, target, request, body))
  } catch (error) {
    const known = isApiError(error) ? error : apiError(500, 'InternalError', messageOf(error))
    send(response, known.code, statusOf(known, target))
  }
}

/** metav1.Status. What it is about makes kubectl's sentence. */
function statusOf({ message, reason, code, causes }: ApiError, target: Target | undefined) {
  const about =
    target === undefined
      ? {}
      : { group: target.resource.group, kind: target.resource.kind, ...(target.name && { name: target.name }) }
  return { apiVersion: 'v1', kind: 'Status', status: 'Failure', message, reason, details: { ...about, causes }, code }
}

function send(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(`${JSON.stringify(body, undefined, 2)}\n`)
}

async function respond(simulator: Simulator, target: Target, url: URL, request: IncomingMessage): Promise<unknown> {
  const { type, resource, name, namespace, subresource } = target
  if (name === undefined) {
    if (request.method === 'POST') {
      const object = objectOf(await bodyOf(request))
      return simulator.create({
        ...object,
        metadata: { ...object.metadata, ...(namespace === undefined ? {} : { namespace }) },
      })
    }
    const isWanted = filterOf(target, url)
    const items = (await simulator.list(type, namespace === undefined ? {} : { namespace })).filter(isWanted)
    const metadata = { resourceVersion: newest(simulator) }
    return { apiVersion: type.apiVersion, kind: `${type.kind}List`, metadata, items }
  }
  const reference = { ...type, name, ...(namespace === undefined ? {} : { namespace }) }
  const asAsked = (object: KubernetesObject) => (subresource === 'scale' ? scaleOf(object, resource) : object)
  switch (request.method) {
    case 'GET': {
      const object = await simulator.get(reference)
      if (object === undefined) throw notFound(groupResource(resource), name)
      return asAsked(object)
    }
    case 'PUT': {
      const body = await bodyOf(request)
      if (subresource === 'scale') return asAsked(await simulator.patch(reference, { spec: body.spec }, 'scale'))
      return simulator.store.client('user').update(objectOf(body), subresource)
    }
    case 'PATCH':
      return asAsked(await simulator.patch(reference, await bodyOf(request), subresource))
    case 'DELETE': {
      const propagation =
        url.searchParams.get('propagationPolicy') ?? at(await bodyOf(request, {}), 'propagationPolicy') ?? 'Background'
      await simulator.delete(reference, propagation as Propagation)
      return { apiVersion: 'v1', kind: 'Status', status: 'Success' }
    }
    default:
      throw apiError(405, 'MethodNotAllowed', `${request.method} is not served here`)
  }
}

/** A line a change, from the resourceVersion that the caller has listed; without one, from what there is now. */
function watch(
  simulator: Simulator,
  target: Target,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const isWanted = filterOf(target, url)
  const { apiVersion } = target.type
  const tell = (type: Change['type'], stored: KubernetesObject) => {
    if (simulator.store.resources.byKind(stored) !== target.resource || !isWanted(stored)) return
    const object = presented(simulator, target, request, { ...stored, apiVersion })
    response.write(`${JSON.stringify({ type, object })}\n`)
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  const streamsList = url.searchParams.get('sendInitialEvents') === 'true'
  const since = streamsList ? 0 : Number(url.searchParams.get('resourceVersion') || '0')
  for (const object of simulator.store.all()) {
    if (versionNumber(object) > since) tell(since === 0 ? 'ADDED' : 'MODIFIED', object)
  }
  if (streamsList) {
    const metadata = { resourceVersion: newest(simulator), annotations: { 'k8s.io/initial-events-end': 'true' } }
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { ...target.type, metadata } })}\n`)
  }
  response.on(
    'close',
    simulator.store.watch(({ type, object }) => tell(type, object)),
  )
}

function newest({ store }: Simulator): string {
  return String(Math.max(0, ...store.all().map(versionNumber)))
}

function versionNumber({ metadata }: KubernetesObject): number {
  return Number(metadata.resourceVersion ?? 0)
}

/** Which objects a list or a watch is about. */
function filterOf({ namespace }: Target, { searchParams }: URL): (object: KubernetesObject) => boolean {
  const hasLabels = selectorOf(queryLabels(searchParams.get('labelSelector')), 'everything')
  const name = /(?:^|,)metadata\.name==?([^,]+)/.exec(searchParams.get('fieldSelector') ?? '')?.[1]
  return ({ metadata }) =>
    (namespace === undefined || metadata.namespace === namespace) &&
    (name === undefined || metadata.name === name) &&
    hasLabels(metadata.labels)
}

/** As a table, where kubectl asks for one and the kind says what to show. */
function presented(simulator: Simulator, { resource, type }: Target, request: IncomingMessage, body: unknown): unknown {
  if (!request.headers.accept?.includes('as=Table')) return body
  return tableOf(body, resource, type.apiVersion, simulator.clock.now()) ?? body
}

/** autoscaling/v1 Scale. */
function scaleOf(object: KubernetesObject, { scale }: Resource) {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const number = (path = '') => at(object, ...path.split('.').slice(1))
  const selector = number(scale?.selector)
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: number(scale?.spec) },
    status: { replicas: number(scale?.status) ?? 0, ...(typeof selector === 'string' && { selector }) },
  }
}

interface Target {
  readonly resource: Resource
  readonly type: { apiVersion: string; kind: string }
  readonly namespace?: string
  readonly name?: string
  readonly subresource?: 'status' | 'scale'
}

/** `/api/v1/…` and `/apis/<group>/<version>/…`, with or without a namespace. */
function targetOf(simulator: Simulator, steps: readonly string[]): Target {
  const core = steps[0] === 'api'
  const apiVersion = core ? (steps[1] ?? '') : `${steps[1]}/${steps[2]}`
  const rest = steps.slice(core ? 2 : 3)
  const namespaced = rest[0] === 'namespaces' && rest.length > 2
  const [plural = '', name, subresource] = namespaced ? rest.slice(2) : rest
  const resource = simulator.store.resources.byPlural(apiVersion, plural)
  if (resource === undefined) throw apiError(404, 'NotFound', 'the server could not find the requested resource')
  if (subresource !== undefined && subresource !== 'status' && subresource !== 'scale')
    throw badRequest(`no subresource ${subresource}`)
  return {
    resource,
    type: { apiVersion, kind: resource.kind },
    ...(namespaced ? { namespace: rest[1] ?? '' } : {}),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  }
}

/** `a=b,c!=d,e` as a LabelSelector. */
function queryLabels(text: string | null): unknown {
  if (text === null || text === '') return undefined
  const matchExpressions = text.split(',').map((part) => {
    const [, key = '', operator, value = ''] = /^\s*!?([^=!\s]+)\s*(==?|!=)?\s*(.*)$/.exec(part) ?? []
    if (operator === undefined) return { key, operator: part.trim().startsWith('!') ? 'DoesNotExist' : 'Exists' }
    return { key, operator: operator === '!=' ? 'NotIn' : 'In', values: [value] }
  })
  return { matchExpressions }
}

async function bodyOf(request: IncomingMessage, empty?: Record<string, unknown>): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  try {
    const body: unknown = text === '' && empty !== undefined ? empty : JSON.parse(text)
    if (isRecord(body)) return body
  } catch (error) {
    throw badRequest(`the request's body is not JSON: ${messageOf(error)}`)
  }
  throw badRequest('the request’s body is not a JSON object')
}

function objectOf(body: Record<string, unknown>): KubernetesObject {
  const { apiVersion, kind, metadata } = body
  if (typeof apiVersion === 'string' && typeof kind === 'string' && isRecord(metadata))
    return { ...body, apiVersion, kind, metadata }
  throw badRequest('the object needs apiVersion, kind and metadata')
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve, reject) => server.close((error) => (error === undefined ? resolve() : reject(error))))
}
