import t from 'tap'
import * as z from 'zod'
import type { Condition } from '../../hooks/sdk/conditions.ts'
import { evaluateComposite, nameTakenAfterSeconds } from '../../hooks/sdk/evaluate.ts'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { applied, environment, greeting, present, requestFor } from './greeting.ts'

const evaluate = (...args: Parameters<typeof requestFor>) =>
  evaluateComposite(greeting, requestFor(...args), environment)
const conditionsOf = (response: CompositeResponse) =>
  Object.fromEntries((response.status.conditions as Condition[]).map((condition) => [condition.type, condition]))

t.test('a first sync creates what is wanted and says what is missing', async (t) => {
  const { response, changes, cacheable, hold } = evaluate({ loud: true })
  t.strictSame(
    response.children.map((child) => `${child.kind}/${child.metadata.name}`),
    ['ConfigMap/hi', 'Secret/hi'],
  )
  t.strictSame(
    changes.map(({ action, kind }) => `${action} ${kind}`),
    ['create ConfigMap', 'create Secret'],
  )
  t.equal(hold, undefined)
  t.equal(cacheable, false, 'how long children have been missing decides what is said next')
  const { Ready, Reconciling, Stalled, Applied } = conditionsOf(response)
  t.match(Ready, { status: 'False', reason: 'Saying', observedGeneration: 3 })
  t.match(Reconciling, { status: 'True', reason: 'Saying' })
  t.match(Stalled, { status: 'False' })
  t.match(Applied, { status: 'False', reason: 'Creating', message: /ConfigMap\/hi, Secret\/hi/ })
  t.equal(Applied?.lastTransitionTime, '2026-01-02T03:04:05Z')
  t.ok((response.resyncAfterSeconds ?? 0) > 0, 'it looks again by itself')
})

for (const keys of ['v1', 'v2'] as const) {
  t.test(`children are found under ${keys} keys, and a settled parent is answered the same for ever`, async (t) => {
    const first = evaluate({}, [], undefined, keys).response
    const children = first.children.map(applied)
    const second = evaluate({}, children, first.status, keys)
    t.match(conditionsOf(second.response), { Ready: { status: 'True' }, Applied: { status: 'True' } })
    t.strictSame(second.changes, [])
    t.equal(second.cacheable, true)
    t.equal(second.response.resyncAfterSeconds, undefined)
    const later = { ...environment, now: new Date('2027-01-01T00:00:00Z') }
    const third = evaluateComposite(greeting, requestFor({}, children, second.response.status, keys), later)
    t.equal(JSON.stringify(third.response), JSON.stringify(second.response), 'no time moves by itself')
  })
}

t.test('drift is told apart from a wanted change', async (t) => {
  const child = applied(present(evaluate({}).response.children[0]))
  const drifted = { ...child, data: { text: 'changed by hand' } }
  t.match(evaluate({}, [drifted]).changes, [{ action: 'change', fields: ['data.text'], drift: true }])
  t.match(evaluate({ text: 'new' }, [child]).changes, [{ action: 'change', fields: ['data.text'], drift: false }])
  t.match(evaluate({ loud: false }, [child, applied({ ...child, kind: 'Secret' })]).changes, [
    { action: 'remove', kind: 'Secret', name: 'hi' },
  ])
})

t.test('an invalid spec holds every child as it was last applied', async (t) => {
  const before = evaluate({ loud: true }).response
  const children = before.children.map(applied)
  const [map] = children
  const drifted = children.map((child) => (child === map ? { ...child, data: { text: 'by hand' } } : child))
  const { response, hold, changes } = evaluate({ text: '', loud: 'yes' }, drifted, before.status)
  t.match(hold, { reason: 'InvalidSpec', message: /spec\.text: .*; spec\.loud: / })
  t.strictSame(response.children, before.children, 'drift is still repaired to what was last applied')
  t.strictSame(changes, [])
  t.match(response.status, { phase: 'Running', said: 'hello' }, 'what runs still runs')
  t.match(conditionsOf(response), {
    Ready: { status: 'False', reason: 'InvalidSpec' },
    Stalled: { status: 'True', reason: 'InvalidSpec' },
    Reconciling: { status: 'False' },
  })
  const recovered = evaluate({ loud: true }, children, response.status).response
  t.match(conditionsOf(recovered), { Ready: { status: 'True' }, Stalled: { status: 'False' } })
})

t.test('an invalid spec of something that never existed has failed, and may be deleted', async (t) => {
  t.match(evaluate({ text: '' }).response, { status: { phase: 'Failed' }, children: [] })
  const { v1 } = greeting.versions
  const unfailing = {
    ...greeting,
    versions: { v1: { ...present(v1), status: z.object({ phase: z.enum(['Running']) }) } },
  }
  const { status } = evaluateComposite(unfailing, requestFor({ text: '' }), environment).response
  t.notOk('phase' in status, 'a phase that the CRD does not know would be refused')
  const request = { ...requestFor({ text: '' }), finalizing: true }
  t.match(evaluateComposite(greeting, request, environment).response, { finalized: true })
  const child = applied(present(evaluate({}).response.children[0]))
  const holding = { ...requestFor({ text: '' }, [child]), finalizing: true }
  const { response } = evaluateComposite(greeting, holding, environment)
  t.equal(response.finalized, false, 'with children it waits: the spec says what should become of them')
  t.equal(response.children.length, 1)
})

t.test("a kind's own hold works the same", async (t) => {
  const child = applied(present(evaluate({}).response.children[0]))
  const { response, hold } = evaluate({ stop: true }, [child])
  t.match(hold, { reason: 'Stopped' })
  t.equal(response.children.length, 1)
})

t.test('a child without the annotation is held as it is, less what only the API server may set', async (t) => {
  const adopted = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'hi', namespace: 'ns', uid: 'u', resourceVersion: '1', labels: { a: 'b' }, managedFields: [{}] },
    data: { text: 'x' },
  }
  t.strictSame(evaluate({ text: '' }, [adopted]).response.children, [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'hi', namespace: 'ns', labels: { a: 'b' } },
      data: { text: 'x' },
    },
  ])
})

const faulty: [string, unknown, RegExp][] = [
  ['a null child', null, /not an object/],
  [
    'an undeclared kind',
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } },
    /Pod\/p: v1 Pod is not among the declared children/,
  ],
  ['no name', { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} }, /metadata\.name is missing/],
  [
    'another namespace',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'other' } },
    /namespace "other"/,
  ],
  ['a name twice', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'hi' } }, /ConfigMap\/hi: is there twice/],
  [
    'a null field',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { a: [{ b: null }] } },
    /ConfigMap\/x\.data\.a\[0\]\.b is null/,
  ],
]
for (const [title, child, message] of faulty) {
  t.test(`an answer with ${title} never leaves`, async (t) => {
    const before = evaluate({}).response
    const { response, hold, defect } = evaluate({ emit: [child] }, before.children.map(applied), before.status)
    t.match(hold, { reason: 'InvalidChild', message })
    t.match(defect, message)
    t.strictSame(response.children, before.children)
  })
}

t.test('a child that does not appear for long is said to collide, and nothing is cached meanwhile', async (t) => {
  const first = evaluate({ loud: true }).response
  const there = first.children.slice(0, 1).map(applied)
  const second = evaluate({ loud: true }, there, first.status).response
  const at = (seconds: number, status: Record<string, unknown>, children = there) =>
    evaluateComposite(greeting, requestFor({ loud: true }, children, status), {
      ...environment,
      now: new Date(environment.now.getTime() + seconds * 1000),
    })
  const early = at(nameTakenAfterSeconds - 1, second.status)
  t.equal(early.hold, undefined)
  t.strictSame(early.response.status, second.status, 'while children appear one by one the status stays as it is')
  const fewer = at(nameTakenAfterSeconds + 1, early.response.status)
  t.equal(fewer.hold, undefined, 'the set has shrunk since it was last told: a slow API server takes no names')
  const late = at(nameTakenAfterSeconds + 6, fewer.response.status)
  t.match(late.hold, { reason: 'NameTaken', message: /^Secret\/hi cannot be created/ })
  t.equal(late.cacheable, false)
  t.equal(late.response.children.length, 2, 'it is still wanted, should the name become free')
  t.match(conditionsOf(late.response), {
    Ready: { status: 'False', reason: 'NameTaken' },
    Stalled: { status: 'True' },
    Applied: { status: 'False', reason: 'NameTaken' },
  })
  const still = at(60, late.response.status)
  t.strictSame(still.response.status, late.response.status)
  const free = at(61, still.response.status, first.children.map(applied))
  t.match(conditionsOf(free.response), { Ready: { status: 'True' }, Stalled: { status: 'False' } })
})

t.test('reading the clock undeclared is a defect, not an answer that is cached for ever', async (t) => {
  const nosy = {
    ...greeting,
    sync: (...[, context]: Parameters<typeof greeting.sync>) => {
      throw new Error(`it is ${context.now}`)
    },
  }
  t.throws(() => evaluateComposite(nosy, requestFor({}), environment), { message: /declaring `clock: true`/ })
})

t.test('a kind that may read the clock is cached all the same where it did not', async (t) => {
  const timed = (reads: boolean) => ({
    ...greeting,
    clock: true,
    sync: (...args: Parameters<typeof greeting.sync>) => {
      if (reads) t.equal(args[1].now, environment.now)
      return greeting.sync(...args)
    },
  })
  const request = requestFor({}, evaluate({}).response.children.map(applied))
  t.equal(evaluateComposite(timed(false), request, environment).cacheable, true)
  t.equal(evaluateComposite(timed(true), request, environment).cacheable, false)
})
