// A cluster full of WebApps: how long until all are ready and what it takes, how soon drift is repaired among so many,
// and how soon everything is right again after the hook service was away.
import { setTimeout as wait } from 'node:timers/promises'
import { defaultResyncPeriodSeconds } from '../../hooks/generate/controllers.ts'
import { parentType } from '../../hooks/sdk/definition.ts'
import { Deployment, Service } from '../../hooks/sdk/resources.ts'
import type { ControlPlaneCluster } from '../cluster/cluster.ts'
import { quantile } from './measure.ts'
import {
  inParallel,
  type Namespaces,
  runOperator,
  runPlainClient,
  shippedFlags,
  startCluster,
  total,
  type Workload,
} from './plane.ts'
import { rounded, type Section } from './report.ts'
import { syncs } from './resync.ts'
import type { Image } from './service.ts'
import { webapps } from './webapps.ts'

/**
 * Goals: one CPU second of the hook for 2,400 children, the clock at most 1.3 times what the plain client takes; drift
 * repaired within 25 ms (p50) and 1 s (p99); all of it right again 30 s after an outage.
 */
export async function benchLoad(
  image: Image,
  { count = 1000, warmUp = 50, repairs = 100, outageSeconds = 300 } = {},
): Promise<Section> {
  const flags = shippedFlags()
  const workload = webapps()
  // As it is generated, so that what is measured is what there is.
  const cluster = await startCluster(
    image,
    flags,
    workload,
    workload.definition.resyncPeriodSeconds ?? defaultResyncPeriodSeconds,
  )
  try {
    // A few to copy, which also warm up informers, caches and compilers. The plain client's turn comes before that of all
    // the WebApps, whose resyncs would take CPU from it.
    const { namespaces: few } = await runOperator(cluster, workload, warmUp, 600)
    const client = await runPlainClient(cluster, workload, few, count, async (plain) => {
      await untilAvailable(cluster, workload, plain, count)
    })
    tell(`plain client: ${rounded(client.seconds)} s`)
    const asked = syncs(await cluster.hook.metrics())
    const { namespaces, ...operator } = await runOperator(cluster, workload, count, 1800)
    const answered = syncs(await cluster.hook.metrics()) - asked
    tell(`${count} WebApps: ${rounded(operator.seconds)} s, ${rounded(operator.cpu.hook ?? 0)} CPU s of the hook`)
    const drift = await repairTimes(cluster, workload, namespaces, count, repairs)
    tell(
      `drift: p50 ${rounded(quantile(Object.values(drift).flat(), 0.5))} ms; now ${outageSeconds} s without the hook`,
    )
    const outage = await recovery(cluster, workload, namespaces, count, outageSeconds)
    const ratio = operator.seconds / operator.children / (client.seconds / client.children)
    const components = ['kube-apiserver', 'etcd', 'kube-controller-manager', 'kube-scheduler', 'kwok']
    const rows = [...components, 'metacontroller', 'hook', 'client']
    return {
      name: 'load',
      about: `${count} WebApps applied at once to a real control plane (Metacontroller with ${flags.join(' ')}; kwok plays their pods), ${operator.children} children in ${namespaces.all.length} namespaces, until each is Ready; the same objects from a plain client, until each Deployment is available; ${repairs} repairs of a changed Deployment or a deleted Service with all of them in place; and ${outageSeconds} s without the hook service, during which one child of each WebApp was deleted.`,
      tables: [
        {
          title: 'CPU seconds',
          columns: ['', 'WebApps', 'plain client'],
          rows: [
            ...rows.map((name) => [name, operator.cpu[name] ?? 0, client.cpu[name] ?? 0]),
            ['all', total(operator.cpu), total(client.cpu)],
          ],
        },
        {
          title: 'Time on the clock',
          columns: ['', 'seconds', 'children/s'],
          rows: [
            ['WebApps', operator.seconds, operator.children / operator.seconds],
            ['plain client', client.seconds, client.children / client.seconds],
            ['ratio', ratio, 1 / ratio],
          ],
        },
        {
          title: 'Until all are Ready',
          columns: ['', 'for each WebApp', 'CPU ms of the hook for one'],
          rows: [['syncs', answered / count, ((operator.cpu.hook ?? 0) * 1000) / answered]],
        },
        {
          title: 'Drift repaired, milliseconds',
          columns: ['', 'p50', 'p90', 'p99', 'worst'],
          rows: Object.entries(drift).map(([what, times]) => [
            what,
            ...[0.5, 0.9, 0.99, 1].map((share) => quantile(times, share)),
          ]),
        },
        {
          title: 'After the outage',
          columns: ['', 'seconds'],
          rows: [
            ['half of the children are back', quantile(outage, 0.5)],
            ['all are back', quantile(outage, 1)],
          ],
        },
      ],
      goals: [
        {
          what: 'CPU of the hook for 2,400 children',
          value: ((operator.cpu.hook ?? 0) * 2400) / operator.children,
          limit: 1,
          unit: 's',
          sense: 'at most',
        },
        { what: 'time against the plain client', value: ratio, limit: 1.3, unit: '×', sense: 'at most' },
        ...(
          [
            [0.5, 'p50', 25],
            [0.99, 'p99', 1000],
          ] as const
        ).map(([share, name, limit]) => ({
          what: `drift repaired, ${name}`,
          value: quantile(Object.values(drift).flat(), share),
          limit,
          unit: 'ms' as const,
          sense: 'at most' as const,
        })),
        {
          what: 'all right again after the outage',
          value: quantile(outage, 1),
          limit: 30,
          unit: 's',
          sense: 'at most',
        },
      ],
    }
  } finally {
    await cluster.stop()
  }
}

/** Milliseconds from the answer to a change by hand until the object is as it should be, one WebApp after another. */
async function repairTimes(
  cluster: ControlPlaneCluster,
  workload: Workload,
  namespaces: Namespaces,
  count: number,
  repairs: number,
): Promise<Record<string, number[]>> {
  const changed: number[] = []
  const deleted: number[] = []
  for (let index = 0; index < repairs; index++) {
    const which = Math.floor((index * count) / repairs)
    const name = workload.name(which)
    const namespace = namespaces(which)
    if (index % 2 === 0) {
      const reference = { apiVersion: Deployment.apiVersion, kind: Deployment.kind, namespace, name }
      await cluster.patch(reference, { metadata: { labels: { [label]: 'somebody-else' } } })
      changed.push(
        await milliseconds(async () => {
          const labels = (await cluster.get(reference))?.metadata.labels
          return labels?.[label] === 'operator-hooks'
        }),
      )
    } else {
      const reference = { apiVersion: Service.apiVersion, kind: Service.kind, namespace, name }
      await cluster.delete(reference)
      deleted.push(await milliseconds(async () => (await cluster.get(reference)) !== undefined))
    }
  }
  return { 'a Deployment changed': changed, 'a Service deleted': deleted }
}

/** What is known already: the whole takes a quarter of an hour. */
function tell(what: string): void {
  process.stderr.write(`  ${what}\n`)
}

/** A label that every child bears: a change of it is drift and nothing else. */
const label = 'app.kubernetes.io/managed-by'

/** Asks every 2 ms; after two minutes it says so in place of a time. */
async function milliseconds(probe: () => Promise<boolean>): Promise<number> {
  const started = performance.now()
  while (!(await probe())) {
    if (performance.now() - started > 120_000) return Number.POSITIVE_INFINITY
    await wait(2)
  }
  return performance.now() - started
}

/** For each WebApp, seconds from the return of the hook service until the child that it lost meanwhile is back. */
async function recovery(
  cluster: ControlPlaneCluster,
  workload: Workload,
  namespaces: Namespaces,
  count: number,
  outageSeconds: number,
): Promise<number[]> {
  const service = (index: number) => ({
    apiVersion: 'v1',
    kind: 'Service',
    namespace: namespaces(index),
    name: workload.name(index),
  })
  const away = performance.now()
  await cluster.hook.stop()
  await inParallel(count, (index) => cluster.delete(service(index)))
  await wait(Math.max(0, outageSeconds * 1000 - (performance.now() - away)))
  if ((await cluster.get(service(0))) !== undefined) throw new Error('the Services are still there')
  await cluster.hook.start()
  const back = Date.now()
  const missing = new Set(Array.from({ length: count }, (_, index) => workload.name(index)))
  const times: number[] = []
  while (missing.size > 0) {
    if (Date.now() - back > 600_000) throw new Error(`${missing.size} Services are still missing`)
    await wait(2000)
    for (const namespace of namespaces.all) {
      for (const { metadata } of await cluster.list(Service, { namespace })) {
        // In whole seconds, but as the API server had it: a list of that many takes a while on a busy machine.
        const created = Date.parse(metadata.creationTimestamp ?? '')
        if (missing.delete(metadata.name ?? '')) times.push(Math.max(0, (created - back) / 1000))
      }
    }
  }
  return times
}

/** Of the plain client's copies: what Ready says of a WebApp, minus who says it. */
async function untilAvailable(
  cluster: ControlPlaneCluster,
  workload: Workload,
  namespaces: Namespaces,
  count: number,
): Promise<void> {
  for (let index = 0; index < count; index++) {
    const reference = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      namespace: namespaces(index),
      name: workload.name(index),
    }
    await cluster.until(
      `${parentType(workload.definition).kind} ${index} is available`,
      async () =>
        Number(((await cluster.get(reference))?.status as { availableReplicas?: number })?.availableReplicas) > 0,
      1800,
    )
  }
}
