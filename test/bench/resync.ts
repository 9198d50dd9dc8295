// What an unchanged Database costs each time Metacontroller looks at it again: it decides how many a cluster can carry.
import { setTimeout as wait } from 'node:timers/promises'
import {
  databases as databaseWorkload,
  inParallel,
  newNamespaces,
  shippedFlags,
  startCluster,
  timed,
  untilEach,
} from './plane.ts'
import type { Section } from './report.ts'
import type { Image } from './service.ts'

/** Two windows over the same Databases: looked at once an hour, and every few seconds. */
export async function benchResync(
  image: Image,
  { databases = 200, periodSeconds = 5, windowSeconds = 30 } = {},
): Promise<Section> {
  const workload = databaseWorkload()
  const cluster = await startCluster(image, shippedFlags(), workload)
  try {
    const namespaces = await newNamespaces(cluster, workload, 'resync')
    await inParallel(databases, async (index) => {
      await cluster.create(workload.parent(namespaces(index), index))
    })
    await untilEach(cluster, workload, namespaces, databases, 300)
    const window = async () => {
      const before = syncs(await cluster.hook.metrics())
      const { cpu, requests } = await timed(cluster, () => wait(windowSeconds * 1000))
      const puts = Object.keys(requests).filter((name) => /^(PUT|PATCH|POST|DELETE) databases/.test(name))
      return {
        cpu,
        calls: syncs(await cluster.hook.metrics()) - before,
        gets: requests['GET databases'] ?? 0,
        puts: puts.reduce((sum, name) => sum + (requests[name] ?? 0), 0),
      }
    }
    const still = await window()
    const controller = {
      apiVersion: 'metacontroller.k8s.io/v1alpha1',
      kind: 'CompositeController',
      name: 'databases.example.com',
    }
    await cluster.patch(controller, { spec: { resyncPeriodSeconds: periodSeconds } })
    // Metacontroller starts the controller anew, which syncs every parent once.
    await wait(10_000)
    const busy = await window()
    const asked = busy.calls - still.calls
    const components = ['kube-apiserver', 'etcd', 'metacontroller', 'hook']
    const milliseconds = (name: string) => (1000 * ((busy.cpu[name] ?? 0) - (still.cpu[name] ?? 0))) / asked
    return {
      name: 'resync',
      about: `${databases} unchanged Databases, looked at every ${periodSeconds} s for ${windowSeconds} s (${asked} syncs), less what the same window takes without (${still.calls} syncs). Metacontroller 1.5 knows no ETag: the hook answers each anew. It also takes the integers of an answered status for other than the stored ones and puts the status each time; the API server finds it unchanged and stores nothing.`,
      tables: [
        {
          title: 'CPU milliseconds for one sync of an unchanged Database',
          columns: ['', 'ms'],
          rows: components.map((name) => [name, milliseconds(name)]),
        },
        {
          title: 'Requests to the API server for one sync of an unchanged Database',
          columns: ['', 'requests'],
          rows: [
            ['GET of the parent', (busy.gets - still.gets) / asked],
            ['PUT of a status that is stored already', (busy.puts - still.puts) / asked],
          ],
        },
      ],
      goals: [],
    }
  } finally {
    await cluster.stop()
  }
}

/** How often a sync hook was called since the service started. */
export function syncs(metrics: string): number {
  const lines = metrics.split('\n').filter((line) => /^operator_hooks_requests_total\{.*hook="sync"/.test(line))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
