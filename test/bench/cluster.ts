// 200 Databases at once on the real control plane, against the same objects from a plain client.
import { median, spread } from './measure.ts'
import {
  databases,
  type Run,
  runOperator,
  runPlainClient,
  shippedFlags,
  startCluster,
  total,
  workers,
} from './plane.ts'
import { rounded, type Section } from './report.ts'
import { databaseDefinition } from './requests.ts'
import type { Image } from './service.ts'

/**
 * Goals: the hook takes a tenth of all CPU at most, the clock at most 1.3 times what the plain client takes, and with the
 * flags of deploy/ at least 100 children are made in a second.
 */
export async function benchCluster(
  image: Image,
  { count = 200, rounds = 3 }: { count?: number; rounds?: number } = {},
): Promise<Section> {
  const flags = shippedFlags()
  const workload = databases()
  const cluster = await startCluster(image, flags, workload)
  try {
    const runs: { operator: Run[]; client: Run[] } = { operator: [], client: [] }
    const operator = async () => {
      const { namespaces, ...run } = await runOperator(cluster, workload, count, 300)
      runs.operator.push(run)
      return namespaces
    }
    let from = await operator()
    // The first round warms up: informers, caches and compilers.
    runs.operator.pop()
    for (let round = 0; round < rounds; round++) {
      const client = async () => runs.client.push(await runPlainClient(cluster, workload, from, count))
      if (round % 2 === 0) {
        await client()
        from = await operator()
      } else {
        from = await operator()
        await client()
      }
    }
    const components = ['kube-apiserver', 'etcd', 'kube-controller-manager', 'metacontroller', 'hook', 'client']
    const seconds = (of: readonly Run[], component: string) => median(of.map(({ cpu }) => cpu[component] ?? 0))
    const share = median(runs.operator.map(({ cpu }) => (100 * (cpu.hook ?? 0)) / total(cpu)))
    const rates = (of: readonly Run[]) => of.map((run) => run.children / run.seconds)
    const ratio = runs.operator.map((run, round) => {
      const client = runs.client[round]
      return client === undefined ? Number.NaN : run.seconds / run.children / (client.seconds / client.children)
    })
    const cpuRatio = runs.operator.map(({ cpu }, round) => total(cpu) / total(runs.client[round]?.cpu ?? {}))
    return {
      name: 'cluster',
      about: `${count} Databases applied at once to a real control plane (Metacontroller with ${flags.join(' ')}), against the same objects from a plain client with ${workers} connections: parents of the same schema, their ${runs.client[0]?.children} children, and one status each; ${rounds} rounds in turns after one to warm up. The Databases are suspended, so that no pods take CPU. A run ends when the status of every Database says that all its children are there.`,
      tables: [
        {
          title: 'CPU seconds (median of the rounds)',
          columns: ['', 'Databases', 'plain client'],
          rows: [
            ...components.map((name) => [name, seconds(runs.operator, name), seconds(runs.client, name)]),
            [
              'all',
              median(runs.operator.map(({ cpu }) => total(cpu))),
              median(runs.client.map(({ cpu }) => total(cpu))),
            ],
          ],
        },
        {
          title: 'Requests to the API server for each Database',
          columns: ['', 'Databases', 'plain client'],
          rows: requestRows(runs.operator.at(-1), runs.client.at(-1), count),
        },
        {
          title: 'Time on the clock',
          columns: ['', 'seconds', 'children/s'],
          rows: [
            [
              'Databases',
              spread(
                runs.operator.map((run) => run.seconds),
                1,
              ),
              spread(rates(runs.operator), 0),
            ],
            [
              'plain client',
              spread(
                runs.client.map((run) => run.seconds),
                1,
              ),
              spread(rates(runs.client), 0),
            ],
            ['ratio', spread(ratio), rounded(1 / median(ratio))],
            ['ratio of all CPU', spread(cpuRatio), rounded(1 / median(cpuRatio))],
            ['Databases, were two cores all theirs', '', spread(runs.operator.map(twoCores), 0)],
          ],
        },
      ],
      goals: [
        { what: "the hook's share of all CPU", value: share, limit: 10, unit: '%', sense: 'at most' },
        { what: 'time against the plain client', value: median(ratio), limit: 1.3, unit: '×', sense: 'at most' },
        {
          what: 'children made with the flags of deploy/',
          value: median(rates(runs.operator)),
          limit: 100,
          unit: 'children/s',
          sense: 'at least',
        },
      ],
    }
  } finally {
    await cluster.stop()
  }
}

/** Children in a second if nobody else used the two cores: what the CPU time allows. */
function twoCores({ children, cpu }: Run): number {
  return (2 * children) / total(cpu)
}

// Those of Databases and of their children; the controllers' own are left out.
function requestRows(operator: Run | undefined, client: Run | undefined, count: number): string[][] {
  const rows = [
    ['GET parents', /^GET databases$/],
    ['POST parents', /^POST databases$/],
    ['PUT parents (finalizer)', /^PUT databases$/],
    ['PUT, PATCH status', /^(PUT|PATCH) databases\/status$/],
    ['POST children', childrenPattern('POST')],
    ['PUT children', childrenPattern('PUT')],
  ] as const
  const each = (run: Run | undefined, pattern: RegExp) => {
    const matching = Object.entries(run?.requests ?? {}).filter(([name]) => pattern.test(name))
    return rounded(matching.reduce((sum, [, value]) => sum + value, 0) / count)
  }
  return rows.map(([title, pattern]) => [title, each(operator, pattern), each(client, pattern)])
}

function childrenPattern(verb: string): RegExp {
  return new RegExp(
    `^${verb} (${databaseDefinition()
      .children.map(({ resource }) => resource)
      .join('|')})$`,
  )
}
