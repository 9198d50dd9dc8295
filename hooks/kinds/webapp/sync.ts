// What a WebApp is: the children it consists of, and what it says of itself.
import type { Answer, ClockContext, Hold } from '../../sdk/definition.ts'
import { Deployment } from '../../sdk/resources.ts'
import { autoscaler } from './autoscaler.ts'
import type { WebAppChildren } from './children.ts'
import { disruptionBudget } from './disruptionbudget.ts'
import { ingress } from './ingress.ts'
import { names } from './names.ts'
import { networkPolicy } from './networkpolicy.ts'
import { marked } from './quota.ts'
import { replicasOf } from './replicas.ts'
import { revisionOf } from './revision.ts'
import { deliver } from './rollout/index.ts'
import type { WebApp, WebAppStatus } from './schema.ts'
import { serviceAccount } from './serviceaccount.ts'
import { report } from './status.ts'

export function sync(
  app: WebApp,
  context: ClockContext<WebAppChildren>,
): Answer<WebAppChildren, WebAppStatus> | Hold<WebAppStatus> {
  const replicas = replicasOf(app, context.observed.get(Deployment, names(app).deployment('stable')))
  const delivery = deliver(app, context, { revision: revisionOf(app, context.settings), replicas })
  const { configurations, deployments, services, jobs, minReplicas, resyncAfterSeconds } = delivery
  return {
    children: [
      serviceAccount(app),
      ...configurations,
      ...deployments.map((one) => marked(one, context)),
      ...services,
      ...jobs,
      autoscaler(app, minReplicas),
      disruptionBudget(app),
      networkPolicy(app),
      ingress(app),
    ],
    ...report(app, context, delivery, replicas),
    ...(resyncAfterSeconds !== undefined && { resyncAfterSeconds }),
  }
}
