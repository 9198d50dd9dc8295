// Rollouts of a WebApp: each of their states, and what must hold in all of them.
import fc from 'fast-check'
import t from 'tap'
import { moveTowards, splitFor } from '../../../hooks/kinds/webapp/rollout/replicas.ts'
import type { RolloutSpec } from '../../../hooks/kinds/webapp/rollout/types.ts'
import {
  answers,
  canarySpec,
  controllers,
  createModel,
  inputOf,
  kubelets,
  type Model,
  pass,
  passUntil,
  pods,
  route,
  running,
  serving,
  settle,
  sync,
  syncAgain,
} from './rollout-model.ts'

const ask = (model: Model, revision: string) => {
  model.wanted = revision
  settle(model)
}

t.test('the first revision goes to the stable Deployment at once', async (t) => {
  const model = createModel()
  sync(model)
  t.match(model.decision, {
    status: { phase: 'Initializing', weight: 0 },
    stable: { template: 'wanted', replicas: 10 },
  })
  settle(model)
  t.match(model.status, { phase: 'Succeeded' })
  t.match(model.revisions, { current: 'a', stable: 'a' })
  t.equal(model.canary, undefined)
})

t.test('a good revision gets its share step by step, and then all', async (t) => {
  const model = running()
  ask(model, 'b')
  t.match(model.status, { phase: 'Waiting', step: 0, weight: 20 })
  t.same([model.stable?.wanted, model.canary?.wanted], [8, 2])
  t.equal(model.stable?.revision, 'a')
  pass(model, 59)
  t.equal(model.status?.step, 0, 'not before its time')
  pass(model, 2)
  t.match(model.status, { phase: 'Waiting', step: 1, weight: 50 })
  t.same([model.stable?.wanted, model.canary?.wanted], [5, 5])
  passUntil(model, 'Succeeded', 120)
  t.match(model.revisions, { current: 'b', stable: 'b', canary: undefined, failed: undefined })
  t.same([model.stable?.revision, model.stable?.wanted, model.canary], ['b', 10, undefined])
})

t.test('a revision whose pods do not become ready is rolled back at the deadline, and not tried again', async (t) => {
  const model = running({ bad: new Set(['b']) })
  ask(model, 'b')
  t.match(model.status, { phase: 'Progressing', reason: 'CanaryNotReady', message: '0 of 2 pods are ready' })
  t.equal(model.stable?.wanted, 10, 'no pod left that serves')
  pass(model, 299)
  t.equal(model.status?.phase, 'Progressing')
  pass(model, 2)
  t.match(model.status, { phase: 'Failed', reason: 'ProgressDeadlineExceeded', weight: 0 })
  t.match(model.revisions, { stable: 'a', failed: 'b', canary: undefined })
  const writes = model.statusWrites
  pass(model, 3600)
  t.equal(model.statusWrites, writes, 'nothing moves any more')
  t.same([model.status?.phase, model.stable?.revision, model.canary], ['Failed', 'a', undefined])
})

t.test('Kubernetes itself may find out first that a rollout does not go on', async (t) => {
  const model = running({ bad: new Set(['b']) })
  ask(model, 'b')
  if (model.canary !== undefined) model.canary.overdue = true
  settle(model)
  t.match(model.status, { phase: 'Failed', reason: 'ProgressDeadlineExceeded' })
})

t.test('pods that stop being ready fail the analysis, one check an interval', async (t) => {
  const model = running()
  ask(model, 'b')
  pass(model, 10)
  model.bad.add('b')
  for (const pod of model.canary?.pods ?? []) pod.ready = false
  settle(model)
  t.match(model.status, { phase: 'Waiting', failedChecks: 0, reason: 'CanaryNotReady' }, 'a moment counts for nothing')
  pass(model, 21)
  t.match(model.status, { failedChecks: 1 })
  pass(model, 41)
  t.match(model.status, { phase: 'Failed', reason: 'AnalysisFailed', failedChecks: 3, weight: 0 })
  t.same([model.stable?.revision, model.stable?.wanted, model.canary], ['a', 10, undefined])
})

t.test('restarts beyond what is allowed roll back at once', async (t) => {
  const model = running({ restarts: 0 })
  ask(model, 'b')
  model.restarts = 1
  settle(model)
  t.match(model.status, { phase: 'Failed', reason: 'ContainersRestarted' })
})

t.test('good, bad, good', async (t) => {
  const model = running({ bad: new Set(['b']) })
  ask(model, 'b')
  passUntil(model, 'Failed')
  ask(model, 'c')
  t.match(model.status, { phase: 'Waiting', step: 0, weight: 20, failedChecks: 0 })
  t.equal(model.revisions.failed, undefined)
  passUntil(model, 'Succeeded')
  t.match(model.revisions, { stable: 'c' })
})

t.test('bad after bad: each is tried, and the stable one stays', async (t) => {
  const model = running({ bad: new Set(['b', 'c']) })
  for (const revision of ['b', 'c']) {
    ask(model, revision)
    passUntil(model, 'Failed')
    t.match(model.revisions, { stable: 'a', failed: revision })
    t.same([model.stable?.revision, model.stable?.wanted], ['a', 10])
  }
})

t.test('a new revision in the middle starts from nothing, once the pods of the other are gone', async (t) => {
  const model = running()
  ask(model, 'b')
  pass(model, 70)
  t.match(model.status, { step: 1, weight: 50 })
  model.wanted = 'c'
  sync(model)
  t.match(model.status, { phase: 'Progressing', reason: 'Draining', step: 0, weight: 0, failedChecks: 0 })
  t.equal(model.canary?.revision, 'b')
  settle(model)
  t.match(model.status, { phase: 'Waiting', step: 0, weight: 20 })
  t.equal(model.canary?.revision, 'c')
  passUntil(model, 'Succeeded')
})

t.test('going back to the stable revision asks nobody', async (t) => {
  const model = running({ bad: new Set(['b']) })
  ask(model, 'b')
  ask(model, 'a')
  t.match(model.status, { phase: 'Succeeded' })
  t.equal(model.canary, undefined)
  ask(model, 'b')
  passUntil(model, 'Failed')
  ask(model, 'a')
  t.match(model.status, { phase: 'Succeeded' })
  t.equal(model.revisions.failed, undefined)
})

t.test('a single replica has one canary beside it', async (t) => {
  const model = running({ replicas: 1 })
  ask(model, 'b')
  t.same([model.stable?.wanted, model.canary?.wanted], [1, 1])
  passUntil(model, 'Succeeded')
  t.same([model.stable?.revision, model.stable?.wanted], ['b', 1])
})

t.test('replicas change in the middle, alone and with a new revision', async (t) => {
  const model = running({ replicas: 4 })
  ask(model, 'b')
  t.same([model.stable?.wanted, model.canary?.wanted], [3, 1])
  model.replicas = 20
  settle(model)
  t.same([model.stable?.wanted, model.canary?.wanted], [16, 4])
  t.match(model.status, { phase: 'Waiting', failedChecks: 0 })
  model.replicas = 2
  ask(model, 'c')
  t.same([model.stable?.wanted, model.canary?.wanted], [1, 1])
  passUntil(model, 'Succeeded')
  t.same([model.stable?.wanted, model.stable?.revision], [2, 'c'])
})

t.test('manual: a good revision waits for its name', async (t) => {
  const model = running({ spec: { ...canarySpec, promotion: 'manual' } })
  ask(model, 'b')
  passUntil(model, 'WaitingPromotion', 200)
  t.match(model.status, { reason: 'PromotionNeeded', weight: 50, message: /platform\.example\.com\/promote: "b"/ })
  const writes = model.statusWrites
  model.promote = 'a'
  pass(model, 86400)
  t.equal(model.status?.phase, 'WaitingPromotion')
  t.equal(model.statusWrites, writes, 'a day of waiting writes nothing')
  model.promote = 'b'
  settle(model)
  passUntil(model, 'Succeeded', 60)
})

t.test('a revision that goes bad while it waits for a person is rolled back', async () => {
  const model = running({ spec: { ...canarySpec, promotion: 'manual' } })
  ask(model, 'b')
  passUntil(model, 'WaitingPromotion', 200)
  model.bad.add('b')
  for (const pod of model.canary?.pods ?? []) pod.ready = false
  passUntil(model, 'Failed', 120)
})

t.test('on the way back as many pods serve as before', async (t) => {
  const model = running()
  ask(model, 'b')
  pass(model, 70)
  t.same([model.stable?.wanted, model.canary?.wanted], [5, 5])
  model.abort = 'b'
  for (const moves of Array.from({ length: 20 }, () => [sync, controllers, sync, controllers, kubelets])) {
    for (const move of moves) {
      move(model)
      if (serving(model).length < 10) t.fail(`only ${serving(model).length} serve`)
      if (pods(model).length > 13) t.fail(`${pods(model).length} pods`)
    }
  }
  t.same([model.stable?.wanted, model.canary], [10, undefined])
})

t.test('aborted by hand', async (t) => {
  const model = running()
  ask(model, 'b')
  model.abort = 'b'
  settle(model)
  t.match(model.status, { phase: 'Failed', reason: 'Aborted' })
  t.same([model.stable?.wanted, model.canary], [10, undefined])
})

t.test(
  'stable pods that do not take the promoted revision halt it, and the next revision goes to them at once',
  async (t) => {
    const model = running()
    ask(model, 'b')
    pass(model, 100)
    model.bad.add('b')
    pass(model, 25)
    t.match(model.status, { phase: 'Promoting', weight: 50 })
    if (model.stable !== undefined) model.stable.overdue = true
    pass(model, 7200)
    t.match(model.status, { phase: 'Promoting', reason: 'StableNotReady' })
    t.equal(serving(model).length, 10, 'everything goes on serving')
    t.equal(model.canary?.wanted, 5)
    ask(model, 'c')
    t.match(model.status, { phase: 'Succeeded' })
    t.same([model.stable?.revision, model.canary], ['c', undefined])
  },
)

t.test('back to what ran before in the middle of the promotion', async (t) => {
  const model = running()
  ask(model, 'b')
  pass(model, 119)
  model.now = new Date(model.now.getTime() + 2000)
  sync(model)
  sync(model)
  t.match(model.status, { phase: 'Promoting' })
  controllers(model)
  model.wanted = 'a'
  sync(model)
  t.equal(model.stable?.revision, 'a')
  settle(model)
  t.match(model.status, { phase: 'Succeeded' })
})

t.test('stable pods that are not well hold a step up, and blame nobody', async (t) => {
  const model = running()
  ask(model, 'b')
  for (const pod of model.stable?.pods ?? []) pod.ready = false
  model.bad.add('a')
  pass(model, 3600)
  t.match(model.status, { phase: 'Waiting', reason: 'StableNotReady', step: 0, failedChecks: 0 })
  model.bad.delete('a')
  passUntil(model, 'Succeeded')
})

t.test('what never ran is no revision to go back to', async (t) => {
  const model = createModel({ bad: new Set(['a']) })
  pass(model, 60)
  ask(model, 'b')
  t.match(model.status, { phase: 'Succeeded' })
  t.match(model.revisions, { stable: 'b' })
})

t.test('clocks: backwards the step begins anew, far forwards nothing is skipped and nothing fails', async (t) => {
  const shift = (model: Model, seconds: number) => {
    model.now = new Date(model.now.getTime() + seconds * 1000)
    settle(model)
  }
  const back = running()
  ask(back, 'b')
  pass(back, 50)
  shift(back, -86400)
  t.match(back.status, { step: 0, phase: 'Waiting' })
  pass(back, 55)
  t.equal(back.status?.step, 0)
  passUntil(back, 'Succeeded', 300)

  const forward = running()
  ask(forward, 'b')
  shift(forward, 86400)
  t.match(forward.status, { step: 0, phase: 'Waiting' })
  passUntil(forward, 'Succeeded', 300)

  const slow = running({ bad: new Set(['b']) })
  ask(slow, 'b')
  shift(slow, 86400)
  t.equal(slow.status?.phase, 'Progressing', 'a deadline that nobody watched has not passed')
  for (const pod of slow.canary?.pods ?? []) pod.ready = true
  slow.bad.clear()
  settle(slow)
  t.equal(slow.status?.phase, 'Waiting')
  for (const pod of slow.canary?.pods ?? []) pod.ready = false
  slow.bad.add('b')
  settle(slow)
  shift(slow, 86400)
  t.ok((slow.status?.failedChecks ?? 9) <= 1, 'a leap is one check at most')
})

t.test('paused: neither time nor checks go on, but the number of pods follows', async (t) => {
  const model = running()
  ask(model, 'b')
  pass(model, 30)
  model.paused = true
  pass(model, 3600)
  t.match(model.status, { phase: 'Waiting', reason: 'Paused', step: 0, weight: 20 })
  model.replicas = 20
  settle(model)
  t.same([model.stable?.wanted, model.canary?.wanted], [16, 4])
  model.paused = false
  pass(model, 55)
  t.equal(model.status?.step, 0)
  passUntil(model, 'Succeeded')

  const untouched = running({ paused: true })
  ask(untouched, 'b')
  t.match(untouched.status, { reason: 'Paused' })
  t.equal(untouched.canary, undefined)
  untouched.paused = false
  settle(untouched)
  t.match(untouched.status, { phase: 'Waiting', weight: 20 })
})

t.test(
  'suspended in the middle: no pod runs, and later the canary begins anew beside the stable revision',
  async (t) => {
    const model = running()
    ask(model, 'b')
    model.replicas = 0
    settle(model)
    t.match(model.status, { phase: 'Succeeded', reason: 'Suspended' })
    t.equal(pods(model).length, 0)
    model.replicas = 10
    settle(model)
    t.match(model.status, { phase: 'Waiting', step: 0 })
    t.equal(model.stable?.revision, 'a')
    passUntil(model, 'Succeeded')
  },
)

t.test('a status that is lost begins the canary anew', async (t) => {
  const model = running()
  ask(model, 'b')
  pass(model, 70)
  Object.assign(model, { status: undefined, revisions: {} })
  settle(model)
  t.match(model.status, { step: 0, weight: 20 })
  t.equal(model.stable?.revision, 'a')
  passUntil(model, 'Succeeded')
})

t.test('queries', async (t) => {
  const metrics = [{ name: 'errors', query: 'x', max: 0.01, address: 'http://prometheus:9090' }]
  const analysis = { intervalSeconds: 20, threshold: 2, maxRestarts: 0, metrics }
  t.test('a step ends with a check that passed', async (t) => {
    const model = running({ spec: { ...canarySpec, analysis }, queries: 'running' })
    ask(model, 'b')
    t.equal(model.checks.length, 0)
    pass(model, 21)
    t.match(model.checks, [{ number: 1, outcome: 'running' }])
    pass(model, 90)
    t.match(model.status, { step: 0, reason: 'CheckRunning' })
    model.queries = 'passed'
    passUntil(model, 'Succeeded')
    t.same(model.checks, [], 'its Jobs go')
  })
  t.test('failed ones are counted once each', async (t) => {
    const model = running({ spec: { ...canarySpec, analysis }, queries: 'failed' })
    ask(model, 'b')
    pass(model, 21)
    t.match(model.status, { failedChecks: 1, reason: 'CheckFailing' })
    pass(model, 15)
    t.match(model.status, { failedChecks: 1 })
    pass(model, 5)
    t.match(model.status, { phase: 'Failed', reason: 'AnalysisFailed', failedChecks: 2 })
  })
  t.test('one failure is made good by the next check', async () => {
    const model = running({ spec: { ...canarySpec, analysis }, queries: 'failed' })
    ask(model, 'b')
    pass(model, 21)
    model.queries = 'passed'
    passUntil(model, 'Succeeded', 300)
  })
})

t.test('a route divides the requests', async (t) => {
  const spec: RolloutSpec = { ...canarySpec, traffic: 'gateway' }
  t.test('the stable Deployment keeps its pods, and time begins with the route', async (t) => {
    const model = running({ spec })
    model.wanted = 'b'
    for (let round = 0; round < 20; round++) for (const move of [sync, controllers, kubelets]) move(model)
    t.match(model.status, { phase: 'Progressing', reason: 'RouteNotReady', weight: 20 })
    t.same([model.stable?.wanted, model.canary?.wanted, model.serving], [10, 2, 'stable'])
    model.now = new Date(model.now.getTime() + 3600_000)
    sync(model)
    t.equal(model.status?.phase, 'Progressing', 'the revision is not to blame')
    passUntil(model, 'Succeeded')
    t.equal(model.stable?.wanted, 10)
  })
  t.test('pods stay until the route has let go of them', async (t) => {
    const model = running({ spec })
    ask(model, 'b')
    model.abort = 'b'
    for (let round = 0; round < 20; round++) for (const move of [sync, controllers, kubelets]) move(model)
    t.match(model.status, { phase: 'Failed', weight: 0 })
    t.equal(model.canary?.wanted, 2)
    settle(model)
    t.equal(model.canary, undefined)
  })
})

t.test('an autoscaler owns the count of the stable Deployment', async (t) => {
  const model = running({ autoscaled: true, replicas: 6 })
  ask(model, 'b')
  t.same([model.stable?.wanted, model.canary?.wanted], [6, 2], '20 % of eight')
  t.equal(model.decision?.minReplicas, 6)
  if (model.stable !== undefined) model.stable.wanted = 12
  settle(model)
  t.same([model.stable?.wanted, model.canary?.wanted], [12, 3])
  passUntil(model, 'Succeeded')
  t.same([model.stable?.wanted, model.decision?.minReplicas], [12, undefined])
})

t.test('blueGreen: a whole set comes up beside, and all requests change over at once', async (t) => {
  const spec: RolloutSpec = { ...canarySpec, strategy: 'blueGreen' }
  t.test('good', async (t) => {
    const model = running({ spec, replicas: 4 })
    ask(model, 'b')
    t.match(model.status, { phase: 'Waiting', weight: 0 })
    t.same([model.stable?.wanted, model.canary?.wanted, model.serving], [4, 4, 'stable'])
    pass(model, 22)
    t.match(model.status, { weight: 100 })
    t.same([model.serving, model.stable?.revision, model.stable?.wanted], ['canary', 'a', 4])
    pass(model, 20)
    t.equal(model.stable?.revision, 'a', 'the old set stays for a while')
    pass(model, 15)
    t.same([model.serving, model.stable?.revision, model.canary?.wanted], ['stable', 'b', 4])
    passUntil(model, 'Succeeded', 60)
    t.equal(model.canary, undefined)
  })
  t.test('bad after the change: back at once, and its pods leave later', async (t) => {
    const model = running({ spec, replicas: 4 })
    ask(model, 'b')
    pass(model, 22)
    model.abort = 'b'
    settle(model)
    t.same([model.serving, model.status?.phase, model.canary?.wanted], ['stable', 'Failed', 4])
    pass(model, 31)
    t.equal(model.canary, undefined)
  })
  t.test('manual: before the change', async (t) => {
    const model = running({ spec: { ...spec, promotion: 'manual' }, replicas: 4 })
    ask(model, 'b')
    passUntil(model, 'WaitingPromotion')
    t.same([model.serving, model.status?.weight], ['stable', 0])
    model.promote = 'b'
    passUntil(model, 'Succeeded')
  })
})

const strategies: fc.Arbitrary<Partial<RolloutSpec>> = fc.constantFrom(
  { strategy: 'canary', traffic: 'replicas' },
  { strategy: 'canary', traffic: 'gateway' },
  { strategy: 'blueGreen', traffic: 'replicas' },
  { strategy: 'blueGreen', traffic: 'gateway' },
  { strategy: 'rolling', traffic: 'replicas' },
)

const steps = fc.array(
  fc.record({ weight: fc.integer({ min: 1, max: 99 }), pauseSeconds: fc.integer({ min: 0, max: 90 }) }),
  { minLength: 1, maxLength: 4 },
)

const specs = fc
  .tuple(
    strategies,
    steps,
    fc.constantFrom<number | string>(0, 1, '25%'),
    fc.constantFrom<number | string>(0, 1, 3, '25%', '100%'),
  )
  .map(
    ([strategy, steps, maxUnavailable, maxSurge]): RolloutSpec => ({
      ...canarySpec,
      ...strategy,
      steps,
      maxUnavailable,
      maxSurge,
    }),
  )

type Move = (model: Model) => void

const wait =
  (seconds: number): Move =>
  (model) => {
    model.now = new Date(model.now.getTime() + seconds * 1000)
  }

/** What the world does by itself, in any order. */
const worldMoves = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Move>(sync, syncAgain, controllers, kubelets, route, answers) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 90 }).map(wait) },
  { weight: 1, arbitrary: fc.constantFrom(-86400, 86400).map(wait) },
)

/** What people do. */
const revisionMoves = fc.constantFrom('a', 'b', 'c', 'd').map(
  (revision): Move =>
    (model) =>
      void Object.assign(model, { wanted: revision }),
)
const strategyMoves = strategies.map(
  (strategy): Move =>
    (model) =>
      void Object.assign(model, { spec: { ...model.spec, ...strategy } }),
)
const scaleMoves = fc.integer({ min: 1, max: 12 }).map(
  (replicas): Move =>
    (model) =>
      void Object.assign(model, { replicas }),
)
const pauseMoves = fc.boolean().map(
  (paused): Move =>
    (model) =>
      void Object.assign(model, { paused }),
)

const bad = fc.uniqueArray(fc.constantFrom('b', 'c', 'd')).map((revisions) => new Set<string>(revisions))
const runs = { numRuns: 300 }

const surgeOf = ({ maxSurge }: RolloutSpec, replicas: number) =>
  Math.max(1, typeof maxSurge === 'number' ? maxSurge : Math.ceil((replicas * Number.parseInt(maxSurge, 10)) / 100))
const unavailableOf = ({ maxUnavailable }: RolloutSpec, replicas: number) =>
  typeof maxUnavailable === 'number'
    ? maxUnavailable
    : Math.floor((replicas * Number.parseInt(maxUnavailable, 10)) / 100)

/** A rollout of `b` that has been going on for so long. */
function midway(seconds: number, more: Partial<Model>): Model {
  const model = running(more)
  model.wanted = 'b'
  pass(model, seconds)
  return model
}

const soFar = fc.integer({ min: 0, max: 200 })

const peopleMoves = fc.oneof(
  { weight: 3, arbitrary: revisionMoves },
  { weight: 1, arbitrary: strategyMoves },
  { weight: 1, arbitrary: pauseMoves },
)

t.test('as many ready pods serve as must, whatever happens in whatever order', async () => {
  const moves = fc.array(fc.oneof({ weight: 8, arbitrary: worldMoves }, { weight: 2, arbitrary: peopleMoves }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(specs, fc.integer({ min: 1, max: 12 }), bad, soFar, moves, (spec, replicas, bad, seconds, moves) => {
      const model = midway(seconds, { spec, replicas, bad })
      const needed = replicas - unavailableOf(spec, replicas)
      let abandoned = false
      for (const move of moves) {
        move(model)
        const ready = serving(model).length
        if (ready < needed) throw new Error(`${ready} serve, and ${needed} must: ${JSON.stringify(model)}`)
        const { canary, routeWeight = 0 } = model
        // A canary that leaves waits for its route until the deadline: one that nobody keeps any more holds up nothing.
        const leftFor = model.now.getTime() - Date.parse(model.status?.stepStartedAt ?? '')
        if (canary?.wanted === 0 && leftFor >= spec.progressDeadlineSeconds * 1000) abandoned = true
        if (routeWeight === 0) abandoned = false
        if (
          !abandoned &&
          routeWeight > 0 &&
          !bad.has(canary?.revision ?? '') &&
          !canary?.pods.some((pod) => pod.ready)
        ) {
          throw new Error(`the route leads to no pod: ${JSON.stringify(model)}`)
        }
      }
    }),
    runs,
  )
})

t.test('there are never more pods than the split and the surge allow', async () => {
  const moves = fc.array(fc.oneof({ weight: 8, arbitrary: worldMoves }, { weight: 1, arbitrary: revisionMoves }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(specs, fc.integer({ min: 1, max: 12 }), bad, soFar, moves, (spec, replicas, bad, seconds, moves) => {
      const model = midway(seconds, { spec, replicas, bad })
      const whole = spec.strategy === 'blueGreen' || spec.traffic === 'gateway' || replicas === 1
      // While templates change, the Deployment adds its own surge.
      const most = replicas + (whole ? replicas : surgeOf(spec, replicas)) + Math.max(1, Math.ceil(replicas / 4))
      for (const move of moves) {
        move(model)
        const there = pods(model).length
        if (there > most) throw new Error(`${there} pods, and ${most} may be: ${JSON.stringify(model)}`)
      }
    }),
    runs,
  )
})

t.test('a failed revision gets no weight until the template changes', async () => {
  fc.assert(
    fc.property(
      specs,
      bad,
      fc.array(
        fc.oneof(
          { weight: 8, arbitrary: worldMoves },
          { weight: 1, arbitrary: scaleMoves },
          { weight: 1, arbitrary: pauseMoves },
        ),
        { minLength: 20, maxLength: 80 },
      ),
      (spec, bad, moves) => {
        const model = running({ spec: spec.strategy === 'rolling' ? canarySpec : spec, bad })
        model.wanted = 'b'
        model.abort = bad.has('b') ? undefined : 'b'
        passUntil(model, 'Failed', 3600)
        model.abort = undefined
        for (const move of moves) {
          move(model)
          if (model.status?.weight !== 0 || model.status.phase !== 'Failed')
            throw new Error(JSON.stringify(model.status))
          if (model.stable?.revision !== 'a') throw new Error('the failed revision became the stable one')
        }
      },
    ),
    runs,
  )
})

t.test('whatever happened, a good revision ends up on every pod, and a bad one on none', async () => {
  fc.assert(
    fc.property(
      specs,
      bad,
      fc.boolean(),
      fc.array(
        fc.oneof(
          { weight: 8, arbitrary: worldMoves },
          { weight: 1, arbitrary: revisionMoves },
          { weight: 1, arbitrary: strategyMoves },
          { weight: 1, arbitrary: scaleMoves },
          { weight: 1, arbitrary: pauseMoves },
        ),
        { maxLength: 60 },
      ),
      (spec, bad, good, moves) => {
        const model = running({ spec, bad })
        for (const move of moves) move(model)
        model.paused = false
        model.spec = { ...model.spec, ...(model.spec.strategy === 'rolling' ? { strategy: 'canary' } : {}) }
        model.wanted = good ? 'a' : 'z'
        if (!good) model.bad.add('z')
        if (good) {
          passUntil(model, 'Succeeded', 7200)
          if (model.stable?.revision !== 'a') throw new Error(JSON.stringify(model))
        } else if (model.stable?.revision !== model.revisions.stable || model.status?.phase === 'Promoting') {
          // Over what does not run, or is half promoted, a template may go at once.
          return
        } else {
          passUntil(model, 'Failed', 7200)
          pass(model, 600)
          if (serving(model).length < model.replicas) throw new Error(`not enough serve: ${JSON.stringify(model)}`)
        }
        pass(model, 600)
        if (model.canary !== undefined || model.stable?.wanted !== model.replicas)
          throw new Error(JSON.stringify(model))
      },
    ),
    { numRuns: 200 },
  )
})

t.test('splits: both have pods, in the ratio that comes nearest', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 99 }), (replicas, weight) => {
      const input = inputOf(createModel({ replicas }))
      const { stable, canary } = splitFor(weight, input)
      if (stable < 1 || canary < 1) throw new Error(`${stable} and ${canary}`)
      if (replicas > 1 && stable + canary !== replicas) throw new Error(`${stable} + ${canary}`)
      const off = Math.abs(canary - (replicas * weight) / 100)
      if (replicas > 1 && off > 0.5 && canary !== 1 && stable !== 1)
        throw new Error(`${canary} of ${replicas} for ${weight} %`)
    }),
  )
  const held = inputOf(running())
  t.same(held.stable && moveTowards({ stable: 10, canary: 0 }, held, held.stable, undefined), { stable: 10, canary: 0 })
})
