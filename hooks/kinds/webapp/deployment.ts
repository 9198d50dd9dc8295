// The Deployments <name> and, during a rollout with a canary, <name>-canary.
import type { PodTemplateSpec } from 'kubernetes-types/core/v1.js'
import type { Deployment } from '../../sdk/resources.ts'
import { labels, names, type Track, trackLabels } from './names.ts'
import type { WebApp } from './schema.ts'

export interface DeploymentOptions {
  template: PodTemplateSpec
  replicas: number
  annotations?: Record<string, string>
}

export function deployment(app: WebApp, track: Track, options: DeploymentOptions): Deployment {
  const { template, replicas, annotations = {} } = options
  const { maxSurge, maxUnavailable, progressDeadlineSeconds } = app.spec.rollout
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: names(app).deployment(track),
      labels: labels(app),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: {
      replicas,
      selector: { matchLabels: trackLabels(app, track) },
      strategy: {
        type: 'RollingUpdate',
        // Both none would never get anywhere, and the API server refuses it.
        rollingUpdate: { maxUnavailable, maxSurge: isNone(maxSurge) && isNone(maxUnavailable) ? 1 : maxSurge },
      },
      progressDeadlineSeconds,
      revisionHistoryLimit: 5,
      ...(app.spec.paused && { paused: true }),
      template,
    },
  }
}

function isNone(amount: number | string): boolean {
  return amount === 0 || amount === '0%'
}
