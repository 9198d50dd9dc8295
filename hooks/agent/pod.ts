// The label by which Services find a pod: example.com/role, on the agent's own pod and, when it has become the primary,
// taken from the pod that was it before.
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { isRecord } from '../sdk/kubernetes.ts'
import { type Role, roleLabel, storageLabel } from '../sdk/roles.ts'
import { required } from './agent.ts'

/** The pods of one Database, as an agent may change them: their roles. */
export interface Pods {
  /** Has the own pod bear this role, or none. The API server is asked only when that is not what it last said. */
  setRole(role: Role | undefined): Promise<void>
  /** Has the own pod say that its volume is full, or not; asked for as seldom. */
  setFull(full: boolean): Promise<void>
  /** Makes a replica of another pod that bears the role of the primary; any other pod is left as it is. */
  demote(name: string): Promise<void>
  /** Has another pod be the primary for Services, without waiting until its own agent has found out. */
  promote(name: string): Promise<void>
  /**
   * Whether Kubernetes has given up the own pod although its containers are well: since nobody hears from the kubelet of
   * its node, it leads no Service to it. Then, and only then, Ready is False and ContainersReady still True:
   * https://kubernetes.io/docs/concepts/architecture/nodes/#condition
   */
  givenUp(): Promise<boolean>
  /** Whether Services lead to another pod. */
  isReady(name: string): Promise<boolean>
}

/** Where the API server is, and the files by which it and this pod know each other. */
export interface ApiAccess {
  host: string
  port: number
  /** With `token` and `ca.crt`, read again each time: the kubelet renews them. */
  folder: string
  namespace: string
  /** Name of the own pod. */
  pod: string
}

/** The access that every container has: POD_NAME, POD_NAMESPACE and KUBERNETES_SERVICE_HOST and _PORT of `env`. */
export function apiAccess(env: NodeJS.ProcessEnv): ApiAccess {
  return {
    host: required(env, 'KUBERNETES_SERVICE_HOST'),
    port: Number(required(env, 'KUBERNETES_SERVICE_PORT')),
    folder: '/var/run/secrets/kubernetes.io/serviceaccount',
    namespace: required(env, 'POD_NAMESPACE'),
    pod: required(env, 'POD_NAME'),
  }
}

/** Milliseconds after which the own label is read again: somebody may have changed it. */
const trustMilliseconds = 30_000

const mergePatch = 'application/merge-patch+json'
const jsonPatch = 'application/json-patch+json'

/** `now` gives milliseconds of a clock that only goes forward. */
export function podsOf(access: ApiAccess, now: () => number = () => performance.now()): Pods {
  const { pod } = access
  const ownLabel = (label: string) => {
    let known: { value: string | undefined; until: number } | undefined
    return async (value: string | undefined) => {
      if (known !== undefined && known.value === value && now() < known.until) return
      // Unknown until the answer is there: after a failure nobody can say what the label is.
      known = undefined
      // A patch that changes nothing costs the API server no write, and its answer says so.
      await call(access, { pod, type: mergePatch, body: { metadata: { labels: { [label]: value ?? null } } } })
      known = { value, until: now() + trustMilliseconds }
    }
  }
  const setStorage = ownLabel(storageLabel)
  return {
    setRole: ownLabel(roleLabel),
    setFull: (full) => setStorage(full ? 'full' : undefined),
    async demote(name) {
      const path = `/metadata/labels/${roleLabel.replace('/', '~1')}`
      const body = [
        { op: 'test', path, value: 'primary' satisfies Role },
        { op: 'replace', path, value: 'replica' satisfies Role },
      ]
      await call(access, { pod: name, type: jsonPatch, body, fine: [404, 422] })
    },
    async promote(name) {
      const body = { metadata: { labels: { [roleLabel]: 'primary' satisfies Role } } }
      await call(access, { pod: name, type: mergePatch, body, fine: [404] })
    },
    async givenUp() {
      const found = await call(access, { pod })
      return condition(found, 'Ready') === 'False' && condition(found, 'ContainersReady') === 'True'
    },
    async isReady(name) {
      return condition(await call(access, { pod: name, fine: [404] }), 'Ready') === 'True'
    },
  }
}

function condition(pod: unknown, type: string): unknown {
  const status = isRecord(pod) && isRecord(pod.status) ? pod.status : {}
  const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : []
  return conditions.find((each) => each.type === type)?.status
}

/** A patch; without a body, a look at the pod. */
interface Question {
  pod: string
  type?: string
  body?: unknown
  /** Statuses that are an answer too: 404 for a pod that is not there, 422 for a test that did not hold. */
  fine?: readonly number[]
}

// node:https and not fetch, which knows no other authorities than those the process started with.
function call(
  { host, port, folder, namespace }: ApiAccess,
  { pod, type, body, fine = [] }: Question,
): Promise<unknown> {
  const file = (name: string) => readFileSync(join(folder, name), 'utf8')
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host,
        port,
        path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`,
        method: body === undefined ? 'GET' : 'PATCH',
        ca: file('ca.crt'),
        headers: {
          authorization: `Bearer ${file('token').trim()}`,
          accept: 'application/json',
          ...(type && { 'content-type': type }),
        },
        timeout: 5000,
      },
      (answer) => {
        const { statusCode = 0 } = answer
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const what = body === undefined ? 'a question for' : 'a patch of the labels of'
          if (statusCode < 300 || fine.includes(statusCode)) resolve(parsed(Buffer.concat(chunks).toString()))
          else reject(new Error(`the API server answered ${statusCode} to ${what} pod ${pod}`))
        })
      },
    )
    sent.on('timeout', () => sent.destroy(new Error('the API server did not answer within 5 s')))
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
