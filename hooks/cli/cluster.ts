// Reading a cluster for `plan`: a parent, its children, what it refers to, and what holds its children's names.
// Only GET is ever sent, with the rights of whoever runs the command.
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isRecord, type KubernetesObject, type ObjectType } from '../sdk/kubernetes.ts'
import type { RelatedResourceRule } from '../sdk/wire.ts'
import { inputError } from './command.ts'

/** A kind as the REST API names it. */
export interface Listed extends ObjectType {
  /** Plural, lower case. */
  readonly resource: string
  readonly namespaced: boolean
}

/** A cluster that can be read, and told little. */
export interface ClusterReader {
  /** `https://10.0.0.1:6443 (context prod)`, for people. */
  readonly title: string
  /** The namespace of the kubeconfig's context. */
  readonly namespace: string | undefined
  /** The object, or undefined when there is none, or no such kind. */
  get(type: Listed, name: string, namespace: string | undefined): Promise<KubernetesObject | undefined>
  list(type: Listed, namespace: string | undefined, labelSelector?: string): Promise<KubernetesObject[]>
  /** Whether the API server has such a kind. */
  serves(type: Pick<Listed, 'apiVersion' | 'resource'>): Promise<boolean>
  /** What one rule of a customize answer selects. */
  related(rule: RelatedResourceRule): Promise<KubernetesObject[]>
  /** A JSON merge patch (RFC 7386) of an object that exists. */
  patch(type: Listed, name: string, namespace: string | undefined, patch: object): Promise<void>
}

/**
 * Connects as kubectl would: a kubeconfig file, else KUBECONFIG, else ~/.kube/config, else the pod's own account.
 * Throws an input error when there is nothing to connect to.
 */
export async function connect(kubeconfig: string | undefined, context: string | undefined): Promise<ClusterReader> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    if (kubeconfig === undefined) config.loadFromDefault()
    else config.loadFromFile(kubeconfig)
  } catch (error) {
    throw inputError(`${kubeconfig ?? 'the kubeconfig'} cannot be used: ${messageOf(error)}`)
  }
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name)
    if (!known.includes(context)) {
      throw inputError(`--context: there is no context "${context}" in the kubeconfig: there is ${known.join(', ')}`)
    }
    config.setCurrentContext(context)
  }
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw inputError('the kubeconfig has no current context: give --context')
  const current = config.getCurrentContext()
  // What the client makes up where it finds nothing.
  if (current === 'loaded-context' && cluster.server === 'http://localhost:8080') {
    throw inputError('there is no kubeconfig: give --kubeconfig or KUBECONFIG, or what there is with --observed')
  }
  const url = new URL(cluster.server)
  const send = async (path: string, patch?: string): Promise<{ status: number; body: unknown }> => {
    const type = patch === undefined ? {} : { 'content-type': 'application/merge-patch+json' }
    const options = {
      method: patch === undefined ? 'GET' : 'PATCH',
      headers: { accept: 'application/json', ...type },
    }
    await config.applyToHTTPSOptions(options)
    return receive(url, path, options, patch)
  }
  const ask = async (path: string, patch?: string): Promise<unknown> => {
    const { status, body } = await send(`${url.pathname.replace(/\/$/, '')}${path}`, patch).catch((error: unknown) => {
      throw inputError(`${cluster.server} cannot be reached: ${messageOf(error)}`)
    })
    if (status === 200) return body
    if (status === 404 && patch === undefined) return undefined
    const said = isRecord(body) && typeof body.message === 'string' ? body.message : `status ${status}`
    throw inputError(`${patch === undefined ? 'GET' : 'PATCH'} ${path}: ${said}`)
  }
  const listAt = async (path: string): Promise<KubernetesObject[]> => objectsOf(await ask(path))
  return {
    title: `${cluster.server} (context ${current})`,
    namespace: config.getContextObject(current)?.namespace,
    async get(type, name, namespace) {
      const found = await ask(`${pathOf(type, namespace)}/${encodeURIComponent(name)}`)
      return isObject(found) ? found : undefined
    },
    async serves({ apiVersion, resource }) {
      const answer = await ask(apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`)
      const resources = isRecord(answer) && Array.isArray(answer.resources) ? answer.resources.filter(isRecord) : []
      return resources.some(({ name }) => name === resource)
    },
    list: (type, namespace, labelSelector) => listAt(`${pathOf(type, namespace)}${query({ labelSelector })}`),
    async related({ apiVersion, resource, namespace, names, labelSelector }) {
      const base = pathOf({ apiVersion, resource, namespaced: namespace !== undefined }, namespace)
      if (names === undefined) return listAt(`${base}${query({ labelSelector: selectorText(labelSelector) })}`)
      const found = await Promise.all(names.map((name) => ask(`${base}/${encodeURIComponent(name)}`)))
      return found.filter(isObject)
    },
    async patch(type, name, namespace, patch) {
      await ask(`${pathOf(type, namespace)}/${encodeURIComponent(name)}`, JSON.stringify(patch))
    },
  }
}

function pathOf({ apiVersion, resource, namespaced }: Omit<Listed, 'kind'>, namespace: string | undefined): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${scope}/${resource}`
}

function query(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/** A selector as it stands in a query: `app=x,tier in (a,b),!old`. */
function selectorText(selector: RelatedResourceRule['labelSelector']): string | undefined {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {}
  const terms = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`)
  for (const { key, operator, values = [] } of matchExpressions) {
    if (operator === 'Exists') terms.push(key)
    else if (operator === 'DoesNotExist') terms.push(`!${key}`)
    else terms.push(`${key} ${operator.toLowerCase()} (${values.join(',')})`)
  }
  return terms.join(',')
}

/** Items of a list do not say what they are: the list does. */
function objectsOf(list: unknown): KubernetesObject[] {
  if (!isRecord(list) || !Array.isArray(list.items)) return []
  const apiVersion = String(list.apiVersion)
  const kind = String(list.kind).replace(/List$/, '')
  return list.items
    .filter(isRecord)
    .map((item) => ({ ...item, apiVersion, kind, metadata: { ...(item.metadata as object) } }))
}

function isObject(value: unknown): value is KubernetesObject {
  return isRecord(value) && typeof value.kind === 'string' && isRecord(value.metadata)
}

function receive(url: URL, path: string, options: object, sent?: string): Promise<{ status: number; body: unknown }> {
  const request = url.protocol === 'http:' ? httpRequest : httpsRequest
  return new Promise((resolve, reject) => {
    const { hostname, port } = url
    request({ ...options, hostname, port, path, timeout: 30_000 }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) })
        } catch {
          resolve({ status: response.statusCode ?? 0, body: undefined })
        }
      })
    })
      .once('timeout', function (this: { destroy(error: Error): void }) {
        this.destroy(new Error('no answer within 30 s'))
      })
      .once('error', reject)
      .end(sent)
  })
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node joins the errors of both address families without a message of their own.
  return error.message || String(Reflect.get(error, 'code'))
}
