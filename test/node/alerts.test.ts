// Alerts proven to fire, and to keep silent: each rule that the decorator emits is put to Prometheus' own promtool with series
// as the exporters serve them (monitoring.test.ts holds that they do), first of a database that is well, then of one that
// suffers from one thing. What then fires is exactly what is listed.
import { spawnSync } from 'node:child_process'
import { globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { prometheusOperator } from '../../hooks/decorators/prometheus-operator/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ask, backup, database, found, namespace } from '../decorators/ask.ts'
import { ensurePrometheusRootfs } from './images.ts'
import { obstacleToOwnNodes } from './requirements.ts'

/** Values by series, as promtool writes them: `3x300` is three, for three hundred minutes more. */
type Series = Readonly<Record<string, string>>

interface Subject {
  title: string
  object: KubernetesObject
  healthy: Series
  /** What is otherwise than in `healthy`; undefined takes a series away. */
  cases: readonly { with: Readonly<Record<string, string | undefined>>; fires: readonly string[] }[]
}

/** Later than any alert looks back, those of backups included. */
const evaluatedAt = 200
const minutes = evaluatedAt + 10
const always = (value: number) => `${value}x${minutes}`
const growing = (perMinute: number) => `0+${perMinute}x${minutes}`
const pods = [0, 1, 2]

const set = `{namespace="${namespace}",statefulset="orders"}`
const exporter = (number: number, further = '') => `{namespace="${namespace}",pod="orders-metrics-${number}"${further}}`
const restarts = `kube_pod_container_status_restarts_total{namespace="${namespace}",pod="orders-1",container="database"}`
const ready = `kube_statefulset_status_replicas_ready${set}`
const available = `kubelet_volume_stats_available_bytes{namespace="${namespace}",persistentvolumeclaim="data-orders-0"}`
const on = (pod: number, node: number) =>
  `kube_pod_info{namespace="${namespace}",pod="orders-${pod}",node="node-${node}"}`

function ofAnyEngine(up: string): Series {
  return {
    [`kube_statefulset_replicas${set}`]: always(3),
    [ready]: always(3),
    [restarts]: always(1),
    [available]: always(50),
    [available.replace('available', 'capacity')]: always(100),
    ...Object.fromEntries(pods.map((pod) => [on(pod, pod), always(1)])),
    ...Object.fromEntries(pods.map((pod) => [`${up}${exporter(pod)}`, always(1)])),
    // Of another database: nothing of it is this one's business.
    [`${up}{namespace="${namespace}",pod="payments-metrics-0"}`]: always(0),
  }
}

function casesOfAnyEngine(up: string): Subject['cases'] {
  return [
    {
      with: { [ready]: always(0) },
      fires: ['DatabaseDown critical', 'DatabaseReplicasNotReady warning'],
    },
    { with: { [ready]: always(2) }, fires: ['DatabaseReplicasNotReady warning'] },
    { with: { [ready]: always(1) }, fires: ['DatabaseReplicasNotReady warning', 'DatabaseWithoutStandby critical'] },
    { with: { [`${up}${exporter(1)}`]: always(0) }, fires: ['DatabaseNotAnswering critical'] },
    {
      with: Object.fromEntries(pods.map((pod) => [`${up}${exporter(pod)}`, undefined])),
      fires: ['DatabaseMetricsAbsent warning'],
    },
    { with: { [restarts]: growing(1) }, fires: ['DatabaseRestarting warning'] },
    { with: { [available]: always(25) }, fires: ['DatabaseVolumeFilling warning'] },
    { with: { [available]: always(5) }, fires: ['DatabaseVolumeFilling critical', 'DatabaseVolumeFilling warning'] },
    {
      with: { [on(1, 1)]: undefined, [on(1, 0)]: always(1) },
      fires: ['DatabaseReplicasOnOneNode warning'],
    },
  ]
}

const watch = `{namespace="${namespace}",statefulset="orders-archiving"}`
const archived: Series = {
  [`kube_statefulset_replicas${watch}`]: always(1),
  [`kube_statefulset_status_replicas_ready${watch}`]: always(1),
}
const notArchived: Subject['cases'] = [
  {
    with: { [`kube_statefulset_status_replicas_ready${watch}`]: always(0) },
    fires: ['DatabaseArchivingFailing critical'],
  },
  // Nobody answers whether it is archived: one alert is enough.
  {
    with: { [`kube_statefulset_status_replicas_ready${watch}`]: always(0), [ready]: always(0) },
    fires: ['DatabaseDown critical', 'DatabaseReplicasNotReady warning'],
  },
  // Stopped on purpose, with its Database.
  { with: Object.fromEntries(Object.keys(archived).map((series) => [series, always(0)])), fires: [] },
]
const physical = {
  enabled: true,
  schedule: '@daily',
  method: 'physical',
  destination: { s3: { bucket: 'backups', region: 'eu-central-1', endpoint: 'https://s3.test' } },
}

const both = (name: string) => [`${name} critical`, `${name} warning`]

const activity = (further: string) => exporter(0, `,datname="app",state="active",usename="app",${further}`)
const transaction = `pg_stat_activity_max_tx_duration${activity('application_name="web",backend_type="client backend"')}`
const connections = `pg_stat_activity_count${activity('application_name="web",backend_type="client backend"')}`
const dump = `pg_stat_activity_max_tx_duration${activity('application_name="pg_dump",backend_type="client backend"')}`
const age = `pg_database_wraparound_age_datfrozenxid_seconds${exporter(0, ',datname="app"')}`
const streaming = (pod: number) =>
  `pg_stat_replication_pg_wal_lsn_diff${exporter(0, `,application_name="orders-${pod}",state="streaming"`)}`

const postgresql: Subject = {
  title: 'postgresql',
  object: database({ version: '17.2', replicas: 3, monitoring: { enabled: true, alerting: true }, backup: physical }),
  healthy: {
    ...ofAnyEngine('pg_up'),
    ...archived,
    [connections]: always(10),
    [`pg_settings_max_connections${exporter(0)}`]: always(100),
    [transaction]: always(2),
    [dump]: always(5000),
    [age]: always(150e6),
    [`pg_stat_database_deadlocks${exporter(0, ',datname="app"')}`]: growing(0.1),
    ...Object.fromEntries(pods.map((pod) => [`pg_replication_is_replica${exporter(pod)}`, always(pod === 0 ? 0 : 1)])),
    ...Object.fromEntries(pods.map((pod) => [`pg_replication_lag_seconds${exporter(pod)}`, always(0)])),
    [streaming(1)]: always(100),
    [streaming(2)]: always(0),
  },
  cases: [
    ...casesOfAnyEngine('pg_up'),
    ...notArchived,
    { with: { [connections]: always(85) }, fires: ['DatabaseConnectionsExhausted warning'] },
    { with: { [connections]: always(98) }, fires: both('DatabaseConnectionsExhausted') },
    { with: { [transaction]: growing(60) }, fires: ['DatabaseLongTransaction warning'] },
    { with: { [age]: always(301e6) }, fires: ['DatabaseTransactionIdsRunningOut critical'] },
    {
      with: { [`pg_stat_database_deadlocks${exporter(0, ',datname="app"')}`]: growing(3) },
      fires: ['DatabaseDeadlocks warning'],
    },
    { with: { [`pg_replication_lag_seconds${exporter(2)}`]: always(3) }, fires: ['DatabaseReplicationLag warning'] },
    { with: { [`pg_replication_lag_seconds${exporter(2)}`]: always(30) }, fires: both('DatabaseReplicationLag') },
    { with: { [streaming(2)]: undefined }, fires: ['DatabaseReplicaNotReplicating warning'] },
    {
      with: { [streaming(1)]: undefined, [streaming(2)]: undefined },
      fires: ['DatabaseReplicaNotReplicating warning'],
    },
  ],
}

const seen = (by: number, member: number, state = 'ONLINE') =>
  `mysql_perf_schema_replication_group_member_info${exporter(by, `,member_id="${member}",member_state="${state}"`)}`
const applying = (pod: number) =>
  `mysql_perf_schema_applying_transaction_original_commit_timestamp_seconds${exporter(pod, ',channel_name="group_replication_applier",member_id="1"')}`
const mysqlConnections = `mysql_global_status_threads_connected${exporter(0)}`
const deadlocks = `mysql_info_schema_innodb_metrics_lock_lock_deadlocks_total${exporter(0)}`
const logWaits = `mysql_global_status_innodb_log_waits${exporter(0)}`

const mysql: Subject = {
  title: 'mysql',
  object: database({
    engine: 'mysql',
    version: '8.4.3',
    replicas: 3,
    monitoring: { enabled: true, alerting: true },
    backup: physical,
  }),
  healthy: {
    ...ofAnyEngine('mysql_up'),
    ...archived,
    [mysqlConnections]: always(10),
    [`mysql_global_variables_max_connections${exporter(0)}`]: always(100),
    [deadlocks]: growing(0.1),
    [logWaits]: growing(1),
    ...Object.fromEntries(pods.flatMap((by) => pods.map((member) => [seen(by, member), always(1)]))),
    ...Object.fromEntries(pods.map((pod) => [applying(pod), always(0)])),
  },
  cases: [
    ...casesOfAnyEngine('mysql_up'),
    ...notArchived,
    { with: { [mysqlConnections]: always(85) }, fires: ['DatabaseConnectionsExhausted warning'] },
    { with: { [mysqlConnections]: always(98) }, fires: both('DatabaseConnectionsExhausted') },
    { with: { [deadlocks]: growing(3) }, fires: ['DatabaseDeadlocks warning'] },
    { with: { [logWaits]: growing(700) }, fires: ['DatabaseLogWaits warning'] },
    {
      // The others see two; it has left, and sees itself alone.
      with: {
        [seen(0, 2)]: undefined,
        [seen(1, 2)]: undefined,
        [seen(2, 0)]: undefined,
        [seen(2, 1)]: undefined,
        [seen(2, 2)]: undefined,
        [seen(2, 2, 'OFFLINE')]: always(1),
      },
      fires: ['DatabaseReplicaNotReplicating warning'],
    },
    // What it applies was committed three and thirty seconds before each scrape.
    { with: { [applying(2)]: `-3+60x${minutes}` }, fires: ['DatabaseReplicationLag warning'] },
    { with: { [applying(2)]: `-30+60x${minutes}` }, fires: both('DatabaseReplicationLag') },
  ],
}

const member = (by: number, of: number, state = of === 0 ? 'PRIMARY' : 'SECONDARY') =>
  exporter(by, `,member_idx="orders-${of}",member_state="${state}"`)
const ofMembers = (metric: string, value: string) =>
  Object.fromEntries(pods.flatMap((by) => pods.map((of) => [`${metric}${member(by, of)}`, value])))
const current = `mongodb_ss_connections${exporter(0, ',conn_type="current"')}`
const left = `mongodb_ss_connections${exporter(0, ',conn_type="available"')}`
const oplog = (what: string) => `mongodb_mongod_replset_oplog_${what}_timestamp${exporter(0)}`
const oplogSize = `mongodb_oplog_stats_size${exporter(0, ',rs_nm="orders"')}`

const mongodb: Subject = {
  title: 'mongodb',
  object: database({ engine: 'mongodb', version: '8.0.4', replicas: 3, monitoring: { enabled: true, alerting: true } }),
  healthy: {
    ...ofAnyEngine('mongodb_up'),
    [current]: always(10),
    [left]: always(90),
    ...ofMembers('mongodb_rs_members_health', always(1)),
    ...ofMembers('mongodb_rs_members_optimeDate', `0+60000x${minutes}`),
    [oplog('head')]: always(7200),
    [oplog('tail')]: always(0),
    [oplogSize]: always(95),
    [oplogSize.replace('size', 'maxSize')]: always(100),
  },
  cases: [
    ...casesOfAnyEngine('mongodb_up'),
    { with: { [current]: always(85), [left]: always(15) }, fires: ['DatabaseConnectionsExhausted warning'] },
    { with: { [current]: always(98), [left]: always(2) }, fires: both('DatabaseConnectionsExhausted') },
    { with: { [oplog('tail')]: always(5000) }, fires: ['DatabaseOplogShort warning'] },
    // Not full yet, a short one is only young.
    { with: { [oplog('tail')]: always(5000), [oplogSize]: always(10) }, fires: [] },
    {
      with: Object.fromEntries(
        pods.flatMap((by) => [
          [`mongodb_rs_members_health${member(by, 2)}`, undefined],
          [`mongodb_rs_members_health${member(by, 2, '(not reachable/healthy)')}`, always(0)],
        ]),
      ),
      fires: ['DatabaseReplicaNotReplicating warning'],
    },
    {
      with: { [`mongodb_rs_members_optimeDate${member(0, 2)}`]: `-30000+60000x${minutes}` },
      fires: both('DatabaseReplicationLag'),
    },
  ],
}

const cronJob = `{namespace="${namespace}",cronjob="nightly"}`
const scheduled = `kube_cronjob_status_last_schedule_time${cronJob}`
const succeeded = `kube_cronjob_status_last_successful_time${cronJob}`

const backups: Subject = {
  title: 'a backup on a schedule',
  object: backup({ schedule: '@hourly', activeDeadlineSeconds: 3600, monitoring: { alerting: true } }),
  healthy: {
    [`kube_cronjob_created${cronJob}`]: always(0),
    [scheduled]: `-60+60x${minutes}`,
    [succeeded]: `0+60x${minutes}`,
    [`kube_cronjob_status_active${cronJob}`]: always(0),
  },
  cases: [
    // Once: half an hour ago.
    { with: { [succeeded]: `-1800+60x${minutes}` }, fires: ['DatabaseBackupFailed warning'] },
    { with: { [succeeded]: `-1800+60x${minutes}`, [`kube_cronjob_status_active${cronJob}`]: always(1) }, fires: [] },
    {
      with: { [succeeded]: always(0) },
      fires: ['DatabaseBackupFailed warning', 'DatabaseBackupOverdue critical'],
    },
    // Never: since the schedule was made.
    {
      with: { [succeeded]: undefined },
      fires: ['DatabaseBackupFailed warning', 'DatabaseBackupOverdue critical'],
    },
    { with: { [scheduled]: always(0), [succeeded]: always(10) }, fires: ['DatabaseBackupOverdue critical'] },
  ],
}

const jobFailed = `kube_job_failed{namespace="${namespace}",job_name="nightly-once",condition="true"}`
const once: Subject = {
  title: 'a backup that is taken once',
  object: backup({ monitoring: { alerting: true } }),
  healthy: { [jobFailed]: always(0) },
  cases: [{ with: { [jobFailed]: always(1) }, fires: ['DatabaseBackupFailed warning'] }],
}

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  t.test('alerts fire', { skip: reason }, async () => {})
} else {
  const promtool = await promtoolCommand()
  for (const { title, object, healthy, cases } of [postgresql, mysql, mongodb, backups, once]) {
    const name = `${object.metadata.name}-${object.kind.toLowerCase()}`
    const { spec } = found(ask(prometheusOperator, object).response, 'PrometheusRule', name)
    const { groups } = spec as { groups: { rules: { alert: string; labels: { severity: string } }[] }[] }
    const wanted = [{ with: {}, fires: [] }, ...cases]

    t.test(`${title}: exactly the alerts that are listed fire`, async (t) => {
      const folder = t.testdir({})
      writeFileSync(join(folder, 'rules.json'), JSON.stringify({ groups }))
      const tests = wanted.map((one) => testOf({ ...healthy, ...one.with }, one.fires))
      const file = join(folder, 'tests.json')
      writeFileSync(file, JSON.stringify({ rule_files: ['rules.json'], evaluation_interval: '1m', tests }))
      const [program = '', ...args] = promtool
      for (const command of [
        ['check', 'rules', join(folder, 'rules.json')],
        ['test', 'rules', file],
      ]) {
        const { status, stdout, stderr } = spawnSync(program, [...args, ...command], { encoding: 'utf8' })
        t.equal(status, 0, `${command[0]}: ${stdout}${stderr}`)
      }
    })

    t.test(`${title}: there is a case for every alert`, async (t) => {
      const alerts = groups.flatMap(({ rules }) => rules.map(({ alert, labels }) => `${alert} ${labels.severity}`))
      const shown = new Set(cases.flatMap(({ fires }) => fires))
      t.same(
        [...new Set(alerts)].filter((alert) => !shown.has(alert)),
        [],
      )
    })
  }
}

/** What fires in the end: the names of the alerts with their severities, and no other. */
function testOf(series: Readonly<Record<string, string | undefined>>, fires: readonly string[]): object {
  return {
    interval: '1m',
    input_series: Object.entries(series).flatMap(([name, values]) => (values ? [{ series: name, values }] : [])),
    promql_expr_test: [
      {
        expr: 'group by (alertname, severity) (ALERTS{alertstate="firing"})',
        eval_time: `${evaluatedAt}m`,
        exp_samples: fires.map((alert) => {
          const [name, severity] = alert.split(' ')
          return { labels: `{alertname="${name}",severity="${severity}"}`, value: 1 }
        }),
      },
    ],
  }
}

/** By the loader and the libraries that it came with, whatever the machine has. */
async function promtoolCommand(): Promise<string[]> {
  const root = await ensurePrometheusRootfs()
  const [loader] = globSync(join(root, 'usr/lib/*/ld-linux-*.so.*'))
  if (loader === undefined) throw new Error(`${root} has no loader`)
  return [loader, '--library-path', join(loader, '..'), join(root, 'usr/bin/promtool')]
}
