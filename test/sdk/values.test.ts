import * as fc from 'fast-check'
import t from 'tap'
import * as z from 'zod'
import { differences } from '../../hooks/sdk/changes.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import { decorator } from '../../hooks/sdk/definition.ts'
import { evaluateCustomize, evaluateDecorator } from '../../hooks/sdk/evaluate.ts'
import { ConfigMap, Pod, ResourceQuota, resourceType, Secret } from '../../hooks/sdk/resources.ts'
import { narrowResumptionRule, resumptionRule } from '../../hooks/sdk/resumption.ts'
import { immutable, listMap, parse, quantity, rule } from '../../hooks/sdk/schema.ts'
import { applied, environment, greeting, present, requestFor } from './greeting.ts'

t.test('credentials depend on every input and on nothing else', async (t) => {
  const keys = (...ids: [string, ...string[]]) => {
    const [first, ...others] = ids.map((id) => ({ id, secret: Buffer.alloc(32, id) }))
    return createCredentials([present(first), ...others])
  }
  const input = { uid: 'u1', purpose: 'superuser', rotation: 0 }
  const password = keys('a').derive(input)
  t.match(password, /^[0-9A-Za-z]{43}$/)
  t.equal(keys('a').derive(input), password)
  t.equal(keys('b', 'a').derive({ ...input, keyId: 'a' }), password, 'an older key still answers')
  for (const other of [{ uid: 'u2' }, { purpose: 'replication' }, { rotation: 1 }]) {
    t.not(keys('a').derive({ ...input, ...other }), password)
  }
  t.not(keys('b').derive(input), password)
  t.throws(() => keys('b').derive({ ...input, keyId: 'gone' }), { message: /"gone" is not configured/ })
})

t.test('differences follow dynamic apply', async (t) => {
  const object = (spec: unknown) => ({ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, spec })
  const cases: [string, unknown, unknown, string[]][] = [
    ['a field nobody asked for', { a: 1 }, { a: 1, b: 2 }, []],
    ['a changed field', { a: { b: 1 } }, { a: { b: 2 } }, ['spec.a.b']],
    ['a missing object', { a: { b: 1 } }, {}, ['spec.a']],
    ['an odd key', { 'a/b': 1 }, { 'a/b': 2 }, ['spec[a/b]']],
    ['items by name', { l: [{ name: 'x', v: 1 }] }, { l: [{ name: 'y' }, { name: 'x', v: 1, d: 1 }] }, []],
    ['an item by name', { l: [{ name: 'x', v: 1 }] }, { l: [{ name: 'x', v: 2 }] }, ['spec.l[x].v']],
    ['ports before names', { l: [{ port: 1, name: 'b' }] }, { l: [{ port: 1, name: 'a' }] }, ['spec.l[1].name']],
    ['a list without keys', { l: [1, 2] }, { l: [2, 1] }, ['spec.l']],
    ['defaults in a list without keys', { l: [{ op: 'In' }] }, { l: [{ op: 'In', d: 1 }] }, ['spec.l']],
  ]
  for (const [title, desired, observed, expected] of cases) {
    t.strictSame(differences(object(desired), object(observed)), expected, title)
  }
  fc.assert(
    fc.property(fc.jsonValue(), (spec) => {
      const copy: unknown = JSON.parse(JSON.stringify(spec))
      return differences(object(spec), object(copy)).length === 0
    }),
  )
})

t.test('rules are checked by the hook as they are by the API server', async (t) => {
  const engine = immutable(z.enum(['a', 'b']), 'the engine')
  t.match(engine.meta(), { 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] })
  const spec = rule(
    z.object({ engine, replicas: z.int() }),
    { rule: 'self.replicas < 9', message: 'at most 9', fieldPath: '.replicas' },
    ({ replicas }) => replicas < 9,
  )
  t.strictSame(parse(spec, { engine: 'a', replicas: 9 }, 'spec').problems, [
    { field: 'spec.replicas', message: 'at most 9' },
  ])
  const list = z.object({ peers: listMap(z.object({ name: z.string() }), ['name']) })
  t.match(parse(list, { peers: [{ name: 'a' }, { name: 'a' }] }, 'spec').problems, [{ field: 'spec.peers' }])
  for (const good of ['1', '500m', '1.5Gi', '2k', '1e3', 4]) t.equal(parse(quantity(), good, 'q').problems, undefined)
  for (const bad of ['', '1K', 'x', '1 Gi', '--1', '1e999999', '1e1.5']) t.ok(parse(quantity(), bad, 'q').problems, bad)
})

t.test('a namespaced parent sees nothing of other namespaces', async (t) => {
  const { parent, ...request } = requestFor({})
  const hooks = { customize: { version: 'v2' } }
  const controller = { ...request.controller, spec: { hooks } }
  const own = { ...greeting, related: () => [{ type: Secret, names: ['s'] }] }
  t.strictSame(evaluateCustomize(own, { controller, parent }), {
    relatedResources: [{ apiVersion: 'v1', resource: 'secrets', namespace: 'ns', names: ['s'] }, resumptionRule],
  })
  // Metacontroller 1.5 takes an answer for every parent of that name, so that it must fit each of their namespaces.
  t.strictSame(evaluateCustomize(own, { controller: request.controller, parent }), {
    relatedResources: [{ apiVersion: 'v1', resource: 'secrets', labelSelector: {} }, narrowResumptionRule],
  })
  // Nor does it look at the kind of what changes: a rule that selects everything would be about the children of all.
  const quotas = { ...greeting, related: () => [{ type: ResourceQuota }] }
  t.strictSame(evaluateCustomize(quotas, { controller: request.controller, parent }), {
    relatedResources: [
      {
        apiVersion: 'v1',
        resource: 'resourcequotas',
        labelSelector: { matchExpressions: [{ key: 'controller-uid', operator: 'DoesNotExist' }] },
      },
      narrowResumptionRule,
    ],
  })
  const [a, noMember] = [{ a: 'b' }, { key: 'controller-revision-hash', operator: 'DoesNotExist' }]
  const labelled = { ...greeting, related: () => [Secret, Pod].map((type) => ({ type, labels: a })) }
  t.strictSame(
    evaluateCustomize(labelled, { controller: request.controller, parent }),
    {
      relatedResources: [
        { apiVersion: 'v1', resource: 'secrets', labelSelector: { matchLabels: a, matchExpressions: [noMember] } },
        { apiVersion: 'v1', resource: 'pods', labelSelector: { matchLabels: a } },
        narrowResumptionRule,
      ],
    },
    'what has the labels of a database is none of its pods, unless pods are asked for',
  )
  const foreign = { ...greeting, related: () => [{ type: Secret, namespace: 'other', names: ['s'] }] }
  t.throws(() => evaluateCustomize(foreign, { controller, parent }), { message: /"other"/ })
  const Node = resourceType('v1', 'Node', 'nodes', { namespaced: false })
  const global = { ...greeting, related: () => [{ type: Node }] }
  t.throws(() => evaluateCustomize(global, { controller, parent }), { message: /Node/ })
  const undeclared = { ...own, relatedTypes: [ConfigMap] }
  t.throws(() => evaluateCustomize(undeclared, { controller, parent }), { message: /Secret .* not among relatedTypes/ })
})

t.test('a decorator adds attachments, and holds them when it must', async (t) => {
  const labeller = decorator({
    name: 'labeller',
    description: 'Copies the text of a labelled ConfigMap into a second one.',
    resources: [{ type: ConfigMap, labelSelector: { matchLabels: { copy: 'yes' } } }],
    attachments: [ConfigMap],
    sync(object) {
      if (object.data?.text === undefined) return { hold: { reason: 'NoText', message: 'data.text: is missing' } }
      const copy: ConfigMap = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: `${object.metadata.name}-copy` },
        data: object.data,
      }
      return { attachments: [copy], labels: { copied: 'yes' }, annotations: { old: null } }
    },
  })
  const object = (data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'ns' },
    data,
  })
  const { controller } = requestFor({})
  const request = { controller, attachments: { 'ConfigMap.v1': {} }, related: {}, finalizing: false }
  const { response } = evaluateDecorator(labeller, { ...request, object: object({ text: 'x' }) }, environment)
  t.match(response, { attachments: [{ metadata: { name: 'a-copy' } }], labels: { copied: 'yes' } })
  const [copy] = response.attachments
  const attachments = { 'ConfigMap.v1': { 'ns/a-copy': applied(present(copy)) } }
  const held = evaluateDecorator(labeller, { ...request, attachments, object: object({}) }, environment)
  const annotations = { 'decorators.example.com/labeller': 'NoText: data.text: is missing' }
  t.strictSame(held.response, { annotations, attachments: [copy] })
  t.match(held.hold, { reason: 'NoText' })
})
