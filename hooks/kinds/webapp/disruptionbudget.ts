import type { PodDisruptionBudget } from '../../sdk/resources.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { WebApp } from './schema.ts'

/** The PodDisruptionBudget <name>: nodes are drained of one pod at a time. */
export function disruptionBudget(app: WebApp): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: names(app).disruptionBudget, labels: labels(app) },
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selectorLabels(app) },
      // A pod that does not run anyway must not hold up a drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  }
}
