// The `Cluster` of test/scenarios over real nodes: containers run, the engines are the real ones.
import type { ControlPlaneCluster, ControlPlaneClusterOptions } from '../cluster/cluster.ts'
import { clusterOn } from '../cluster/cluster.ts'
import { type Nodes, type NodesOptions, startNodes } from './nodes.ts'
import { output } from './shell.ts'

export interface NodeClusterOptions
  extends NodesOptions,
    Pick<ControlPlaneClusterOptions, 'hook' | 'manifests' | 'faults'> {}

export interface NodeCluster extends ControlPlaneCluster, Omit<Nodes, 'stop'> {
  /** kubectl as an administrator: its output, or an error with what it complained of. */
  kubectl(...args: string[]): Promise<string>
}

/** Nodes with the suite installed, its hook service and Metacontroller running beside them. */
export async function createNodeCluster(options: NodeClusterOptions): Promise<NodeCluster> {
  const { stop, ...nodes } = await startNodes(options)
  try {
    const cluster = await clusterOn(nodes.controlPlane, options)
    return {
      ...cluster,
      ...nodes,
      tier: 'node',
      capabilities: { ...cluster.capabilities, containers: true },
      behave: () => Promise.reject(new Error('on a node, pods behave as their programs do')),
      kubectl: (...args) => output([nodes.controlPlane.kubectl, ...args], 300),
      async stop() {
        await stop()
        await cluster.stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}
