// The NetworkPolicy <name>: who reaches the application, and with strict, what it reaches.
import type { NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort } from 'kubernetes-types/networking/v1.js'
import { nameResolution, namespacesNamed, ownNamespace } from '../../sdk/network.ts'
import { withoutEmpty } from '../../sdk/podspec.ts'
import type { NetworkPolicy } from '../../sdk/resources.ts'
import { labels, names, selectorLabels } from './names.ts'
import { type Port, portNamed, portsOf } from './ports.ts'
import type { WebApp } from './schema.ts'

/** Namespaces that ingress controllers and Gateways are installed in, as their own manuals have it. */
const usualIngress = [
  'ingress-nginx',
  'traefik',
  'haproxy-controller',
  'kong',
  'projectcontour',
  'nginx-gateway',
  'envoy-gateway-system',
  'istio-system',
  'istio-ingress',
]

/** Namespaces that Prometheus is installed in, as the manuals of its distributions have it. */
const usualMonitoring = ['monitoring', 'prometheus', 'observability', 'openshift-user-workload-monitoring']

export function networkPolicy(app: WebApp): NetworkPolicy | undefined {
  const { networkPolicy: level, egressPeers = [] } = app.spec.security
  if (level === 'none') return undefined
  const strict = level === 'strict'
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(app).networkPolicy, labels: labels(app) },
    spec: {
      podSelector: { matchLabels: selectorLabels(app) },
      policyTypes: strict ? ['Ingress', 'Egress'] : ['Ingress'],
      ingress: ingress(app, strict),
      ...(strict && {
        egress: [...nameResolution, ...(egressPeers.length > 0 ? [{ to: withoutEmpty(egressPeers) }] : [])],
      }),
    },
  }
}

function ingress(app: WebApp, strict: boolean): NetworkPolicyIngressRule[] {
  const { ingressPeers = [], ingressNamespaces, monitoringNamespaces } = app.spec.security
  const gateways = (app.spec.exposure?.gateway?.parentRefs ?? []).flatMap(({ namespace }) => namespace ?? [])
  const clients: NetworkPolicyPeer[] = [
    ...(strict ? [] : [ownNamespace]),
    ...namespacesNamed([...new Set([...(ingressNamespaces ?? usualIngress), ...gateways])]),
    ...withoutEmpty(ingressPeers),
  ]
  const collectors = namespacesNamed(monitoringNamespaces ?? usualMonitoring)
  return [
    ...byProtocol(portsOf(app)).flatMap((ports): NetworkPolicyIngressRule[] => {
      // Who asks for a load balancer wants its requests, and these come from anywhere.
      if (!strict && app.spec.service.type !== 'ClusterIP') return [{ ports }]
      // A rule without peers would let in everybody.
      return clients.length === 0 ? [] : [{ from: clients, ports }]
    }),
    ...(app.spec.monitoring.enabled && collectors.length > 0
      ? [{ from: collectors, ports: [policyPort(portNamed(app, app.spec.monitoring.port))] }]
      : []),
  ]
}

// A rule for each protocol: Metacontroller tells ports by their number, and would make one of UDP and TCP.
function byProtocol(ports: readonly Port[]): NetworkPolicyPort[][] {
  return (['TCP', 'UDP'] as const)
    .map((protocol) => ports.filter((port) => port.protocol === protocol).map(policyPort))
    .filter((group) => group.length > 0)
}

function policyPort({ containerPort, protocol }: Port): NetworkPolicyPort {
  return { port: containerPort, protocol }
}
