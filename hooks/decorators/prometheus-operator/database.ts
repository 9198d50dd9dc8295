// What Prometheus watches of a Database. Metrics are those of kube-state-metrics and the kubelet
// (https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics) and, in engines/, of the engine's exporter.
import { dataVolume, names } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import type { Panel } from '../grafana-dashboards/dashboard.ts'
import { backupPanels } from './backup.ts'
import { engineMetrics } from './engines/index.ts'
import type { Alert } from './rules.ts'

export function databaseAlerts(db: Database): Alert[] {
  const { engine, replicas, suspend, backup } = db.spec
  const { pods, exporters, set, claims } = selectorsOf(db)
  const metrics = engineMetrics[engine]
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
      expr: `${metrics.up}{${exporters}} == 0`,
      for: '5m',
      summary: 'The exporter cannot connect to the database',
      description: 'The exporter {{ $labels.pod }} runs, and the replica of the same number lets it not in.',
    },
    // Stopped, it has no exporter.
    ...(suspend ? [] : [metricsAbsent(`${metrics.up}{${exporters}}`)]),
    {
      name: 'DatabaseRestarting',
      severity: 'warning',
      expr: `increase(kube_pod_container_status_restarts_total{${pods}}[1h]) > 3`,
      for: '5m',
      summary: 'A pod of the database restarts again and again',
      description:
        'Container {{ $labels.container }} of pod {{ $labels.pod }} was restarted {{ $value | humanize }} times in an hour.',
    },
    ...graded([0.7, 0.9], {
      name: 'DatabaseVolumeFilling',
      expr: `1 - kubelet_volume_stats_available_bytes{${claims}} / kubelet_volume_stats_capacity_bytes{${claims}}`,
      for: '5m',
      summary: 'A volume of the database fills up',
      description:
        'The claim {{ $labels.persistentvolumeclaim }} is {{ $value | humanizePercentage }} full. A database whose volume is full stops.',
    }),
    ...graded([0.8, 0.95], {
      name: 'DatabaseConnectionsExhausted',
      expr: `${metrics.connections(exporters)} / ${metrics.mostConnections(exporters)}`,
      for: '5m',
      summary: 'The database has hardly any connections left',
      description:
        '{{ $value | humanizePercentage }} of the connections of pod {{ $labels.pod }} are taken. Clients are refused when none is left.',
    }),
    ...metrics.alerts(exporters),
    ...(backup.method === 'physical' ? [archivingFailing(db)] : []),
    ...(replicas > 1 ? replicationAlerts(db) : []),
  ]
}

function replicationAlerts(db: Database): Alert[] {
  const { engine, replicas } = db.spec
  const { pods, exporters, set } = selectorsOf(db)
  const metrics = engineMetrics[engine]
  return [
    {
      name: 'DatabaseWithoutStandby',
      severity: 'critical',
      expr: `kube_statefulset_status_replicas_ready{${set}} == 1 and kube_statefulset_replicas{${set}} > 1`,
      for: '5m',
      summary: 'Only one member of the database is ready',
      description: 'There is none to take over from it.',
    },
    {
      name: 'DatabaseReplicaNotReplicating',
      severity: 'warning',
      expr: metrics.notReplicating(exporters, replicas),
      for: '5m',
      summary: 'A replica of the database does not follow its primary',
      description: '{{ $value }} members get no changes, and fall behind until they do.',
    },
    ...graded([1, 15], {
      name: 'DatabaseReplicationLag',
      expr: metrics.lag(exporters),
      for: '5m',
      summary: 'A replica of the database is behind',
      description: 'According to {{ $labels.pod }} by {{ $value | humanizeDuration }}. What is read there is old.',
    }),
    {
      name: 'DatabaseReplicasOnOneNode',
      severity: 'warning',
      expr: `count by (namespace, node) (kube_pod_info{${pods},node!=""}) > 1`,
      for: '15m',
      summary: 'Several members of the database run on one node',
      description: 'Node {{ $labels.node }} has {{ $value }} of them, and takes all of them with it.',
    },
  ]
}

// By the pod that asks the database all the time, whose readiness is the answer: see ContinuousArchiving. Where no replica is
// ready nobody answers it, and DatabaseDown says so.
function archivingFailing(db: Database): Alert {
  const { set } = selectorsOf(db)
  const watch = `namespace="${db.metadata.namespace}",statefulset="${names(db).archiving}"`
  return {
    name: 'DatabaseArchivingFailing',
    severity: 'critical',
    expr: `kube_statefulset_status_replicas_ready{${watch}} == 0 and kube_statefulset_replicas{${watch}} > 0 and on (namespace) kube_statefulset_status_replicas_ready{${set}} > 0`,
    for: '15m',
    summary: 'The log of the database cannot be archived',
    description:
      'The log stays on the volume and fills it, and what is not archived cannot be restored to a point in time.',
  }
}

function metricsAbsent(up: string): Alert {
  return {
    name: 'DatabaseMetricsAbsent',
    severity: 'warning',
    expr: `absent(${up})`,
    for: '10m',
    summary: 'Nothing is measured of the database',
    description: 'Prometheus gets no metrics of any exporter of it. Alerts on its metrics are blind.',
  }
}

/** The same twice: a warning above the first bound, critical above the second. */
function graded([warning, critical]: readonly [number, number], alert: Omit<Alert, 'severity'>): Alert[] {
  return [
    { ...alert, severity: 'warning', expr: `${alert.expr} > ${warning}` },
    { ...alert, severity: 'critical', expr: `${alert.expr} > ${critical}` },
  ]
}

export function databasePanels(db: Database): Panel[] {
  const { pods, exporters, set, claims } = selectorsOf(db)
  const { namespace = '' } = db.metadata
  const metrics = engineMetrics[db.spec.engine]
  const inRows: Panel[] = [
    {
      row: 'Health',
      title: 'Replicas',
      unit: 'short',
      queries: [
        { expr: `kube_statefulset_replicas{${set}}`, legend: 'asked for' },
        { expr: `kube_statefulset_status_replicas_ready{${set}}`, legend: 'ready' },
      ],
    },
    {
      row: 'Health',
      title: 'The engine answers',
      unit: 'short',
      queries: [{ expr: `${metrics.up}{${exporters}}`, legend: '{{pod}}' }],
    },
    {
      row: 'Overview',
      title: 'Connections',
      unit: 'short',
      queries: [
        { expr: metrics.connections(exporters), legend: '{{pod}}' },
        { expr: metrics.mostConnections(exporters), legend: '{{pod}}, at most' },
      ],
    },
    {
      row: 'Overview',
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
      row: 'Overview',
      title: 'Memory',
      unit: 'bytes',
      queries: [
        { expr: `sum by (pod) (container_memory_working_set_bytes{${pods},container!=""})`, legend: '{{pod}}' },
      ],
    },
    {
      row: 'Storage',
      title: 'Volumes used',
      unit: 'percentunit',
      queries: [
        {
          expr: `kubelet_volume_stats_used_bytes{${claims}} / kubelet_volume_stats_capacity_bytes{${claims}}`,
          legend: '{{persistentvolumeclaim}}',
        },
      ],
    },
    ...(db.spec.backup.enabled ? backupPanels({ namespace, name: names(db).backup }) : []),
    ...(db.spec.replicas > 1
      ? [
          {
            row: 'Replication',
            title: 'Lag',
            unit: 's',
            queries: [{ expr: metrics.lag(exporters), legend: '{{pod}}' }],
          },
          ...metrics.replicationPanels(exporters),
        ]
      : []),
    ...metrics.panels(exporters),
  ]
  // Those of a row one after another, in the order in which the rows first come.
  const rows = new Set(inRows.map(({ row }) => row))
  return [...rows].flatMap((row) => inRows.filter((panel) => panel.row === row))
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
  }
}
