// The `Cluster` of test/scenarios over the simulator: the real hook service, reached over HTTP, in a cluster of this
// process whose time is wound on.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createSimulator, type PodTimes, type Simulator, type Transport } from '../../hooks/simulator/index.ts'
import type { Client } from '../../hooks/simulator/store.ts'
import { fetchTransport } from '../../hooks/simulator/webhook.ts'
import type { Cluster, HookService } from '../scenarios/cluster.ts'

/** A hook service that listens. */
interface RunningHook {
  /** Graceful: answers what is in flight first. */
  stop(): Promise<void>
  /** At once: open connections are cut. */
  kill(): Promise<void>
  metrics(): Promise<string>
}

/** What the hook service is given: `now` is the cluster's time, `api` its API server, for events. */
interface HookSurroundings {
  readonly port: number
  readonly now: () => Date
  readonly api: Client
}

/** Starts the hook service on a port of 127.0.0.1. Resolves once it answers. */
export type StartHook = (surroundings: HookSurroundings) => Promise<RunningHook>

export interface SimulatedClusterOptions {
  readonly hook: StartHook
  /** CRDs, controllers, permissions: objects, or folders whose YAML files hold them. */
  readonly manifests: readonly (string | KubernetesObject)[]
  readonly pods?: PodTimes
  readonly workers?: number
}

export interface SimulatedCluster extends Cluster {
  readonly simulator: Simulator
  close(): Promise<void>
}

/** A simulated cluster with the suite installed, its hook service and Metacontroller running. */
export async function createSimulatedCluster(options: SimulatedClusterOptions): Promise<SimulatedCluster> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const surroundings = (): HookSurroundings => ({
    port,
    now: () => new Date(simulator.clock.now()),
    api: simulator.store.client('operator-hooks'),
  })
  const hook = hookService(() => options.hook(surroundings()), url)
  const simulator: Simulator = createSimulator({
    transport: hook.transport,
    resolve: () => url,
    metacontroller: false,
    ...(options.pods === undefined ? {} : { standIns: options.pods }),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
  })
  await hook.start()
  for (const object of inOrder(
    options.manifests.flatMap((item) => (typeof item === 'string' ? objectsIn(item) : [item])),
  )) {
    const { namespace } = object.metadata
    if (namespace !== undefined)
      await simulator.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    await simulator.apply(object)
  }
  simulator.metacontroller.start()
  await simulator.pass(1)
  const { metacontroller, store: _store, clock: _clock, writes: _writes, stop: _stop, ...operations } = simulator
  return {
    ...operations,
    tier: 'simulator',
    capabilities: { clock: true, faults: true, containers: false },
    simulator,
    hook,
    metacontroller: {
      kill: async () => metacontroller.kill(),
      start: async () => metacontroller.start(),
      running: () => metacontroller.running,
      killAfterWrite: metacontroller.killAfterWrite,
    },
    async close() {
      simulator.stop()
      await hook.kill()
    },
  }
}

function hookService(start: () => Promise<RunningHook>, url: string): HookService & { transport: Transport } {
  let running: RunningHook | undefined
  let answered = 0
  let strikeIn = Number.POSITIVE_INFINITY
  const kill = async () => {
    const dying = running
    running = undefined
    await dying?.kill()
  }
  return {
    url,
    async start() {
      if (running !== undefined) throw new Error('the hook service runs already')
      running = await start()
      answered = 0
    },
    async stop() {
      const leaving = running
      running = undefined
      await leaving?.stop()
    },
    kill,
    running: () => running !== undefined,
    async metrics() {
      if (running === undefined) throw new Error('the hook service does not run')
      return running.metrics()
    },
    answered: async () => answered,
    killBeforeAnswer(n) {
      strikeIn = n
    },
    async transport(call) {
      const answer = await fetchTransport(call)
      if (new URL(call.url).pathname.startsWith('/hooks/') && --strikeIn === 0) {
        // The answer never leaves: whoever asked sees a connection that ends.
        await kill()
        throw new Error('EOF')
      }
      answered++
      return answer
    },
  }
}

/** CRDs before what is of their kinds, controllers last. */
function inOrder(objects: readonly KubernetesObject[]): KubernetesObject[] {
  const rank = ({ kind }: KubernetesObject) =>
    kind === 'Namespace' ? 0 : kind === 'CustomResourceDefinition' ? 1 : kind.endsWith('Controller') ? 3 : 2
  return [...objects].sort((left, right) => rank(left) - rank(right))
}

function objectsIn(folder: string): KubernetesObject[] {
  if (!existsSync(folder)) return []
  return (
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      // Decorators are installed one by one, each by its own folder.
      .filter((file) => /\.ya?ml$/.test(file) && !/^decorators[/\\]/.test(file))
      .sort()
      .flatMap((file) =>
        parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document): unknown => document.toJS()),
      )
      .filter(isObject)
      .filter(({ kind }) => kind !== 'Kustomization')
  )
}

function isObject(value: unknown): value is KubernetesObject {
  return (
    isRecord(value) &&
    typeof value.apiVersion === 'string' &&
    typeof value.kind === 'string' &&
    isRecord(value.metadata)
  )
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (isRecord(address) ? resolve(Number(address.port)) : reject(new Error('no port'))))
    })
  })
}
