// The Prometheus operator: a ServiceMonitor for each Service that asks for it, and for the kinds of this suite what
// scrapes them and alerts with a runbook each.
import { database } from '../../kinds/database/index.ts'
import { labels as databaseLabels } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import { databaseBackup } from '../../kinds/databasebackup/index.ts'
import { labels as backupLabels } from '../../kinds/databasebackup/names.ts'
import type { DatabaseBackup } from '../../kinds/databasebackup/schema.ts'
import { webapp } from '../../kinds/webapp/index.ts'
import { labels as webAppLabels } from '../../kinds/webapp/names.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import { type Decoration, type DecoratorHold, decorator, objectsOf } from '../../sdk/definition.ts'
import { recommendedLabels } from '../../sdk/names.ts'
import { isOf, type ObjectOf, Service } from '../../sdk/resources.ts'
import { backupAlerts } from './backup.ts'
import { databaseAlerts } from './database.ts'
import { type Alert, prometheusRule, type Subject } from './rules.ts'
import { isScraped, serviceLabel, serviceMonitor } from './service.ts'
import { PrometheusRule, ServiceMonitor } from './types.ts'
import { webAppAlerts } from './webapp.ts'

const databases = objectsOf<Database>(database)
const backups = objectsOf<DatabaseBackup>(databaseBackup)
const webApps = objectsOf<WebApp>(webapp)

/** Where runbooks are, and labels for monitors and rules where a Prometheus selects its own by label. */
const parameters = {
  'monitoring.example.com/runbooks': 'https://operator-hooks.example.com/docs/runbooks',
  'monitoring.example.com/labels': '',
}

export const prometheusOperator = decorator({
  name: 'prometheus-operator',
  description:
    'A ServiceMonitor for each Service with the annotation monitoring.example.com/scrape, and for resources of this suite with monitoring enabled alerts.',
  // All Services, so that none needs a finalizer and one that takes its annotation off is seen.
  resources: [
    { type: Service, ignoreStatusChanges: true },
    { ...databases, ignoreStatusChanges: true },
    { ...backups, ignoreStatusChanges: true },
    { ...webApps, ignoreStatusChanges: true },
  ],
  attachments: [ServiceMonitor, PrometheusRule],
  sets: { labels: [serviceLabel] },
  parameters,
  resyncPeriodSeconds: 300,
  sync(object, { parameters }) {
    const extra = labelsOf(parameters['monitoring.example.com/labels'] ?? '')
    const answer = isOf(Service, object) ? forService(object) : forKind(object, parameters)
    if ('hold' in answer) return answer
    return { ...answer, attachments: answer.attachments.map((one) => one && withLabels(one, extra)) }
  },
})

type Kind = ObjectOf<typeof databases.type | typeof backups.type | typeof webApps.type>
type Answer = Decoration<typeof ServiceMonitor | typeof PrometheusRule>

function forService(service: Service): Answer | DecoratorHold {
  if (!isScraped(service)) return { attachments: [] }
  const { name } = service.metadata
  const labels = recommendedLabels({ name: 'service-monitor', instance: name, component: 'monitoring' })
  const monitor = serviceMonitor(service, labels)
  return 'spec' in monitor ? { attachments: [monitor], labels: { [serviceLabel]: name } } : { hold: monitor }
}

function forKind(object: Kind, parameters: Readonly<Record<string, string>>): Answer {
  const { subject, alerts } = watched(object)
  if (alerts === undefined) return { attachments: [] }
  const runbooks = (parameters['monitoring.example.com/runbooks'] ?? '').replace(/\/$/, '')
  // What is scraped, its Service says, or that of its monitor.
  return { attachments: [prometheusRule({ ...subject, runbooks }, alerts)] }
}

/** Whom alerts are about, and which: none where they are not asked for. */
function watched(object: Kind): { subject: Omit<Subject, 'runbooks'>; alerts: Alert[] | undefined } {
  const { name, namespace = '' } = object.metadata
  if (isOf(webApps.type, object)) {
    const { enabled, alerting } = object.spec.monitoring
    const subject = { kind: 'webapp', name, namespace, labels: webAppLabels(object) }
    return { subject, alerts: enabled && alerting ? webAppAlerts(object) : undefined }
  }
  if (isOf(backups.type, object)) {
    const further = { database: object.spec.databaseRef.name }
    const subject = { kind: 'databasebackup', name, namespace, labels: backupLabels(object), further }
    return { subject, alerts: object.spec.monitoring.alerting ? backupAlerts(object) : undefined }
  }
  const { enabled, alerting } = object.spec.monitoring
  const subject = { kind: 'database', name, namespace, labels: databaseLabels(object) }
  return { subject, alerts: enabled && alerting ? databaseAlerts(object) : undefined }
}

/** `release=prometheus,team=a` as labels; what is none is left out. */
function labelsOf(text: string): Record<string, string> {
  const pairs = text.split(',').flatMap((part) => /^ *([^=\s]+)=([^=\s]*) *$/.exec(part)?.slice(1, 3) ?? [])
  const labels: Record<string, string> = {}
  for (let index = 0; index < pairs.length; index += 2) labels[pairs[index] ?? ''] = pairs[index + 1] ?? ''
  return labels
}

function withLabels<Resource extends { metadata: { labels?: Record<string, string> } }>(
  object: Resource,
  extra: Record<string, string>,
): Resource {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...extra } } }
}
