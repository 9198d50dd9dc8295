// Tenancy: what a Namespace needs to be given to somebody, kept in place.
import { decorator } from '../../sdk/definition.ts'
import { Namespace } from '../../sdk/resources.ts'
import { beforeAnnotation, problemAnnotation } from './names.ts'
import { ownerRole } from './owners.ts'
import { attachments, controller, related, sync } from './sync.ts'

export const tenancy = decorator({
  name: controller,
  description:
    'Gives a Namespace with the label `tenancy.example.com/tenant` its quota, limits, network policies, owners and Pod Security level.',
  // Every namespace, and not only those with the label: then what it brought can be taken away when it is gone, without
  // a finalizer that would keep namespaces from going (docs/decisions/0020-tenancy-without-finalizer.md).
  resources: [{ type: Namespace, ignoreStatusChanges: true }],
  noticeAnnotation: problemAnnotation,
  sets: { annotations: [beforeAnnotation] },
  attachments,
  resyncPeriodSeconds: 60,
  relatedTypes: attachments,
  // To bind a role one must hold all of it, or be allowed to bind it: this one, and no other.
  grants: [
    {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['clusterroles'],
      resourceNames: [ownerRole],
      verbs: ['bind'],
    },
  ],
  sync,
  related,
})
