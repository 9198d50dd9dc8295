// Alerts as a kind states them, and the PrometheusRule that they become.
import type { AlertingRule, PrometheusRule } from './types.ts'

/** An alert, less what all alerts of a resource have in common. */
export interface Alert {
  /** CamelCase; its runbook is docs/runbooks/<name>.md. */
  name: string
  severity: 'critical' | 'warning'
  /** PromQL that yields a sample for each thing that is wrong. */
  expr: string
  /** How long it must be so, such as 5m. */
  for: string
  /** One line, without templates: it is what a pager shows. */
  summary: string
  /** What it means, and what follows from it. */
  description: string
}

/** Whom the alerts are about, and where their runbooks are. */
export interface Subject {
  /** Of the resource: it becomes a label of each alert, `database: orders`. */
  kind: string
  name: string
  namespace: string
  labels: Record<string, string>
  /** Further labels of each alert. */
  further?: Readonly<Record<string, string>>
  /** Address of the folder with the runbooks, without a slash at its end. */
  runbooks: string
}

/** The PrometheusRule of a resource. */
export function prometheusRule(
  { kind, name, namespace, labels, further, runbooks }: Subject,
  alerts: readonly Alert[],
): PrometheusRule {
  const rules = alerts.map(
    (alert): AlertingRule => ({
      alert: alert.name,
      expr: alert.expr,
      for: alert.for,
      // Not all expressions keep the namespace of what they measure.
      labels: { severity: alert.severity, namespace, [kind]: name, ...further },
      annotations: {
        summary: `${alert.summary} (${namespace}/${name})`,
        description: alert.description,
        runbook_url: `${runbooks}/${alert.name}.md`,
      },
    }),
  )
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: `${name}-${kind}`, labels },
    spec: { groups: [{ name: `${kind}.${namespace}.${name}`, rules }] },
  }
}
