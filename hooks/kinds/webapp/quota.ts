// What the quotas of its namespace refuse a WebApp: pods of its Deployments, which say so themselves, and of its Jobs,
// which do not.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import {
  deploymentMark,
  deploymentRefusal,
  markedByQuota,
  missingPod,
  quotaCondition,
  refusalsOf,
} from '../../sdk/quota.ts'
import { Deployment, Job, ResourceQuota } from '../../sdk/resources.ts'
import type { WebAppChildren } from './children.ts'

type View = Pick<Context<WebAppChildren>, 'observed' | 'related'>

/** The condition `QuotaExceeded`; undefined while nothing is refused. */
export function quotaOf({ observed, related }: View): ConditionInput | undefined {
  const quotas = related.list(ResourceQuota)
  const deployments = observed.list(Deployment).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  return quotaCondition([
    ...deployments.map((deployment) => deploymentRefusal(deployment, quotas)).filter((told) => told !== undefined),
    ...refusalsOf(observed.list(Job).flatMap(missingPod), quotas),
  ])
}

/** A Deployment, marked while a quota is in the way of its pods. */
export function marked(deployment: Deployment, { observed, related }: View): Deployment {
  const live = observed.get(Deployment, deployment.metadata.name)
  return markedByQuota(deployment, deploymentMark(live, related.list(ResourceQuota)))
}
