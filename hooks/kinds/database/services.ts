// The Services <name> (primary), <name>-readonly and <name>-headless.
import type { ServicePort, ServiceSpec } from 'kubernetes-types/core/v1.js'
import type { Service } from '../../sdk/resources.ts'
import { engineOf } from './engines/index.ts'
import type { Replication } from './engines/replication.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { Database } from './schema.ts'
import { primarySelector, readonlySelector } from './topology.ts'

/** `replicas` is how many pods there are, or are to be. */
export function services(db: Database, replication: Replication | undefined, replicas = db.spec.replicas): Service[] {
  const { primary, readonly, headless } = names(db)
  return [
    client(db, primary, primarySelector(db, replication)),
    client(db, readonly, readonlySelector(db, replication, replicas)),
    everyPod(db, headless),
  ]
}

/** Every pod has a name. */
function everyPod(db: Database, name: string): Service {
  return service(db, name, {
    type: 'ClusterIP',
    clusterIP: 'None',
    // Replicas have to find one another before they are ready.
    publishNotReadyAddresses: true,
    selector: selectorLabels(db),
    ports: ports(db),
  })
}

function client(db: Database, name: string, selector: Record<string, string>): Service {
  const { type, loadBalancerClass, loadBalancerSourceRanges = [], annotations, labels: extra } = db.spec.service
  const balancer =
    type === 'LoadBalancer'
      ? {
          ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }),
          ...(loadBalancerSourceRanges.length === 0 ? {} : { loadBalancerSourceRanges }),
        }
      : {}
  const made = service(db, name, { type, selector, ports: ports(db), ...balancer })
  return {
    ...made,
    metadata: {
      ...made.metadata,
      labels: { ...extra, ...made.metadata.labels },
      ...(annotations && Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
  }
}

function service(db: Database, name: string, spec: ServiceSpec): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, labels: labels(db) }, spec }
}

function ports(db: Database): ServicePort[] {
  return [{ name: 'database', port: engineOf(db).port, protocol: 'TCP', targetPort: 'database' }]
}
