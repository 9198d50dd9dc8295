import type { PodDisruptionBudget } from '../../sdk/resources.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { Database } from './schema.ts'

/** The PodDisruptionBudget <name>: nodes are drained of one pod at a time. */
export function disruptionBudget(db: Database): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: names(db).disruptionBudget, labels: labels(db) },
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selectorLabels(db) },
      // A pod that does not run anyway must not hold up a drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  }
}
