// What Prometheus watches of a Database. Metrics are those of kube-state-metrics and the kubelet
// (https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics) and of the engine's exporter:
// https://github.com/prometheus-community/postgres_exporter, https://github.com/prometheus/mysqld_exporter and
// https://github.com/percona/mongodb_exporter.
import { dataVolume, names } from '../../kinds/database/names.ts'
import type { Database, EngineName } from '../../kinds/database/schema.ts'
import { longestGapSeconds } from '../../sdk/schedule.ts'
import type { Panel } from '../grafana-dashboards/dashboard.ts'
import type { Alert } from './rules.ts'

export function databaseAlerts(db: Database): Alert[] {
  const { engine } = db.spec
  const { pods, exporters, set, claims, cronJob } = selectorsOf(db)
  return [
    {
      name: 'DatabaseDown',
      severity: 'critical',
      expr: `kube_statefulset_status_replicas_ready{${set}} == 0 and kube_statefulset_replicas{${set}} > 0`,
      for: '5m',
      summary: 'No replica of the database is ready',
      description: 'Nobody can connect to it.',
    },
    {
      name: 'DatabaseReplicasNotReady',
      severity: 'warning',
      expr: `kube_statefulset_status_replicas_ready{${set}} < kube_statefulset_replicas{${set}}`,
      for: '15m',
      summary: 'Not every replica of the database is ready',
      description: 'It runs with less than was asked for: {{ $value }} replicas are ready.',
    },
    {
      name: 'DatabaseNotAnswering',
      severity: 'critical',
      expr: `${engines[engine].up}{${exporters}} == 0`,
      for: '5m',
      summary: 'The exporter cannot connect to the database',
      description: 'The exporter {{ $labels.pod }} runs, and the replica of the same number lets it not in.',
    },
    {
      name: 'DatabaseRestarting',
      severity: 'warning',
      expr: `increase(kube_pod_container_status_restarts_total{${pods}}[1h]) > 3`,
      for: '5m',
      summary: 'A pod of the database restarts again and again',
      description:
        'Container {{ $labels.container }} of pod {{ $labels.pod }} was restarted {{ $value | humanize }} times in an hour.',
    },
    {
      name: 'DatabaseVolumeFilling',
      severity: 'warning',
      expr: `kubelet_volume_stats_available_bytes{${claims}} / kubelet_volume_stats_capacity_bytes{${claims}} < 0.15`,
      for: '15m',
      summary: 'A volume of the database has less than 15 % left',
      description:
        'Of the claim {{ $labels.persistentvolumeclaim }} {{ $value | humanizePercentage }} is free. A database whose volume is full stops.',
    },
    {
      name: 'DatabaseConnectionsExhausted',
      severity: 'warning',
      expr: `${engines[engine].connections(exporters)} / ${engines[engine].mostConnections(exporters)} > 0.85`,
      for: '10m',
      summary: 'The database has hardly any connections left',
      description:
        '{{ $value | humanizePercentage }} of the connections of pod {{ $labels.pod }} are taken. Clients are refused when none is left.',
    },
    ...(db.spec.backup.enabled && !db.spec.backup.suspend ? [backupOverdue(db, cronJob)] : []),
  ]
}

// Since the last success, or where there was none yet since the schedule was made.
function backupOverdue({ spec: { backup } }: Database, cronJob: string): Alert {
  const seconds = Math.ceil(longestGapSeconds(backup.schedule) * 1.5) + backup.activeDeadlineSeconds
  return {
    name: 'DatabaseBackupOverdue',
    severity: 'critical',
    expr: `time() - (kube_cronjob_status_last_successful_time{${cronJob}} or kube_cronjob_created{${cronJob}}) > ${seconds}`,
    for: '5m',
    summary: 'The last good backup of the database is too old',
    description: 'It was {{ $value | humanizeDuration }} ago. What was written since would be lost with the volume.',
  }
}

export function databasePanels(db: Database): Panel[] {
  const { pods, exporters, set, claims } = selectorsOf(db)
  return [
    {
      title: 'Replicas',
      unit: 'short',
      queries: [
        { expr: `kube_statefulset_replicas{${set}}`, legend: 'asked for' },
        { expr: `kube_statefulset_status_replicas_ready{${set}}`, legend: 'ready' },
      ],
    },
    {
      title: 'The engine answers',
      unit: 'short',
      queries: [{ expr: `${engines[db.spec.engine].up}{${exporters}}`, legend: '{{pod}}' }],
    },
    {
      title: 'Connections',
      unit: 'short',
      queries: [
        { expr: engines[db.spec.engine].connections(exporters), legend: '{{pod}}' },
        { expr: engines[db.spec.engine].mostConnections(exporters), legend: '{{pod}}, at most' },
      ],
    },
    {
      title: 'Volumes used',
      unit: 'percentunit',
      queries: [
        {
          expr: `kubelet_volume_stats_used_bytes{${claims}} / kubelet_volume_stats_capacity_bytes{${claims}}`,
          legend: '{{persistentvolumeclaim}}',
        },
      ],
    },
    {
      title: 'CPU',
      unit: 'short',
      queries: [
        {
          expr: `sum by (pod) (rate(container_cpu_usage_seconds_total{${pods},container!=""}[5m]))`,
          legend: '{{pod}}',
        },
      ],
    },
    {
      title: 'Memory',
      unit: 'bytes',
      queries: [
        { expr: `sum by (pod) (container_memory_working_set_bytes{${pods},container!=""})`, legend: '{{pod}}' },
      ],
    },
    ...engines[db.spec.engine].panels(exporters),
  ]
}

interface EngineMetrics {
  /** 1 where the exporter could connect. */
  up: string
  /** Connections by pod, and how many there may be; both with the labels of the scrape alone. */
  connections(pods: string): string
  mostConnections(pods: string): string
  panels(pods: string): Panel[]
}

const engines: Record<EngineName, EngineMetrics> = {
  postgresql: {
    up: 'pg_up',
    connections: (pods) => `sum by (namespace, pod) (pg_stat_activity_count{${pods}})`,
    mostConnections: (pods) => `max by (namespace, pod) (pg_settings_max_connections{${pods}})`,
    panels: (pods) => [
      {
        title: 'Transactions',
        unit: 'ops',
        queries: [
          { expr: `sum by (pod) (rate(pg_stat_database_xact_commit{${pods}}[5m]))`, legend: '{{pod}} commits' },
          { expr: `sum by (pod) (rate(pg_stat_database_xact_rollback{${pods}}[5m]))`, legend: '{{pod}} rollbacks' },
        ],
      },
      {
        title: 'Size of databases',
        unit: 'bytes',
        queries: [{ expr: `pg_database_size_bytes{${pods}}`, legend: '{{pod}} {{datname}}' }],
      },
    ],
  },
  mysql: {
    up: 'mysql_up',
    connections: (pods) => `sum by (namespace, pod) (mysql_global_status_threads_connected{${pods}})`,
    mostConnections: (pods) => `max by (namespace, pod) (mysql_global_variables_max_connections{${pods}})`,
    panels: (pods) => [
      {
        title: 'Queries',
        unit: 'ops',
        queries: [{ expr: `rate(mysql_global_status_queries{${pods}}[5m])`, legend: '{{pod}}' }],
      },
      {
        title: 'Slow queries',
        unit: 'ops',
        queries: [{ expr: `rate(mysql_global_status_slow_queries{${pods}}[5m])`, legend: '{{pod}}' }],
      },
    ],
  },
  mongodb: {
    up: 'mongodb_up',
    connections: (pods) => `sum by (namespace, pod) (mongodb_ss_connections{${pods},conn_type="current"})`,
    // What is taken and what is left.
    mostConnections: (pods) =>
      `sum by (namespace, pod) (mongodb_ss_connections{${pods},conn_type=~"current|available"})`,
    panels: (pods) => [
      {
        title: 'Operations',
        unit: 'ops',
        queries: [{ expr: `rate(mongodb_ss_opcounters{${pods}}[5m])`, legend: '{{pod}} {{legacy_op_type}}' }],
      },
      {
        title: 'Resident memory',
        unit: 'short',
        queries: [{ expr: `mongodb_ss_mem_resident{${pods}}`, legend: '{{pod}} MiB' }],
      },
    ],
  },
}

/** Label matchers for what a Database consists of. */
function selectorsOf(db: Database) {
  const { name, namespace } = db.metadata
  const inNamespace = `namespace="${namespace}"`
  return {
    pods: `${inNamespace},pod=~"${name}-[0-9]+"`,
    /** Those of its DatabaseMonitor: number n asks the replica of number n. */
    exporters: `${inNamespace},pod=~"${names(db).monitor}-metrics-[0-9]+"`,
    set: `${inNamespace},statefulset="${names(db).statefulSet}"`,
    claims: `${inNamespace},persistentvolumeclaim=~"${dataVolume}-${name}-[0-9]+"`,
    cronJob: `${inNamespace},cronjob="${names(db).backup}"`,
  }
}
