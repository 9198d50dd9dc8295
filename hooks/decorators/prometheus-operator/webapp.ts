// What Prometheus watches of a WebApp, beside what its Service says of itself by annotation. Metrics are those of
// kube-state-metrics and the kubelet: https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics
import { names } from '../../kinds/webapp/names.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import type { Panel } from '../grafana-dashboards/dashboard.ts'
import type { Alert } from './rules.ts'

export function webAppAlerts(app: WebApp): Alert[] {
  const { pods, deployment, canary, autoscaler, service } = selectorsOf(app)
  return [
    {
      name: 'WebAppDown',
      severity: 'critical',
      expr: `kube_deployment_status_replicas_available{${deployment}} == 0 and kube_deployment_spec_replicas{${deployment}} > 0`,
      for: '5m',
      summary: 'No pod of the application is available',
      description: 'Every request to it fails.',
    },
    {
      name: 'WebAppReplicasNotAvailable',
      severity: 'warning',
      expr: `kube_deployment_status_replicas_available{${deployment}} < kube_deployment_spec_replicas{${deployment}}`,
      for: '15m',
      summary: 'Not every pod of the application is available',
      description: 'It serves with less than was asked for: {{ $value }} pods are available.',
    },
    {
      name: 'WebAppRestarting',
      severity: 'warning',
      expr: `increase(kube_pod_container_status_restarts_total{${pods}}[1h]) > 3`,
      for: '5m',
      summary: 'A pod of the application restarts again and again',
      description:
        'Container {{ $labels.container }} of pod {{ $labels.pod }} was restarted {{ $value | humanize }} times in an hour.',
    },
    {
      name: 'WebAppNotScraped',
      severity: 'warning',
      expr: `up{${service}} == 0`,
      for: '15m',
      summary: 'The metrics of the application cannot be read',
      description:
        'Pod {{ $labels.pod }} does not answer on {{ $labels.instance }}. Alerts on its own metrics are blind.',
    },
    ...(app.spec.autoscaling.enabled
      ? [
          {
            name: 'WebAppAtMostReplicas',
            severity: 'warning' as const,
            expr: `kube_horizontalpodautoscaler_status_current_replicas{${autoscaler}} >= kube_horizontalpodautoscaler_spec_max_replicas{${autoscaler}}`,
            for: '30m',
            summary: 'The application runs with as many pods as it may',
            description: 'It has had {{ $value }} pods for half an hour. More load is not met by more pods.',
          },
        ]
      : []),
    ...(app.spec.rollout.strategy === 'rolling'
      ? []
      : [
          {
            name: 'WebAppRolloutFailing',
            severity: 'warning' as const,
            expr: `kube_deployment_status_replicas_unavailable{${canary}} > 0`,
            for: '10m',
            summary: 'Pods of the new revision do not become available',
            description:
              '{{ $value }} of its pods are not available; the rollout waits for them, and is rolled back in the end.',
          },
        ]),
  ]
}

export function webAppPanels(app: WebApp): Panel[] {
  const { pods, deployment, autoscaler, service } = selectorsOf(app)
  return [
    {
      title: 'Pods',
      unit: 'short',
      queries: [
        { expr: `kube_deployment_spec_replicas{${deployment}}`, legend: 'asked for' },
        { expr: `kube_deployment_status_replicas_available{${deployment}}`, legend: 'available' },
        ...(app.spec.autoscaling.enabled
          ? [{ expr: `kube_horizontalpodautoscaler_spec_max_replicas{${autoscaler}}`, legend: 'at most' }]
          : []),
      ],
    },
    {
      title: 'Pods of each revision',
      unit: 'short',
      queries: [
        {
          expr: `kube_deployment_status_replicas{namespace="${app.metadata.namespace}",deployment=~"${app.metadata.name}(-canary)?"}`,
          legend: '{{deployment}}',
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
        {
          expr: `sum by (pod) (kube_pod_container_resource_limits{${pods},resource="cpu"})`,
          legend: '{{pod}}, at most',
        },
      ],
    },
    {
      title: 'Memory',
      unit: 'bytes',
      queries: [
        { expr: `sum by (pod) (container_memory_working_set_bytes{${pods},container!=""})`, legend: '{{pod}}' },
        {
          expr: `sum by (pod) (kube_pod_container_resource_limits{${pods},resource="memory"})`,
          legend: '{{pod}}, at most',
        },
      ],
    },
    {
      title: 'Restarts in an hour',
      unit: 'short',
      queries: [
        {
          expr: `sum by (pod) (increase(kube_pod_container_status_restarts_total{${pods}}[1h]))`,
          legend: '{{pod}}',
        },
      ],
    },
    { title: 'Metrics can be read', unit: 'short', queries: [{ expr: `up{${service}}`, legend: '{{pod}}' }] },
  ]
}

/** Label matchers for what a WebApp consists of. */
function selectorsOf(app: WebApp) {
  const { name, namespace } = app.metadata
  const inNamespace = `namespace="${namespace}"`
  return {
    // A Deployment's pods: the ReplicaSet's hash and five characters of their own.
    pods: `${inNamespace},pod=~"${name}(-canary)?-[a-z0-9]+-[a-z0-9]{5}"`,
    deployment: `${inNamespace},deployment="${names(app).deployment('stable')}"`,
    canary: `${inNamespace},deployment="${names(app).deployment('canary')}"`,
    // The kind's own, or the one that KEDA makes.
    autoscaler: `${inNamespace},horizontalpodautoscaler=~"(keda-hpa-)?${name}"`,
    service: `${inNamespace},service="${names(app).service}"`,
  }
}
