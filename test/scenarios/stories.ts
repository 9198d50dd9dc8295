// Stories whose end is compared between clusters: the simulator earns its place by ending in the same objects.
import type { Cluster } from './cluster.ts'
import { database, databaseAt, running, untilPhase } from './database.ts'
import { endState } from './state.ts'
import {
  deploymentOf,
  everything,
  running as runningApp,
  untilPods,
  untilRevision,
  webapp,
  webappAt,
} from './webapp.ts'

export interface Story {
  readonly title: string
  tell(cluster: Cluster, namespace: string): Promise<void>
}

/** Tells the story in a namespace of its own, and gives what reads its end; that does not name the namespace. */
export async function endOf(cluster: Cluster, { title, tell }: Story): Promise<() => Promise<Record<string, unknown>>> {
  const namespace = await cluster.namespace(title.split(' ', 1)[0] ?? 'story')
  await tell(cluster, namespace)
  // What settles after readiness, such as budgets, has settled by then.
  await cluster.pass(3)
  // A group of members is named after its Database's UID.
  const uid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
  const end = async () => JSON.stringify(await endState(cluster, namespace))
  return async () => JSON.parse((await end()).replaceAll(namespace, 'NAMESPACE').replaceAll(uid, 'UID'))
}

const backup = { enabled: true, schedule: '0 2 * * *', destination: { claim: { name: 'dumps' } } }
const full = {
  replicas: 3,
  resources: { requests: { cpu: '0.5', memory: '1024Mi' }, limits: { memory: '2Gi' } },
  parameters: { max_connections: 250, log_min_duration_statement: '500' },
  backup: {
    ...backup,
    destination: { s3: { bucket: 'dumps', region: 'eu-central-1', endpoint: 'https://s3.test:9000' } },
  },
  service: { type: 'LoadBalancer', annotations: { 'example.com/pool': 'blue' } },
  tls: { secretName: 'certificate', required: true },
  pod: { labels: { team: 'storage' }, annotations: { 'example.com/scrape': 'true' } },
}

export const stories: readonly Story[] = [
  {
    title: 'postgresql as small as it can be',
    tell: async (cluster, namespace) => void (await running(cluster, database(namespace, 'db'))),
  },
  {
    title: 'mysql with a backup to a claim',
    tell: async (cluster, namespace) =>
      void (await running(
        cluster,
        database(namespace, 'db', { engine: 'mysql', version: '8.4.3', replicas: 2, backup }),
      )),
  },
  {
    title: 'mongodb in three replicas',
    tell: async (cluster, namespace) =>
      void (await running(cluster, database(namespace, 'db', { engine: 'mongodb', version: '7.0.14', replicas: 3 }))),
  },
  {
    title: 'everything that a spec can ask for',
    tell: async (cluster, namespace) => void (await running(cluster, database(namespace, 'db', full))),
  },
  {
    title: 'changes back and forth: S1, S2 and S1 again',
    async tell(cluster, namespace) {
      const reference = await running(cluster, database(namespace, 'db', { replicas: 1 }))
      await cluster.patch(reference, { spec: { replicas: 3, backup, parameters: { max_connections: 300 } } })
      await cluster.until('S2 is there', async () => (await replicasReady(cluster, namespace)) === 3)
      await untilPhase(cluster, reference, 'Running')
      await cluster.patch(reference, { spec: { replicas: 1, backup: { enabled: false }, parameters: null } })
      await cluster.until('S1 is there again', async () => (await replicasReady(cluster, namespace)) === 1)
      await untilPhase(cluster, reference, 'Running')
    },
  },
  {
    title: 'a web application with all features on',
    tell: async (cluster, namespace) => void (await runningApp(cluster, webapp(namespace, 'shop', everything))),
  },
  {
    title: 'a web application through autoscaling, another image and suspension',
    async tell(cluster, namespace) {
      const autoscaling = { enabled: true, minReplicas: 2, maxReplicas: 8 }
      const reference = await runningApp(cluster, webapp(namespace, 'shop', { autoscaling }))
      await scaled(cluster, namespace, 5)
      await cluster.patch(reference, { spec: { autoscaling: null, image: 'registry.example.com/shop:2.0' } })
      await untilRevision(cluster, reference)
      await cluster.patch(reference, { spec: { suspend: true } })
      await untilPhase(cluster, reference, 'Suspended')
      await cluster.patch(reference, { spec: { suspend: false, ports: [{ name: 'web', port: 80 }] } })
      await untilPods(cluster, reference, 5)
      await untilRevision(cluster, reference)
    },
  },
  {
    title: 'held while a spec makes no sense',
    async tell(cluster, namespace) {
      const reference = await running(cluster, database(namespace, 'db', { backup }))
      await cluster.patch(reference, { spec: { replicas: 2, backup: { schedule: '0 0 30 2 *' } } })
      await cluster.until('it says so', async () => {
        const text = JSON.stringify((await cluster.get(reference))?.status)
        return text.includes('InvalidSpec')
      })
    },
  },
]

async function scaled(cluster: Cluster, namespace: string, replicas: number): Promise<void> {
  await cluster.patch(deploymentOf(namespace, 'shop'), { spec: { replicas } }, 'scale')
  await untilPods(cluster, webappAt(namespace, 'shop'), replicas)
}

async function replicasReady(cluster: Cluster, namespace: string): Promise<unknown> {
  const object = await cluster.get(databaseAt(namespace, 'db'))
  const { readyReplicas, replicas } = (object?.status ?? {}) as { readyReplicas?: number; replicas?: number }
  return readyReplicas === replicas ? replicas : undefined
}
