// What holds for every spec and every state of the children: https://github.com/anvil-verifier/anvil calls the first
// of it eventually stable reconciliation, Acto (SOSP'23) and Sieve (OSDI'22) found most bugs of operators by the rest.
import fc from 'fast-check'
import t from 'tap'
import { brokenSpecs, changes, specs } from './specs.ts'
import {
  contents,
  createWorld,
  findChild,
  finish,
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
  type World,
} from './world.ts'

const runs = propertyRuns(50)

t.test('a fixpoint: when all children are there, the answer is the same bytes and nothing is written', async () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const world = createWorld(spec)
      reachesFixpoint(world)
      settle(world)
      same(step(world).writes, [])
    }),
    runs,
  )
})

t.test('the order of observed children and the style of their keys change nothing', async () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const world = createWorld(spec)
      settle(world)
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
      if (findChild(world, 'StatefulSet', 'orders')?.status === undefined) runPods(world)
      settle(world)
      same(contents(world), end)
    }),
    runs,
  )
})

t.test('a change and back again is as if it had never been', async () => {
  fc.assert(
    fc.property(specs, changes, (spec, other) => {
      const { credentials: _credentials, replicas, suspend, ...others } = other
      // What was replicated once stays so, and what has run once has data.
      const isReplicated = Number(spec.replicas ?? 1) > 1
      const rest = {
        ...others,
        ...(isReplicated && replicas !== undefined ? { replicas } : {}),
        ...(spec.suspend !== true && suspend !== undefined ? { suspend } : {}),
      }
      const world = running(spec)
      const end = withoutMemory(contents(world))
      const original = world.parent.spec
      replaceSpec(world, { ...(original as object), ...rest })
      finish(world)
      replaceSpec(world, original)
      finish(world)
      same(withoutMemory(contents(world)), end)
    }),
    runs,
  )
})

// A database that has run once is never taken for a new one again, even if it is stopped as it was before.
function withoutMemory(end: ReturnType<typeof contents>): unknown {
  return JSON.parse(JSON.stringify(end).replaceAll('\\"initialized\\": true', '\\"initialized\\": false'))
}

t.test('no change of spec, valid or not, deletes the StatefulSet, the Secret or a claim', async () => {
  fc.assert(
    fc.property(specs, fc.oneof(specs, brokenSpecs), (spec, next) => {
      const world = running(spec)
      replaceSpec(world, next)
      const { writes, evaluation } = step(world)
      for (const write of writes) {
        if (/^delete (StatefulSet|Secret|ConfigMap|Service)\//.test(write)) throw new Error(write)
      }
      if (evaluation.hold !== undefined) same(writes, [])
      if (evaluation.defect !== undefined) throw new Error(evaluation.defect)
      retained(world)
    }),
    { numRuns: 2 * runs.numRuns },
  )
})

t.test('a broken spec and back: as before', async () => {
  fc.assert(
    fc.property(specs, brokenSpecs, (spec, broken) => {
      const world = running(spec)
      const end = contents(world)
      const original = world.parent.spec
      replaceSpec(world, broken)
      const held = step(world).evaluation.hold !== undefined
      replaceSpec(world, original)
      settle(world)
      if (held) same(contents(world), end)
    }),
    runs,
  )
})

t.test('deletion ends from every state, and takes no claim that its policy keeps', async () => {
  fc.assert(
    fc.property(specs, fc.infiniteStream(fc.boolean()), (spec, keep) => {
      const world = running(spec)
      loseChildren(world, keep)
      const had = findChild(world, 'StatefulSet', 'orders') !== undefined
      for (let round = 0; round < 20; round++) {
        const { evaluation } = step(world, true)
        if (evaluation.response.finalized) {
          const set = findChild(world, 'StatefulSet', 'orders')
          const deletes = String(spec.deletionPolicy).endsWith('Delete')
          if (!deletes) retained(world)
          else if (had && set !== undefined) {
            for (const claim of Object.values(world.claims)) same(claim.metadata.ownerReferences?.length, 1)
          }
          return
        }
        const job = findChild(world, 'Job', 'orders-final-backup')
        if (job !== undefined) job.status = { conditions: [{ type: 'Complete', status: 'True' }] }
        if (findChild(world, 'StatefulSet', 'orders') !== undefined) runPods(world)
      }
      throw new Error('no end after twenty rounds')
    }),
    runs,
  )
})

// No owner that would take a claim along.
function retained(world: World): void {
  for (const claim of Object.values(world.claims)) same(claim.metadata.ownerReferences ?? [], [])
}
