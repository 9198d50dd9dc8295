import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parser } from '@prometheus-io/lezer-promql'
import t, { type Test } from 'tap'
import { grafanaDashboards } from '../../hooks/decorators/grafana-dashboards/index.ts'
import { prometheusOperator } from '../../hooks/decorators/prometheus-operator/index.ts'
import { database as databaseKind } from '../../hooks/kinds/database/index.ts'
import { webapp } from '../../hooks/kinds/webapp/index.ts'
import { storedVersion } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { parse } from '../../hooks/sdk/schema.ts'
import { ask, backup, database, found, namespace, webApp } from './ask.ts'

const runbooks = join(import.meta.dirname, '..', '..', 'docs', 'runbooks')
const monitoring = { monitoring: { enabled: true, alerting: true } }
const watched: [string, KubernetesObject][] = [
  ...['postgresql', 'mysql', 'mongodb'].map((engine): [string, KubernetesObject] => [
    engine,
    database({
      ...monitoring,
      engine,
      version: engine === 'postgresql' ? '17.2' : '8.0.4',
      replicas: 3,
      backup: { enabled: true, destination: { claim: { name: 'backups' } } },
    }),
  ]),
  ['webapp', webApp({ ...monitoring, autoscaling: { enabled: true }, rollout: { strategy: 'canary' } })],
]

interface Rule {
  alert: string
  expr: string
  labels: Record<string, string>
  annotations: { runbook_url: string }
}

for (const [title, object] of watched) {
  const kind = object.kind.toLowerCase()
  const name = String(object.metadata.name)
  const rules = rulesOf(object)
  const { data } = found(dashboardsOf(object), 'ConfigMap', `${name}-${kind}-dashboard`) as unknown as {
    data: Record<string, string>
  }
  const model = JSON.parse(Object.values(data)[0] ?? '') as { panels: { targets?: { expr: string }[] }[]; uid: string }
  const queries = model.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

  t.test(`${title}: each alert has a runbook, and says whose it is`, async (t) => {
    t.ok(rules.length >= 5)
    for (const rule of rules) {
      checkRunbook(t, rule)
      t.match(rule.labels, { severity: /^(critical|warning)$/, namespace, [kind]: name })
    }
  })

  t.test(`${title}: every query is PromQL, of metrics that exist, and of this resource alone`, async (t) => {
    for (const expr of [...rules.map(({ expr }) => expr), ...queries]) checkQuery(t, expr, name)
  })
}

t.test('a backup has alerts of its own, which say of which database it is', async (t) => {
  const alerting = { monitoring: { alerting: true } }
  for (const [title, spec, alerts] of [
    ['on a schedule', { schedule: '@daily' }, ['DatabaseBackupFailed', 'DatabaseBackupOverdue']],
    ['suspended', { schedule: '@daily', suspend: true }, ['DatabaseBackupFailed']],
    ['once', {}, ['DatabaseBackupFailed']],
  ] as const) {
    const rules = rulesOf(backup({ ...spec, ...alerting }))
    t.same(
      rules.map(({ alert }) => alert),
      alerts,
      title,
    )
    for (const rule of rules) {
      checkRunbook(t, rule)
      checkQuery(t, rule.expr, 'nightly')
      t.match(rule.labels, { namespace, databasebackup: 'nightly', database: 'orders' })
    }
  }
  t.same(ask(prometheusOperator, backup({})).response.attachments, [])
})

t.test('what several members can suffer from, a single one is not asked for', async (t) => {
  const ofReplicas = ['DatabaseWithoutStandby', 'DatabaseReplicaNotReplicating', 'DatabaseReplicationLag']
  const alertsOf = (spec: object) => rulesOf(database({ ...monitoring, ...spec })).map(({ alert }) => alert)
  for (const alert of ofReplicas) {
    t.ok(alertsOf({ replicas: 3 }).includes(alert), alert)
    t.notOk(alertsOf({}).includes(alert), alert)
  }
  t.ok(alertsOf({}).includes('DatabaseMetricsAbsent'))
  t.notOk(alertsOf({ suspend: true }).includes('DatabaseMetricsAbsent'), 'it has no exporter while it is stopped')
})

t.test('what is scraped is not the kinds’ to say, but their Services’', async (t) => {
  for (const object of [database(monitoring), webApp(monitoring)]) {
    const kinds = ask(prometheusOperator, object).response.attachments.map(({ kind }) => kind)
    t.same(kinds, ['PrometheusRule'])
  }
})

t.test('switched off there is nothing, and without alerting no alert', async (t) => {
  t.same(ask(prometheusOperator, database()).response.attachments, [])
  t.same(ask(prometheusOperator, webApp()).response.attachments, [])
  const { response } = ask(prometheusOperator, database({ monitoring: { enabled: true } }))
  t.same(response.attachments, [])
})

t.test('a backup is overdue by its own schedule', async (t) => {
  const seconds = (schedule: string) => {
    const rules = rulesOf(backup({ schedule, activeDeadlineSeconds: 3600, monitoring: { alerting: true } }))
    return /> (\d+)$/.exec(rules.find(({ alert }) => alert === 'DatabaseBackupOverdue')?.expr ?? '')?.[1]
  }
  t.equal(seconds('@hourly'), String(1.5 * 3600 + 3600))
  t.equal(seconds('0 2 * * *'), String(1.5 * 86400 + 3600))
  t.equal(seconds('0 2 * * MON-FRI'), String(1.5 * 3 * 86400 + 3600), 'over a weekend too')
})

t.test('what Prometheus selects by, and where runbooks are, is said at the DecoratorController', async (t) => {
  const parameters = {
    'monitoring.example.com/labels': 'release=kps, team=a',
    'monitoring.example.com/runbooks': 'https://wiki/r/',
  }
  const { response } = ask(prometheusOperator, database(monitoring), { parameters })
  const rule = found(response, 'PrometheusRule', 'orders-database')
  t.match(rule.metadata.labels, { release: 'kps', team: 'a', 'app.kubernetes.io/instance': 'orders' })
  t.match(JSON.stringify(rule.spec), 'https://wiki/r/DatabaseDown.md')
})

t.test('a dashboard goes with the Service of its resource, and with no other', async (t) => {
  const watched = database(monitoring)
  const labels = { grafana_dashboard: '1' }
  t.match(found(dashboardsOf(watched), 'ConfigMap', 'orders-database-dashboard').metadata, { labels })
  t.same(dashboardsOf(database()).attachments, [])
  t.same(dashboardsOf(watched, 'another').attachments, [])
})

function rulesOf(object: KubernetesObject): Rule[] {
  const { response } = ask(prometheusOperator, object)
  const rule = found(response, 'PrometheusRule', `${object.metadata.name}-${object.kind.toLowerCase()}`)
  const { groups } = rule.spec as { groups: { rules: Rule[] }[] }
  return groups.flatMap(({ rules }) => rules)
}

function checkRunbook(t: Test, { alert, annotations }: Rule): void {
  const file = join(runbooks, `${alert}.md`)
  t.ok(existsSync(file), `${alert}.md`)
  t.match(readFileSync(file, 'utf8'), new RegExp(`^# ${alert}\n`), 'its title is the alert')
  t.match(annotations.runbook_url, new RegExp(`^https://.*/${alert}\\.md$`))
}

function checkQuery(t: Test, expr: string, name: string): void {
  t.equal(faultOf(expr), undefined, expr)
  const metrics = metricsIn(expr)
  t.ok(metrics.length > 0)
  for (const metric of metrics) t.ok(known.has(metric), `${metric} is one of an exporter's`)
  const selectors = expr.match(/\{[^}]*\}/g) ?? []
  t.equal(selectors.length, metrics.length, 'no metric without a selector')
  for (const selector of selectors) t.match(selector, new RegExp(`namespace="${namespace}".*${name}`))
}

/** What the Service of a resource gets; `owner` is the uid that it says is its owner's. */
function dashboardsOf(object: KubernetesObject, owner = object.metadata.uid ?? '') {
  const { kind, apiVersion, metadata } = object
  // As the API server has it: with its defaults.
  const { version } = storedVersion(kind === 'WebApp' ? webapp : databaseKind)
  const spec = parse(version.spec, object.spec, 'spec').value
  const ownerReferences = [{ apiVersion, kind, name: String(metadata.name), uid: owner, controller: true }]
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { ...metadata, uid: 's', ownerReferences }, spec: {} }
  return ask(grafanaDashboards, service, { related: [{ ...object, spec }] }).response
}

const service = (
  annotations: Record<string, string>,
  ports: object[],
  labels?: Record<string, string>,
): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'legacy', namespace, uid: 's', annotations, ...(labels && { labels }) },
  spec: { ports },
})
const scrape = { 'monitoring.example.com/scrape': 'true' }
const http = { name: 'http', port: 80 }
const metrics = { name: 'metrics', port: 9090 }

t.test('any Service may ask to be scraped', async (t) => {
  const endpoints = (annotations: Record<string, string>, ports: object[]) => {
    const { response } = ask(prometheusOperator, service({ ...scrape, ...annotations }, ports))
    t.same(response.labels, { 'monitoring.example.com/service': 'legacy' })
    return (found(response, 'ServiceMonitor', 'legacy').spec as { endpoints: object[] }).endpoints
  }
  const port = 'monitoring.example.com/port'
  t.same(endpoints({}, [http]), [{ port: 'http', path: '/metrics' }])
  t.same(endpoints({}, [http, metrics]), [{ port: 'metrics', path: '/metrics' }])
  t.same(endpoints({ [port]: 'http' }, [http, metrics]), [{ port: 'http', path: '/metrics' }])
  t.same(endpoints({ [port]: '9090' }, [http, metrics]), [{ port: 'metrics', path: '/metrics' }])
  t.same(endpoints({}, [{ port: 80, targetPort: 'web' }]), [{ targetPort: 'web', path: '/metrics' }])
  t.same(endpoints({}, [{ port: 80 }]), [{ targetPort: 80, path: '/metrics' }])
  const all = { 'monitoring.example.com/path': '/m', 'monitoring.example.com/interval': '1m30s' }
  t.same(endpoints(all, [http]), [{ port: 'http', path: '/m', interval: '1m30s' }])
})

t.test('what is wrong with its annotations is told on it, and what was made stays', async (t) => {
  const before = ask(prometheusOperator, service(scrape, [http])).response.attachments[0]
  if (before === undefined) throw new Error('no ServiceMonitor')
  const monitor = { ...before, metadata: { ...before.metadata, namespace, uid: 'm', resourceVersion: '1' } }
  const wrong: [Record<string, string>, object[], RegExp][] = [
    [
      { 'monitoring.example.com/port': 'admin' },
      [http],
      /^InvalidAnnotation: monitoring\.example\.com\/port: "admin" is not the name of one of the Service's ports: http$/,
    ],
    [{ 'monitoring.example.com/interval': 'often' }, [http], /"often" is not a duration such as 30s/],
    [{ 'monitoring.example.com/path': 'metrics' }, [http], /"metrics" is not a path that starts with \//],
    [{}, [], /the Service's ports: it has none/],
  ]
  for (const [annotations, ports, message] of wrong) {
    const object = service({ ...scrape, ...annotations }, ports, { 'monitoring.example.com/service': 'legacy' })
    const { response, hold } = ask(prometheusOperator, object, { attachments: [monitor] })
    t.match(response.annotations?.['decorators.example.com/prometheus-operator'], message)
    t.equal(hold?.reason, 'InvalidAnnotation')
    t.equal(response.attachments.length, 1)
    t.equal(response.labels, undefined, 'and its label too')
  }
})

t.test('one that asks no more loses all of it, and one that never asked is left alone', async (t) => {
  const gone = service({}, [http], { 'monitoring.example.com/service': 'legacy', app: 'x' })
  t.same(ask(prometheusOperator, gone).response, {
    labels: { 'monitoring.example.com/service': null },
    attachments: [],
  })
  t.same(ask(prometheusOperator, service({}, [http])).response, { attachments: [] })
})

t.test('an invalid resource is left as it is, without a word: its own conditions say why', async (t) => {
  const { response, hold } = ask(prometheusOperator, database({ engine: 'oracle' }))
  t.same(response, { attachments: [] })
  t.equal(hold?.reason, 'InvalidSpec')
})

function faultOf(expr: string): string | undefined {
  let fault: string | undefined
  parser.parse(expr).iterate({
    enter(node) {
      if (node.type.isError) fault ??= `at ${node.from}: ${expr.slice(node.from, node.to + 10)}`
    },
  })
  return fault
}

function metricsIn(expr: string): string[] {
  const names: string[] = []
  parser.parse(expr).iterate({
    enter(node) {
      if (node.name === 'VectorSelector') names.push(/^\w+/.exec(expr.slice(node.from, node.to))?.[0] ?? '')
    },
  })
  return names
}

/** Where each metric comes from, as its project's own documentation or source names it. */
const known = new Set([
  // Prometheus itself.
  'up',
  // kube-state-metrics: docs/metrics/workload of its repository.
  'kube_statefulset_replicas',
  'kube_statefulset_status_replicas_ready',
  'kube_deployment_spec_replicas',
  'kube_deployment_status_replicas',
  'kube_deployment_status_replicas_available',
  'kube_deployment_status_replicas_unavailable',
  'kube_horizontalpodautoscaler_spec_max_replicas',
  'kube_horizontalpodautoscaler_status_current_replicas',
  'kube_cronjob_created',
  'kube_cronjob_status_active',
  'kube_cronjob_status_last_schedule_time',
  'kube_cronjob_status_last_successful_time',
  'kube_job_failed',
  'kube_pod_info',
  'kube_pod_container_status_restarts_total',
  'kube_pod_container_resource_limits',
  // The kubelet: pkg/volume of Kubernetes, and cAdvisor.
  'kubelet_volume_stats_available_bytes',
  'kubelet_volume_stats_capacity_bytes',
  'kubelet_volume_stats_used_bytes',
  'container_cpu_usage_seconds_total',
  'container_memory_working_set_bytes',
  // postgres_exporter and mysqld_exporter: what they really serve, test/node/monitoring.test.ts asks them.
  'pg_up',
  'pg_stat_activity_count',
  'pg_stat_activity_max_tx_duration',
  'pg_settings_max_connections',
  'pg_stat_database_xact_commit',
  'pg_stat_database_xact_rollback',
  'pg_stat_database_blks_hit',
  'pg_stat_database_blks_read',
  'pg_stat_database_deadlocks',
  'pg_database_size_bytes',
  'pg_database_wraparound_age_datfrozenxid_seconds',
  'pg_replication_is_replica',
  'pg_replication_lag_seconds',
  'pg_stat_replication_pg_wal_lsn_diff',
  'pg_stat_archiver_archived_count',
  'pg_stat_archiver_failed_count',
  'pg_stat_bgwriter_buffers_alloc_total',
  'pg_stat_bgwriter_checkpoints_req_total',
  'pg_stat_bgwriter_checkpoints_timed_total',
  'pg_stat_checkpointer_num_requested_total',
  'pg_stat_checkpointer_num_timed_total',
  'pg_wal_size_bytes',
  'mysql_up',
  'mysql_global_status_threads_connected',
  'mysql_global_status_threads_running',
  'mysql_global_status_queries',
  'mysql_global_status_slow_queries',
  'mysql_global_status_innodb_buffer_pool_read_requests',
  'mysql_global_status_innodb_buffer_pool_reads',
  'mysql_global_status_innodb_data_read',
  'mysql_global_status_innodb_data_written',
  'mysql_global_status_innodb_log_waits',
  'mysql_global_status_innodb_os_log_written',
  'mysql_global_variables_max_connections',
  'mysql_info_schema_innodb_metrics_lock_lock_deadlocks_total',
  'mysql_perf_schema_applying_transaction_original_commit_timestamp_seconds',
  'mysql_perf_schema_replication_group_member_info',
  // mongodb_exporter: serverStatus, replSetGetStatus and the oplog's statistics by path (exporter/metrics.go), and what its
  // compatible mode adds (exporter/v1_compatibility.go).
  'mongodb_up',
  'mongodb_ss_connections',
  'mongodb_ss_opcounters',
  'mongodb_ss_mem_resident',
  'mongodb_rs_members_health',
  'mongodb_rs_members_optimeDate',
  'mongodb_oplog_stats_size',
  'mongodb_oplog_stats_maxSize',
  'mongodb_mongod_replset_oplog_head_timestamp',
  'mongodb_mongod_replset_oplog_tail_timestamp',
])
