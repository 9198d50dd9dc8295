// MongoDB by https://github.com/percona/mongodb_exporter: serverStatus and replSetGetStatus by path, and what it adds in
// compatible mode.
import type { EngineMetrics } from './metrics.ts'

const window = (exporters: string) =>
  `(mongodb_mongod_replset_oplog_head_timestamp{${exporters}} - mongodb_mongod_replset_oplog_tail_timestamp{${exporters}})`

export const mongodb: EngineMetrics = {
  up: 'mongodb_up',
  connections: (exporters) => `sum by (namespace, pod) (mongodb_ss_connections{${exporters},conn_type="current"})`,
  // What is taken and what is left.
  mostConnections: (exporters) =>
    `sum by (namespace, pod) (mongodb_ss_connections{${exporters},conn_type=~"current|available"})`,
  // Each member tells of all; milliseconds since 1970.
  lag: (exporters) =>
    `(max by (namespace, pod) (mongodb_rs_members_optimeDate{${exporters},member_state="PRIMARY"}) - min by (namespace, pod) (mongodb_rs_members_optimeDate{${exporters},member_state="SECONDARY"})) / 1000`,
  notReplicating: (exporters, replicas) =>
    `${replicas} - (count(group by (member_idx) (mongodb_rs_members_health{${exporters},member_state=~"PRIMARY|SECONDARY"} == 1)) or vector(0)) > 0`,
  alerts: (exporters) => [
    {
      name: 'DatabaseOplogShort',
      severity: 'warning',
      // A young oplog is short and has room; only one that is full drops what a member may still need.
      expr: `${window(exporters)} < 3600 and on (namespace, pod) max by (namespace, pod) (mongodb_oplog_stats_size{${exporters}}) / max by (namespace, pod) (mongodb_oplog_stats_maxSize{${exporters}}) > 0.9`,
      for: '5m',
      summary: 'The oplog holds less than an hour',
      description:
        'That of {{ $labels.pod }} reaches back {{ $value | humanizeDuration }}. A member that is away for longer has to copy all data anew.',
    },
  ],
  panels: (exporters) => [
    {
      row: 'Overview',
      title: 'Operations',
      unit: 'ops',
      queries: [{ expr: `rate(mongodb_ss_opcounters{${exporters}}[5m])`, legend: '{{pod}} {{legacy_op_type}}' }],
    },
    {
      row: 'Overview',
      title: 'Resident memory',
      unit: 'short',
      queries: [{ expr: `mongodb_ss_mem_resident{${exporters}}`, legend: '{{pod}} MiB' }],
    },
  ],
  replicationPanels: (exporters) => [
    {
      row: 'Replication',
      title: 'Health of members, as each member sees it',
      unit: 'short',
      queries: [
        { expr: `mongodb_rs_members_health{${exporters}}`, legend: '{{pod}}: {{member_idx}} {{member_state}}' },
      ],
    },
    {
      row: 'Replication',
      title: 'How far the oplog reaches back',
      unit: 's',
      queries: [{ expr: window(exporters), legend: '{{pod}}' }],
    },
  ],
}
