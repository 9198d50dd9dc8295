// What works on a Database works on one that is replicated: users, exporters and backups. And backups tell the truth when
// the primary goes while one is taken, when the store refuses them, and when it is time to prune.
import t, { type Test } from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import {
  at,
  database,
  databaseAt,
  databaseBackupAt,
  present,
  untilCondition,
  untilPhase,
} from '../scenarios/database.ts'
import { clientPod, untilServed } from './client.ts'
import type { NodeCluster } from './cluster.ts'
import { obstacleToOwnNodes } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

interface Engine {
  name: 'postgresql' | 'mysql'
  memory: string
  method: 'physical' | 'logical'
  /** Bash: runs the statement in $1 as USERNAME with PASSWORD at HOST. */
  client: string
  /** Bash in the pod of a member: runs the statement in $1 as its administrator. */
  administrator: string
  /** Holds a table for itself until its session ends. */
  hold: string
  /** What the server's processes are called. */
  process: string
  /** How many dumps wait for it: the application may, too. */
  waiting: string
  exporterPort: number
  up: RegExp
}

const engines: Engine[] = [
  {
    name: 'postgresql',
    memory: '256Mi',
    process: 'postgres',
    method: 'physical',
    client:
      'PGPASSWORD="$PASSWORD" psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --tuples-only --no-align --host="$HOST" --username="$USERNAME" --dbname=app --command="$1"',
    administrator:
      'psql --no-psqlrc --quiet --tuples-only --no-align --host=/var/run/postgresql --username=postgres --dbname=app --command="$1"',
    hold: 'BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(900)',
    waiting: "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'",
    exporterPort: 9187,
    up: /^pg_up 1$/m,
  },
  {
    name: 'mysql',
    memory: '768Mi',
    process: 'mysqld',
    method: 'logical',
    client:
      'MYSQL_PWD="$PASSWORD" mysql --host="$HOST" --user="$USERNAME" --batch --skip-column-names --execute="$1" app',
    administrator: 'bash /scripts/client.sh --database=app --execute="$1"',
    hold: 'LOCK TABLES notes WRITE; SELECT SLEEP(900)',
    waiting:
      "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%metadata lock' AND USER <> 'app'",
    exporterPort: 9104,
    up: /^mysql_up 1$/m,
  },
]

/** Bash: kills all processes of that name at once. */
const killed =
  'cd /proc; for pid in [0-9]*; do if [ "$(cat $pid/comm)" = "$1" ]; then pids="$pids $pid"; fi; done; kill -KILL $pids'

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  t.test('companions of replicated databases in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  for (const engine of engines) t.test(`${engine.name}, three members`, async (t) => companions(t, cluster, engine))
}

async function companions(t: Test, cluster: NodeCluster, engine: Engine): Promise<void> {
  const namespace = await cluster.namespace(`with-${engine.name}`)
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  const version = cluster.versions[engine.name]
  const reference = databaseAt(namespace, 'db')
  const { ca, accessKeyId, secretAccessKey, bucket, endpoint } = cluster.s3
  const keys = { 'access-key-id': accessKeyId, 'secret-access-key': secretAccessKey, 'ca.crt': ca }
  const store = { apiVersion: 'v1', kind: 'Secret', namespace, name: 's3' }
  await cluster.create({ ...secret(namespace, 's3'), stringData: keys })
  await cluster.create({ ...secret(namespace, 'phrase'), stringData: { passphrase: 'of these tests' } })
  await cluster.patch(
    { apiVersion: 'v1', kind: 'Namespace', name: namespace },
    { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
  )
  const destination = {
    s3: { bucket, endpoint, forcePathStyle: true, caSecret: { name: 's3' }, credentialsSecret: { name: 's3' } },
  }
  const encryption = { secretName: 'phrase' }

  /** With what a Secret says. */
  const as = async (name: string, host: string, statement: string) => {
    const of = async (key: string) =>
      Buffer.from(await kubectl('get', 'secret', name, `-ojsonpath={.data.${key}}`), 'base64').toString()
    const env = [`HOST=${host}`, `USERNAME=${await of('username')}`, `PASSWORD=${await of('password')}`]
    return (await kubectl('exec', 'client', '--', 'env', ...env, 'bash', '-c', engine.client, 'bash', statement)).trim()
  }
  const asApp = (statement: string) => as('db-secret', 'db', statement)
  const onMember = async (pod: string, statement: string) =>
    (await kubectl('exec', pod, '-cdatabase', '--', 'bash', '-c', engine.administrator, 'bash', statement)).trim()
  const untilWhole = () =>
    cluster.until(
      'three members are ready, one of them the primary',
      async () => {
        const topology = at(await present(cluster, reference), 'status', 'topology')
        const members = (at(topology, 'members') ?? []) as { ready: boolean }[]
        const primary = at(topology, 'primary')
        return members.length === 3 && members.every(({ ready }) => ready) && typeof primary === 'string'
          ? primary
          : undefined
      },
      400,
    )
  const statusOf = async (backup: string) => (await present(cluster, databaseBackupAt(namespace, backup))).status ?? {}
  /** Takes one now, by the CronJob of the Database's own. */
  const backUp = (job: string) => kubectl('create', 'job', job, '--from=cronjob/db-backup')
  const untilStored = (backup: string, job: string) =>
    cluster.until(
      `Job/${job} has stored a backup`,
      async () => {
        const { lastBackup, lastFailure } = (await statusOf(backup)) as Record<string, Record<string, unknown>>
        if (lastFailure?.job === job) throw new Error(String(lastFailure.message))
        return lastBackup?.job === job ? lastBackup : undefined
      },
      420,
    )
  const attempts = async (job: string) =>
    (
      await kubectl('get', 'pods', `-lbatch.kubernetes.io/job-name=${job}`, '-ojsonpath={.items[*].status.phase}')
    ).split(' ')
  /** What pgBackRest itself knows of. */
  const labels = async (pod: string, ...command: string[]) => {
    const run = (...args: string[]) => kubectl('exec', pod, '-cbackup', '--', 'bash', '/scripts/pgbackrest.sh', ...args)
    if (command.length > 0) await run(...command)
    const text = await run('info', '--output=json', '--log-level-console=off')
    const stanzas = JSON.parse(text) as { backup: { label: string; error?: boolean }[] }[]
    return stanzas.flatMap(({ backup }) => backup.filter(({ error }) => error !== true).map(({ label }) => label))
  }

  await cluster.create(clientPod(namespace, `${engine.name === 'postgresql' ? 'postgres' : 'mysql'}:${version}`))
  await cluster.apply(
    database(namespace, 'db', {
      engine: engine.name,
      version,
      replicas: 3,
      resources: { requests: { cpu: '50m', memory: engine.memory } },
      monitoring: { enabled: true },
      backup: { enabled: true, schedule: '0 0 1 1 *', method: engine.method, destination, encryption, retention: '7d' },
    }),
  )
  await untilPhase(cluster, reference, 'Running', 400)
  await untilWhole()
  await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=120s')

  await t.test('a DatabaseUser is made on the primary, and is there on the replicas', async (t) => {
    await untilServed(cluster, () => asApp('SELECT 1'))
    await asApp('CREATE TABLE notes (id int PRIMARY KEY, text varchar(40))')
    await cluster.apply({
      apiVersion: 'example.com/v1',
      kind: 'DatabaseUser',
      metadata: { namespace, name: 'writer' },
      spec: { databaseRef: { name: 'db' }, username: 'writer', databases: [{ name: 'app', access: 'write' }] },
    })
    const user = { apiVersion: 'example.com/v1', kind: 'DatabaseUser', namespace, name: 'writer' }
    await untilCondition(cluster, user, 'Ready', 'True', 'Applied', 120)
    await as('writer-user', 'db', "INSERT INTO notes VALUES (1, 'by the user')")
    const read = () => as('writer-user', 'db-readonly', 'SELECT text FROM notes').catch(() => undefined)
    t.equal(await cluster.until('a replica has it', read), 'by the user')
    await t.rejects(as('writer-user', 'db', 'DROP TABLE notes'))
  })

  await t.test('each member has an exporter that is logged in', async () => {
    const monitor = { apiVersion: 'example.com/v1', kind: 'DatabaseMonitor', namespace, name: 'db' }
    await untilCondition(cluster, monitor, 'Ready', 'True', 'Running', 180)
    for (const ordinal of [0, 1, 2]) {
      const exporter = `/dev/tcp/db-metrics-${ordinal}.db-metrics/${engine.exporterPort}`
      const ask = `exec 3<>${exporter} && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`
      await cluster.until(
        `the exporter of db-${ordinal} is logged in`,
        async () =>
          engine.up.test(await kubectl('exec', 'client', '--', 'timeout', '20', 'bash', '-c', ask).catch(() => '')),
        120,
      )
    }
  })

  await t.test('a backup is taken', async (t) => {
    await backUp('first')
    const { name, size } = await untilStored('db-backup', 'first')
    t.ok(Number(size) > 0)
    if (engine.method === 'physical') t.same(await labels('db-0'), [name])
  })

  if (engine.method === 'physical') {
    await t.test('one that is verified was restored into a scratch server', async (t) => {
      await cluster.apply(backup('proven', { method: 'physical', verify: true }))
      const proven = await untilStored('proven', 'proven-once')
      t.equal(proven.verified, true)
      await untilCondition(cluster, databaseBackupAt(namespace, 'proven'), 'Verified', 'True', 'Restored')
      t.match(await kubectl('logs', 'job/proven-once', '-cverify'), /: [23] databases with [1-9]\d* tables$/m)
    })

    await t.test('a physical backup whose primary goes is taken again by the next one', async (t) => {
      await asApp(
        "CREATE TABLE filler AS SELECT g AS id, (SELECT string_agg(md5(random()::text || g || n), '') FROM generate_series(1, 8) AS n) AS text FROM generate_series(1, 200000) AS g",
      )
      const before = await untilWhole()
      await backUp('cut')
      await cluster.until('it is under way', async () =>
        (await kubectl('logs', 'job/cut').catch(() => '')).includes(`${before} takes the backup`),
      )
      await kubectl('delete', 'pod', before, '--grace-period=0', '--force')
      const { name } = await untilStored('db-backup', 'cut')
      const after = await untilWhole()
      t.ok((await attempts('cut')).includes('Failed'), 'the first attempt is not said to be good')
      t.ok((await labels(after)).includes(String(name)), 'what is said to be good is there')
    })
  }

  await t.test('a dump whose primary goes is taken again', async (t) => {
    const before = await untilWhole()
    const session = onMember(before, engine.hold).catch(() => undefined)
    await cluster.until('the table is held', async () => {
      const answer = await Promise.race([asApp('SELECT 1 FROM notes').then(() => 'read'), delay(3000)])
      return answer === 'waits'
    })
    await cluster.apply(backup('dumped', { verify: true }))
    await cluster.until('the dump waits', async () => Number(await onMember(before, engine.waiting)) > 0, 120)
    // The server at one blow: told to end, it would let go of the table before the dump. Its container may end first.
    await kubectl('exec', before, '-cdatabase', '--', 'bash', '-c', killed, 'bash', engine.process).catch(() => '')
    await kubectl('delete', 'pod', before, '--grace-period=0', '--force')
    const dumped = await untilStored('dumped', 'dumped-once')
    t.equal(dumped.verified, true)
    t.ok((await attempts('dumped-once')).includes('Failed'))
    await untilCondition(cluster, databaseBackupAt(namespace, 'dumped'), 'Ready', 'True', 'Succeeded')
    await untilWhole()
    await session
  })

  await t.test(
    'credentials that are wrong are told, and cost nothing; the last good backup outlives its time',
    async (t) => {
      const [folder, old] = [`/data/${bucket}/${namespace}/db`, 'db-20200101T000000Z']
      const inStore = (command: string) =>
        cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', command)
      const good = at(await statusOf('db-backup'), 'lastBackup')
      // As if a long time had passed since it was taken.
      if (engine.method === 'logical') {
        const suffix = String(at(good, 'name')).replace(/^[^.]*/, '')
        await inStore(`mv ${folder}/${at(good, 'name')}.sealed ${folder}/${old}${suffix}.sealed`)
      }
      await cluster.patch(store, { stringData: { 'secret-access-key': 'wrong' } })
      const primary = await untilWhole()
      if (engine.method === 'physical') {
        await asApp("INSERT INTO notes VALUES (2, 'while it is refused')")
        await untilRefused(primary)
      }
      await backUp('refused')
      const told = await untilCondition(
        cluster,
        databaseBackupAt(namespace, 'db-backup'),
        'LastBackupSucceeded',
        'False',
        'Failed',
        300,
      )
      t.match(at(told, 'status', 'lastFailure'), { job: 'refused', message: /^finish: .*(Signature|403)/ })
      t.same(at(told, 'status', 'lastBackup'), good, 'the last good one is still known')
      if (engine.method === 'logical') t.match(await inStore(`ls ${folder}`), old, 'and there')
      if (engine.method === 'physical')
        await untilCondition(cluster, reference, 'ContinuousArchiving', 'False', 'ArchivingFails', 240)

      await cluster.patch(store, { stringData: { 'secret-access-key': secretAccessKey } })
      if (engine.method === 'physical') {
        await untilCondition(cluster, reference, 'ContinuousArchiving', 'True', undefined, 300)
        const kept = await labels(primary, '--repo1-retention-full=1', 'expire')
        t.ok(kept.includes(String(at(good, 'name'))), 'what expires while none succeeds is not the last good one')
      }
      await backUp('mended')
      const { name } = await untilStored('db-backup', 'mended')
      await untilCondition(cluster, databaseBackupAt(namespace, 'db-backup'), 'LastBackupSucceeded', 'True')
      if (engine.method === 'logical') {
        const left = await inStore(`ls ${folder}`)
        t.match(left, String(name))
        t.notMatch(left, old, 'pruned, now that there is another one')
      }
    },
  )

  if (engine.method === 'physical') {
    await t.test('a full backup whose files were damaged is found by the next that is verified', async (t) => {
      const full = String(at(await statusOf('proven'), 'lastBackup', 'name')).replace(/_.*/, '')
      const files = `/data/${bucket}/${namespace}/db/physical/backup/db-*/${full}/bundle/*`
      const spoil = `for file in ${files}; do dd if=/dev/zero of="$file" bs=1 seek=2000 count=64 conv=notrunc; done`
      await cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', spoil)
      await cluster.apply(backup('doubtful', { method: 'physical', verify: true }))
      const doubtful = databaseBackupAt(namespace, 'doubtful')
      const told = await untilCondition(cluster, doubtful, 'LastBackupSucceeded', 'False', 'Failed', 300)
      t.match(at(told, 'status', 'lastFailure', 'message'), /^verify: .* cannot be restored: \[026\].*checksum/)
      t.equal(at(told, 'status', 'lastBackup'), undefined, 'it is not said to be good')

      // As the runbook has it.
      await labels(await untilWhole(), '--type=full', 'backup')
      await cluster.apply(backup('trusted', { method: 'physical', verify: true }))
      t.equal((await untilStored('trusted', 'trusted-once')).verified, true)
    })
  }
  await kubectl('delete', 'database/db', '--timeout=180s')

  function backup(name: string, spec: Record<string, unknown>): KubernetesObject {
    return {
      apiVersion: 'example.com/v1',
      kind: 'DatabaseBackup',
      metadata: { namespace, name },
      spec: { databaseRef: { name: 'db' }, destination, encryption, ...spec },
    }
  }

  /** Files of a mounted Secret follow it after a while. */
  async function untilRefused(pod: string): Promise<void> {
    await cluster.until(
      'the log is refused',
      async () => {
        await onMember(pod, 'SELECT pg_switch_wal()')
        return (
          Number(await onMember(pod, 'SELECT failed_count FROM pg_stat_archiver')) > 0 &&
          (await onMember(pod, 'SELECT last_failed_time > last_archived_time FROM pg_stat_archiver')) === 't'
        )
      },
      240,
    )
  }
}

const delay = (milliseconds: number) => new Promise<string>((resolve) => setTimeout(resolve, milliseconds, 'waits'))

const secret = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace, name },
})
