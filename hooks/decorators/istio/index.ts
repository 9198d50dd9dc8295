// Istio: WebApps with security.mtls speak to their mesh only, and with networkPolicy strict to those in it that they name.
import type { NetworkPolicyIngressRule, NetworkPolicyPeer } from 'kubernetes-types/networking/v1.js'
import { webapp } from '../../kinds/webapp/index.ts'
import { labels, names, selectorLabels } from '../../kinds/webapp/names.ts'
import { networkPolicy } from '../../kinds/webapp/networkpolicy.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import { decorator, objectsOf } from '../../sdk/definition.ts'
import { AuthorizationPolicy, DestinationRule, PeerAuthentication, type Source } from './types.ts'

/** The domain of the cluster's Services, which host names in Istio end in. */
const clusterDomain = 'mesh.example.com/cluster-domain'

export const istio = decorator({
  name: 'istio',
  description:
    'For each WebApp with security.mtls: a PeerAuthentication that refuses plain text and DestinationRules for clients in the mesh; with networkPolicy strict an AuthorizationPolicy too.',
  resources: [{ ...objectsOf<WebApp>(webapp), ignoreStatusChanges: true }],
  attachments: [PeerAuthentication, AuthorizationPolicy, DestinationRule],
  parameters: { [clusterDomain]: 'cluster.local' },
  sync(app, { parameters }) {
    const { mtls } = app.spec.security
    if (!mtls) return { attachments: [] }
    const domain = parameters[clusterDomain] || 'cluster.local'
    return {
      attachments: [
        peerAuthentication(app),
        authorizationPolicy(app),
        ...servicesOf(app).map((service) => destinationRule(app, service, domain)),
      ],
    }
  },
})

function peerAuthentication(app: WebApp): PeerAuthentication {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: app.metadata.name, labels: labels(app) },
    spec: { selector: { matchLabels: selectorLabels(app) }, mtls: { mode: 'STRICT' } },
  }
}

/** All Services that lead to its pods. */
function servicesOf(app: WebApp): string[] {
  const { service, trackService } = names(app)
  return app.spec.rollout.strategy === 'rolling' ? [service] : [service, trackService('stable'), trackService('canary')]
}

function destinationRule(app: WebApp, service: string, domain: string): DestinationRule {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: service, labels: labels(app) },
    spec: {
      host: `${service}.${app.metadata.namespace}.svc.${domain}`,
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
    },
  }
}

/**
 * Lets in whom the NetworkPolicy lets in, by the identity of the mesh. Istio knows namespaces and addresses, not labels of
 * pods: there it allows more, and the NetworkPolicy beside it does not.
 */
function authorizationPolicy(app: WebApp): AuthorizationPolicy | undefined {
  if (app.spec.security.networkPolicy !== 'strict') return undefined
  const own = app.metadata.namespace ?? ''
  const rules = networkPolicy(app)?.spec?.ingress ?? []
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: app.metadata.name, labels: labels(app) },
    spec: {
      selector: { matchLabels: selectorLabels(app) },
      action: 'ALLOW',
      // UDP is none of Istio's.
      rules: rules.filter(isTcp).map(({ from = [], ports = [] }) => ({
        from: from.map((peer) => ({ source: sourceOf(peer, own) })),
        to: [{ operation: { ports: ports.map(({ port }) => String(port)) } }],
      })),
    },
  }
}

function isTcp({ ports = [] }: NetworkPolicyIngressRule): boolean {
  return ports.some(({ protocol }) => protocol !== 'UDP')
}

function sourceOf({ ipBlock, namespaceSelector }: NetworkPolicyPeer, own: string): Source {
  if (ipBlock !== undefined) {
    const { cidr, except = [] } = ipBlock
    return { ipBlocks: [cidr], ...(except.length > 0 && { notIpBlocks: except }) }
  }
  if (namespaceSelector === undefined) return { namespaces: [own] }
  const { matchLabels = {}, matchExpressions = [] } = namespaceSelector
  const named = matchLabels[nameLabel]
  if (named !== undefined) return { namespaces: [named] }
  const listed = matchExpressions.find(({ key, operator }) => key === nameLabel && operator === 'In')?.values
  // By another label: which namespaces those are cannot be told from here.
  return { namespaces: listed ?? ['*'] }
}

/** The label of every namespace that holds its name. */
const nameLabel = 'kubernetes.io/metadata.name'
