// A whole Kubernetes whose pods really run: the control plane of test/cluster, nodes made of namespaces, and what a
// cluster needs besides: DNS, storage, metrics, and an S3 server for what is tested on it.
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { Client } from '../cluster/client.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from '../cluster/controlplane.ts'
import { documents } from '../cluster/manifests.ts'
import { openWorkplace } from '../cluster/workplace.ts'
import { ensureNodeBinaries } from './build.ts'
import { type Authority, makeAuthority, type Signed } from './certificates.ts'
import { type EngineVersions, ensureImages, ensureMetricsImages, ensureMonitoringImages } from './images.ts'
import { openNetwork } from './network.ts'
import { ensureNodeRootfs, type Node, nodeName, startNode } from './node.ts'

export interface NodesOptions extends Omit<ControlPlaneOptions, 'nodes' | 'address' | 'users'> {
  /** How many nodes; default 1. */
  readonly nodes?: number
  /** Whether metrics-server runs, without which nobody knows what pods take; default no. */
  readonly metrics?: boolean
  /** Whether Prometheus and kube-state-metrics run, as addons/monitoring.yaml has them; default no. */
  readonly monitoring?: boolean
}

export interface Nodes {
  readonly controlPlane: ControlPlane
  readonly nodes: readonly Node[]
  /** Versions of the engines that the nodes have images of. */
  readonly versions: EngineVersions
  readonly s3: S3
  /** Of this machine: logs of the nodes' components, and what is on their disks. */
  readonly folder: string
  /** Ends everything; nothing is left of it on the machine but the cache. */
  stop(): Promise<void>
}

/** An S3 server in the cluster, with one bucket. */
export interface S3 {
  /** As pods reach it. */
  readonly endpoint: string
  readonly bucket: string
  /** PEM: the authority of its certificate. */
  readonly ca: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Starts it: seconds, once all is built. The first time builds binaries and images for many minutes and says so. */
export async function startNodes(options: NodesOptions = {}): Promise<Nodes> {
  const binaries = await ensureNodeBinaries()
  const { all, versions } = await ensureImages(binaries)
  const images = [
    ...all,
    ...(options.metrics ? await ensureMetricsImages() : []),
    ...(options.monitoring ? await ensureMonitoringImages() : []),
  ]
  const addons = [
    ...usualAddons,
    ...(options.metrics ? ['metrics'] : []),
    ...(options.monitoring ? ['monitoring'] : []),
  ]
  await ensureNodeRootfs()
  const workplace = openWorkplace('operator-hooks-nodes-')
  let controlPlane: ControlPlane | undefined
  const stop = async () => {
    // The nodes first: a kubelet without an API server would only complain.
    await workplace.close()
    await controlPlane?.stop()
  }
  try {
    const indices = Array.from({ length: options.nodes ?? 1 }, (_, index) => index)
    const network = await openNetwork(workplace)
    const authority = await makeAuthority('nodes')
    const flags = await apiserverFlags(join(workplace.folder, 'apiserver'), authority)
    const users = Object.fromEntries(
      indices.map((index) => [nodeName(index), { name: `system:node:${nodeName(index)}`, groups: ['system:nodes'] }]),
    )
    const plane = await startControlPlane({
      ...options,
      nodes: 0,
      address: network.hostAddress,
      users: { ...users, 'kube-proxy': { name: 'system:kube-proxy', groups: [] } },
      apiserverFlags: [...flags, ...(options.apiserverFlags ?? [])],
    })
    controlPlane = plane
    await plane.client.apply(kubeletAdministrator)
    const common = { workplace, network, controlPlane: plane, authority, binaries, images }
    const [nodes, s3] = await Promise.all([
      Promise.all(indices.map((index) => startNode({ ...common, index }))),
      installAddons(plane.client, authority, addons),
    ])
    await untilAddonsAreReady(plane.client, addons, workplace.failures)
    return { controlPlane: plane, nodes, versions, s3, folder: workplace.folder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const kubeletClient = 'kube-apiserver'

/** The API server reads logs and runs commands in pods through kubelets, and asks metrics-server for metrics. */
async function apiserverFlags(folder: string, authority: Authority): Promise<string[]> {
  mkdirSync(folder, { recursive: true })
  const write = (name: string, content: string) => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const pair = ({ cert, key }: Signed, name: string) => [write(`${name}.crt`, cert), write(`${name}.key`, key)]
  const [kubeletCert, kubeletKey] = pair(await authority.client(kubeletClient), 'kubelet-client')
  const nodes = write('nodes.crt', authority.cert)
  const aggregation = await makeAuthority('aggregation')
  const [proxyCert, proxyKey] = pair(await aggregation.client('aggregator'), 'aggregator')
  return [
    `--client-ca-file=${nodes}`,
    `--kubelet-certificate-authority=${nodes}`,
    `--kubelet-client-certificate=${kubeletCert}`,
    `--kubelet-client-key=${kubeletKey}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--requestheader-client-ca-file=${write('aggregation.crt', aggregation.cert)}`,
    '--requestheader-allowed-names=aggregator',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${proxyCert}`,
    `--proxy-client-key-file=${proxyKey}`,
    // No kube-proxy runs where the API server does, so Services mean nothing to it.
    '--enable-aggregator-routing=true',
    '--enable-admission-plugins=NodeRestriction',
  ]
}

const kubeletAdministrator: KubernetesObject = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'node.test:kube-apiserver' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: kubeletClient }],
}

const usualAddons = ['dns', 'storage', 's3']

async function installAddons(client: Client, authority: Authority, names: readonly string[]): Promise<S3> {
  const objects = names.flatMap((name) => documents(join(import.meta.dirname, 'addons', `${name}.yaml`)))
  const host = 's3.s3.svc'
  const { cert, key } = await authority.server(host, { names: [host, `${host}.cluster.local`] })
  const access = { 'access-key-id': randomUUID(), 'secret-access-key': randomUUID() }
  objects.push(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'node-authority', namespace: 'kube-system' },
      data: { 'ca.crt': authority.cert },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's3-tls', namespace: 's3' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': cert, 'tls.key': key },
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's3', namespace: 's3' }, stringData: access },
  )
  for (const object of objects) await client.apply(object)
  return {
    endpoint: `https://${host}:7070`,
    bucket: 'backups',
    ca: authority.cert,
    accessKeyId: access['access-key-id'],
    secretAccessKey: access['secret-access-key'],
  }
}

/** Pods of a machine that is busy take their time, so three minutes; the error names what is not there. */
async function untilAddonsAreReady(client: Client, addons: readonly string[], failures: () => string[]): Promise<void> {
  let missing: string[] = []
  for (const started = Date.now(); Date.now() - started < 180_000; ) {
    missing = await missingAddons(client, addons)
    if (missing.length === 0) return
    await wait(250)
  }
  throw new Error([`not there after 180 s: ${missing.join(', ')}`, ...failures()].join('\n'))
}

async function missingAddons(client: Client, addons: readonly string[]): Promise<string[]> {
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment' }
  const lists = await Promise.all(
    ['kube-system', 's3', 'monitoring'].map((namespace) => client.list(deployment, { namespace })),
  )
  const metrics = addons.includes('metrics') ? [await client.get(metricsApi)] : []
  return [...lists.flat(), ...metrics]
    .filter((object) => !condition(object, 'Available'))
    .map((object) => String(object?.metadata.name))
}

const metricsApi = { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', name: 'v1beta1.metrics.k8s.io' }

function condition(object: KubernetesObject | undefined, type: string): boolean {
  const { conditions } = isRecord(object?.status) ? object.status : {}
  return (
    Array.isArray(conditions) &&
    conditions.filter(isRecord).some((condition) => condition.type === type && condition.status === 'True')
  )
}
