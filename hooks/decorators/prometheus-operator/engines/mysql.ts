// MySQL by https://github.com/prometheus/mysqld_exporter: SHOW GLOBAL STATUS and SHOW GLOBAL VARIABLES by name, and its
// collectors info_schema.innodb_metrics, perf_schema.replication_group_members and
// perf_schema.replication_applier_status_by_worker.
import type { EngineMetrics } from './metrics.ts'

const applying = 'mysql_perf_schema_applying_transaction_original_commit_timestamp_seconds'
const member = 'mysql_perf_schema_replication_group_member_info'

export const mysql: EngineMetrics = {
  up: 'mysql_up',
  connections: (exporters) => `sum by (namespace, pod) (mysql_global_status_threads_connected{${exporters}})`,
  mostConnections: (exporters) => `max by (namespace, pod) (mysql_global_variables_max_connections{${exporters}})`,
  // How long ago what a worker applies was committed, as of the scrape: 0 stands for a worker that has nothing to do.
  lag: (exporters) =>
    `max by (namespace, pod) (timestamp(${applying}{${exporters}}) - (${applying}{${exporters}} > 0))`,
  // As any of the members sees it: one that has left the group sees itself alone, and itself offline.
  notReplicating: (exporters, replicas) =>
    `${replicas} - (count(group by (member_id) (${member}{${exporters},member_state="ONLINE"})) or vector(0)) > 0`,
  alerts: (exporters) => [
    {
      name: 'DatabaseDeadlocks',
      severity: 'warning',
      expr: `increase(mysql_info_schema_innodb_metrics_lock_lock_deadlocks_total{${exporters}}[5m]) > 10`,
      for: '5m',
      summary: 'Transactions block each other again and again',
      description:
        'In {{ $labels.pod }} {{ $value | humanize }} transactions were rolled back in 5 minutes because they waited for each other.',
    },
    {
      name: 'DatabaseLogWaits',
      severity: 'warning',
      expr: `rate(mysql_global_status_innodb_log_waits{${exporters}}[15m]) > 10`,
      for: '5m',
      summary: 'Writes wait for the buffer of the redo log',
      description:
        'In {{ $labels.pod }} {{ $value | humanize }} writes a second waited for the log buffer to be flushed.',
    },
  ],
  panels: (exporters) => [
    {
      row: 'Overview',
      title: 'Queries',
      unit: 'ops',
      queries: [{ expr: `rate(mysql_global_status_queries{${exporters}}[5m])`, legend: '{{pod}}' }],
    },
    {
      row: 'Overview',
      title: 'Slow queries',
      unit: 'ops',
      queries: [{ expr: `rate(mysql_global_status_slow_queries{${exporters}}[5m])`, legend: '{{pod}}' }],
    },
    {
      row: 'Overview',
      title: 'Threads that run',
      unit: 'short',
      queries: [{ expr: `mysql_global_status_threads_running{${exporters}}`, legend: '{{pod}}' }],
    },
    {
      row: 'Overview',
      title: 'Pages found in memory',
      unit: 'percentunit',
      queries: [
        {
          expr: `1 - rate(mysql_global_status_innodb_buffer_pool_reads{${exporters}}[5m]) / rate(mysql_global_status_innodb_buffer_pool_read_requests{${exporters}}[5m])`,
          legend: '{{pod}}',
        },
      ],
    },
    {
      row: 'Storage',
      title: 'Read and written by InnoDB',
      unit: 'Bps',
      queries: [
        { expr: `rate(mysql_global_status_innodb_data_read{${exporters}}[5m])`, legend: '{{pod}} read' },
        { expr: `rate(mysql_global_status_innodb_data_written{${exporters}}[5m])`, legend: '{{pod}} written' },
      ],
    },
    {
      row: 'InnoDB log',
      title: 'Written to the redo log',
      unit: 'Bps',
      queries: [{ expr: `rate(mysql_global_status_innodb_os_log_written{${exporters}}[5m])`, legend: '{{pod}}' }],
    },
    {
      row: 'InnoDB log',
      title: 'Waits for the log buffer, deadlocks',
      unit: 'ops',
      queries: [
        { expr: `rate(mysql_global_status_innodb_log_waits{${exporters}}[5m])`, legend: '{{pod}} waits' },
        {
          expr: `rate(mysql_info_schema_innodb_metrics_lock_lock_deadlocks_total{${exporters}}[5m])`,
          legend: '{{pod}} deadlocks',
        },
      ],
    },
  ],
  replicationPanels: (exporters) => [
    {
      row: 'Replication',
      title: 'Members by state, as each member sees them',
      unit: 'short',
      queries: [
        {
          expr: `count by (pod, member_state) (${member}{${exporters}})`,
          legend: '{{pod}} {{member_state}}',
        },
      ],
    },
  ],
}
