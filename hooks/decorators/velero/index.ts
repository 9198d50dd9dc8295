// Velero: a Schedule for the claims of a namespace that ask to be backed up by annotation.
// https://velero.io/docs/main/api-types/schedule/
//
// A Schedule has to lie in Velero's own namespace. A claim may own nothing outside its own, so it is the Namespace that the
// Schedule belongs to; the claims get a label, by which Velero selects them.
import { decorator } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { recommendedLabels, shortHash } from '../../sdk/names.ts'
import { isOf, Namespace, PersistentVolumeClaim, resourceType } from '../../sdk/resources.ts'
import { type BackupPlan, backupPlan, isNotice, together } from '../volume-snapshots/plan.ts'

type Schedule = {
  apiVersion: 'velero.io/v1'
  kind: 'Schedule'
  metadata: ObjectMeta & { name: string; namespace: string }
  spec: {
    schedule: string
    useOwnerReferencesInBackup: false
    template: {
      includedNamespaces: string[]
      includedResources: string[]
      labelSelector: { matchLabels: Record<string, string> }
      snapshotVolumes: true
      ttl: string
    }
  }
}

const Schedule = resourceType<Schedule>('velero.io/v1', 'Schedule', 'schedules')

/** On a claim: which Schedule takes it. */
const planLabel = 'backup.example.com/plan'
const veleroNamespace = 'backup.example.com/velero-namespace'

export const velero = decorator({
  name: 'velero',
  description:
    'A Velero Schedule for each plan by which PersistentVolumeClaims of a namespace ask to be backed up, with the annotation backup.example.com/schedule.',
  resources: [
    { type: Namespace, ignoreStatusChanges: true },
    { type: PersistentVolumeClaim, ignoreStatusChanges: true },
  ],
  attachments: [Schedule],
  sets: { labels: [planLabel] },
  parameters: { [veleroNamespace]: 'velero' },
  relatedTypes: [PersistentVolumeClaim],
  related: (object) =>
    isOf(Namespace, object) ? [{ type: PersistentVolumeClaim, namespace: object.metadata.name }] : [],
  resyncPeriodSeconds: 300,
  sync(object, { observed, related, parameters }) {
    if (!isOf(Namespace, object)) {
      const plan = backupPlan(object, 'velero')
      if (plan !== undefined && isNotice(plan)) return { hold: plan }
      return plan === undefined ? { attachments: [] } : { attachments: [], labels: { [planLabel]: idOf(plan) } }
    }
    // Nothing can be added to it any more, and all that is there goes with it.
    if (object.metadata.deletionTimestamp !== undefined) return { attachments: observed.list(Schedule).map(heldChild) }
    const plans = related.list(PersistentVolumeClaim).flatMap((claim) => backupPlan(claim, 'velero') ?? [])
    const wanted = new Map(plans.flatMap((plan) => (isNotice(plan) ? [] : [[idOf(plan), plan] as const])))
    const home = parameters[veleroNamespace] || 'velero'
    const { name } = object.metadata
    return {
      attachments: [...wanted].map(([id, plan]) => scheduleOf(name, home, id, plan)),
      notice: together(plans.filter(isNotice)),
    }
  },
})

function idOf({ schedule, retention }: BackupPlan): string {
  return shortHash(`${schedule} ${retention}`)
}

function scheduleOf(namespace: string, home: string, id: string, { schedule, retentionSeconds }: BackupPlan): Schedule {
  return {
    apiVersion: 'velero.io/v1',
    kind: 'Schedule',
    metadata: {
      name: `${namespace}-${id}`,
      namespace: home,
      labels: recommendedLabels({ name: 'velero-schedule', instance: namespace, component: 'backup' }),
    },
    spec: {
      schedule,
      // Backups outlive the Schedule, and with it the claims and the namespace.
      useOwnerReferencesInBackup: false,
      template: {
        includedNamespaces: [namespace],
        includedResources: ['persistentvolumeclaims', 'persistentvolumes'],
        labelSelector: { matchLabels: { [planLabel]: id } },
        snapshotVolumes: true,
        ttl: `${retentionSeconds / 3600}h0m0s`,
      },
    },
  }
}
