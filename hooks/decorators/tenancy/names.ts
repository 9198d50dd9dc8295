// What is written on a Namespace, what the objects in it are called, and which namespaces are left alone.

/** Which tenant a namespace is of. With this label it is a tenant's, without it nothing here concerns it. */
export const tenantLabel = 'tenancy.example.com/tenant'

/** What people write on a Namespace. */
export const annotations = {
  plan: 'tenancy.example.com/plan',
  owners: 'tenancy.example.com/owners',
  podSecurity: 'tenancy.example.com/pod-security',
} as const

/** What is answered on it: why something is not as asked for, and the labels that were there before. */
export const problemAnnotation = 'tenancy.example.com/problem'
export const beforeAnnotation = 'tenancy.example.com/labels-before'

/** Names of the objects in a tenant's namespace. */
export const names = {
  quota: 'tenant-quota',
  limits: 'tenant-limits',
  defaultDeny: 'tenant-default-deny',
  dns: 'tenant-dns',
  sameTenant: 'tenant-same-tenant',
  owners: 'tenant-owners',
} as const

/** Of the cluster, of Metacontroller and of this suite: a label put on one of these by mistake must not cut it off. */
export const protectedNamespaces = ['kube-system', 'kube-public', 'kube-node-lease', 'metacontroller', 'operator-hooks']

/** Labels of every object of a tenant's. */
export function labels(tenant: string): Record<string, string> {
  return {
    'app.kubernetes.io/managed-by': 'operator-hooks',
    'app.kubernetes.io/part-of': 'tenancy',
    [tenantLabel]: tenant,
  }
}
