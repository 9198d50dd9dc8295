// Versions of a kind are converted into each other: as the API server asks for it, and without losing anything.
import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { convertObject } from '../../hooks/sdk/convert.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { parcel } from '../sdk/parcel.ts'
import { oldSpecs, specs } from '../sdk/parcels.ts'
import { testServer } from './harness.ts'

const current = 'test.example.com/v1'
const old = 'test.example.com/v1beta1'
const annotation = 'test.example.com/v1'

t.test('objects come back in order and number, the metadata as it was', async (t) => {
  const { app } = await testServer({ definitions: [parcel], admission: 'open' })
  t.teardown(() => app.close())
  const metadata = {
    name: 'one',
    namespace: 'shop',
    uid: 'u1',
    resourceVersion: '7',
    generation: 3,
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { a: 'b' },
    finalizers: ['x/y'],
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u2' }],
    managedFields: [{ manager: 'kubectl' }],
  }
  const one = object(old, { count: 2, timeoutSeconds: 90, cpu: '1', fragile: 'Yes' }, metadata)
  const two = object(current, { replicas: 1 }, { name: 'two' })
  const three = { ...object(old, undefined, { name: 'three' }), status: { phase: 'Sent', conditions: [] } }
  const { statusCode, json } = await app.inject(converting([one, two, three], current))
  t.equal(statusCode, 200)
  t.same(json(), {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    response: {
      uid: 'review-2',
      result: { status: 'Success' },
      convertedObjects: [
        object(current, { replicas: 2, timeout: '90s', resources: { cpu: '1' }, fragile: true }, metadata),
        two,
        { ...three, apiVersion: current },
      ],
    },
  })
  t.same((await app.inject(converting([], old))).json().response.convertedObjects, [])
})

t.test('what the older version cannot hold travels in an annotation', async (t) => {
  const stored = object(current, { replicas: 1, notes: ['top up'], image: 'nginx:1.29' }, { name: 'one' })
  const shown = convert(stored, 'v1beta1')
  t.same(
    shown,
    object(
      old,
      { count: 1 },
      {
        name: 'one',
        annotations: { [annotation]: '{"notes":["top up"],"image":"nginx:1.29"}' },
      },
    ),
  )
  t.same(convert(shown, 'v1'), stored)
  const edited = { ...shown, metadata: { ...shown.metadata, annotations: { [annotation]: '{"notes": "x"' } } }
  t.same(convert(edited, 'v1'), object(current, { replicas: 1 }, { name: 'one' }), 'what is no JSON counts as nothing')
})

t.test('there and back again it is the same object, however much of it there is', async (t) => {
  const metadata = fc.record(
    {
      name: fc.constantFrom('a', 'b'),
      labels: fc.dictionary(fc.constantFrom('x', 'y'), fc.string({ maxLength: 5 }), { minKeys: 1 }),
      annotations: fc.dictionary(fc.constantFrom('x', 'y'), fc.string({ maxLength: 5 }), { minKeys: 1 }),
    },
    { requiredKeys: ['name'] },
  )
  const status = fc.option(fc.constant({ phase: 'Sent', replicas: 1, conditions: [] }), { nil: undefined })
  const build = (apiVersion: string, spec: fc.Arbitrary<object>) =>
    fc
      .tuple(metadata, fc.option(spec, { nil: undefined }), status)
      .map(([metadata, spec, status]) => ({ ...object(apiVersion, spec, metadata), ...(status && { status }) }))
  const sameAgain = (from: string, to: string) => (object: KubernetesObject) => {
    const before = travelled(object)
    deepStrictEqual(convert(convert(object, to), from), before)
    deepStrictEqual(travelled(object), before, 'and the original was not touched')
  }
  const runs = { numRuns: 200 }
  t.doesNotThrow(() => fc.assert(fc.property(build(old, oldSpecs), sameAgain('v1beta1', 'v1')), runs))
  t.doesNotThrow(() => fc.assert(fc.property(build(current, specs), sameAgain('v1', 'v1beta1')), runs))
})

t.test('what cannot be converted is told with the object and the field, and nothing is half done', async (t) => {
  const { app, logged } = await testServer({ definitions: [parcel], admission: 'open' })
  t.teardown(() => app.close())
  const objects = [
    object(current, { replicas: 1 }, { name: 'one' }),
    object(current, { timeout: '4000s' }, { name: 'two', namespace: 'shop' }),
  ]
  const { statusCode, json } = await app.inject(converting(objects, old))
  t.equal(statusCode, 200)
  t.same(json().response, {
    uid: 'review-2',
    result: {
      status: 'Failure',
      message:
        'Parcel shop/two has no test.example.com/v1beta1: spec.timeout: 4000s is longer than 3600s, which is all that v1beta1 can say',
    },
  })
  t.match(logged().at(-1), { kind: 'parcel', hook: 'convert', name: 'two', from: current, to: old, decision: 'denied' })
  t.match(
    (await app.inject('/metrics')).body,
    'operator_hooks_requests_total{kind="parcel",hook="convert",outcome="denied"} 1',
  )
})

t.test('a fault of the conversion names the object, and the log tells no values', async (t) => {
  const broken = {
    ...parcel,
    conversions: {
      v1beta1: {
        toStorage: () => {
          throw new Error('hunter2-hunter2 is odd')
        },
        fromStorage: () => ({}),
      },
    },
  }
  const { app, logged, lines } = await testServer({ definitions: [broken], admission: 'open' })
  t.teardown(() => app.close())
  const odd = object(old, { count: 1, cpu: 'hunter2-hunter2' }, { name: 'one', namespace: 'shop' })
  const { statusCode, json } = await app.inject(converting([odd], current))
  t.equal(statusCode, 200)
  t.match(json().response.result, {
    status: 'Failure',
    message: /^Parcel shop\/one: an error of the hook service itself/,
  })
  t.match(logged().at(-1), { kind: 'parcel', hook: 'convert', name: 'one', message: '[redacted] is odd' })
  t.notMatch(lines.join(''), 'hunter2')
})

t.test('what is no conversion of this kind is refused with the reason', async (t) => {
  const { app } = await testServer({ definitions: [parcel], admission: 'open' })
  t.teardown(() => app.close())
  const bad: [unknown[] | undefined, string, RegExp][] = [
    [undefined, current, /^request\.objects: is missing/],
    [
      [],
      'test.example.com/v2',
      /^request\.desiredAPIVersion: must be test\.example\.com\/v1beta1 or test\.example\.com\/v1 here/,
    ],
    [[1], current, /^request\.objects\[0\]: must be an object, but is a number/],
    [[{ ...object(old, {}), kind: 'Pod' }], current, /^request\.objects\[0\]\.kind: must be Parcel here, but is Pod/],
    [
      [object('test.example.com/v3', {})],
      current,
      /^request\.objects\[0\]\.apiVersion: must be .* but is test\.example\.com\/v3/,
    ],
    [[{ ...object(old, {}), metadata: undefined }], current, /^request\.objects\[0\]\.metadata: is missing/],
  ]
  for (const [objects, desired, message] of bad) {
    const { statusCode, json } = await app.inject(converting(objects, desired))
    t.equal(statusCode, 400)
    t.match(json(), { message })
  }
})

function convert(object: KubernetesObject, version: string): KubernetesObject {
  const { object: made, fault } = convertObject(parcel, object, version)
  if (fault !== undefined) throw new Error(fault)
  return travelled(made)
}

function travelled(object: KubernetesObject): KubernetesObject {
  return JSON.parse(JSON.stringify(object))
}

function object(apiVersion: string, spec: object | undefined, metadata: object = { name: 'one' }): KubernetesObject {
  return { apiVersion, kind: 'Parcel', metadata, ...(spec && { spec }) }
}

function converting(objects: unknown, desiredAPIVersion: string) {
  const review = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    request: { uid: 'review-2', desiredAPIVersion, objects },
  }
  return { method: 'POST' as const, url: '/conversion/parcel', payload: JSON.stringify(review) }
}
