// The Prometheus operator: a ServiceMonitor for each Service that asks for it, and for the kinds of this suite what
// scrapes them, alerts with a runbook each, and a dashboard.
import { database } from '../../kinds/database/index.ts'
import { labels as databaseLabels } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import { type Decoration, type DecoratorHold, decorator, objectsOf } from '../../sdk/definition.ts'
import { recommendedLabels } from '../../sdk/names.ts'
import { ConfigMap, isOf, Service } from '../../sdk/resources.ts'
import { dashboard } from './dashboard.ts'
import { databaseAlerts, databasePanels, podMonitor } from './database.ts'
import { prometheusRule } from './rules.ts'
import { isScraped, serviceLabel, serviceMonitor } from './service.ts'
import { PodMonitor, PrometheusRule, ServiceMonitor } from './types.ts'

const databases = objectsOf<Database>(database)
const attachments = [ServiceMonitor, PodMonitor, PrometheusRule, ConfigMap] as const

/** Where runbooks are, and labels for monitors and rules where a Prometheus selects its own by label. */
const parameters = {
  'monitoring.example.com/runbooks': 'https://operator-hooks.example.com/docs/runbooks',
  'monitoring.example.com/labels': '',
}

export const prometheusOperator = decorator({
  name: 'prometheus-operator',
  description:
    'A ServiceMonitor for each Service with the annotation monitoring.example.com/scrape, and for resources of this suite with monitoring enabled a PodMonitor, alerts and a Grafana dashboard.',
  // All Services, so that none needs a finalizer and one that takes its annotation off is seen.
  resources: [
    { type: Service, ignoreStatusChanges: true },
    { ...databases, ignoreStatusChanges: true },
  ],
  attachments,
  sets: { labels: [serviceLabel] },
  parameters,
  resyncPeriodSeconds: 300,
  sync(object, { parameters }) {
    const extra = labelsOf(parameters['monitoring.example.com/labels'] ?? '')
    const answer = isOf(Service, object) ? forService(object) : forDatabase(object, parameters)
    if ('hold' in answer) return answer
    return { ...answer, attachments: answer.attachments.map((one) => one && withLabels(one, extra)) }
  },
})

type Attached = Decoration<(typeof attachments)[number]>
type Parameters = Readonly<Record<string, string>>

function forService(service: Service): Attached | DecoratorHold {
  if (!isScraped(service)) return { attachments: [] }
  const { name } = service.metadata
  const labels = recommendedLabels({ name: 'service-monitor', instance: name, component: 'monitoring' })
  const monitor = serviceMonitor(service, labels)
  return 'spec' in monitor ? { attachments: [monitor], labels: { [serviceLabel]: name } } : { hold: monitor }
}

function forDatabase(db: Database, parameters: Parameters): Attached {
  const { enabled, alerting } = db.spec.monitoring
  if (!enabled) return { attachments: [] }
  const subject = {
    kind: 'database',
    name: db.metadata.name,
    namespace: db.metadata.namespace ?? '',
    labels: databaseLabels(db),
    runbooks: (parameters['monitoring.example.com/runbooks'] ?? '').replace(/\/$/, ''),
  }
  return {
    attachments: [
      podMonitor(db),
      dashboard(subject, databasePanels(db)),
      alerting ? prometheusRule(subject, databaseAlerts(db)) : undefined,
    ],
  }
}

/** `release=prometheus,team=a` as labels; what is none is left out. */
function labelsOf(text: string): Record<string, string> {
  const pairs = text.split(',').flatMap((part) => /^ *([^=\s]+)=([^=\s]*) *$/.exec(part)?.slice(1, 3) ?? [])
  const labels: Record<string, string> = {}
  for (let index = 0; index < pairs.length; index += 2) labels[pairs[index] ?? ''] = pairs[index + 1] ?? ''
  return labels
}

function withLabels<Resource extends { kind: string; metadata: { labels?: Record<string, string> } }>(
  object: Resource,
  extra: Record<string, string>,
): Resource {
  // A dashboard is Grafana's, not Prometheus'.
  if (object.kind === 'ConfigMap') return object
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...extra } } }
}
