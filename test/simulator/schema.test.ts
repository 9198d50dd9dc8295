import t, { type Test } from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createSimulator } from '../../hooks/simulator/index.ts'
import { refusal } from './fixtures.ts'

/** A CRD of kind Thing with this schema for its spec. */
function crd(properties: Record<string, unknown>, more: Record<string, unknown> = {}): KubernetesObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { kind: 'Thing', plural: 'things' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', properties, ...more },
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
        },
      ],
    },
  }
}

async function things(t: Test, properties: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const cluster = createSimulator({ metacontroller: false, standIns: false })
  t.teardown(cluster.stop)
  await cluster.apply(crd(properties, more))
  const reference = { apiVersion: 'example.com/v1', kind: 'Thing', name: 'x', namespace: 'default' }
  return {
    cluster,
    reference,
    apply: (spec: unknown) =>
      cluster.apply({
        apiVersion: 'example.com/v1',
        kind: 'Thing',
        metadata: { name: 'x', namespace: 'default' },
        spec,
      }),
  }
}

t.test('defaults are filled in, what the schema does not know goes', async (t) => {
  const { apply } = await things(t, {
    replicas: { type: 'integer', default: 3 },
    backup: {
      type: 'object',
      default: {},
      properties: {
        enabled: { type: 'boolean', default: false },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
    list: {
      type: 'array',
      items: {
        type: 'object',
        properties: { port: { type: 'integer' }, protocol: { type: 'string', default: 'TCP' } },
      },
    },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    maybe: { type: 'string', nullable: true },
  })
  const stored = await apply({
    unknown: 1,
    list: [{ port: 1, x: 2 }],
    labels: { any: 'thing' },
    backup: { free: { deep: [1] } },
    replicas: null,
    maybe: null,
  })
  t.same(stored.spec, {
    replicas: 3,
    backup: { enabled: false, free: { deep: [1] } },
    list: [{ port: 1, protocol: 'TCP' }],
    labels: { any: 'thing' },
    maybe: null,
  })
})

// The value, and what the API server says of it.
const refusals: readonly [schema: Record<string, unknown>, value: unknown, cause: string][] = [
  [
    { type: 'string', enum: ['postgresql', 'mysql'] },
    'oracle',
    'Unsupported value: "oracle": supported values: "postgresql", "mysql"',
  ],
  [{ type: 'string', pattern: '^[0-9]+$' }, 'abc', `Invalid value: "abc": spec.f in body should match '^[0-9]+$'`],
  [{ type: 'integer', minimum: 1 }, 0, 'Invalid value: 0: spec.f in body should be greater than or equal to 1'],
  [{ type: 'integer', maximum: 10 }, 11, 'Invalid value: 11: spec.f in body should be less than or equal to 10'],
  [{ type: 'integer' }, 'one', 'Invalid value: "string": spec.f in body must be of type integer: "string"'],
  [{ type: 'integer' }, 1.5, 'Invalid value: "number": spec.f in body must be of type integer: "number"'],
  [{ type: 'string', maxLength: 3 }, 'four', 'Too long: may not be more than 3 bytes'],
  [{ type: 'string', minLength: 1 }, '', 'Invalid value: "": spec.f in body should be at least 1 chars long'],
  [{ type: 'array', maxItems: 1, items: { type: 'string' } }, ['a', 'b'], 'Too many: 2: must have at most 1 item'],
  [
    { 'x-kubernetes-int-or-string': true },
    true,
    'Invalid value: "boolean": spec.f in body must be of type integer,string: "boolean"',
  ],
]

t.test('refusals carry the field and the words of the API server', async (t) => {
  for (const [schema, value, message] of refusals) {
    const { apply } = await things(t, { f: schema })
    const error = await refusal(apply({ f: value }))
    t.same(error.causes, [{ field: 'spec.f', message }])
    t.equal(error.message, `Thing.example.com "x" is invalid: spec.f: ${message}`)
    t.equal(error.code, 422)
  }
  const { apply } = await things(t, { f: { type: 'string' } }, { required: ['f'] })
  t.same((await refusal(apply({}))).causes, [{ field: 'spec.f', message: 'Required value' }])
})

t.test('list maps have each key once', async (t) => {
  const items = { type: 'object', required: ['name'], properties: { name: { type: 'string' }, x: { type: 'integer' } } }
  const { apply } = await things(t, {
    users: { type: 'array', items, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
  })
  const error = await refusal(apply({ users: [{ name: 'a' }, { name: 'b' }, { name: 'a', x: 1 }] }))
  t.same(error.causes, [{ field: 'spec.users[2]', message: 'Duplicate value: {"name":"a"}' }])
})

t.test('CEL: rules, transition rules, and the field they point at', async (t) => {
  const { apply, cluster, reference } = await things(
    t,
    {
      engine: {
        type: 'string',
        'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'engine cannot change' }],
      },
      size: {
        type: 'string',
        'x-kubernetes-validations': [
          {
            rule: 'isQuantity(self) && quantity(self).compareTo(quantity(oldSelf)) >= 0',
            message: 'size never shrinks',
          },
        ],
      },
      replicas: { type: 'integer' },
      max: { type: 'integer' },
    },
    {
      'x-kubernetes-validations': [
        {
          rule: "!has(self.engine) || self.engine != 'mysql' || self.replicas <= 9",
          messageExpression: "'mysql has at most 9 replicas, not ' + string(self.replicas)",
          fieldPath: '.replicas',
        },
        {
          rule: '!has(self.max) || self.replicas <= self.max',
          message: 'replicas are above max',
          reason: 'FieldValueForbidden',
        },
      ],
    },
  )
  t.same((await refusal(apply({ engine: 'mysql', replicas: 10 }))).causes, [
    { field: 'spec.replicas', message: 'Invalid value: mysql has at most 9 replicas, not 10' },
  ])
  t.same((await refusal(apply({ replicas: 10, max: 9 }))).causes, [
    { field: 'spec', message: 'Forbidden: replicas are above max' },
  ])
  await apply({ engine: 'mysql', replicas: 3, size: '1Gi' })
  t.same((await refusal(apply({ engine: 'mongodb', replicas: 3, size: '1Gi' }))).causes, [
    { field: 'spec.engine', message: 'Invalid value: "mongodb": engine cannot change' },
  ])
  t.same((await refusal(apply({ engine: 'mysql', replicas: 3, size: '1023Mi' }))).causes, [
    { field: 'spec.size', message: 'Invalid value: "1023Mi": size never shrinks' },
  ])
  t.match(await apply({ engine: 'mysql', replicas: 4, size: '2000Mi' }), { metadata: { generation: 2 } })
  await cluster.patch(reference, { status: { free: 'form' } }, 'status')
  t.match(
    await cluster.get(reference),
    { status: { free: 'form' }, metadata: { generation: 2 } },
    'status changes no generation',
  )
})

t.test('CEL: optionalOldSelf is asked on creation too', async (t) => {
  const rule = {
    rule: "oldSelf.hasValue() ? self == oldSelf.value() : self == 'first'",
    optionalOldSelf: true,
    message: 'starts as first and stays',
  }
  const { apply } = await things(t, { f: { type: 'string', 'x-kubernetes-validations': [rule] } })
  t.match((await refusal(apply({ f: 'second' }))).causes, [{ field: 'spec.f' }])
  await apply({ f: 'first' })
  t.match((await refusal(apply({ f: 'second' }))).causes, [{ field: 'spec.f' }])
})

t.test('CEL is not asked of an object whose form is wrong, and says so', async (t) => {
  const { apply } = await things(
    t,
    { a: { type: 'integer' } },
    { 'x-kubernetes-validations': [{ rule: 'self.a > 0' }] },
  )
  t.match((await refusal(apply({ a: 'x' }))).causes, [
    { field: 'spec.a' },
    { field: '<nil>', message: /some validation rules were not checked/ },
  ])
  t.same((await refusal(apply({ a: 0 }))).causes, [
    { field: 'spec', message: 'Invalid value: failed rule: self.a > 0' },
  ])
})

// Functions that Kubernetes adds to CEL: a rule that must hold for this object, and one that must not.
const functions: readonly [holds: string, fails: string][] = [
  ["self.text.matches('^[a-z]+$')", "self.text.matches('^[0-9]+$')"],
  ["self.text.startsWith('ab') && size(self.text) == 3", "self.text.endsWith('x')"],
  ["self.list.all(x, x.size() > 0) && self.list.exists_one(x, x == 'a')", "self.list.exists(x, x == 'z')"],
  ["self.list.isSorted() && self.list.indexOf('b') == 1", "self.list.max() == 'a'"],
  ["quantity('1Gi').isGreaterThan(quantity('1000Mi'))", "isQuantity('1Gb')"],
  ["quantity('1.5').add(quantity('500m')).compareTo(quantity('2')) == 0", "quantity('1').isLessThan(quantity('1'))"],
  ["url('https://example.com:80/x').getHostname() == 'example.com'", "isURL('/../x y')"],
  ["isIP('10.0.0.1') && cidr('10.0.0.0/8').containsIP('10.1.2.3')", "cidr('10.0.0.0/8').containsIP('11.0.0.1')"],
  ["duration(self.time) < duration('2h')", "duration(self.time) > duration('2h')"],
  ["self.text.find('b.') == 'bc'", "self.text.replace('a', 'x') == 'abc'"],
  ["self.__namespace__ == 'n' && self.with__dash__dash == 1", "self.__namespace__ == 'm'"],
  ["self.map.all(k, self.map[k] == '1')", "'z' in self.map"],
  ['self.n / 2 == 3', 'self.n % 2 == 0'],
  ["self.?missing.orValue('none') == 'none'", 'has(self.missing)'],
]

t.test('CEL has the functions of Kubernetes', async (t) => {
  const string = { type: 'string' }
  const properties = {
    ...{
      text: string,
      time: string,
      missing: string,
      namespace: string,
      n: { type: 'integer' },
      'with-dash': { type: 'integer' },
    },
    ...{ list: { type: 'array', items: string }, map: { type: 'object', additionalProperties: string } },
  }
  const value = { text: 'abc', time: '90m', namespace: 'n', n: 7, 'with-dash': 1, list: ['a', 'b'], map: { k: '1' } }
  for (const [holds, fails] of functions) {
    const { apply } = await things(t, properties, { 'x-kubernetes-validations': [{ rule: holds }, { rule: fails }] })
    t.same(
      (await refusal(apply(value))).causes,
      [{ field: 'spec', message: `Invalid value: failed rule: ${fails}` }],
      holds,
    )
  }
})

t.test('what was wrong before and is left alone is let through', async (t) => {
  const { apply, cluster } = await things(t, { a: { type: 'string' }, b: { type: 'string' } })
  await apply({ a: 'old', b: '1' })
  await cluster.apply(crd({ a: { type: 'string', pattern: '^new$' }, b: { type: 'string' } }))
  await apply({ a: 'old', b: '2' })
  t.match((await refusal(apply({ a: 'other', b: '2' }))).causes, [{ field: 'spec.a' }])
})
