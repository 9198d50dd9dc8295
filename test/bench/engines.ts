// Databases in real pods: how long until they are Ready, and what an engine does in its pod beside the same engine bare on
// the machine.
import { setTimeout as wait } from 'node:timers/promises'
import { paths } from '../../hooks/kinds/database/engines/engine.ts'
import { engineOf } from '../../hooks/kinds/database/engines/index.ts'
import { type Database, spec } from '../../hooks/kinds/database/schema.ts'
import { isRecord } from '../../hooks/sdk/kubernetes.ts'
import type { NodeCluster } from '../node/cluster.ts'
import type { EngineName } from '../node/faults/world.ts'
import { ensureEngineRootfs } from '../node/images.ts'
import { conditionOf, database, databaseAt } from '../scenarios/database.ts'
import { type BareEngine, startBareEngine } from './bareengine.ts'
import { median, spread } from './measure.ts'
import { tell, withNodes } from './nodes.ts'
import { rounded, type Section, type Table } from './report.ts'

export interface EnginesOptions {
  readonly engines: readonly EngineName[]
  readonly repeat: number
  /** Of `ready` and `throughput`; both where it is empty. */
  readonly only: readonly string[]
}

const measured = ['ready', 'throughput']

/** How many members, and in how many seconds they should be Ready. */
const readyGoals = [
  [1, 15],
  [3, 30],
] as const

/** On a cluster of its own. */
export function benchEngines(options: EnginesOptions): Promise<Section> {
  const unknown = options.only.find((name) => !measured.includes(name))
  if (unknown !== undefined) throw new Error(`--only: "${unknown}" is none of ${measured.join(', ')}`)
  return withNodes(1, (cluster) => measureOn(cluster, options))
}

async function measureOn(cluster: NodeCluster, { engines, repeat, only }: EnginesOptions): Promise<Section> {
  const wanted = (name: string) => only.length === 0 || only.includes(name)
  const starts: Table['rows'][number][] = []
  const loads: Table['rows'][number][] = []
  const goals: Section['goals'][number][] = []
  for (const engine of engines) {
    for (const [members, limit] of wanted('ready') ? readyGoals : []) {
      const seconds = await attempts(`${engine}, ${members} members until Ready`, repeat, () =>
        timeToReady(cluster, engine, members),
      )
      if (seconds.length === 0) continue
      const range = [Math.min(...seconds), median(seconds), Math.max(...seconds)].map(rounded).join(' / ')
      starts.push([`${engine} ${cluster.versions[engine]}`, String(members), String(seconds.length), range])
      const what = `${engine}, ${members === 1 ? 'one member' : `${members} members`}: median from apply to Ready`
      goals.push({ what, value: median(seconds), limit, unit: 's', sense: 'at most' })
    }
    const loaded = wanted('throughput') ? shapes.filter(({ of = engine }) => of === engine) : []
    for (const { title, ...shape } of loaded) {
      const rounds = await throughput(cluster, engine, title, shape, repeat)
      if (rounds.length === 0) continue
      const ratios = rounds.map(({ pod, bare }) => pod / bare)
      loads.push([
        `${engine}, ${title}`,
        String(rounds.length),
        median(rounds.map(({ pod }) => pod)),
        median(rounds.map(({ bare }) => bare)),
        spread(ratios),
      ])
      goals.push({
        what: `${engine}, ${title}: throughput in the pod beside the engine bare`,
        value: median(ratios),
        limit: 0.95,
        unit: '×',
        sense: 'at least',
      })
    }
  }
  return {
    name: 'databases',
    about:
      'Databases in pods of one node on this machine, whose images are there. Throughput: the same client over the same socket, in the pod and in the root file system of the image, with the same configuration on the same disk; they take turns.',
    tables: [
      {
        title: 'Seconds from apply to Ready, minimum / median / maximum',
        columns: ['engine', 'members', 'n', 'seconds'],
        rows: starts,
      },
      {
        title:
          'Transactions a second (pgbench, scale 10, 4 clients) and queries a second (mysqlslap, mixed, 4 clients)',
        columns: ['engine', 'rounds', 'pod', 'bare', 'ratio (middle half)'],
        rows: loads,
      },
    ],
    goals,
  }
}

interface Shape {
  /** Of the Database. */
  readonly spec: Record<string, unknown>
  /** Whether the bare engine is replicated as that is, as its only member; default no. */
  readonly alike?: boolean
}

const member = { highAvailability: {} }
const shapes: readonly (Shape & { title: string; of?: EngineName })[] = [
  { title: 'a single Database', spec: {} },
  { title: 'one member of a replicated Database', spec: member },
  {
    title: 'one member of a replicated Database, beside a bare group of one',
    spec: member,
    alike: true,
    of: 'mysql',
  },
]

async function attempts<T>(what: string, count: number, run: () => Promise<T>): Promise<T[]> {
  const done: T[] = []
  for (let round = 1; round <= count; round++) {
    try {
      const result = await run()
      done.push(result)
      tell(`${what} ${round}/${count}: ${typeof result === 'number' ? rounded(result) : JSON.stringify(result)}`)
    } catch (error) {
      tell(`${what} ${round}/${count} failed: ${error instanceof Error ? error.message : error}`)
    }
  }
  return done
}

const name = 'db'
const resources = { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '2Gi' } }

async function timeToReady(cluster: NodeCluster, engine: EngineName, replicas: number): Promise<number> {
  const namespace = await cluster.namespace(`start-${engine}`)
  try {
    const started = performance.now()
    const memory = { requests: { cpu: '100m', memory: '512Mi' }, limits: { memory: '1Gi' } }
    await cluster.apply(
      database(namespace, name, { engine, version: cluster.versions[engine], replicas, resources: memory }),
    )
    await untilReady(cluster, namespace)
    return (performance.now() - started) / 1000
  } finally {
    await remove(cluster, namespace)
  }
}

async function untilReady(cluster: NodeCluster, namespace: string): Promise<void> {
  await cluster.until(
    'the Database is Ready',
    async () => {
      const ready = conditionOf(await cluster.get(databaseAt(namespace, name)), 'Ready')
      if (ready?.status === 'True') return true
      throw new Error(`Ready is ${ready?.status}: ${ready?.message}`)
    },
    300,
  )
}

async function remove(cluster: NodeCluster, namespace: string): Promise<void> {
  // A namespace that goes with its pods waits for as long as these may take to end.
  const database = ['delete', 'database', name, `--namespace=${namespace}`, '--cascade=foreground', '--timeout=120s']
  await cluster.kubectl(...database).catch((error: Error) => tell(error.message))
  await cluster.kubectl('delete', 'namespace', namespace, '--timeout=180s').catch((error: Error) => tell(error.message))
}

interface Round {
  readonly pod: number
  readonly bare: number
}

async function throughput(
  cluster: NodeCluster,
  engine: EngineName,
  title: string,
  { spec, alike = false }: Shape,
  rounds: number,
): Promise<Round[]> {
  const load = loads[engine]
  const namespace = await cluster.namespace(`load-${engine}`)
  let bare: BareEngine | undefined
  try {
    const version = cluster.versions[engine]
    await cluster.apply(database(namespace, name, { engine, version, resources, ...spec }))
    await untilReady(cluster, namespace)
    const inPod = (script: string) =>
      cluster.kubectl(
        'exec',
        `--namespace=${namespace}`,
        `${name}-0`,
        '--container=database',
        '--',
        'bash',
        '-ec',
        script,
      )
    bare = await startBareEngine({
      workplace: cluster.controlPlane.workplace,
      rootfs: await ensureEngineRootfs(engine),
      ...bareOptions(databaseOf(cluster, namespace, engine, alike ? spec : {})),
      ready: load.ready,
    })
    const there = bare
    if (alike) await there.run(load.form)
    const [here, outside] = [await inPod(load.settings), await there.run(load.settings)].map((text) => text.trim())
    tell(`${engine}, ${title}: ${here?.replaceAll('\n', ', ')}`)
    if (here !== outside) {
      const difference = `the bare one has ${outside?.replaceAll('\n', ', ')}`
      // Replication needs settings of its own, and what they take is part of what is measured.
      if (alike || Object.keys(spec).length === 0) throw new Error(difference)
      tell(difference)
    }
    await inPod(load.prepare)
    await there.run(load.prepare)
    let pods = false
    return await attempts(`${engine}, ${title}: throughput`, rounds, async () => {
      pods = !pods
      // In turns, and each as often the first.
      const one = pods ? rate(await inPod(load.run)) : rate(await there.run(load.run))
      const other = pods ? rate(await there.run(load.run)) : rate(await inPod(load.run))
      return pods ? { pod: one, bare: other } : { pod: other, bare: one }
    })
  } catch (error) {
    tell(`${engine}, ${title}: ${error instanceof Error ? error.message : error}`)
    return []
  } finally {
    await bare?.stop()
    await remove(cluster, namespace)
    await wait(1000)
  }
}

/** The last number that the script wrote. */
function rate(text: string): number {
  const value = Number(text.trim().split(/\s+/).at(-1))
  if (!(value > 0)) throw new Error(`no rate in: ${text}`)
  return value
}

/** What the engine's container of this Database has: the bare one gets the same files and environment. */
function bareOptions(db: Database) {
  const engine = engineOf(db)
  const { replication } = engine
  const alike = db.spec.highAvailability !== undefined
  const memory = 2 * 1024 ** 3
  const { files } = ((alike ? replication?.configuration : undefined) ?? engine.configuration)(db, memory)
  const own = engine.env(db).map((variable) => [variable.name, variable.value ?? ''])
  return {
    dataPath: engine.dataPath(db.spec.version),
    files: {
      ...Object.fromEntries(
        Object.entries(files).map(([file, content]) => [`${engine.configurationPath}/${file}`, content]),
      ),
      [`${paths.superuser}/superuser-password`]: 'bench',
    },
    env: {
      ...Object.fromEntries(own),
      PATH: '/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: db.spec.engine === 'postgresql' ? 'en_US.utf8' : 'C.UTF-8',
      HOME: '/tmp',
    },
    command: ['docker-entrypoint.sh', ...(alike ? groupOfOne : engine.command(db).args)],
  }
}

// What the script of a member's container adds to the configuration.
const groupOfOne = [
  'mysqld',
  '--server-id=1',
  '--report-host=127.0.0.1',
  '--loose-group-replication-local-address=127.0.0.1:3306',
]

// As the hook reads it, with all defaults.
function databaseOf(
  cluster: NodeCluster,
  namespace: string,
  engine: EngineName,
  more: Record<string, unknown>,
): Database {
  const fields = { engine, version: cluster.versions[engine], replicas: 1, resources, ...more }
  const object = database(namespace, name, fields)
  const credentials = { username: 'app', database: 'app', rotation: 0 }
  return {
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { ...object.metadata, name, namespace, uid: namespace },
    spec: spec.parse({ credentials, ...(isRecord(object.spec) ? object.spec : {}) }),
  }
}

const loads: Record<EngineName, { ready: string; form: string; settings: string; prepare: string; run: string }> = {
  postgresql: {
    ready: 'pg_isready --quiet --host=127.0.0.1',
    form: 'true',
    settings: `psql --no-psqlrc -h /var/run/postgresql -U postgres -Atc "SELECT name || '=' || setting FROM pg_settings WHERE name IN ('shared_buffers', 'fsync', 'synchronous_commit', 'max_wal_size', 'wal_level', 'max_connections', 'full_page_writes', 'wal_log_hints', 'data_checksums') ORDER BY 1"`,
    prepare: 'pgbench --quiet --initialize --scale=10 -h /var/run/postgresql -U postgres postgres 2>&1',
    run: `pgbench --client=4 --jobs=2 --time=20 --no-vacuum -h /var/run/postgresql -U postgres postgres 2>/dev/null | awk '/^tps/ { print $3 }'`,
  },
  mysql: {
    ready: mysqlScript('mysql', "--execute='SELECT 1' >/dev/null"),
    // As hooks/agent/mysql begins a group.
    form: mysqlScript(
      'mysql',
      `--execute="
SET SESSION sql_log_bin = 0;
CREATE USER replication IDENTIFIED BY 'bench';
GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO replication;
SET SESSION sql_log_bin = 1;
CHANGE REPLICATION SOURCE TO SOURCE_USER = 'replication', SOURCE_PASSWORD = 'bench' FOR CHANNEL 'group_replication_recovery';
SET GLOBAL group_replication_bootstrap_group = ON;
START GROUP_REPLICATION;
SET GLOBAL group_replication_bootstrap_group = OFF"`,
    ),
    settings: mysqlScript(
      'mysql',
      `--batch --skip-column-names --execute="SELECT concat(variable_name, '=', variable_value) FROM performance_schema.global_variables WHERE variable_name IN ('innodb_buffer_pool_size', 'sync_binlog', 'innodb_flush_log_at_trx_commit', 'log_bin', 'gtid_mode', 'innodb_redo_log_capacity', 'innodb_doublewrite', 'group_replication_consistency', 'group_replication_communication_stack') ORDER BY 1"`,
    ),
    prepare: 'true',
    run: mysqlScript(
      'mysqlslap',
      `--concurrency=4 --iterations=1 --number-of-queries=100000 --auto-generate-sql --auto-generate-sql-load-type=mixed --auto-generate-sql-add-autoincrement --auto-generate-sql-write-number=1000 --csv | awk -F, '{ print 100000 / $3 }'`,
    ),
  },
}

// The password is in a file that only this user can read. While the image makes a data folder, its server has no port.
function mysqlScript(program: string, args: string): string {
  return `
options=$(mktemp)
trap 'rm -f "$options"' EXIT
printf '[client]\\nuser=root\\npassword="%s"\\nhost=127.0.0.1\\n' "$(cat ${paths.superuser}/superuser-password)" >"$options"
${program} --defaults-extra-file="$options" ${args}`
}
