// What Metacontroller sends for a Database that runs: recorded from the simulator, where the real hook service made its
// children and the API server's defaults and statuses were added, and completed with managedFields as the real API
// server keeps them.
import { definitions } from '../../hooks/kinds/index.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import { type Composite, hookName, parentType } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { CompositeRequest } from '../../hooks/sdk/wire.ts'
import { createServer } from '../../hooks/server/index.ts'
import { createSimulator } from '../../hooks/simulator/index.ts'
import { manifestsOf } from '../simulator/service.ts'
import { fullDatabase } from './databases.ts'
import { withManagedFields } from './managedfields.ts'

/** One sync request of a Database that runs and needs nothing. */
export interface RecordedRequest {
  readonly path: string
  readonly name: string
  readonly uid: string
  readonly body: string
}

/** The definition whose hooks are measured. */
export function databaseDefinition(): Composite {
  const found = definitions.find((definition) => hookName(definition) === 'database')
  if (found?.controller !== 'composite') throw new Error('the registry of kinds has no Database')
  return found
}

export const environment = {
  credentials: createCredentials([{ id: 'bench', secret: Buffer.alloc(32, 1) }]),
  settings: { imageRegistry: '' },
}

/** The requests of so many Databases, a third of them of each engine. */
export function recordRequests(count: number): Promise<RecordedRequest[]> {
  return recordSettled(databaseDefinition(), fullDatabase, count)
}

/** The requests of parents of one kind that are ready and need nothing. */
async function recordSettled(
  definition: Composite,
  parent: (namespace: string, index: number) => KubernetesObject,
  count: number,
): Promise<RecordedRequest[]> {
  const latest = new Map<string, { path: string; body: string }>()
  const simulator = createSimulator({
    metacontroller: false,
    resolve: () => 'http://hooks',
    async transport({ url, headers, body }) {
      const path = new URL(url).pathname
      const { parent } = JSON.parse(body) as CompositeRequest
      if (path.endsWith('/sync')) latest.set(String(parent.metadata.name), { path, body })
      const answer = await app.inject({ method: 'POST', url: path, headers, payload: body })
      const said = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
      return { status: answer.statusCode, headers: Object.fromEntries(said), body: answer.body }
    },
  })
  const app = await createServer({
    definitions: [definition],
    environment,
    authentication: 'none',
    now: () => new Date(simulator.clock.now()),
  })
  try {
    for (const object of manifestsOf([definition])) await simulator.apply(object)
    const namespace = await simulator.namespace('shop')
    simulator.metacontroller.start()
    await simulator.pass(1)
    for (let index = 0; index < count; index++) await simulator.apply(parent(namespace, index))
    await simulator.until(
      `every ${definition.kind} is ready`,
      async () => (await simulator.list(parentType(definition))).every(isReady),
      600,
    )
    // The requests of a resync, by when nothing moves any more.
    await simulator.pass(60)
    return [...latest.values()].map(({ path, body }) => complete(path, JSON.parse(body) as CompositeRequest))
  } finally {
    simulator.stop()
    await app.close()
  }
}

/** The same request from another parent: other names, another UID, another namespace. */
export function requestOf(recorded: RecordedRequest, index: number): Buffer {
  const serial = String(index).padStart(12, '0')
  const body = recorded.body
    .replaceAll(recorded.uid, `${recorded.uid.slice(0, 24)}${serial}`)
    .replaceAll(recorded.name, `other-db-${serial.slice(-6)}`)
  return Buffer.from(body)
}

function complete(path: string, request: CompositeRequest): RecordedRequest {
  const children = Object.entries(request.children).map(([group, objects]) => [
    group,
    Object.fromEntries(Object.entries(objects).map(([key, object]) => [key, withManagedFields(object)])),
  ])
  const body = { ...request, parent: withManagedFields(request.parent), children: Object.fromEntries(children) }
  const { name = '', uid = '' } = request.parent.metadata
  return { path, name, uid, body: JSON.stringify(body) }
}

function isReady({ status }: KubernetesObject): boolean {
  const { conditions } = (status ?? {}) as { conditions?: { type: string; status: string }[] }
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}
