// VolumeSnapshots on a schedule, for claims that ask for it by annotation.
// https://kubernetes.io/docs/concepts/storage/volume-snapshots/
//
// They belong to the Namespace, not to their claim: what a decorator attaches is deleted with the object that it is
// attached to, and a backup that goes with its original is none.
import type { Notice } from '../../sdk/decorated.ts'
import { decorator } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { recommendedLabels, shortHash } from '../../sdk/names.ts'
import type { Live } from '../../sdk/observed.ts'
import { Namespace, PersistentVolumeClaim, resourceType } from '../../sdk/resources.ts'
import { periodSeconds, timesAround } from '../../sdk/schedule.ts'
import { type BackupPlan, backupAnnotations, backupPlan, isNotice, together } from './plan.ts'

type VolumeSnapshot = {
  apiVersion: 'snapshot.storage.k8s.io/v1'
  kind: 'VolumeSnapshot'
  metadata: ObjectMeta & { name: string }
  spec: { source: { persistentVolumeClaimName: string }; volumeSnapshotClassName?: string }
  readonly status?: { readyToUse?: boolean; error?: { message?: string } }
}

const VolumeSnapshot = resourceType<VolumeSnapshot>('snapshot.storage.k8s.io/v1', 'VolumeSnapshot', 'volumesnapshots')

/** What a snapshot says of itself, since its claim may be gone: when it was due, and for how long it is kept. */
const scheduledAt = 'backup.example.com/scheduled-at'
const claimLabel = 'backup.example.com/claim'

export const volumeSnapshots = decorator({
  name: 'volume-snapshots',
  description:
    'VolumeSnapshots on a schedule for each PersistentVolumeClaim with the annotation backup.example.com/schedule, kept for as long as it says.',
  resources: [{ type: Namespace, ignoreStatusChanges: true }],
  attachments: [VolumeSnapshot],
  relatedTypes: [PersistentVolumeClaim],
  related: ({ metadata: { name } }) => [{ type: PersistentVolumeClaim, namespace: name }],
  clock: true,
  // Each next time is asked for by itself.
  resyncPeriodSeconds: 300,
  sync(namespace, context) {
    const { observed, related } = context
    // Nothing can be added to it any more, and all that is there goes with it.
    if (namespace.metadata.deletionTimestamp !== undefined) {
      return { attachments: observed.list(VolumeSnapshot).map(heldChild) }
    }
    const claims = related.list(PersistentVolumeClaim)
    const plans = claims.map((claim) => ({ claim, plan: backupPlan(claim, 'snapshot') }))
    const snapshots = observed.list(VolumeSnapshot)
    // Nothing to do with backups: then the answer does not depend on the time.
    if (snapshots.length === 0 && plans.every(({ plan }) => plan === undefined)) return { attachments: [] }
    const { now } = context
    const due = plans.flatMap(({ claim, plan }) =>
      plan === undefined || isNotice(plan) || !canBeTaken(claim)
        ? []
        : dueOf(claim, plan, namespace.metadata.name, now),
    )
    const known = new Set(snapshots.map(({ metadata: { name } }) => name))
    const kept = keptOf(snapshots, now)
    const times = [...due.map(({ next }) => next), ...kept.flatMap(({ until }) => until)]
    const next = Math.min(...times.filter((time) => time > now.getTime()))
    return {
      attachments: [
        ...kept.map(({ snapshot }) => heldChild(snapshot)),
        ...due.flatMap(({ snapshot }) =>
          snapshot !== undefined && !known.has(snapshot.metadata.name) ? [snapshot] : [],
        ),
      ],
      notice: together([
        ...plans.flatMap(({ plan }) => (plan && isNotice(plan) ? [plan] : [])),
        ...failures(snapshots),
      ]),
      ...(Number.isFinite(next) ? { resyncAfterSeconds: Math.ceil((next - now.getTime()) / 1000) } : {}),
    }
  },
})

/** A claim that is not bound has nothing on it, and one that is being deleted is not worth the work. */
function canBeTaken({ metadata, status }: Live<PersistentVolumeClaim>): boolean {
  return status?.phase === 'Bound' && metadata.deletionTimestamp === undefined
}

// The last time that has come is made up for, whenever that is noticed: so a claim that has just been annotated is backed
// up at once, and one whose time fell into an outage soon after it. Earlier ones are not, as they would all show the same.
function dueOf(claim: PersistentVolumeClaim, plan: BackupPlan, namespace: string, now: Date) {
  const { last, next } = timesAround(plan.schedule, now)
  const snapshot =
    last === undefined || now.getTime() - last.getTime() > plan.retentionSeconds * 1000
      ? undefined
      : snapshotOf(claim, plan, namespace, last)
  return { snapshot, next: next?.getTime() ?? Number.POSITIVE_INFINITY }
}

function snapshotOf(
  { metadata: { name, annotations } }: PersistentVolumeClaim,
  { retention }: BackupPlan,
  namespace: string,
  at: Date,
): VolumeSnapshot {
  const snapshotClass = annotations?.[backupAnnotations.snapshotClass]
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: {
      name: nameOf(name, at),
      namespace,
      labels: {
        ...recommendedLabels({ name: 'volume-snapshot', instance: labelValue(name), component: 'backup' }),
        [claimLabel]: labelValue(name),
      },
      annotations: { [scheduledAt]: at.toISOString(), [backupAnnotations.retention]: retention },
    },
    spec: {
      source: { persistentVolumeClaimName: name },
      ...(snapshotClass === undefined ? {} : { volumeSnapshotClassName: snapshotClass }),
    },
  }
}

/** `data-orders-0-202601310200`: the same for the same time, however often it is asked. */
function nameOf(claim: string, at: Date): string {
  const time = at.toISOString().replace(/[-T:]/g, '').slice(0, 12)
  const longest = 253 - time.length - 1
  return `${claim.length <= longest ? claim : `${claim.slice(0, longest - 11)}-${shortHash(claim)}`}-${time}`
}

/** A claim's name may be longer than a label's value. */
function labelValue(claim: string): string {
  return claim.length <= 63 ? claim : `${claim.slice(0, 52)}-${shortHash(claim)}`
}

/**
 * Those that stay, and until when: each for its time, and of each claim's the last good one in any case, the claim itself
 * being gone or not. One that failed stays as long, to be looked at.
 */
function keptOf(snapshots: readonly Live<VolumeSnapshot>[], now: Date) {
  const lastGood = new Map<string, Live<VolumeSnapshot>>()
  for (const snapshot of snapshots) {
    const claim = snapshot.spec.source.persistentVolumeClaimName
    const before = lastGood.get(claim)
    const newer = before === undefined || timeOf(snapshot) > timeOf(before)
    if (snapshot.status?.readyToUse === true && newer) lastGood.set(claim, snapshot)
  }
  const protectedOnes = new Set(lastGood.values())
  return snapshots.flatMap((snapshot) => {
    const until = timeOf(snapshot) + keptFor(snapshot) * 1000
    return protectedOnes.has(snapshot) || until > now.getTime() ? [{ snapshot, until }] : []
  })
}

function failures(snapshots: readonly Live<VolumeSnapshot>[]): Notice[] {
  return snapshots.flatMap(({ metadata: { name }, status }) =>
    status?.error === undefined || status.readyToUse === true
      ? []
      : [{ reason: 'SnapshotFailed', message: `VolumeSnapshot ${name}: ${status.error.message ?? 'failed'}` }],
  )
}

function timeOf({ metadata: { annotations, creationTimestamp } }: Live<VolumeSnapshot>): number {
  return Date.parse(annotations?.[scheduledAt] ?? creationTimestamp ?? '')
}

/** Seconds; for ever where somebody has spoilt what it says. */
function keptFor({ metadata: { annotations } }: Live<VolumeSnapshot>): number {
  return periodSeconds(annotations?.[backupAnnotations.retention] ?? '') ?? Number.POSITIVE_INFINITY
}
