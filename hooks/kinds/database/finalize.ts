// Deleting a Database, step by step: a last backup if the policy wants one, then every pod stops, then the claims go
// or stay. Each step is read off what is observed, so that it does not matter how often or where it is asked.
//
// With --cascade=foreground Metacontroller ignores the answer and the garbage collector takes the children at once.
// Nothing is lost then: claims are retained by the StatefulSet until the very step that decides otherwise.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context, FinalAnswer } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import type { Live } from '../../sdk/observed.ts'
import { ConfigMap, Job, type PersistentVolumeClaim, Secret, StatefulSet } from '../../sdk/resources.ts'
import { backupSchedule, finalBackup } from './backup.ts'
import type { DatabaseChildren } from './children.ts'
import { configuration } from './configuration.ts'
import { type Origins, originsOf } from './credentials.ts'
import { disruptionBudget } from './disruptionbudget.ts'
import { claimsOf } from './growth.ts'
import { jobOutcome } from './jobs.ts'
import { names } from './names.ts'
import { networkPolicies } from './networkpolicy.ts'
import { isRecovering } from './recovery/pending.ts'
import { refusal } from './refusal.ts'
import { memberRights } from './rights.ts'
import type { Database, DatabaseStatus } from './schema.ts'
import { secret } from './secret.ts'
import { serviceAccount } from './serviceaccount.ts'
import { services } from './services.ts'
import { statefulSet } from './statefulset.ts'
import { counts, report } from './status.ts'
import { replicationOf } from './topology.ts'
import { versionOf } from './versions.ts'

type Claim = Live<PersistentVolumeClaim>
type Final = FinalAnswer<DatabaseChildren, DatabaseStatus>
type Children = Final['children']

export function finalize(resource: Database, context: Context<DatabaseChildren>): Final {
  const { observed, settings } = context
  const live = observed.get(StatefulSet, names(resource).statefulSet)
  // Nothing is updated any more: what runs is what is dumped and stopped.
  const version = versionOf(live) ?? resource.spec.version
  const db = { ...resource, spec: { ...resource.spec, version } }
  const found = originsOf(db, context, false)
  // Passwords that cannot be derived any more are still in the Secret: no reason to keep a Database from going.
  const origins = typeof found === 'string' ? undefined : found
  const { status } = report(db, context, origins)
  const claims = claimsOf(db, context)
  const answer = ({ reason, message, conditions }: Step, children: Children, finalized = false): Final => ({
    children,
    finalized,
    status: { ...status, phase: 'Deleting', ...counts(live) },
    conditions: [{ type: 'Ready', status: 'False', reason, message }, ...conditions],
    ...(finalized ? {} : { resyncAfterSeconds: 10 }),
  })

  // Nothing was ever made, or all of it is gone already.
  if (live === undefined && claims.length === 0)
    return answer(step('Deleted', 'there are neither pods nor claims'), [], true)
  if (isForeground(db)) return answer(foreground(db, claims), [], true)

  const others = childrenBeside(db, context, origins)
  const set =
    live === undefined ? statefulSet(db, settings, undefined, db.spec.suspend ? 0 : db.spec.replicas) : heldChild(live)
  const { deletesClaims } = policies[db.spec.deletionPolicy]
  const backsUp = takesBackup(db)
  const job = observed.get(Job, names(db).finalBackup)
  const lastBackup = job === undefined ? finalBackup(db, settings) : heldChild(job)
  const outcome = jobOutcome(job)
  if (backsUp && outcome !== 'succeeded') {
    // A stopped database has to run once more to be dumped.
    const running = withPods(set, Math.max(1, set.spec?.replicas ?? 1), 'Retain')
    return answer(outcome === 'failed' ? backupFailed(db) : backupRuns(db), [...others, running, lastBackup])
  }
  const kept = backsUp ? [...others, lastBackup] : others
  const conditions = backsUp ? [backupSucceeded] : []
  if (live === undefined) {
    const why = deletesClaims ? ', because the StatefulSet that would take them along is gone' : ''
    return answer(step('Deleted', `${list(claims)} stay${why}`, conditions), kept, true)
  }

  const own = claims.filter((claim) => isOfThis(claim, db))
  const unowned = own.filter((claim) => claim.metadata.deletionTimestamp === undefined && !isOwned(claim, live))
  if (deletesClaims && unowned.length > 0) {
    // The StatefulSet controller makes itself the owner of the claims of those pods that there are: so for claims of
    // replicas that were scaled away, and of a stopped database, pods have to be there for a moment.
    const pods = Math.max(set.spec?.replicas ?? 0, ...unowned.map((claim) => ordinalOf(claim) + 1))
    const message = `StatefulSet/${names(db).statefulSet} takes over ${list(unowned)}, to take them along when it goes`
    return answer(step('ClaimingVolumes', message, conditions), [...kept, withPods(set, pods, 'Delete')])
  }
  const whenDeleted = deletesClaims ? 'Delete' : 'Retain'
  const children = [...kept, withPods(set, 0, whenDeleted)]
  if (!isStopped(live, whenDeleted)) {
    return answer(step('Stopping', `waiting for ${counts(live).replicas} pods to stop`, conditions), children)
  }
  const going = deletesClaims ? own : []
  const staying = claims.filter((claim) => !going.includes(claim))
  const message = `all pods have stopped${going.length === 0 ? '' : `; ${list(going)} go with the StatefulSet`}${staying.length === 0 ? '' : `; ${list(staying)} stay`}`
  return answer(step('Deleted', message, conditions), children, true)
}

/** What the policies are made of. */
const policies: Record<Database['spec']['deletionPolicy'], { backsUp: boolean; deletesClaims: boolean }> = {
  Retain: { backsUp: false, deletesClaims: false },
  Delete: { backsUp: false, deletesClaims: true },
  BackupAndRetain: { backsUp: true, deletesClaims: false },
  BackupAndDelete: { backsUp: true, deletesClaims: true },
}

// What never was recovered is empty, and would pass for the latest backup.
function takesBackup(db: Database): boolean {
  return policies[db.spec.deletionPolicy].backsUp && !isRecovering(db)
}

interface Step {
  reason: string
  message: string
  conditions: readonly ConditionInput[]
}

function step(reason: string, message: string, conditions: readonly ConditionInput[] = []): Step {
  return { reason, message, conditions }
}

const backupSucceeded: ConditionInput = {
  type: 'FinalBackupSucceeded',
  status: 'True',
  reason: 'Succeeded',
  message: '',
}

function backupRuns(db: Database): Step {
  const message = `waiting for the last backup, Job/${names(db).finalBackup}`
  return step('FinalBackup', message, [{ type: 'FinalBackupSucceeded', status: 'Unknown', reason: 'Running', message }])
}

function backupFailed(db: Database): Step {
  const { finalBackup: job } = names(db)
  const message = `the last backup failed, and nothing is deleted: see the log of Job/${job}; delete that Job to try again, or set spec.deletionPolicy to Retain or Delete to go on without a backup`
  return step('FinalBackupFailed', message, [
    { type: 'FinalBackupSucceeded', status: 'False', reason: 'Failed', message },
  ])
}

function foreground(db: Database, claims: readonly Claim[]): Step {
  const missed = db.spec.deletionPolicy === 'Retain' ? '' : `; ${db.spec.deletionPolicy} cannot be carried out then`
  return step('DeletedInForeground', `deleted with --cascade=foreground, so that ${list(claims)} stay${missed}`)
}

// Everything but the StatefulSet: clients and backups need it until the last pod has stopped. No backup begins any more.
function childrenBeside(
  db: Database,
  { observed, credentials }: Context<DatabaseChildren>,
  origins: Origins | undefined,
): Children {
  const kept = observed.get(Secret, names(db).secret)
  const config = observed.get(ConfigMap, names(db).configuration)
  const live = observed.get(StatefulSet, names(db).statefulSet)
  const refused = refusal(db, live) !== undefined
  const replication = replicationOf(db, live)
  return [
    serviceAccount(db),
    ...memberRights(db, replication),
    origins === undefined ? kept && heldChild(kept) : secret(db, credentials, origins, replication),
    refused && config !== undefined ? heldChild(config) : configuration(db, replication),
    ...services(db, replication),
    disruptionBudget(db),
    ...networkPolicies(db, replication, takesBackup(db)),
    backupSchedule(db, 'suspended'),
  ]
}

// Deletion changes no more than it has to: the StatefulSet stays as it was last applied but for these two fields, so
// that neither a change of spec that came along nor a newer build of the service rolls a pod on its way out.
function withPods(set: StatefulSet, replicas: number, whenDeleted: 'Delete' | 'Retain'): StatefulSet {
  const { spec } = set
  if (spec === undefined) return set
  return {
    ...set,
    spec: { ...spec, replicas, persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled: 'Retain' } },
  }
}

function isStopped({ metadata, spec, status }: Live<StatefulSet>, whenDeleted: 'Delete' | 'Retain'): boolean {
  return (
    spec?.replicas === 0 &&
    spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === whenDeleted &&
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    (status?.replicas ?? 0) === 0
  )
}

// A Database of the same name may have left claims behind. Those that this one has no replica for are not its to delete.
function isOfThis(claim: Claim, db: Database): boolean {
  const since = db.metadata.creationTimestamp ?? ''
  return ordinalOf(claim) < db.spec.replicas || (claim.metadata.creationTimestamp ?? since) >= since
}

function isOwned(claim: Claim, { metadata }: Live<StatefulSet>): boolean {
  return claim.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) ?? false
}

function ordinalOf(claim: Claim): number {
  return Number(claim.metadata.name.slice(claim.metadata.name.lastIndexOf('-') + 1))
}

function isForeground(db: Database): boolean {
  return db.metadata.finalizers?.includes('foregroundDeletion') ?? false
}

function list(claims: readonly Claim[]): string {
  return claims.map((claim) => claim.metadata.name).join(', ')
}
