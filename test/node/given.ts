// A cluster that is there already, given by a kubeconfig: kind, k3d, one in a cloud. Metacontroller and the hook service run on
// this machine and work on its API server, so nothing of the suite is deployed there but CRDs, controllers and rights; pods get
// the images that they name from wherever its nodes get images.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import { ensureBinaries } from '../cluster/build.ts'
import { connect, referenceOf } from '../cluster/client.ts'
import { clusterOn } from '../cluster/cluster.ts'
import {
  type ControlPlane,
  fastMetacontroller,
  freePorts,
  kubectlScript,
  listenFlags,
  metacontrollerProcess,
  untilUp,
} from '../cluster/controlplane.ts'
import { documents, untilKindServed } from '../cluster/manifests.ts'
import { openWorkplace } from '../cluster/workplace.ts'
import type { NodeCluster, NodeClusterOptions } from './cluster.ts'
import type { S3 } from './nodes.ts'
import { output } from './shell.ts'

/**
 * The suite on the cluster of a kubeconfig, as its administrator. An error when the suite is installed there already: its
 * Metacontroller would answer too. What was put there goes again when it is stopped. Versions of the engines and an object store
 * are told by the environment, see docs/node-tier.md.
 */
export async function createGivenCluster(
  kubeconfig: string,
  options: NodeClusterOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<NodeCluster> {
  const controlPlane = await connectTo(kubeconfig)
  const { client } = controlPlane
  const theirs = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    name: 'databases.example.com',
  }
  try {
    if ((await client.get(theirs)) !== undefined) {
      throw new Error(
        `${kubeconfig}: the suite is installed on that cluster already; remove it there, or take another cluster`,
      )
    }
  } catch (error) {
    await controlPlane.stop()
    throw error
  }
  const before = new Set((await client.list(namespaceType)).map(({ metadata }) => metadata.name))
  const cluster = await clusterOn(controlPlane, { ...options, faults: false })
  // Those that manifests name are made for them.
  const made = new Set(cluster.installed.map(({ metadata }) => metadata.namespace).filter((name) => !before.has(name)))
  const kubectl = (...args: string[]) => output([controlPlane.kubectl, ...args], 300)
  const run = `t${randomBytes(3).toString('hex')}`
  const namespaces: string[] = []
  return {
    ...cluster,
    tier: 'node',
    capabilities: { ...cluster.capabilities, containers: true },
    nodes: [],
    folder: controlPlane.workplace.folder,
    versions: { postgresql: env.NODE_POSTGRESQL_VERSION ?? '17.6', mysql: env.NODE_MYSQL_VERSION ?? '8.4.6' },
    s3: storeOf(env),
    kubectl,
    behave: () => Promise.reject(new Error('on a node, pods behave as their programs do')),
    async namespace(hint) {
      const name = await cluster.namespace(`${run}-${hint}`)
      namespaces.push(name)
      return name
    },
    async stop() {
      try {
        // While Metacontroller and the hooks still run, for they take finalizers off.
        for (const name of namespaces)
          await kubectl('delete', 'namespace', name, '--ignore-not-found', '--timeout=240s')
        const references = [...cluster.installed].reverse().map(referenceOf)
        for (const name of made) if (name !== undefined) references.push({ ...namespaceType, name })
        for (const reference of references) await removed(reference)
        // Whoever installs the suite anew, the next file of a run, would find what is going.
        for (const reference of references) {
          const gone = async () => (await client.get(reference)) === undefined
          await cluster.until(`${reference.kind} ${reference.name} is gone`, gone, 240)
        }
      } finally {
        await cluster.stop()
      }
    },
  }

  async function removed(reference: ObjectReference): Promise<void> {
    await client.delete(reference).catch((error: { code?: number }) => {
      // A kind that went with its CRD is as gone as an object that went.
      if (error.code !== 404) throw error
    })
  }
}

const namespaceType = { apiVersion: 'v1', kind: 'Namespace' }

async function connectTo(kubeconfig: string): Promise<ControlPlane> {
  const binaries = await ensureBinaries()
  const workplace = openWorkplace('operator-hooks-given-')
  try {
    const kubectl = kubectlScript(workplace.folder, binaries.kubectl, kubeconfig)
    const [port = 0, metricsPort = 0, healthPort = 0] = await freePorts(3)
    // It logs in whichever way the kubeconfig says.
    const proxy = workplace.start('kubectl-proxy', [kubectl, 'proxy', `--port=${port}`, '--reject-methods=^$'])
    const server = `http://127.0.0.1:${port}`
    const client = connect(server, '', '')
    await untilUp(
      `the API server of ${kubeconfig}`,
      [proxy],
      async () => (await client.request('GET', '/readyz')) === 'ok',
    )
    const crds = documents(binaries.metacontrollerCrds)
    const there = await Promise.all(crds.map((crd) => client.get(referenceOf(crd))))
    const missing = crds.filter((_, index) => there[index] === undefined)
    for (const crd of missing) await client.create(crd)
    await Promise.all(crds.map((crd) => untilKindServed(client, crd)))
    const metacontroller = metacontrollerProcess(
      workplace,
      [
        ...binaries.metacontroller,
        ...listenFlags(binaries.metacontroller, metricsPort, healthPort),
        ...fastMetacontroller,
      ],
      { KUBECONFIG: kubeconfig },
      metricsPort,
      undefined,
    )
    return {
      server,
      ca: '',
      kubeconfig,
      eventsKubeconfig: kubeconfig,
      kubeconfigs: {},
      kubectl,
      client,
      workplace,
      metacontroller,
      usage: () => workplace.usage(),
      async stop() {
        for (const crd of missing) await client.delete(referenceOf(crd)).catch(() => undefined)
        client.close()
        await workplace.close()
      },
    }
  } catch (error) {
    await workplace.close()
    throw error
  }
}

/** An object store that pods reach; without an endpoint there is none, and what needs one is skipped. */
function storeOf(env: NodeJS.ProcessEnv): S3 {
  const { NODE_S3_ENDPOINT: endpoint = '', NODE_S3_BUCKET: bucket = 'backups', NODE_S3_CA_FILE: caFile } = env
  return {
    endpoint,
    bucket,
    ca: caFile === undefined ? '' : readFileSync(caFile, 'utf8'),
    accessKeyId: env.NODE_S3_ACCESS_KEY_ID ?? '',
    secretAccessKey: env.NODE_S3_SECRET_ACCESS_KEY ?? '',
  }
}
