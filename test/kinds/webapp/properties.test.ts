// What holds for every spec and every state of the children.
import fc from 'fast-check'
import t from 'tap'
import { brokenSpecs, specs } from './specs.ts'
import {
  ask,
  contents,
  createWorld,
  ignoresOrder,
  loseChildren,
  propertyRuns,
  reachesFixpoint,
  replaceSpec,
  running,
  runPods,
  same,
  settle,
  step,
} from './world.ts'

const runs = propertyRuns(30)

t.test('a fixpoint: when all children are there, the answer is the same bytes and nothing is written', async () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const world = createWorld(spec)
      reachesFixpoint(world)
      runPods(world)
      settle(world)
      same(step(world).writes, [])
      same(ask(world).cacheable, true)
    }),
    runs,
  )
})

t.test('the order of observed children and the style of their keys change nothing', async () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const world = running(spec)
      ignoresOrder(world)
    }),
    runs,
  )
})

t.test('whatever subset of the children is there, the same end is reached', async () => {
  fc.assert(
    fc.property(specs, fc.infiniteStream(fc.boolean()), (spec, keep) => {
      const world = running(spec)
      const end = contents(world)
      loseChildren(world, keep)
      settle(world)
      runPods(world)
      settle(world)
      same(contents(world), end)
    }),
    runs,
  )
})

t.test('a change and back again is as if it had never been, but for a number that an autoscaler left', async () => {
  fc.assert(
    fc.property(specs, specs, (spec, other) => {
      const world = running(spec)
      const end = contents(world)
      const original = world.parent.spec
      const scaled = [spec, other].some(
        ({ autoscaling }) => (autoscaling as { enabled?: boolean } | undefined)?.enabled,
      )
      for (const next of [other, original]) {
        replaceSpec(world, next)
        settle(world)
        runPods(world)
        settle(world)
      }
      same(scaled ? withoutReplicas(contents(world)) : contents(world), scaled ? withoutReplicas(end) : end)
    }),
    runs,
  )
})

t.test('no change of spec, valid or not, deletes what serves; a broken one and back is as before', async () => {
  fc.assert(
    fc.property(specs, brokenSpecs, (spec, broken) => {
      const world = running(spec)
      const end = contents(world)
      const original = world.parent.spec
      replaceSpec(world, broken)
      const { writes, evaluation } = step(world)
      for (const write of writes) {
        if (/^delete (Deployment|Service|ServiceAccount)\//.test(write)) throw new Error(write)
      }
      if (evaluation.defect !== undefined) throw new Error(evaluation.defect)
      if (evaluation.hold === undefined) return
      same(writes, [])
      replaceSpec(world, original)
      settle(world)
      same(contents(world), end)
    }),
    { numRuns: 2 * runs.numRuns },
  )
})

function withoutReplicas(children: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(children, (key, value: unknown) => (key === 'replicas' ? undefined : value)))
}
