// NetworkPolicies: who reaches the database, and what it and its backups reach.
import type { NetworkPolicyEgressRule, NetworkPolicyPeer } from 'kubernetes-types/networking/v1.js'
import { apiServer, nameResolution, ownNamespace } from '../../sdk/network.ts'
import { withoutEmpty } from '../../sdk/podspec.ts'
import type { NetworkPolicy } from '../../sdk/resources.ts'
import { engineOf } from './engines/index.ts'
import type { Replication } from './engines/replication.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { Database } from './schema.ts'

/** Of the database's pods, and of a last backup's where there is to be one. */
export function networkPolicies(
  db: Database,
  replication: Replication | undefined,
  lastBackup = false,
): NetworkPolicy[] {
  if (!db.spec.networkPolicy.enabled) return []
  return [databasePolicy(db, replication), ...(lastBackup ? [backupPolicy(db)] : [])]
}

function databasePolicy(db: Database, replication: Replication | undefined): NetworkPolicy {
  const { ingress = [], egress = [] } = withoutEmpty(db.spec.networkPolicy)
  const { port } = engineOf(db)
  const replicas: NetworkPolicyPeer = { podSelector: { matchLabels: selectorLabels(db) } }
  const peerPorts = (replication?.peerPorts ?? []).map((number) => ({ port: number, protocol: 'TCP' as const }))
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(db).networkPolicy, labels: labels(db) },
    spec: {
      podSelector: { matchLabels: selectorLabels(db) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [ownNamespace, ...ingress], ports: [{ port, protocol: 'TCP' }] },
        ...(peerPorts.length === 0 ? [] : [{ from: [replicas], ports: peerPorts }]),
      ],
      egress: [
        ...nameResolution,
        { to: [replicas], ports: [{ port, protocol: 'TCP' }, ...peerPorts] },
        // Roles are written on pods, and Patroni keeps its state in ConfigMaps.
        ...(replication === undefined ? [] : [apiServer]),
        ...storePorts(db).map((port) => ({ ports: [{ port, protocol: 'TCP' as const }] })),
        ...(egress.length === 0 ? [] : [{ to: egress }]),
      ],
    },
  }
}

// What archives its log, or begins with a physical backup, goes to S3 itself.
function storePorts({ spec: { backup, bootstrap } }: Database): number[] {
  const source = bootstrap?.recovery?.source.backup
  const stores = [
    backup.method === 'physical' ? backup.destination?.s3 : undefined,
    source?.method === 'physical' ? source.destination.s3 : undefined,
  ]
  return [...new Set(stores.filter((s3) => s3 !== undefined).map(({ endpoint }) => endpointPort(endpoint)))]
}

function backupPolicy(db: Database): NetworkPolicy {
  const { port } = engineOf(db)
  const s3 = db.spec.backup.destination?.s3
  const upload: NetworkPolicyEgressRule[] =
    s3 === undefined ? [] : [{ ports: [{ port: endpointPort(s3.endpoint), protocol: 'TCP' }] }]
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(db).backup, labels: labels(db, 'backup') },
    spec: {
      podSelector: { matchLabels: selectorLabels(db, 'backup') },
      // Nothing connects to a backup.
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        ...nameResolution,
        { to: [{ podSelector: { matchLabels: selectorLabels(db) } }], ports: [{ port, protocol: 'TCP' }] },
        ...upload,
      ],
    },
  }
}

/** The port of an S3 server; that of AWS when there is none. */
export function endpointPort(endpoint: string | undefined): number {
  if (endpoint === undefined) return 443
  const { port, protocol } = new URL(endpoint)
  return port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port)
}
