// What a Database is: the children it consists of, and what it says of itself.
import type { Answer, Context, Hold } from '../../sdk/definition.ts'
import { StatefulSet } from '../../sdk/resources.ts'
import { archivingWatch } from './archiving.ts'
import { backupSchedule } from './backup.ts'
import type { DatabaseChildren } from './children.ts'
import { configuration } from './configuration.ts'
import { originsOf } from './credentials.ts'
import { disruptionBudget } from './disruptionbudget.ts'
import { claimsOf, growth } from './growth.ts'
import { monitor } from './monitor.ts'
import { names } from './names.ts'
import { networkPolicies } from './networkpolicy.ts'
import { marked } from './quota.ts'
import { recoveryChildren } from './recovery/children.ts'
import { isRecovering } from './recovery/pending.ts'
import { refusal } from './refusal.ts'
import { memberRights } from './rights.ts'
import { scalingOf } from './scaling.ts'
import type { Database, DatabaseStatus } from './schema.ts'
import { secret } from './secret.ts'
import { serviceAccount } from './serviceaccount.ts'
import { services } from './services.ts'
import { statefulSet } from './statefulset.ts'
import { progressOf, report } from './status.ts'
import { replicationOf, topologyOf } from './topology.ts'

export function sync(
  db: Database,
  context: Context<DatabaseChildren>,
): Answer<DatabaseChildren, DatabaseStatus> | Hold<DatabaseStatus> {
  const observed = context.observed.get(StatefulSet, names(db).statefulSet)
  const refused = refusal(db, observed)
  if (refused !== undefined) return { hold: refused }
  const { settled, ready } = progressOf(db, observed)
  const origins = originsOf(db, context, settled)
  if (typeof origins === 'string') {
    return { hold: { reason: 'CredentialKeyMissing', message: origins } }
  }
  const { credentials, settings } = context
  const replication = replicationOf(db, observed)
  const { replicas } = scalingOf(db, observed, topologyOf(db, context))
  const told = report(db, context, origins)
  return {
    children: [
      serviceAccount(db),
      ...memberRights(db, replication),
      secret(db, credentials, origins, replication),
      configuration(db, replication),
      ...services(db, replication, Math.max(db.spec.replicas, replicas)),
      marked(db, statefulSet(db, settings, observed, replicas), context),
      disruptionBudget(db),
      ...networkPolicies(db, replication),
      backupSchedule(db, isRecovering(db) ? 'suspended' : undefined),
      ...recoveryChildren(db, context, ready > 0),
      monitor(db),
      archivingWatch(db, settings),
      ...growth(db, settings, claimsOf(db, context)),
    ],
    ...told,
    // Agents are told that the database has begun, which is read off the status: so one more look once that says so.
    ...(replication !== undefined && db.status?.endpoints === undefined && told.status.endpoints !== undefined
      ? { resyncAfterSeconds: 1 }
      : {}),
  }
}
