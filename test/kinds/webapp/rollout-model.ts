// Two Deployments and their pods, as far as a rollout comes to see them, with a route that follows late. Every move of
// the world is asked for by the test, so that any order of moves can be tried.
import { decide } from '../../../hooks/kinds/webapp/rollout/machine.ts'
import type {
  Check,
  Decision,
  Revisions,
  RolloutInput,
  RolloutSpec,
  RolloutStatus,
  Serving,
  Workload,
} from '../../../hooks/kinds/webapp/rollout/types.ts'

interface Pod {
  revision: string
  ready: boolean
}

interface Deployment {
  revision: string
  wanted: number
  pods: Pod[]
  overdue: boolean
}

export interface Model {
  spec: RolloutSpec
  replicas: number
  autoscaled: boolean
  paused: boolean
  wanted: string
  now: Date
  /** Revisions whose pods never become ready. */
  bad: Set<string>
  promote: string | undefined
  abort: string | undefined
  restarts: number | undefined
  stable: Deployment | undefined
  canary: Deployment | undefined
  serving: Serving | undefined
  status: RolloutStatus | undefined
  revisions: Revisions
  /** What the status said before it was last written, and when that was. */
  before: { status: RolloutStatus | undefined; revisions: Revisions; until: number } | undefined
  /** Of a Gateway API route, once a route was asked for. */
  routeWeight: number | undefined
  checks: Check[]
  /** What queries find from now on. */
  queries: 'passed' | 'failed' | 'running'
  /** The latest answer. */
  decision: Decision | undefined
  /** How often the status changed. */
  statusWrites: number
}

export const canarySpec: RolloutSpec = {
  strategy: 'canary',
  steps: [
    { weight: 20, pauseSeconds: 60 },
    { weight: 50, pauseSeconds: 60 },
  ],
  promotion: 'automatic',
  analysis: { intervalSeconds: 20, threshold: 3, maxRestarts: 0 },
  progressDeadlineSeconds: 300,
  maxUnavailable: 0,
  maxSurge: '25%',
  traffic: 'replicas',
  scaleDownDelaySeconds: 30,
}

/** Nothing there yet; `a` is asked for. */
export function createModel(more: Partial<Model> = {}): Model {
  return {
    spec: canarySpec,
    replicas: 10,
    autoscaled: false,
    paused: false,
    wanted: 'a',
    now: new Date('2030-01-01T00:00:00Z'),
    bad: new Set(),
    promote: undefined,
    abort: undefined,
    restarts: undefined,
    stable: undefined,
    canary: undefined,
    serving: undefined,
    status: undefined,
    revisions: {},
    before: undefined,
    routeWeight: undefined,
    checks: [],
    queries: 'passed',
    decision: undefined,
    statusWrites: 0,
    ...more,
  }
}

/** All pods of `a` run, and nothing is tried. */
export function running(more: Partial<Model> = {}): Model {
  const model = createModel(more)
  settle(model)
  return model
}

/** What the hook is asked, given the model as it is. */
export function inputOf(model: Model): RolloutInput {
  const { status, stable, canary, ...rest } = model
  return {
    ...rest,
    replicas: model.autoscaled && model.stable !== undefined ? model.stable.wanted : model.replicas,
    previous: status,
    stable: stable && observed(stable),
    canary: canary && observed(canary),
  }
}

/** Asks and carries the answer out. True when anything changed. */
export function sync(model: Model): boolean {
  const before = JSON.stringify([model.stable, model.canary, model.serving, model.checks])
  const statusBefore = JSON.stringify([model.status, model.revisions])
  const answer = decide(inputOf(model))
  model.before = { status: model.status, revisions: model.revisions, until: model.now.getTime() }
  const { stable, canary } = answer
  model.stable = { ...(model.stable ?? empty(model)), ...given(model.stable, stable, model) }
  model.canary = canary && { ...(model.canary ?? empty(model)), ...given(model.canary, canary, model) }
  model.serving = answer.serving
  model.checks = model.checks.filter(({ id }) => answer.keep.includes(id))
  if (answer.start !== undefined) model.checks.push({ ...answer.start, outcome: 'running' })
  model.status = answer.status
  model.revisions = answer.revisions
  model.decision = answer
  const statusNow = JSON.stringify([model.status, model.revisions])
  if (statusNow !== statusBefore) model.statusWrites++
  return (
    statusNow !== statusBefore || JSON.stringify([model.stable, model.canary, model.serving, model.checks]) !== before
  )
}

/** Asks again before Metacontroller has seen its own last write of the status. */
export function syncAgain(model: Model): boolean {
  const { before } = model
  if (before === undefined || before.until !== model.now.getTime()) return sync(model)
  const { status, revisions } = model
  model.status = before.status
  model.revisions = before.revisions
  sync(model)
  model.before = { status, revisions, until: model.now.getTime() }
  return true
}

/** The Deployment controller makes and removes the pods that it may. */
export function controllers(model: Model): boolean {
  return [model.stable, model.canary]
    .map((deployment) => deployment !== undefined && reconcile(deployment))
    .includes(true)
}

/** Pods that can become ready do. */
export function kubelets(model: Model): boolean {
  const starting = pods(model).filter((pod) => !pod.ready && !model.bad.has(pod.revision))
  for (const pod of starting) pod.ready = true
  return starting.length > 0
}

/** The route takes the weight over that the status asks for. */
export function route(model: Model): boolean {
  const weight = model.spec.traffic === 'gateway' ? model.status?.weight : 0
  const changed = model.routeWeight !== weight
  model.routeWeight = weight
  return changed
}

/** Queries that were asked are answered. */
export function answers(model: Model): boolean {
  const { queries } = model
  const asked = model.checks.filter(({ outcome }) => outcome === 'running')
  if (queries === 'running') return false
  for (const check of asked) Object.assign(check, { outcome: queries })
  return asked.length > 0
}

/** Everything happens until nothing does, without any time going by. */
export function settle(model: Model): void {
  for (let round = 0; round < 200; round++) {
    if (![sync, controllers, kubelets, route, answers].map((move) => move(model)).includes(true)) return
  }
  throw new Error(`no rest after 200 rounds: ${JSON.stringify(model)}`)
}

/** Lets time go by as Metacontroller would: syncs when the answer asks for one, and every 30 seconds. */
export function pass(model: Model, seconds: number): void {
  const end = model.now.getTime() + seconds * 1000
  settle(model)
  for (;;) {
    const wait = Math.min(model.decision?.resyncAfterSeconds ?? 30, 30) * 1000
    if (model.now.getTime() + wait > end) break
    model.now = new Date(model.now.getTime() + wait)
    settle(model)
  }
  model.now = new Date(end)
  settle(model)
}

/** Lets time go by until the phase is reached; fails after `seconds`. */
export function passUntil(model: Model, phase: RolloutStatus['phase'], seconds = 3600): void {
  settle(model)
  for (let waited = 0; model.status?.phase !== phase; ) {
    const wait = Math.min(model.decision?.resyncAfterSeconds ?? 30, 30)
    waited += wait
    if (waited > seconds) throw new Error(`not ${phase} within ${seconds} s: ${JSON.stringify(model.status)}`)
    model.now = new Date(model.now.getTime() + wait * 1000)
    settle(model)
  }
}

export function pods({ stable, canary }: Model): Pod[] {
  return [...(stable?.pods ?? []), ...(canary?.pods ?? [])]
}

/** Ready pods that the Service of the application's name leads to. */
export function serving({ stable, canary, serving: which }: Model): Pod[] {
  const sets = [which === 'canary' ? [] : (stable?.pods ?? []), which === 'stable' ? [] : (canary?.pods ?? [])]
  return sets.flat().filter(({ ready }) => ready)
}

function empty(model: Model): Deployment {
  return { revision: model.wanted, wanted: 0, pods: [], overdue: false }
}

function given(now: Deployment | undefined, part: { template: string; replicas: number }, model: Model) {
  const revision = part.template === 'wanted' || now === undefined ? model.wanted : now.revision
  return { revision, wanted: part.replicas, overdue: now?.revision === revision && now.overdue }
}

function observed({ revision, wanted, pods, overdue }: Deployment): Workload {
  const updated = pods.filter((pod) => pod.revision === revision).length
  return {
    revision,
    wanted,
    pods: pods.length,
    updated,
    available: pods.filter(({ ready }) => ready).length,
    settled: true,
    overdue,
  }
}

// One step of a rolling update with maxUnavailable 0 and maxSurge 25 %.
function reconcile(deployment: Deployment): boolean {
  const { revision, wanted } = deployment
  const surge = Math.max(1, Math.ceil(wanted / 4))
  const fresh = deployment.pods.filter((pod) => pod.revision === revision)
  const old = deployment.pods.filter((pod) => pod.revision !== revision)
  const remove = (candidates: Pod[], count: number) => {
    const order = [...candidates].sort((one, other) => Number(one.ready) - Number(other.ready))
    const gone = new Set(order.slice(0, Math.max(0, count)))
    deployment.pods = deployment.pods.filter((pod) => !gone.has(pod))
    return gone.size > 0
  }
  if (fresh.length > wanted) return remove(fresh, fresh.length - wanted)
  const room = wanted + (old.length > 0 ? surge : 0) - deployment.pods.length
  const missing = Math.min(room, wanted - fresh.length)
  if (missing > 0) {
    deployment.pods = [...deployment.pods, ...Array.from({ length: missing }, () => ({ revision, ready: false }))]
    return true
  }
  const unready = old.filter(({ ready }) => !ready)
  if (unready.length > 0) return remove(unready, unready.length)
  return remove(old, Math.min(old.length, deployment.pods.filter(({ ready }) => ready).length - wanted))
}
