// The kinds of Istio, as far as they are made here: https://istio.io/latest/docs/reference/config/
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { resourceType } from '../../sdk/resources.ts'

interface WorkloadSelector {
  matchLabels: Record<string, string>
}

export type PeerAuthentication = {
  apiVersion: 'security.istio.io/v1'
  kind: 'PeerAuthentication'
  metadata: ObjectMeta & { name: string }
  spec: { selector: WorkloadSelector; mtls: { mode: 'STRICT' } }
}

export interface Source {
  namespaces?: string[]
  ipBlocks?: string[]
  notIpBlocks?: string[]
}

export type AuthorizationPolicy = {
  apiVersion: 'security.istio.io/v1'
  kind: 'AuthorizationPolicy'
  metadata: ObjectMeta & { name: string }
  spec: {
    selector: WorkloadSelector
    action: 'ALLOW'
    rules: { from: { source: Source }[]; to: { operation: { ports: string[] } }[] }[]
  }
}

export type DestinationRule = {
  apiVersion: 'networking.istio.io/v1'
  kind: 'DestinationRule'
  metadata: ObjectMeta & { name: string }
  spec: { host: string; trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }
}

export const PeerAuthentication = resourceType<PeerAuthentication>(
  'security.istio.io/v1',
  'PeerAuthentication',
  'peerauthentications',
)
export const AuthorizationPolicy = resourceType<AuthorizationPolicy>(
  'security.istio.io/v1',
  'AuthorizationPolicy',
  'authorizationpolicies',
)
export const DestinationRule = resourceType<DestinationRule>(
  'networking.istio.io/v1',
  'DestinationRule',
  'destinationrules',
)
