// The suite as it is deployed, on real nodes: what every test of databases in pods begins with.
import { join } from 'node:path'
import type { Test } from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { versions } from '../scenarios/database.ts'
import { createNodeCluster, type NodeCluster } from './cluster.ts'
import { createGivenCluster } from './given.ts'
import { givenImage, givenKubeconfig } from './requirements.ts'

const root = join(import.meta.dirname, '..', '..')

interface SuiteOptions {
  /** How many nodes; default 1. */
  readonly nodes?: number
  /** Whether Prometheus and kube-state-metrics run; default no. */
  readonly monitoring?: boolean
  /** Further objects, or folders of them, to install. */
  readonly manifests?: readonly (string | KubernetesObject)[]
}

/** A cluster that ends with the test `t`. Scenarios ask for the engines' versions that it has images of from now on. */
export async function suiteOnNodes(
  t: Pick<Test, 'testdir' | 'teardown'>,
  options: SuiteOptions = {},
): Promise<NodeCluster> {
  // One key for the whole run: the service is killed and started again, and passwords must stay what they are.
  const keys = join(t.testdir({ keys: `test:${Buffer.alloc(32, 7).toString('base64')}\n` }), 'keys')
  const cluster = await startSuite(keys, options)
  t.teardown(() => cluster.stop())
  return cluster
}

/** The same for who stops it himself; `keys` is the file of the credential keys. */
export async function startSuite(
  keys: string,
  { nodes = 1, monitoring = false, manifests = [] }: SuiteOptions = {},
): Promise<NodeCluster> {
  const options = {
    nodes,
    monitoring,
    hook: {
      command: process.execPath,
      args: [
        join(root, 'hooks/main.ts'),
        'serve',
        '--auth=none',
        `--credential-keys-file=${keys}`,
        '--events',
        // Empty, they are what they are unless given.
        `--suite-image=${givenImage('NODE_SUITE_IMAGE')}`,
        `--postgresql-agent-image=${givenImage('NODE_POSTGRESQL_AGENT_IMAGE')}`,
      ],
    },
    manifests: [
      ...['crds', 'metacontroller', 'deploy/generated/rbac', 'deploy/generated/events'].map((name) => join(root, name)),
      ...manifests,
    ],
  }
  const cluster = await (givenKubeconfig === undefined
    ? createNodeCluster(options)
    : createGivenCluster(givenKubeconfig, options))
  Object.assign(versions, cluster.versions)
  return cluster
}
