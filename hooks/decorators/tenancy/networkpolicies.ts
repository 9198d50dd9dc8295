// Who reaches a tenant's pods and whom they reach: nobody, but the cluster's DNS and the tenant's own namespaces.
// One object a purpose, so that one can be read, and be seen to be missing, by itself. A kind or a user that needs more
// brings a NetworkPolicy of its own: what any of them allows is allowed.
import type { NetworkPolicyPeer, NetworkPolicySpec } from 'kubernetes-types/networking/v1.js'
import { nameResolution, ownNamespace } from '../../sdk/network.ts'
import type { NetworkPolicy } from '../../sdk/resources.ts'
import { labels, names, tenantLabel } from './names.ts'

/** All of them. */
export function networkPolicies(tenant: string, namespace: string): NetworkPolicy[] {
  const policy = (name: string, spec: Omit<NetworkPolicySpec, 'podSelector'>): NetworkPolicy => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels: labels(tenant) },
    // Every pod of the namespace.
    spec: { podSelector: {}, ...spec },
  })
  const own: NetworkPolicyPeer[] = [
    // This namespace without its label counts too: the label may be taken off a moment before this policy goes.
    ownNamespace,
    { namespaceSelector: { matchLabels: { [tenantLabel]: tenant } } },
  ]
  return [
    policy(names.defaultDeny, { policyTypes: ['Ingress', 'Egress'] }),
    policy(names.dns, { policyTypes: ['Egress'], egress: nameResolution }),
    policy(names.sameTenant, {
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: own }],
      egress: [{ to: own }],
    }),
  ]
}
