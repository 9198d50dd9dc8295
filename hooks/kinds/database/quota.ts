// What the quotas of its namespace refuse a Database: pods, claims, and the pods of its Jobs. None of these are children
// that Metacontroller could miss, and those who make them say so in Events alone.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { type Missing, markedByQuota, missingPod, podOf, quotaCondition, refusalsOf } from '../../sdk/quota.ts'
import { Job, PersistentVolumeClaim, ResourceQuota, StatefulSet } from '../../sdk/resources.ts'
import type { DatabaseChildren } from './children.ts'
import { names } from './names.ts'
import type { Database } from './schema.ts'

type View = Pick<Context<DatabaseChildren>, 'observed' | 'related'>

/** The condition `QuotaExceeded`; undefined while nothing is refused. */
export function quotaOf(db: Database, context: View): ConditionInput | undefined {
  const jobs = context.observed.list(Job).flatMap(missingPod)
  return quotaCondition([...refusedPods(db, context), ...refusalsOf(jobs, context.related.list(ResourceQuota))])
}

/** The StatefulSet, marked while a quota refuses its pods or claims. */
export function marked(db: Database, set: StatefulSet, context: View): StatefulSet {
  return markedByQuota(set, refusedPods(db, context).length > 0 ? 'refused' : undefined)
}

function refusedPods(db: Database, { observed, related }: View): string[] {
  const statefulSet = observed.get(StatefulSet, names(db).statefulSet)
  if (statefulSet === undefined) return []
  const claimed = (ordinal: number) => related.get(PersistentVolumeClaim, names(db).claim(ordinal)) !== undefined
  return refusalsOf(missingOf(statefulSet, claimed), related.list(ResourceQuota))
}

function missingOf({ metadata, spec, status }: StatefulSet, claimed: (ordinal: number) => boolean): Missing[] {
  const wanted = spec?.replicas ?? 1
  const of = `of StatefulSet/${metadata.name}`
  const pods = wanted - (status?.replicas ?? 0)
  const claims = Array.from({ length: wanted }, (_, ordinal) => claimed(ordinal)).filter((there) => !there).length
  const [template] = spec?.volumeClaimTemplates ?? []
  const claim: KubernetesObject = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {},
    spec: template?.spec,
  }
  return [
    {
      what: `${pods === 1 ? 'pod' : 'pods'} ${of}`,
      object: podOf(spec?.template?.spec),
      resource: 'pods',
      count: pods,
    },
    {
      what: `${claims === 1 ? 'claim' : 'claims'} ${of}`,
      object: claim,
      resource: 'persistentvolumeclaims',
      count: template === undefined ? 0 : claims,
    },
  ]
}
