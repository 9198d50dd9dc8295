// Strategies canary and blueGreen, and the way back from them: what the state machine decides, as Kubernetes' objects.
import type { Context } from '../../../sdk/definition.ts'
import { heldChild } from '../../../sdk/hold.ts'
import type { Live } from '../../../sdk/observed.ts'
import { ConfigMap, Deployment, Job, Pod, Service } from '../../../sdk/resources.ts'
import type { WebAppChildren } from '../children.ts'
import { deployment } from '../deployment.ts'
import { names, revisionLabel, type Track, trackLabel } from '../names.ts'
import { portsOf } from '../ports.ts'
import { type Progress, progressOf } from '../progress.ts'
import { revisionIn } from '../revision.ts'
import { canaryPort, type WebApp, type WebAppStatus } from '../schema.ts'
import { publicService } from '../services.ts'
import { annotations } from './annotations.ts'
import type { Strategy, Wanted } from './delivery.ts'
import { analysisJob, checkOf } from './job.ts'
import { decide } from './machine.ts'
import { rolloutConditions, summaryOf } from './report.ts'
import { trackServices } from './tracks.ts'
import type { Decision, Part, RolloutInput, RolloutStatus, Serving, Workload } from './types.ts'

export const progressive: Strategy = (app, context, wanted) => {
  const { observed, settings } = context
  const live = { stable: deploymentOf(app, observed, 'stable'), canary: deploymentOf(app, observed, 'canary') }
  const decision = decide(inputOf(app, context, wanted, live))
  const { stable, canary, start, keep, minReplicas, resyncAfterSeconds } = decision
  const progress = progressAcross(live, decision, wanted)
  return {
    configurations: [
      configurationOf(app, observed, wanted, 'stable', stable),
      canary && configurationOf(app, observed, wanted, 'canary', canary),
    ],
    deployments: [
      deploymentFor(app, wanted, 'stable', stable, live.stable),
      ...(canary === undefined ? [] : [deploymentFor(app, wanted, 'canary', canary, live.canary)]),
    ],
    services: [
      publicService(app, decision.serving === 'both' ? undefined : decision.serving),
      ...trackServices(app, observed, decision.serving),
    ],
    jobs: [
      // A Job's template cannot be changed: what runs stays as it was begun.
      ...keep.flatMap((id) => observed.get(Job, names(app).analysis(id)) ?? []).map(heldChild),
      ...(start === undefined ? [] : [analysisJob(app, settings, wanted.revision.hash, start)]),
    ],
    progress,
    status: {
      revision: defined(decision.revisions),
      rollout: defined(decision.status),
      traffic: trafficOf(app, decision, live.stable, live.canary),
    },
    conditions: rolloutConditions(decision),
    ...summaryOf(decision, progress),
    ...(minReplicas !== undefined && { minReplicas }),
    ...(resyncAfterSeconds !== undefined && { resyncAfterSeconds }),
  }
}

type Observed = Context<WebAppChildren>['observed']

interface Deployments {
  stable: Live<Deployment> | undefined
  canary: Live<Deployment> | undefined
}

function deploymentOf(app: WebApp, observed: Observed, track: Track) {
  return observed.get(Deployment, names(app).deployment(track))
}

function inputOf(
  app: WebApp,
  context: Parameters<Strategy>[1],
  { revision, replicas }: Wanted,
  live: Deployments,
): RolloutInput {
  const { observed, related } = context
  const { rollout, paused } = app.spec
  const given = app.metadata.annotations ?? {}
  const weight = given[annotations.routeWeight]
  return {
    spec: rollout,
    replicas: replicas.count,
    autoscaled: replicas.owner !== 'spec',
    paused,
    wanted: revision.hash,
    revisions: app.status?.revision ?? {},
    previous: statusOf(app.status?.rollout),
    stable: live.stable && workloadOf(live.stable),
    canary: live.canary && workloadOf(live.canary),
    serving: servingOf(observed.get(Service, names(app).service)),
    restarts: rollout.analysis && restartsOf(related.list(Pod), revision.hash),
    checks: observed.list(Job).flatMap((job) => checkOf(app, job) ?? []),
    routeWeight: weight !== undefined && /^[0-9]{1,3}$/.test(weight) ? Number(weight) : undefined,
    promote: given[annotations.promote],
    abort: given[annotations.abort],
    // Read only when it matters: an answer that did not depend on it can be cached.
    get now() {
      return context.now
    },
  }
}

/** What an older build left out counts as nothing said. */
function statusOf(status: WebAppStatus['rollout']): RolloutStatus | undefined {
  const { phase, strategy, step = 0, weight = 0, failedChecks = 0, ...rest } = status ?? {}
  if (phase === undefined || strategy === undefined) return undefined
  return { phase, strategy, step, weight, failedChecks, ...rest }
}

function workloadOf({ metadata, spec, status, ...rest }: Live<Deployment>): Workload {
  const progressing = status?.conditions?.find(({ type }) => type === 'Progressing')
  return {
    revision: revisionIn({ metadata, ...rest, ...(spec && { spec }) }),
    wanted: spec?.replicas ?? 1,
    pods: status?.replicas ?? 0,
    updated: status?.updatedReplicas ?? 0,
    available: status?.availableReplicas ?? 0,
    settled: (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0),
    overdue: progressing?.reason === 'ProgressDeadlineExceeded',
  }
}

function servingOf(service: Service | undefined): Serving | undefined {
  const track = service?.spec?.selector?.[trackLabel]
  if (service === undefined) return undefined
  return track === 'stable' || track === 'canary' ? track : 'both'
}

function restartsOf(pods: readonly Pod[], revision: string): number {
  return pods
    .filter(
      ({ metadata }) => metadata.labels?.[revisionLabel] === revision && metadata.labels?.[trackLabel] === 'canary',
    )
    .flatMap(({ status }) => [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
}

function deploymentFor(app: WebApp, wanted: Wanted, track: Track, part: Part, live: Live<Deployment> | undefined) {
  const held = part.template === 'observed' && live !== undefined ? heldChild(live).spec?.template : undefined
  return deployment(app, track, {
    template: held ?? wanted.revision.template(track),
    replicas: part.replicas,
    ...(track === 'stable' && { annotations: wanted.replicas.annotations }),
  })
}

/** The files that belong to a template: those of the spec, or those that were last applied. */
function configurationOf(app: WebApp, observed: Observed, { revision }: Wanted, track: Track, part: Part) {
  if (part.template === 'wanted') return revision.configuration(track)
  const live = observed.get(ConfigMap, names(app).configuration(track))
  return live && heldChild(live)
}

/** Both Deployments as one. */
function progressAcross(
  live: Deployments,
  { stable, canary, revisions, status }: Decision,
  { revision }: Wanted,
): Progress {
  const one = progressOf(
    live.stable,
    stable.replicas,
    stable.template === 'wanted' ? revision.hash : (revisionIn(live.stable) ?? ''),
  )
  const other = progressOf(live.canary, canary?.replicas ?? 0, revisionIn(live.canary) ?? '')
  const under = revisions.canary !== undefined || status.phase === 'Finalising'
  const refused = one.refused ?? other.refused
  return {
    exists: one.exists,
    wanted: one.wanted + other.wanted,
    replicas: one.replicas + other.replicas,
    ready: one.ready + other.ready,
    scaling: one.scaling || (other.exists && other.scaling),
    updating: one.updating || under || other.exists,
    settled: one.settled && !other.exists && !under,
    stuck: one.stuck,
    ...(refused !== undefined && { refused }),
  }
}

function trafficOf(
  app: WebApp,
  { serving, status, revisions }: Decision,
  stable: Live<Deployment> | undefined,
  canary: Live<Deployment> | undefined,
): NonNullable<WebAppStatus['traffic']> {
  const { port } = portsOf(app)[0]
  const known = {
    stable: revisionIn(stable) ?? revisions.current,
    canary: revisionIn(canary) ?? revisions.canary ?? revisions.current,
  }
  const { strategy, traffic } = app.spec.rollout
  if (strategy === 'rolling' || traffic === 'replicas') {
    const revision = serving === 'canary' ? known.canary : known.stable
    return [{ service: names(app).service, port, weight: 100, ...(revision && { revision }) }]
  }
  return [
    {
      service: names(app).trackService('stable'),
      port,
      weight: 100 - status.weight,
      ...(known.stable && { revision: known.stable }),
    },
    {
      service: names(app).trackService('canary'),
      port: canaryPort(port),
      weight: status.weight,
      ...(known.canary && { revision: known.canary }),
    },
  ]
}

function defined<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Value
}
