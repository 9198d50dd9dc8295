// Databases with everything switched on that a real one has, a third of them of each engine.
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'

/** Number `index` of a namespace; `spec` is laid over it. */
export function fullDatabase(namespace: string, index: number, spec: Record<string, unknown> = {}): KubernetesObject {
  const engine = engines[index % engines.length]
  return {
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { namespace, name: databaseName(index), labels: { team: 'orders', stage: 'production' } },
    spec: {
      ...engine,
      replicas: 3,
      storage: { size: '100Gi' },
      resources: { requests: { cpu: '500m', memory: '2Gi' }, limits: { memory: '4Gi' } },
      credentials: { username: 'orders', database: 'orders' },
      backup: {
        enabled: true,
        schedule: '0 2 * * *',
        retention: '14d',
        destination: {
          s3: {
            bucket: 'orders-backups',
            region: 'eu-central-1',
            endpoint: 'https://minio.storage.svc:9000',
            forcePathStyle: true,
            credentialsSecret: { name: 'orders-backup-credentials' },
          },
        },
      },
      monitoring: { enabled: true },
      deletionPolicy: 'Retain',
      service: { annotations: { 'external-dns.alpha.kubernetes.io/hostname': 'orders.example.com' } },
      ...spec,
    },
  }
}

/** Of one length, so that one's objects can be told as another's by putting one name in the place of the other. */
export function databaseName(index: number): string {
  return `orders-db-${String(index).padStart(5, '0')}`
}

const engines = [
  { engine: 'postgresql', version: '17.2', parameters: { max_connections: 200, work_mem: '16MB' } },
  { engine: 'mysql', version: '8.4.3', parameters: { max_connections: 200, innodb_flush_log_at_trx_commit: 1 } },
  { engine: 'mongodb', version: '8.0.4', parameters: { 'net.maxIncomingConnections': 2000 } },
]
