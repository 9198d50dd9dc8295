// The Prometheus operator: a ServiceMonitor for each Service that asks for it, and for the kinds of this suite what
// scrapes them, alerts with a runbook each, and a dashboard.
import { database } from '../../kinds/database/index.ts'
import { labels as databaseLabels } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import { webapp } from '../../kinds/webapp/index.ts'
import { labels as webAppLabels } from '../../kinds/webapp/names.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import { type Decoration, type DecoratorHold, decorator, objectsOf } from '../../sdk/definition.ts'
import { recommendedLabels } from '../../sdk/names.ts'
import { ConfigMap, isOf, type ObjectOf, Service } from '../../sdk/resources.ts'
import { dashboard } from './dashboard.ts'
import { databaseAlerts, databasePanels, podMonitor } from './database.ts'
import { prometheusRule } from './rules.ts'
import { isScraped, serviceLabel, serviceMonitor } from './service.ts'
import { PodMonitor, PrometheusRule, ServiceMonitor } from './types.ts'
import { webAppAlerts, webAppPanels } from './webapp.ts'

const databases = objectsOf<Database>(database)
const webApps = objectsOf<WebApp>(webapp)
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
    { ...webApps, ignoreStatusChanges: true },
  ],
  attachments,
  sets: { labels: [serviceLabel] },
  parameters,
  resyncPeriodSeconds: 300,
  sync(object, { parameters }) {
    const runbooks = (parameters['monitoring.example.com/runbooks'] ?? '').replace(/\/$/, '')
    const extra = labelsOf(parameters['monitoring.example.com/labels'] ?? '')
    const answer = answerFor(object, runbooks)
    if ('hold' in answer) return answer
    return { ...answer, attachments: answer.attachments.map((one) => one && withLabels(one, extra)) }
  },
})

type Target = ObjectOf<typeof Service | typeof databases.type | typeof webApps.type>
type Attached = Decoration<(typeof attachments)[number]>

function answerFor(object: Target, runbooks: string): Attached | DecoratorHold {
  if (isOf(Service, object)) return forService(object)
  if (!object.spec.monitoring.enabled) return { attachments: [] }
  const { name, namespace = '' } = object.metadata
  if (isOf(webApps.type, object)) {
    const subject = { kind: 'webapp', name, namespace, labels: webAppLabels(object), runbooks }
    return {
      attachments: [
        // What is scraped, its Service says.
        dashboard(subject, webAppPanels(object)),
        object.spec.monitoring.alerting ? prometheusRule(subject, webAppAlerts(object)) : undefined,
      ],
    }
  }
  const subject = { kind: 'database', name, namespace, labels: databaseLabels(object), runbooks }
  return {
    attachments: [
      podMonitor(object),
      dashboard(subject, databasePanels(object)),
      object.spec.monitoring.alerting ? prometheusRule(subject, databaseAlerts(object)) : undefined,
    ],
  }
}

function forService(service: Service): Attached | DecoratorHold {
  if (!isScraped(service)) return { attachments: [] }
  const { name } = service.metadata
  const labels = recommendedLabels({ name: 'service-monitor', instance: name, component: 'monitoring' })
  const monitor = serviceMonitor(service, labels)
  return 'spec' in monitor ? { attachments: [monitor], labels: { [serviceLabel]: name } } : { hold: monitor }
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
