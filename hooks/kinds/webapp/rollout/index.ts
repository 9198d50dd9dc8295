// How a new revision of a WebApp comes about: spec.rollout.strategy.
import type { WebApp } from '../schema.ts'
import type { Strategy } from './delivery.ts'
import { rolling } from './rolling.ts'

const strategies: Record<WebApp['spec']['rollout']['strategy'], Strategy> = {
  rolling,
  canary: rolling,
  blueGreen: rolling,
}

/** The Deployments, Services and Jobs that there should be at this moment, and what the status says of them. */
export const deliver: Strategy = (app, context, wanted) => strategies[app.spec.rollout.strategy](app, context, wanted)
