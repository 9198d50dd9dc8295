// Where the tour can take place: in a simulated cluster, or on a real control plane.
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Definition } from '../../sdk/definition.ts'
import { isRecord, type KubernetesObject } from '../../sdk/kubernetes.ts'
import { inputError } from '../command.ts'
import { installationOf } from '../installation.ts'
import type { TourCluster } from './cluster.ts'
import { portTaken } from './port.ts'

/** A cluster with the hook service in it. */
export interface Place {
  readonly cluster: TourCluster
  readonly url: string
  /** Who calls it. */
  readonly metacontroller: 'a simulated Metacontroller' | 'Metacontroller'
  /** A line about how to ask the cluster itself. */
  readonly hint: string
  /** The cluster's time, in seconds. */
  now(): number
  /** Seconds of the cluster's time between two looks, and milliseconds for whoever watches. */
  readonly pace: { readonly stepSeconds: number; readonly restMilliseconds: number }
  stop(): Promise<void>
}

/** The service, and a simulated cluster around it. `watched` makes it slow enough for people. */
export async function simulated(definitions: readonly Definition[], port: number, watched: boolean): Promise<Place> {
  const { startWorld } = await import('./simulated.ts')
  const { cluster, url, api, stop } = await startWorld(definitions, port)
  const now = () => cluster.clock.now() / 1000
  const hint = `The simulated cluster answers too:\n  kubectl --server ${api} get databases,statefulsets,pods --all-namespaces`
  return {
    cluster,
    url,
    metacontroller: 'a simulated Metacontroller',
    hint,
    pace: { stepSeconds: watched ? 0.1 : 0.25, restMilliseconds: 50 },
    now,
    stop,
  }
}

/** The control plane of test/cluster, which is there in a checkout only: `root` is where that is. */
export async function controlPlane(
  root: string,
  definitions: readonly Definition[],
  port: number,
  samples: readonly KubernetesObject[],
): Promise<Place> {
  const module = join(root, 'test', 'cluster', 'cluster.ts')
  if (!existsSync(module))
    throw inputError('--cluster needs a checkout of the repository: the control plane is built from test/cluster')
  const { createControlPlaneCluster }: typeof import('../../../test/cluster/cluster.ts') = await import(module)
  const main = join(root, 'hooks', 'main.ts')
  await refuseTaken(port)
  const cluster = await createControlPlaneCluster({
    hook: {
      command: process.execPath,
      args: [main, 'serve', '--auth=none', '--ephemeral-credential-keys'],
      ...(port === 0 ? {} : { port }),
    },
    manifests: installationOf(definitions, 'http://127.0.0.1'),
    faults: false,
  }).catch((error: unknown) => {
    throw inputError(`the control plane did not start: ${error instanceof Error ? error.message : error}`)
  })
  await storageFor(samples, cluster)
  const { kubeconfig } = cluster.controlPlane
  const now = () => Date.now() / 1000
  const hint = `The cluster answers too:\n  KUBECONFIG=${kubeconfig} kubectl get databases,statefulsets,pods --all-namespaces`
  return {
    cluster,
    url: cluster.hook.url,
    metacontroller: 'Metacontroller',
    hint,
    pace: { stepSeconds: 0.25, restMilliseconds: 0 },
    now,
    stop: cluster.stop,
  }
}

/** An input error for a port that something listens on: better said before a control plane is started. */
async function refuseTaken(port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve)).catch(
    (error: NodeJS.ErrnoException) => {
      throw error.code === 'EADDRINUSE' ? portTaken(port) : error
    },
  )
  await new Promise((resolve) => server.close(resolve))
}

/** Storage classes that samples name: like the cluster's own default. */
async function storageFor(samples: readonly KubernetesObject[], cluster: TourCluster): Promise<void> {
  const classes = await cluster.list({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' })
  const usual = classes.find(({ metadata }) =>
    Object.hasOwn(metadata.annotations ?? {}, 'storageclass.kubernetes.io/is-default-class'),
  )
  const names = samples.flatMap(({ spec }) => {
    const storage = isRecord(spec) && isRecord(spec.storage) ? spec.storage : {}
    return typeof storage.storageClass === 'string' ? [storage.storageClass] : []
  })
  for (const name of new Set(names)) if (usual !== undefined) await cluster.apply({ ...usual, metadata: { name } })
}
