// Parts of NetworkPolicies that every kind needs.
import type { NetworkPolicyEgressRule, NetworkPolicyPeer } from 'kubernetes-types/networking/v1.js'

/**
 * Leave to ask the cluster's DNS. Two rules: Metacontroller tells ports by their number, and would make one of UDP and
 * TCP in the same list.
 */
export const nameResolution: NetworkPolicyEgressRule[] = (['UDP', 'TCP'] as const).map((protocol) => ({
  to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
  ports: [{ port: 53, protocol }],
}))

/** Leave to reach the API server. Which address and port it has, nobody here can know. */
export const apiServer: NetworkPolicyEgressRule = {
  ports: [443, 6443].map((port) => ({ port, protocol: 'TCP' as const })),
}

/** Every pod of the policy's own namespace. */
export const ownNamespace: NetworkPolicyPeer = { podSelector: {} }

/** Every pod of the namespaces of these names, in a list that is empty when there are none. */
export function namespacesNamed(names: readonly string[]): NetworkPolicyPeer[] {
  if (names.length === 0) return []
  return [
    {
      namespaceSelector: {
        matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: [...names] }],
      },
    },
  ]
}
