// What the children of a WebApp are called, and the labels by which they know each other.
import { recommendedLabels } from '../../sdk/names.ts'
import type { WebApp } from './schema.ts'

/** Where a pod stands in a rollout: what has proved good, or what is being tried. */
export type Track = 'stable' | 'canary'

/** Pod label that tells the two tracks apart: part of the selectors, so it never changes. */
export const trackLabel = 'platform.example.com/track'

/** Pod label that tells the revision. */
export const revisionLabel = 'platform.example.com/revision'

/** Names of the children. */
export function names({ metadata: { name } }: WebApp) {
  return {
    /** The Service that users call; its like of one track each are there only with canary and blueGreen. */
    service: name,
    trackService: (track: Track) => `${name}-${track}`,
    deployment: (track: Track) => (track === 'stable' ? name : `${name}-canary`),
    configuration: (track: Track) => (track === 'stable' ? `${name}-config` : `${name}-canary-config`),
    analysis: (hash: string) => `${name}-analysis-${hash}`,
    autoscaler: name,
    disruptionBudget: name,
    networkPolicy: name,
    serviceAccount: name,
    ingress: name,
    certificate: `${name}-tls`,
  }
}

/** Labels by which the pods of both tracks are selected: they never change. */
export function selectorLabels(app: WebApp): Record<string, string> {
  const { name } = app.metadata
  return {
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/component': 'web',
  }
}

/** Labels by which the pods of one track are selected: they never change. */
export function trackLabels(app: WebApp, track: Track): Record<string, string> {
  return { ...selectorLabels(app), [trackLabel]: track }
}

/** Labels that every child carries. */
export function labels(app: WebApp, component = 'web'): Record<string, string> {
  const { name } = app.metadata
  return recommendedLabels({ name, instance: name, component })
}
