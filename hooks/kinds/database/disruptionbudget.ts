import { oneAtATime } from '../../sdk/companions.ts'
import type { PodDisruptionBudget } from '../../sdk/resources.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { Database } from './schema.ts'

/** The PodDisruptionBudget <name>. */
export function disruptionBudget(db: Database): PodDisruptionBudget {
  return oneAtATime({ name: names(db).disruptionBudget, labels: labels(db), selector: selectorLabels(db) })
}
