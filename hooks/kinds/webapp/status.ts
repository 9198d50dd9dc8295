// What a WebApp says of itself, all of it derived from what is observed and from what it said before.
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Context } from '../../sdk/definition.ts'
import { selectorText } from '../../sdk/names.ts'
import { blamingQuota, quotaExceeded, readRefusal } from '../../sdk/quota.ts'
import { Deployment, HorizontalPodAutoscaler, NetworkPolicy } from '../../sdk/resources.ts'
import { scaledByKeda } from './autoscaler.ts'
import type { WebAppChildren } from './children.ts'
import { urlOf } from './ingress.ts'
import { names, selectorLabels } from './names.ts'
import { countsOf, type Progress } from './progress.ts'
import { quotaOf } from './quota.ts'
import type { Replicas } from './replicas.ts'
import type { Delivery } from './rollout/delivery.ts'
import type { Phase, WebApp, WebAppStatus } from './schema.ts'

type View = Pick<Context<WebAppChildren>, 'observed' | 'related'>

interface Report {
  status: WebAppStatus
  conditions: ConditionInput[]
}

export function report(app: WebApp, context: View, delivery: Delivery, replicas: Replicas): Report {
  const quota = quotaOf(context)
  const progress = explained(delivery.progress, quota)
  const summary = delivery.summary ?? summarize(app, progress)
  return {
    status: {
      phase: summary.phase,
      replicas: progress.replicas,
      readyReplicas: progress.ready,
      selector: selectorText(selectorLabels(app)),
      url: urlOf(app),
      ...delivery.status,
    },
    conditions: [
      // Where pods are refused the summary is about that already, unless it is the rollout's.
      delivery.summary === undefined && progress.refused !== undefined
        ? summary.ready
        : blamingQuota(summary.ready, quota),
      ...(quota === undefined ? [] : [quota]),
      ...(summary.reconciling === undefined ? [] : [summary.reconciling]),
      available(progress),
      summary.progressing ?? progressing(app, progress),
      policyApplied(app, context, progress),
      autoscaled(app, context, replicas),
      ...delivery.conditions,
    ],
  }
}

// The API server's own words hold the numbers of its first refusal.
function explained(progress: Progress, quota: ConditionInput | undefined): Progress {
  const { refused, ...rest } = progress
  if (refused === undefined || readRefusal(refused) === undefined) return progress
  // There is room again: the pods are on their way.
  return quota === undefined ? rest : { ...rest, refused: quota.message }
}

/** Pods of all Deployments together, as their controller counts them. */
export function counts(observed: View['observed']): Pick<WebAppStatus, 'replicas' | 'readyReplicas'> {
  const all = observed.list(Deployment).map(countsOf)
  return {
    replicas: all.reduce((sum, { replicas }) => sum + replicas, 0),
    readyReplicas: all.reduce((sum, { ready }) => sum + ready, 0),
  }
}

interface Summary {
  phase: Phase
  ready: ConditionInput
  reconciling?: ConditionInput
  progressing?: ConditionInput
}

function summarize(app: WebApp, progress: Progress): Summary {
  const { exists, wanted, ready, replicas, scaling, updating, settled, stuck, refused } = progress
  const count = `${ready} of ${wanted} ${wanted === 1 ? 'pod is' : 'pods are'} ready`
  const not = (phase: Phase, reason: string, message: string): Summary => ({
    phase,
    ready: { type: 'Ready', status: 'False', reason, message },
  })
  if (!exists) return not('Pending', 'Pending', 'the Deployment is not there yet')
  if (app.spec.suspend) {
    if (replicas > 0) return not('Scaling', 'Suspending', `waiting for ${replicas} pods to stop`)
    return {
      ...not('Suspended', 'Suspended', 'stopped by spec.suspend'),
      reconciling: { type: 'Reconciling', status: 'False', reason: 'Suspended', message: '' },
    }
  }
  if (settled) return { phase: 'Running', ready: { type: 'Ready', status: 'True', reason: 'Running', message: count } }
  if (refused !== undefined) return not('Failed', refusalReason(refused), `${count}; pods are refused: ${refused}`)
  if (app.spec.paused && updating && ready >= wanted && !scaling) {
    return {
      phase: 'Running',
      ready: {
        type: 'Ready',
        status: 'True',
        reason: 'Paused',
        message: `${count}; a change of the pods waits for spec.paused`,
      },
      reconciling: { type: 'Reconciling', status: 'False', reason: 'Paused', message: '' },
    }
  }
  if (stuck) {
    const seconds = app.spec.rollout.progressDeadlineSeconds
    return not(
      'Failed',
      'ProgressDeadlineExceeded',
      `${count}; no progress for ${seconds} seconds: see the events and logs of the pods`,
    )
  }
  const created = app.status?.revision?.stable !== undefined
  if (!created && app.spec.paused && replicas === 0) {
    return {
      ...not('Pending', 'Paused', 'spec.paused keeps even the first pods back'),
      reconciling: { type: 'Reconciling', status: 'False', reason: 'Paused', message: '' },
    }
  }
  if (!created) return not('Creating', 'Creating', count)
  if (updating) return not('Updating', 'Updating', count)
  if (scaling) return not('Scaling', 'Scaling', `from ${replicas} to ${wanted} pods; ${count}`)
  // Neither more nor other pods are asked for. What began as one of these goes on until all are ready.
  const before = app.status?.phase
  if (ready > 0 && (before === 'Scaling' || before === 'Updating')) return not(before, before, count)
  if (ready > 0) return not('Running', 'Degraded', count)
  return not('Failed', 'Unavailable', `${count}: see the events and logs of the pods`)
}

// `ResourceQuota/compute refuses …`, and `pods "x" is forbidden: violates PodSecurity "restricted:latest": …`.
function refusalReason(message: string): string {
  if (message.startsWith('ResourceQuota/')) return quotaExceeded
  return message.includes('violates PodSecurity') ? 'PodSecurityViolated' : 'PodsRefused'
}

function available({ ready, wanted }: Progress): ConditionInput {
  if (ready > 0) return { type: 'Available', status: 'True', reason: 'PodsReady', message: '' }
  if (wanted === 0) return { type: 'Available', status: 'False', reason: 'NoPodWanted', message: 'no pod is asked for' }
  return { type: 'Available', status: 'False', reason: 'NoPodReady', message: 'no pod is ready' }
}

function progressing(app: WebApp, { settled, stuck, updating, refused }: Progress): ConditionInput {
  const type = 'Progressing'
  if (stuck) {
    const message = `no progress for ${app.spec.rollout.progressDeadlineSeconds} seconds`
    return { type, status: 'False', reason: 'ProgressDeadlineExceeded', message }
  }
  if (refused !== undefined) return { type, status: 'False', reason: refusalReason(refused), message: refused }
  if (settled) return { type, status: 'False', reason: 'Complete', message: 'nothing is left to do' }
  if (app.spec.paused && updating) return { type, status: 'False', reason: 'Paused', message: 'spec.paused is set' }
  return { type, status: 'True', reason: updating ? 'Updating' : 'Scaling', message: '' }
}

function policyApplied(app: WebApp, { observed }: View, { refused }: Progress): ConditionInput {
  const type = 'PolicyApplied'
  const { networkPolicy, podSecurityStandard } = app.spec.security
  const message = `network policy ${networkPolicy}, Pod Security Standard ${podSecurityStandard}`
  if (refused?.includes('violates PodSecurity')) {
    return { type, status: 'False', reason: 'PodSecurityViolated', message: refused }
  }
  if (networkPolicy !== 'none' && observed.get(NetworkPolicy, names(app).networkPolicy) === undefined) {
    return { type, status: 'False', reason: 'Pending', message: 'the NetworkPolicy is not there yet' }
  }
  return { type, status: 'True', reason: 'Applied', message }
}

/** Label by which KEDA marks the autoscaler that it makes: its value is the name of the ScaledObject. */
export const kedaLabel = 'scaledobject.keda.sh/name'

function autoscaled(app: WebApp, { observed, related }: View, { owner, count }: Replicas): ConditionInput {
  const type = 'Autoscaled'
  const off = (reason: string, message: string): ConditionInput => ({ type, status: 'False', reason, message })
  if (owner === 'spec') return off('Disabled', '')
  if (owner === 'others') {
    return off(
      'ReplicasKept',
      `${count} pods stay as they are, for spec.replicas was overridden; it counts again once it changes`,
    )
  }
  const own = scaledByKeda(app)
    ? related.list(HorizontalPodAutoscaler).find(({ metadata }) => metadata.labels?.[kedaLabel] === app.metadata.name)
    : observed.get(HorizontalPodAutoscaler, names(app).autoscaler)
  if (own === undefined) {
    return scaledByKeda(app)
      ? off('KedaMissing', 'KEDA has made no autoscaler yet: triggers need KEDA and the integration with it')
      : off('Pending', 'the HorizontalPodAutoscaler is not there yet')
  }
  const inactive = own.status?.conditions?.find(
    ({ type: name, status }) => name === 'ScalingActive' && status === 'False',
  )
  if (inactive !== undefined) {
    // Not in its own words: they name pods, others each time.
    const message = `see the conditions of HorizontalPodAutoscaler/${own.metadata.name}`
    return off(inactive.reason ?? 'ScalingInactive', message)
  }
  return { type, status: 'True', reason: 'Enabled', message: '' }
}
