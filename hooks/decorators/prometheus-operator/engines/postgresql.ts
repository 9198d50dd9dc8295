// PostgreSQL by https://github.com/prometheus-community/postgres_exporter: its collectors database, database_wraparound,
// replication, settings, stat_activity, stat_archiver, stat_bgwriter, stat_checkpointer, stat_database, stat_replication
// and wal.
import type { EngineMetrics } from './metrics.ts'

export const postgresql: EngineMetrics = {
  up: 'pg_up',
  connections: (exporters) => `sum by (namespace, pod) (pg_stat_activity_count{${exporters}})`,
  mostConnections: (exporters) => `max by (namespace, pod) (pg_settings_max_connections{${exporters}})`,
  lag: (exporters) => `max by (namespace, pod) (pg_replication_lag_seconds{${exporters}})`,
  // Whoever calls himself a replica, less those to whom the primary streams.
  notReplicating: (exporters) =>
    `sum(pg_replication_is_replica{${exporters}}) - (count(pg_stat_replication_pg_wal_lsn_diff{${exporters},state="streaming"}) or vector(0)) > 0`,
  alerts: (exporters) => [
    {
      name: 'DatabaseLongTransaction',
      severity: 'warning',
      // Dumps are long transactions by intention.
      expr: `max by (namespace, pod, datname, usename, application_name) (pg_stat_activity_max_tx_duration{${exporters},backend_type="client backend",application_name!="pg_dump"}) > 300`,
      for: '5m',
      summary: 'A transaction has been open for a long time',
      description:
        'One of {{ $labels.usename }} ({{ $labels.application_name }}) in {{ $labels.datname }} has been open for {{ $value | humanizeDuration }}. It keeps locks, and rows that are dead cannot be removed.',
    },
    {
      name: 'DatabaseTransactionIdsRunningOut',
      severity: 'critical',
      // The name says seconds; it is transactions. A forced vacuum begins at 200 million, and at 2 billion writes end.
      expr: `max by (namespace, pod, datname) (pg_database_wraparound_age_datfrozenxid_seconds{${exporters}}) > 300000000`,
      for: '5m',
      summary: 'Old transactions are not frozen any more',
      description:
        'The oldest transaction of {{ $labels.datname }} is {{ $value | humanize }} transactions old. At two billion the database refuses writes.',
    },
    {
      name: 'DatabaseDeadlocks',
      severity: 'warning',
      expr: `sum by (namespace, pod, datname) (increase(pg_stat_database_deadlocks{${exporters}}[5m])) > 10`,
      for: '5m',
      summary: 'Transactions block each other again and again',
      description:
        'In {{ $labels.datname }} {{ $value | humanize }} transactions were ended in 5 minutes because they waited for each other.',
    },
  ],
  panels: (exporters) => [
    {
      row: 'Overview',
      title: 'Transactions',
      unit: 'ops',
      queries: [
        { expr: `sum by (pod) (rate(pg_stat_database_xact_commit{${exporters}}[5m]))`, legend: '{{pod}} commits' },
        { expr: `sum by (pod) (rate(pg_stat_database_xact_rollback{${exporters}}[5m]))`, legend: '{{pod}} rollbacks' },
      ],
    },
    {
      row: 'Overview',
      title: 'Connections by state',
      unit: 'short',
      queries: [
        {
          expr: `sum by (state) (pg_stat_activity_count{${exporters}})`,
          legend: '{{state}}',
        },
      ],
    },
    {
      row: 'Overview',
      title: 'Longest transaction',
      unit: 's',
      queries: [
        {
          expr: `max by (pod, datname) (pg_stat_activity_max_tx_duration{${exporters}})`,
          legend: '{{pod}} {{datname}}',
        },
      ],
    },
    {
      row: 'Overview',
      title: 'Blocks found in memory',
      unit: 'percentunit',
      queries: [
        {
          expr: `sum by (pod) (rate(pg_stat_database_blks_hit{${exporters}}[5m])) / (sum by (pod) (rate(pg_stat_database_blks_hit{${exporters}}[5m])) + sum by (pod) (rate(pg_stat_database_blks_read{${exporters}}[5m])))`,
          legend: '{{pod}}',
        },
      ],
    },
    {
      row: 'Storage',
      title: 'Size of databases',
      unit: 'bytes',
      queries: [{ expr: `pg_database_size_bytes{${exporters}}`, legend: '{{pod}} {{datname}}' }],
    },
    {
      row: 'Storage',
      title: 'Oldest transaction that is not frozen',
      unit: 'short',
      queries: [
        { expr: `pg_database_wraparound_age_datfrozenxid_seconds{${exporters}}`, legend: '{{pod}} {{datname}}' },
      ],
    },
    {
      row: 'WAL',
      title: 'Write-ahead log on the volume',
      unit: 'bytes',
      queries: [{ expr: `pg_wal_size_bytes{${exporters}}`, legend: '{{pod}}' }],
    },
    {
      row: 'WAL',
      title: 'Segments archived',
      unit: 'ops',
      queries: [
        { expr: `rate(pg_stat_archiver_archived_count{${exporters}}[5m])`, legend: '{{pod}}' },
        { expr: `rate(pg_stat_archiver_failed_count{${exporters}}[5m])`, legend: '{{pod}} failed' },
      ],
    },
    {
      row: 'Checkpoints',
      title: 'Checkpoints',
      unit: 'ops',
      queries: [
        // Version 17 moved them to a view of their own.
        {
          expr: `rate(pg_stat_checkpointer_num_timed_total{${exporters}}[5m]) or rate(pg_stat_bgwriter_checkpoints_timed_total{${exporters}}[5m])`,
          legend: '{{pod}} in time',
        },
        {
          expr: `rate(pg_stat_checkpointer_num_requested_total{${exporters}}[5m]) or rate(pg_stat_bgwriter_checkpoints_req_total{${exporters}}[5m])`,
          legend: '{{pod}} for want of space',
        },
      ],
    },
    {
      row: 'Checkpoints',
      title: 'Buffers allocated',
      unit: 'ops',
      queries: [{ expr: `rate(pg_stat_bgwriter_buffers_alloc_total{${exporters}}[5m])`, legend: '{{pod}}' }],
    },
  ],
  replicationPanels: (exporters) => [
    {
      row: 'Replication',
      title: 'Not yet replayed by a replica',
      unit: 'bytes',
      queries: [
        { expr: `pg_stat_replication_pg_wal_lsn_diff{${exporters}}`, legend: '{{application_name}} {{state}}' },
      ],
    },
    {
      row: 'Replication',
      title: 'Replicas',
      unit: 'short',
      queries: [{ expr: `sum(pg_replication_is_replica{${exporters}})`, legend: 'replicas' }],
    },
  ],
}
