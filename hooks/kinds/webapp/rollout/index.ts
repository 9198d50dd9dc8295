// How a new revision of a WebApp comes about: spec.rollout.strategy.
import { Deployment } from '../../../sdk/resources.ts'
import { names } from '../names.ts'
import type { Strategy } from './delivery.ts'
import { progressive } from './progressive.ts'
import { rolling } from './rolling.ts'

/** The Deployments, Services and Jobs that there should be at this moment, and what the status says of them. */
export const deliver: Strategy = (app, context, wanted) => {
  const canary = context.observed.get(Deployment, names(app).deployment('canary'))
  // A canary that strategy rolling finds must not simply be left out: its pods may be those that serve.
  const simple = app.spec.rollout.strategy === 'rolling' && canary === undefined
  return simple ? rolling(app, context, wanted) : progressive(app, context, wanted)
}
