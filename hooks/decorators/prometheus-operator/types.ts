// The kinds of the Prometheus operator, as far as they are made here:
// https://prometheus-operator.dev/docs/api-reference/api/
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { resourceType } from '../../sdk/resources.ts'

/** What is scraped of each endpoint. Either `port`, a name, or `targetPort`, the pod's own. */
interface Endpoint {
  port?: string
  targetPort?: number | string
  path?: string
  interval?: string
}

export type ServiceMonitor = {
  apiVersion: 'monitoring.coreos.com/v1'
  kind: 'ServiceMonitor'
  metadata: ObjectMeta & { name: string }
  spec: { selector: { matchLabels: Record<string, string> }; endpoints: Endpoint[] }
}

/** An alert. In `expr` and `for`, durations are Prometheus' own: 5m, 1h. */
export interface AlertingRule {
  alert: string
  expr: string
  for: string
  labels: Record<string, string>
  annotations: { summary: string; description: string; runbook_url: string }
}

export type PrometheusRule = {
  apiVersion: 'monitoring.coreos.com/v1'
  kind: 'PrometheusRule'
  metadata: ObjectMeta & { name: string }
  spec: { groups: { name: string; rules: AlertingRule[] }[] }
}

export const ServiceMonitor = resourceType<ServiceMonitor>(
  'monitoring.coreos.com/v1',
  'ServiceMonitor',
  'servicemonitors',
)
export const PrometheusRule = resourceType<PrometheusRule>(
  'monitoring.coreos.com/v1',
  'PrometheusRule',
  'prometheusrules',
)
