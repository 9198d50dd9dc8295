// Where the metrics are, and who reaches them.
import { scrapeAnnotations } from '../../sdk/monitoring.ts'
import { nameResolution } from '../../sdk/network.ts'
import type { NetworkPolicy, Service } from '../../sdk/resources.ts'
import { engineOf } from '../database/engines/index.ts'
import { selectorLabels as databasePods } from '../database/names.ts'
import type { Database } from '../database/schema.ts'
import { childName, labels, selectorLabels } from './names.ts'
import type { DatabaseMonitor } from './schema.ts'

/** Headless: each exporter is asked by itself. */
export function service(monitor: DatabaseMonitor, db: Database): Service {
  const annotations = scrapeAnnotations({ port: 'metrics', path: '/metrics', interval: monitor.spec.scrapeInterval })
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: childName(monitor), labels: labels(monitor), annotations },
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      selector: selectorLabels(monitor),
      ports: [{ name: 'metrics', port: engineOf(db).exporter.port, protocol: 'TCP', targetPort: 'metrics' }],
    },
  }
}

/** Whoever collects metrics, in whatever namespace, reaches the exporters, and they the database. */
export function networkPolicy(monitor: DatabaseMonitor, db: Database): NetworkPolicy {
  const { port, exporter } = engineOf(db)
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: childName(monitor), labels: labels(monitor) },
    spec: {
      podSelector: { matchLabels: selectorLabels(monitor) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: exporter.port, protocol: 'TCP' }] }],
      egress: [
        ...nameResolution,
        { to: [{ podSelector: { matchLabels: databasePods(db) } }], ports: [{ port, protocol: 'TCP' }] },
      ],
    },
  }
}
