// Metacontroller's flags: how fast each set of them lets children appear, and what it takes.
import { databases as databaseWorkload, runOperator, shippedFlags, startCluster } from './plane.ts'
import type { Section, Table } from './report.ts'
import type { Image } from './service.ts'

interface Setting {
  readonly qps: number
  readonly burst: number
  readonly workers: number
  /** Fewer where it would take minutes. */
  readonly databases: number
}

const settings: readonly Setting[] = [
  // Metacontroller's own defaults.
  { qps: 5, burst: 10, workers: 5, databases: 10 },
  { qps: 20, burst: 40, workers: 5, databases: 40 },
  { qps: 50, burst: 100, workers: 10, databases: 100 },
  { qps: 100, burst: 200, workers: 20, databases: 200 },
  { qps: 300, burst: 600, workers: 5, databases: 200 },
  { qps: 300, burst: 600, workers: 20, databases: 200 },
  { qps: 1000, burst: 2000, workers: 50, databases: 200 },
]

/** A control plane for each setting; the rate of the shipped one is measured by `cluster`. */
export async function benchFlags(image: Image): Promise<Section> {
  const shipped = shippedFlags()
  const workload = databaseWorkload()
  const rows: Table['rows'][number][] = []
  for (const { qps, burst, workers, databases } of settings) {
    const flags = [`--client-go-qps=${qps}`, `--client-go-burst=${burst}`, `--workers=${workers}`]
    const cluster = await startCluster(image, ['--discovery-interval=30s', ...flags], workload)
    try {
      const { seconds, children, cpu } = await runOperator(cluster, workload, databases, 300)
      const usage = cluster.usage()
      const perThousand = (name: string) => (1000 * (cpu[name] ?? 0)) / children
      const isShipped = flags.every((flag) => shipped.includes(flag))
      rows.push([
        `${qps}, ${burst}, ${workers}${isShipped ? ' (shipped)' : ''}`,
        String(databases),
        children / seconds,
        perThousand('kube-apiserver'),
        perThousand('metacontroller'),
        perThousand('hook'),
        usage.metacontroller?.peakMiB ?? Number.NaN,
      ])
    } finally {
      await cluster.stop()
    }
  }
  return {
    name: 'flags',
    about: 'Databases applied at once, each setting on a control plane of its own, cold: one run each.',
    tables: [
      {
        title: 'Rate and CPU seconds for 1000 children by Metacontroller’s flags',
        columns: [
          'QPS, burst, workers',
          'Databases',
          'children/s',
          'kube-apiserver',
          'metacontroller',
          'hook',
          'Metacontroller MiB',
        ],
        rows,
      },
    ],
    goals: [],
  }
}
