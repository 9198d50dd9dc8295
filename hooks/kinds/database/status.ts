// What a Database says of itself, all of it derived from what is observed and from what it said before.
import { type Condition, type ConditionInput, findCondition } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import { selectorText } from '../../sdk/names.ts'
import type { Live } from '../../sdk/observed.ts'
import { blamingQuota } from '../../sdk/quota.ts'
import { StatefulSet } from '../../sdk/resources.ts'
import { DatabaseBackups } from '../databasebackup/resource.ts'
import type { DatabaseBackupStatus } from '../databasebackup/schema.ts'
import { archivingCondition } from './archiving.ts'
import type { DatabaseChildren } from './children.ts'
import type { Origins } from './credentials.ts'
import { engineOf } from './engines/index.ts'
import { claimsOf, smallestCapacity, storageCondition } from './growth.ts'
import { host, names, selectorLabels } from './names.ts'
import { quotaOf } from './quota.ts'
import { isRecovering, wasInitialized } from './recovery/pending.ts'
import { type Recovery, recovered } from './recovery/state.ts'
import { scalingOf } from './scaling.ts'
import type { Database, DatabaseStatus, Phase } from './schema.ts'
import { applicationSecret } from './secret.ts'
import { blamingStorage, fullCondition, fullPods } from './storage.ts'
import { replicationOf, type Topology, topologyConditions, topologyOf } from './topology.ts'
import { versionOf } from './versions.ts'

interface Report {
  status: DatabaseStatus
  conditions: ConditionInput[]
}

type View = Pick<Context<DatabaseChildren>, 'observed' | 'related'>

/** `origins` are undefined when the passwords cannot be derived: then what the status says of them stays. */
export function report(db: Database, context: View, origins: Origins | undefined): Report {
  const statefulSet = context.observed.get(StatefulSet, names(db).statefulSet)
  const progress = progressOf(db, statefulSet)
  const initialized = progress.ready > 0 || wasInitialized(db)
  const claims = claimsOf(db, context)
  const size = smallestCapacity(claims)
  const storage = storageCondition(db, claims, context)
  const topology = replicationOf(db, statefulSet) === undefined ? undefined : topologyOf(db, context)
  const recovery = recovered(db, context)
  const summary = withRecovery(withPrimary(summarize(db, progress, initialized), topology), recovery)
  const quota = quotaOf(db, context)
  const archiving = archivingCondition(db, context, progress.ready)
  const full = fullPods(db, context)
  const room = topology === undefined ? undefined : fullCondition(full, size)
  const version = progress.settled ? versionOf(statefulSet) : db.status?.version
  const backup = backupTimes(db, context)
  return {
    status: {
      phase: summary.phase,
      ...counts(statefulSet),
      selector: selectorText(selectorLabels(db)),
      ...(version === undefined ? {} : { version }),
      ...(initialized ? { endpoints: endpoints(db) } : {}),
      ...(topology === undefined ? {} : { topology }),
      credentials: origins === undefined ? db.status?.credentials : credentialsStatus(db, origins),
      ...(backup === undefined ? {} : { backup }),
      ...(recovery === undefined ? {} : { recovery: recovery.status }),
      ...(size === undefined ? {} : { storage: { size } }),
    },
    conditions: [
      blamingStorage(blamingQuota(summary.ready, quota), full, topology, room),
      ...(quota === undefined ? [] : [quota]),
      ...(summary.reconciling === undefined ? [] : [summary.reconciling]),
      available(db, progress),
      initialized
        ? { type: 'Initialized', status: 'True', reason: 'Initialized', message: '' }
        : { type: 'Initialized', status: 'False', reason: 'Creating', message: 'no replica has been ready yet' },
      ...replicationConditions(db, statefulSet, topology),
      ...(recovery === undefined ? [] : recoveryConditions(recovery)),
      ...alerts(db),
      ...backupConditions(db, context),
      ...(storage === undefined ? [] : [storage]),
      ...(room === undefined ? [] : [room]),
      ...(archiving === undefined ? [] : [archiving]),
    ],
  }
}

/** The pods of a StatefulSet, as its controller counts them. */
export function counts(statefulSet: StatefulSet | undefined): Pick<DatabaseStatus, 'replicas' | 'readyReplicas'> {
  return {
    replicas: statefulSet?.status?.replicas ?? 0,
    readyReplicas: statefulSet?.status?.readyReplicas ?? 0,
  }
}

/** How far a StatefulSet is on the way to what is asked for. */
export interface Progress {
  exists: boolean
  wanted: number
  replicas: number
  ready: number
  /** The number of pods is not yet what is asked for. */
  scaling: boolean
  /** Pods of an earlier template are still there. */
  updating: boolean
  /** Nothing is left to do. */
  settled: boolean
}

export function progressOf(db: Database, statefulSet: Live<StatefulSet> | undefined): Progress {
  const wanted = db.spec.suspend ? 0 : db.spec.replicas
  const status = statefulSet?.status
  const { replicas, readyReplicas: ready } = counts(statefulSet)
  // Counts of an earlier generation say nothing about this one.
  const current = (status?.observedGeneration ?? 0) >= (statefulSet?.metadata.generation ?? 0)
  const scaling = statefulSet !== undefined && (statefulSet.spec?.replicas !== wanted || replicas !== wanted)
  const updating =
    statefulSet !== undefined &&
    (versionOf(statefulSet) !== db.spec.version ||
      (status?.updateRevision !== undefined && status.currentRevision !== status.updateRevision) ||
      (status?.updatedReplicas !== undefined && status.updatedReplicas < replicas))
  return {
    exists: statefulSet !== undefined,
    wanted,
    replicas,
    ready,
    scaling,
    updating,
    settled: statefulSet !== undefined && current && !scaling && !updating && ready === wanted,
  }
}

interface Summary {
  phase: Phase
  ready: ConditionInput
  reconciling?: ConditionInput
}

function summarize(db: Database, progress: Progress, initialized: boolean): Summary {
  const { exists, wanted, ready, replicas, scaling, updating, settled } = progress
  const count = `${ready} of ${wanted} ${wanted === 1 ? 'replica is' : 'replicas are'} ready`
  const not = (phase: Phase, reason: string, message: string): Summary => ({
    phase,
    ready: { type: 'Ready', status: 'False', reason, message },
  })
  if (!exists) return not('Pending', 'Pending', 'the StatefulSet is not there yet')
  if (db.spec.suspend) {
    if (!settled) return not('Scaling', 'Suspending', `waiting for ${replicas} pods to stop`)
    const message = 'stopped by spec.suspend; its data stays'
    return {
      ...not('Pending', 'Suspended', message),
      reconciling: { type: 'Reconciling', status: 'False', reason: 'Suspended', message: '' },
    }
  }
  if (settled) return { phase: 'Running', ready: { type: 'Ready', status: 'True', reason: 'Running', message: count } }
  if (!initialized) return not('Creating', 'Creating', count)
  if (scaling) return not('Scaling', 'Scaling', `from ${replicas} to ${wanted} replicas; ${count}`)
  if (updating) return not('Updating', 'Updating', count)
  // Neither more nor other pods are asked for. What began as one of these goes on until all are ready.
  const before = db.status?.phase
  if (ready > 0 && (before === 'Scaling' || before === 'Updating' || before === 'Creating'))
    return not(before, before, count)
  if (ready > 0) return not('Running', 'Degraded', count)
  if (before === 'Pending' || before === 'Creating') return not('Creating', 'Starting', count)
  return not('Failed', 'Unavailable', `${count}: see the events and logs of the pods`)
}

// Pods may all be ready and none of them be the primary: between one and the next, or where no majority is left.
function withPrimary(summary: Summary, topology: Topology | undefined): Summary {
  if (summary.ready.status !== 'True' || topology === undefined || topology.primary !== undefined) return summary
  return {
    phase: 'Running',
    ready: { type: 'Ready', status: 'False', reason: 'NoPrimary', message: 'no member takes writes' },
  }
}

// Whatever runs is not what was asked for before the backup is in it.
function withRecovery(summary: Summary, recovery: Recovery | undefined): Summary {
  if (recovery === undefined || recovery.status.phase === 'Recovered') return summary
  const failed = recovery.status.phase === 'Failed'
  const reason = failed ? 'RecoveryFailed' : 'Restoring'
  const { message } = recovery.condition
  return { phase: failed ? 'Failed' : 'Restoring', ready: { type: 'Ready', status: 'False', reason, message } }
}

// A Job that has failed for good waits for somebody to act.
function recoveryConditions({ condition, status, job }: Recovery): ConditionInput[] {
  const { message } = condition
  const stalled: ConditionInput = { type: 'Stalled', status: 'True', reason: 'RecoveryFailed', message }
  return [condition, ...(status.phase === 'Failed' && job !== undefined ? [stalled] : [])]
}

function credentialsStatus(db: Database, { current, previous }: Origins): DatabaseStatus['credentials'] {
  return { secretName: applicationSecret(db), ...current, ...(previous === undefined ? {} : { previous }) }
}

function available(db: Database, { ready }: Progress): ConditionInput {
  // Users and backups of it have to wait for what is on its way.
  if (isRecovering(db)) {
    return { type: 'Available', status: 'False', reason: 'Restoring', message: 'the database is not recovered yet' }
  }
  return ready > 0
    ? { type: 'Available', status: 'True', reason: 'ReplicasReady', message: '' }
    : { type: 'Available', status: 'False', reason: 'NoReplicaReady', message: 'no replica is ready' }
}

function endpoints(db: Database): DatabaseStatus['endpoints'] {
  const { port } = engineOf(db)
  const { primary, readonly } = names(db)
  return { primary: `${host(db, primary)}:${port}`, readonly: [`${host(db, readonly)}:${port}`] }
}

function replicationConditions(
  db: Database,
  observed: Live<StatefulSet> | undefined,
  topology: Topology | undefined,
): ConditionInput[] {
  if (topology !== undefined) return topologyConditions(db, topology, scalingOf(db, observed, topology).waits)
  if (db.spec.replicas === 1) return []
  return [
    {
      type: 'Replicated',
      status: 'False',
      reason: 'NotSupported',
      message: `replicas do not replicate yet: all clients are led to the pod ${names(db).pod(0)}, and the others stand by with databases of their own`,
    },
  ]
}

function alerts(db: Database): ConditionInput[] {
  if (!db.spec.monitoring.alerting) return []
  return [
    {
      type: 'AlertsConfigured',
      status: 'Unknown',
      reason: 'Delegated',
      message: 'the DecoratorController prometheus-operator sets alerts up, in a cluster that has that API',
    },
  ]
}

function backupTimes(db: Database, { observed }: View): DatabaseStatus['backup'] {
  const { lastScheduleTime, lastBackup } = backupStatus(db, observed)
  if (lastScheduleTime === undefined && lastBackup === undefined) return undefined
  return {
    ...(lastScheduleTime === undefined ? {} : { lastScheduleTime }),
    ...(lastBackup === undefined ? {} : { lastSuccessfulTime: lastBackup.completionTime }),
  }
}

function backupConditions(db: Database, { observed }: View): ConditionInput[] {
  const { backup } = db.spec
  const type = 'LastBackupSucceeded'
  if (!backup.enabled) return []
  const { conditions, phase } = backupStatus(db, observed)
  const last = findCondition(conditions, type)
  if (phase === 'Running') {
    // The one before still counts until this one has ended.
    return [{ type, status: last?.status ?? 'Unknown', reason: 'Running', message: 'a backup is running' }]
  }
  if (last === undefined || last.status === 'Unknown') {
    const message = `the schedule is ${backup.schedule} ${backup.timeZone}`
    return [{ type, status: 'Unknown', reason: 'NoBackupYet', message }]
  }
  const { status, reason, message } = last
  return [{ type, status, reason, message }]
}

// What its DatabaseBackup says, whose CRD has checked it.
function backupStatus(
  db: Database,
  observed: View['observed'],
): Partial<DatabaseBackupStatus> & { conditions?: Condition[] } {
  return observed.get(DatabaseBackups, names(db).backup)?.status ?? {}
}
