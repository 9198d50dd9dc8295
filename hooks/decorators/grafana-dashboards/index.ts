// Grafana: a dashboard for each resource of this suite with monitoring enabled.
//
// It is a ConfigMap, and ConfigMaps of a Database or a WebApp are its own controller's: so the dashboard is attached to the
// Service that bears the resource's name. No API is needed for it that not every cluster has.
import { database } from '../../kinds/database/index.ts'
import { labels as databaseLabels } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import { webapp } from '../../kinds/webapp/index.ts'
import { labels as webAppLabels } from '../../kinds/webapp/names.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import { decorator, objectsOf } from '../../sdk/definition.ts'
import { ConfigMap, Service } from '../../sdk/resources.ts'
import { databasePanels } from '../prometheus-operator/database.ts'
import { webAppPanels } from '../prometheus-operator/webapp.ts'
import { dashboard } from './dashboard.ts'

const databases = objectsOf<Database>(database).type
const webApps = objectsOf<WebApp>(webapp).type

export const grafanaDashboards = decorator({
  name: 'grafana-dashboards',
  description:
    'A Grafana dashboard for each resource of this suite with monitoring enabled, in a ConfigMap that the sidecar of Grafana finds.',
  resources: [{ type: Service, ignoreStatusChanges: true }],
  attachments: [ConfigMap],
  relatedTypes: [databases, webApps],
  // By the name alone: see evaluateCustomize for what Metacontroller 1.5 would mix up otherwise.
  related: ({ metadata: { name } }) => [
    { type: databases, names: [name] },
    { type: webApps, names: [name] },
  ],
  resyncPeriodSeconds: 300,
  sync({ metadata: { name, namespace = '', ownerReferences = [] } }, { related }) {
    const owns = (resource: { metadata: { uid: string } } | undefined) =>
      ownerReferences.some(({ uid, controller }) => controller === true && uid === resource?.metadata.uid)
    const db = related.get(databases, name)
    if (db?.spec.monitoring.enabled && owns(db)) {
      const subject = { kind: 'database', name, namespace, labels: databaseLabels(db) }
      return { attachments: [dashboard(subject, databasePanels(db))] }
    }
    const app = related.get(webApps, name)
    if (app?.spec.monitoring.enabled && owns(app)) {
      const subject = { kind: 'webapp', name, namespace, labels: webAppLabels(app) }
      return { attachments: [dashboard(subject, webAppPanels(app))] }
    }
    return { attachments: [] }
  },
})
