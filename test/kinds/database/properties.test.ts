// What holds for every spec and every state of the children: https://github.com/anvil-verifier/anvil calls the first
// of it eventually stable reconciliation, Acto (SOSP'23) and Sieve (OSDI'22) found most bugs of operators by the rest.
import fc from 'fast-check'
import t from 'tap'
import { brokenSpecs, changes, specs } from './specs.ts'
import {
  ask,
  change,
  contents,
  createWorld,
  findChild,
  finish,
  namespace,
  running,
  runPods,
  same,
  settle,
  step,
  type World,
} from './world.ts'

const runs = { numRuns: Number(process.env.PROPERTY_RUNS ?? 50) }

t.test('a fixpoint: when all children are there, the answer is the same bytes and nothing is written', async () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const world = createWorld(spec)
      const first = step(world)
      if (first.evaluation.hold !== undefined) throw new Error(first.evaluation.hold.message)
      const children = JSON.stringify(first.evaluation.response.children)
      const second = step(world)
      same(JSON.stringify(second.evaluation.response.children), children)
      same(second.writes, [])
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
      const { response } = ask(world)
      world.children = Object.fromEntries(
        Object.entries(world.children)
          .reverse()
          .map(([type, group]) => [
            type,
            Object.fromEntries(
              Object.entries(group)
                .reverse()
                .map(([key, live]) => [key.replace(`${namespace}/`, ''), live]),
            ),
          ]),
      )
      same(JSON.stringify(ask(world).response), JSON.stringify(response))
    }),
    runs,
  )
})

t.test('whatever subset of the children is there, the same end is reached', async () => {
  fc.assert(
    fc.property(specs, fc.infiniteStream(fc.boolean()), (spec, keep) => {
      const world = running(spec)
      const end = contents(world)
      for (const group of Object.values(world.children)) {
        for (const key of Object.keys(group)) if (!keep.next().value) delete group[key]
      }
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
      world.parent = { ...world.parent, spec: { ...(original as object), ...rest } }
      change(world, {})
      finish(world)
      world.parent = { ...world.parent, spec: original }
      change(world, {})
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
      world.parent = { ...world.parent, spec: next }
      change(world, {})
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
      world.parent = { ...world.parent, spec: broken }
      change(world, {})
      const held = step(world).evaluation.hold !== undefined
      world.parent = { ...world.parent, spec: original }
      change(world, {})
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
      for (const group of Object.values(world.children)) {
        for (const key of Object.keys(group)) if (!keep.next().value) delete group[key]
      }
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
