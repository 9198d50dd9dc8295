import { oneAtATime } from '../../sdk/companions.ts'
import type { PodDisruptionBudget } from '../../sdk/resources.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { WebApp } from './schema.ts'

/** The PodDisruptionBudget <name>. */
export function disruptionBudget(app: WebApp): PodDisruptionBudget {
  return oneAtATime({ name: names(app).disruptionBudget, labels: labels(app), selector: selectorLabels(app) })
}
