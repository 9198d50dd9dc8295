// What the children of a DatabaseMonitor are called, and the labels by which they know each other.
import { recommendedLabels } from '../../sdk/names.ts'
import type { DatabaseMonitor } from './schema.ts'

/** The name of every child. */
export function childName({ metadata: { name } }: DatabaseMonitor): string {
  return `${name}-metrics`
}

/** Labels by which the exporters are selected: they never change. */
export function selectorLabels({ metadata: { name } }: DatabaseMonitor): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'database-monitor',
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/component': 'exporter',
  }
}

/** Labels that every child carries. */
export function labels({ metadata: { name } }: DatabaseMonitor): Record<string, string> {
  return recommendedLabels({ name: 'database-monitor', instance: name, component: 'exporter' })
}
