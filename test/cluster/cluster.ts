// The `Cluster` of test/scenarios over a real control plane: real API server, controllers and Metacontroller, with
// kwok in the place of nodes.
import { setTimeout as wait } from 'node:timers/promises'
import { isRecord, type KubernetesObject, type ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster } from '../scenarios/cluster.ts'
import { startAgents } from './agents.ts'
import { behaviours } from './behaviour.ts'
import type { Client } from './client.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './controlplane.ts'
import { type HookCommand, type HookProcess, hookService } from './hook.ts'
import { installSuite } from './install.ts'
import type { Usage } from './workplace.ts'

export interface ControlPlaneClusterOptions extends ControlPlaneOptions {
  /** KUBECONFIG in its environment is that of a user who may write Events, if not set otherwise here. */
  readonly hook: HookCommand
  /** CRDs, controllers and Metacontroller's permissions: folders of YAML, or objects. See installSuite. */
  readonly manifests: readonly (string | KubernetesObject)[]
  /** See installSuite. */
  readonly longestResyncSeconds?: number
  /** `pass(s)` really waits s × this many seconds, `until` not longer; default 1. */
  readonly secondsPerSecond?: number
}

export interface ControlPlaneCluster extends Cluster {
  readonly controlPlane: ControlPlane
  /** What was put there of the suite. */
  readonly installed: readonly KubernetesObject[]
  /** By component: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, metacontroller, hook. */
  usage(): Record<string, Usage>
  /** Ends everything and removes its folder. */
  stop(): Promise<void>
}

/** A control plane with the suite installed, its hook service and Metacontroller running. */
export async function createControlPlaneCluster(options: ControlPlaneClusterOptions): Promise<ControlPlaneCluster> {
  const controlPlane = await startControlPlane(options)
  const cluster = await clusterOn(controlPlane, options)
  const agents = startAgents(controlPlane.client)
  return {
    ...cluster,
    async stop() {
      await agents.stop()
      await cluster.stop()
    },
  }
}

/** The same on a control plane that is there; it is stopped where this fails. */
export async function clusterOn(
  controlPlane: ControlPlane,
  options: ControlPlaneClusterOptions,
): Promise<ControlPlaneCluster> {
  let hook: HookProcess | undefined
  const stop = async () => {
    await controlPlane.stop()
    await hook?.close()
  }
  try {
    const env = { KUBECONFIG: controlPlane.eventsKubeconfig, ...options.hook.env }
    hook = await hookService(controlPlane.workplace, { ...options.hook, env }, options.faults)
    // Metacontroller last: a controller whose kind or hook is missing at first would be retried only later.
    const [, installed] = await Promise.all([
      hook.start(),
      installSuite(controlPlane.client, {
        manifests: options.manifests,
        hookUrl: hook.calledAt,
        ...(options.longestResyncSeconds !== undefined && { longestResyncSeconds: options.longestResyncSeconds }),
      }),
    ])
    await controlPlane.metacontroller.start()
    return clusterOf(controlPlane, hook, installed, options, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

function clusterOf(
  controlPlane: ControlPlane,
  hook: HookProcess,
  installed: readonly KubernetesObject[],
  { faults = true, secondsPerSecond = 1 }: ControlPlaneClusterOptions,
  stop: () => Promise<void>,
): ControlPlaneCluster {
  const { client, metacontroller } = controlPlane
  let namespaces = 0
  return {
    tier: 'control-plane',
    capabilities: { clock: false, faults, containers: false },
    controlPlane,
    installed,
    hook,
    metacontroller,
    apply: (object) => client.apply(object),
    create: (object) => client.create(object),
    get: client.get,
    list: client.list,
    patch: client.patch,
    delete: client.delete,
    async namespace(hint) {
      const name = `${hint.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${namespaces++}`
      await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
      return name
    },
    until: (what, probe, seconds = 60) => until(what, probe, seconds, controlPlane.workplace.failures),
    pass: (seconds) => wait(seconds * secondsPerSecond * 1000),
    behave: behaviours(client),
    events: (reference) => events(client, reference),
    usage: controlPlane.usage,
    stop,
  }
}

async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false | null>,
  seconds: number,
  failures: () => string[],
): Promise<T> {
  let last: unknown
  for (const started = Date.now(); Date.now() - started < seconds * 1000; ) {
    try {
      const answer = await probe()
      if (answer) return answer
      last = answer
    } catch (error) {
      last = error
    }
    await wait(100)
  }
  const said = last instanceof Error ? `error: ${last.message}` : `answer: ${JSON.stringify(last)}`
  throw new Error([`not within ${seconds} s: ${what}; last ${said}`, ...failures()].join('\n'), { cause: last })
}

async function events(client: Client, { kind, name, namespace }: ObjectReference) {
  const found = await client.list(
    { apiVersion: 'events.k8s.io/v1', kind: 'Event' },
    // Events about objects without a namespace are kept in `default`.
    { namespace: namespace ?? 'default', fields: { 'regarding.kind': kind, 'regarding.name': name } },
  )
  return found
    .map((event) => ({
      at: String(event.eventTime ?? event.deprecatedFirstTimestamp ?? event.metadata.creationTimestamp),
      reason: String(event.reason),
      type: String(event.type),
      note: String(event.note ?? ''),
      count: Number(seriesCount(event.series) ?? event.deprecatedCount ?? 1),
    }))
    .sort((one, other) => Date.parse(one.at) - Date.parse(other.at))
    .map(({ at: _, ...event }) => event)
}

function seriesCount(series: unknown): unknown {
  return isRecord(series) ? series.count : undefined
}
