// The simulated API server over HTTP, for curl and kubectl: discovery, lists, objects, writes. No watches.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { apiError, badRequest, isApiError, messageOf, notFound } from './errors.ts'
import { at } from './json.ts'
import type { Resource } from './resources.ts'
import { selectorOf } from './selectors.ts'
import type { Simulator } from './simulator.ts'
import type { Propagation } from './store.ts'

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
  try {
    const body = await respond(simulator, request)
    send(response, request.method === 'POST' ? 201 : 200, body)
  } catch (error) {
    const known = isApiError(error) ? error : apiError(500, 'InternalError', messageOf(error))
    const details = { causes: known.causes }
    send(response, known.code, {
      apiVersion: 'v1',
      kind: 'Status',
      status: 'Failure',
      message: known.message,
      reason: known.reason,
      details,
      code: known.code,
    })
  }
}

function send(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(`${JSON.stringify(body, undefined, 2)}\n`)
}

async function respond(simulator: Simulator, request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const steps = url.pathname.split('/').filter((step) => step !== '')
  const found = discovery(simulator, steps)
  if (found !== undefined) return found
  const target = targetOf(simulator, steps)
  const { type, name, namespace, subresource } = target
  if (name === undefined) {
    if (request.method === 'POST') {
      const object = objectOf(await bodyOf(request))
      return simulator.create({
        ...object,
        metadata: { ...object.metadata, ...(namespace === undefined ? {} : { namespace }) },
      })
    }
    const matches = selectorOf(queryLabels(url.searchParams.get('labelSelector')), 'everything')
    const items = (await simulator.list(type, namespace === undefined ? {} : { namespace })).filter(({ metadata }) =>
      matches(metadata.labels),
    )
    return { apiVersion: type.apiVersion, kind: `${type.kind}List`, metadata: { resourceVersion: '' }, items }
  }
  const reference = { ...type, name, ...(namespace === undefined ? {} : { namespace }) }
  switch (request.method) {
    case 'GET': {
      const object = await simulator.get(reference)
      if (object === undefined) throw notFound(target.resource.plural, name)
      return object
    }
    case 'PUT':
      return simulator.store
        .client('user')
        .update(objectOf(await bodyOf(request)), subresource === 'status' ? 'status' : undefined)
    case 'PATCH':
      return simulator.patch(reference, await bodyOf(request), subresource)
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

function discovery(simulator: Simulator, steps: readonly string[]): unknown {
  const all = simulator.store.resources.all()
  const path = steps.join('/')
  if (path === 'version') return { major: '1', minor: '36', gitVersion: 'v1.36.0-simulated' }
  if (path === 'api') return { kind: 'APIVersions', versions: ['v1'] }
  if (path === 'apis') {
    const groups = Map.groupBy(
      all.filter(({ group }) => group !== ''),
      ({ group }) => group,
    )
    const versionsOf = (group: string, members: readonly Resource[]) => {
      const versions = [...new Set(members.flatMap((member) => member.versions))]
      return versions.map((version) => ({ groupVersion: `${group}/${version}`, version }))
    }
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: [...groups].map(([name, members]) => ({
        name,
        versions: versionsOf(name, members),
        preferredVersion: versionsOf(name, members)[0],
      })),
    }
  }
  const groupVersion =
    path === 'api/v1' ? 'v1' : steps[0] === 'apis' && steps.length === 3 ? `${steps[1]}/${steps[2]}` : undefined
  if (groupVersion === undefined) return undefined
  const [group, version] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion]
  const members = all.filter((resource) => resource.group === group && resource.versions.includes(version ?? ''))
  const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update']
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: members.map(({ plural, kind, namespaced }) => ({
      name: plural,
      singularName: kind.toLowerCase(),
      namespaced,
      kind,
      verbs,
    })),
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
