// What the pods of a replicated Database may do: the Role <name> and its binding to their ServiceAccount.
import type { Role, RoleBinding } from '../../sdk/resources.ts'
import type { Replication } from './engines/replication.ts'
import { labels, names } from './names.ts'
import type { Database } from './schema.ts'

/** Nothing for a single database: its pods have no token. */
export function memberRights(db: Database, replication: Replication | undefined): (Role | RoleBinding)[] {
  if (replication === undefined) return []
  const name = names(db).serviceAccount
  const metadata = { name, labels: labels(db) }
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: replication.rules(db) },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: db.metadata.namespace ?? '' }],
    },
  ]
}
