// What being measured costs a database: CPU time of its container, with its exporter asked and not asked, in turns, while it
// has nothing to do and while it works. On the nodes of test/node, so it needs Linux and root.
import { setTimeout as wait } from 'node:timers/promises'
import { untilServed } from '../node/client.ts'
import type { NodeCluster } from '../node/cluster.ts'
import { database, databaseAt, untilPhase } from '../scenarios/database.ts'
import { median } from './measure.ts'
import { withNodes } from './nodes.ts'
import type { Section } from './report.ts'

/** Seconds: as often as the goal has it, "under 5 s". */
const interval = 4
/** Seconds from one scrape to the next while it is measured: more scrapes in the same time stand out better. */
const measuredInterval = 1
const windowSeconds = 20
/** Cores that the database asks for: what it has, whether it has something to do or not. */
const requested = 0.5
const rounds = 4

interface Engine {
  name: 'postgresql' | 'mysql'
  port: number
  /** Bash with USERNAME, PASSWORD, HOST and DBNAME: a client that sends what it reads. */
  client: string
  table: string
}

const fill = (numbers: string) => `INSERT INTO items SELECT n, concat('item ', n), 0 FROM ${numbers}`
const engines: readonly Engine[] = [
  {
    name: 'postgresql',
    port: 9187,
    client: 'PGPASSWORD=$PASSWORD psql --quiet --no-psqlrc --host=$HOST --username=$USERNAME --dbname=$DBNAME',
    table: `CREATE TABLE items (id int PRIMARY KEY, name varchar(40), amount int); ${fill('generate_series(1, 20000) n')};`,
  },
  {
    name: 'mysql',
    port: 9104,
    client: 'MYSQL_PWD=$PASSWORD mysql --host=$HOST --user=$USERNAME $DBNAME',
    table: `CREATE TABLE items (id int PRIMARY KEY, name varchar(40), amount int); SET cte_max_recursion_depth = 20000; ${fill('(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20000) SELECT n FROM s) numbers')};`,
  },
]

export function benchExporter(): Promise<Section> {
  return withNodes(1, async (cluster) => {
    const results = []
    for (const engine of engines) results.push({ engine, ...(await measure(cluster, engine)) })
    return {
      name: 'What exporters cost',
      about: `CPU time of the engine's container in windows of ${windowSeconds} s, its exporter asked every second or not at all in turns, median of ${rounds} rounds; a scrape costs the difference. First idle, then with a client that sends a scan of 20,000 rows and an update some 30 times a second. The shares are those of scrapes every ${interval} s.`,
      tables: [
        {
          title: 'CPU of the engine for its exporter',
          columns: [
            '',
            'ms a scrape, idle',
            'ms a scrape, at work',
            'engine at work, of a core',
            'share of what it uses',
            `share of the ${requested} cores that it asks for, idle`,
            'at work',
          ],
          rows: results.map(({ engine, idle, working }) => [
            engine.name,
            idle.perScrape,
            working.perScrape,
            `${(working.cpu * 100).toFixed(0)}%`,
            `${(share(working.perScrape, working.cpu)).toFixed(2)}%`,
            `${(share(idle.perScrape, requested)).toFixed(2)}%`,
            `${(share(working.perScrape, requested)).toFixed(2)}%`,
          ]),
        },
      ],
      goals: results.map(({ engine, working }) => ({
        what: `CPU of ${engine.name} for scrapes every ${interval} s, of all that it uses at work`,
        value: share(working.perScrape, working.cpu),
        limit: 1,
        unit: '%',
        sense: 'at most',
      })),
    }
  })
}

/** Per cent of `cores` that scrapes take which cost so many milliseconds each. */
function share(perScrape: number, cores: number): number {
  return (perScrape / 1000 / interval / cores) * 100
}

async function measure(cluster: NodeCluster, engine: Engine) {
  const namespace = await cluster.namespace(engine.name)
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  await cluster.apply(
    database(namespace, 'db', {
      engine: engine.name,
      version: cluster.versions[engine.name],
      resources: { requests: { cpu: String(requested), memory: '512Mi' } },
      monitoring: { enabled: true },
    }),
  )
  await untilPhase(cluster, databaseAt(namespace, 'db'), 'Running', 180)
  const image = `${engine.name === 'postgresql' ? 'postgres' : 'mysql'}:${cluster.versions[engine.name]}`
  const env = ['USERNAME', 'PASSWORD', 'HOST', 'DBNAME'].map((name) => ({
    name,
    valueFrom: { secretKeyRef: { name: 'db-secret', key: name.toLowerCase() } },
  }))
  await cluster.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'client' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'client', image, command: ['sleep', 'infinity'], env }],
    },
  })
  await kubectl('wait', '--for=condition=Ready', 'pod/client', 'pod/db-metrics-0', '--timeout=120s')
  const inClient = (script: string) => kubectl('exec', 'client', '--', 'bash', '-c', script)
  await untilServed(cluster, () => inClient(`echo 'SELECT 1;' | ${engine.client}`))
  await inClient(`echo "${engine.table}" | ${engine.client}`)
  const idle = await inTurns(cluster, namespace, engine)
  const statements =
    "SELECT count(*) FROM items WHERE name LIKE '%9%9%'; UPDATE items SET amount = amount + 1 WHERE id = 7;"
  await inClient(
    `(while :; do echo "${statements}"; sleep 0.03; done | ${engine.client} >/dev/null 2>&1) </dev/null >/dev/null 2>&1 & disown`,
  )
  await wait(5000)
  const working = await inTurns(cluster, namespace, engine)
  await kubectl('delete', 'pod', 'client')
  await cluster.kubectl('delete', 'namespace', namespace, '--wait=false')
  return { idle, working }
}

/** Milliseconds of the engine's CPU that a scrape costs, and the cores that the engine takes without any. */
async function inTurns(cluster: NodeCluster, namespace: string, { port }: Engine) {
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  const scrape = `exec 3<>/dev/tcp/db-metrics-0.db-metrics/${port} && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3 >/dev/null`
  const count = windowSeconds / measuredInterval
  const scraping = `for i in $(seq ${count}); do (${scrape}) || exit 1; sleep ${measuredInterval}; done`
  const seconds = async () => {
    const usage =
      'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || awk \'$1 == "usage_usec" { print $2 "000" }\' /sys/fs/cgroup/cpu.stat'
    return Number(await kubectl('exec', 'db-0', '--container=database', '--', 'sh', '-c', usage)) / 1e9
  }
  const costs: number[] = []
  const cores: number[] = []
  for (let round = 0; round < rounds; round++) {
    const rate = async (work: () => Promise<unknown>) => {
      const [before, started] = [await seconds(), Date.now()]
      await work()
      const [after, ended] = [await seconds(), Date.now()]
      return ((after - before) * 1000) / (ended - started)
    }
    const without = await rate(() => wait(windowSeconds * 1000))
    const started = Date.now()
    const scraped = await rate(() => kubectl('exec', 'client', '--', 'bash', '-c', scraping))
    const every = (Date.now() - started) / count
    cores.push(without)
    costs.push((scraped - without) * every)
  }
  return { perScrape: median(costs), cpu: median(cores) }
}
