import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { applyUpdate, merge, setLastApplied } from '../../hooks/simulator/apply.ts'

// What is there, what was applied last, what is wanted now, and what comes of it.
const table: readonly { what: string; observed: unknown; last?: unknown; desired: unknown; result: unknown }[] = [
  {
    what: 'foreign fields stay',
    observed: { a: 1, foreign: 2 },
    last: { a: 1 },
    desired: { a: 3 },
    result: { a: 3, foreign: 2 },
  },
  {
    what: 'a field no longer wanted goes',
    observed: { a: 1, b: 2 },
    last: { a: 1, b: 2 },
    desired: { a: 1 },
    result: { a: 1 },
  },
  {
    what: 'one never applied stays',
    observed: { a: 1, b: 2 },
    last: { a: 1 },
    desired: { a: 1 },
    result: { a: 1, b: 2 },
  },
  { what: 'a null is written as a null', observed: { a: 1 }, desired: { a: 1, b: null }, result: { a: 1, b: null } },
  {
    what: 'a null on an object takes out what was applied',
    observed: { a: { x: 1, y: 2 } },
    last: { a: { x: 1 } },
    desired: { a: null },
    result: { a: { y: 2 } },
  },
  { what: 'plain lists are replaced whole', observed: ['a', 'b'], last: ['a'], desired: ['c'], result: ['c'] },
  {
    what: 'lists of things with names merge by name and keep their order',
    observed: [{ name: 'b', x: 1, foreign: true }, { name: 'a', x: 1 }, { name: 'sidecar' }],
    last: [
      { name: 'a', x: 1 },
      { name: 'b', x: 1 },
    ],
    desired: [{ name: 'c' }, { name: 'b', x: 2 }],
    result: [{ name: 'b', x: 2, foreign: true }, { name: 'sidecar' }, { name: 'c' }],
  },
  {
    what: 'containerPort is guessed before name',
    observed: [{ containerPort: 80, name: 'web', protocol: 'TCP' }],
    last: [{ containerPort: 80, name: 'web' }],
    desired: [{ containerPort: 80, name: 'http' }],
    result: [{ containerPort: 80, name: 'http', protocol: 'TCP' }],
  },
  {
    what: 'two ports on one number collapse into two copies of the last',
    observed: [
      { port: 53, protocol: 'UDP', name: 'dns' },
      { port: 53, protocol: 'TCP', name: 'dns-tcp' },
    ],
    last: [
      { port: 53, protocol: 'UDP', name: 'dns' },
      { port: 53, protocol: 'TCP', name: 'dns-tcp' },
    ],
    desired: [
      { port: 53, protocol: 'UDP', name: 'dns' },
      { port: 53, protocol: 'TCP', name: 'dns-tcp' },
    ],
    result: [
      { port: 53, protocol: 'TCP', name: 'dns-tcp' },
      { port: 53, protocol: 'TCP', name: 'dns-tcp' },
    ],
  },
  {
    what: 'a key that one item lacks is none',
    observed: [{ name: 'a' }, { other: 'b' }],
    desired: [{ name: 'a' }],
    result: [{ name: 'a' }],
  },
  { what: 'a list that becomes a scalar ends as null', observed: ['a'], desired: 'b', result: null },
]

t.test('the three-way merge', async (t) => {
  for (const { what, observed, last, desired, result } of table)
    t.same(merge(structuredClone(observed), last, desired), result, what)
})

t.test('an update changes neither status nor what the API server sets', async (t) => {
  const observed: KubernetesObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', uid: 'u', resourceVersion: '7', creationTimestamp: '2030-01-01T00:00:00Z' },
    data: { x: '1' },
    status: { phase: 'old' },
  }
  const desired = { ...observed, metadata: { name: 'a', uid: 'other', generation: 4 }, status: { phase: 'new' } }
  const updated = applyUpdate(observed, desired)
  t.match(updated, { metadata: { uid: 'u', resourceVersion: '7' }, status: { phase: 'old' } })
  t.notOk('generation' in updated.metadata)
})

t.test('an object as it was applied needs no update', async (t) => {
  const applied: KubernetesObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', labels: { z: '<&>', a: '1' } },
    data: {},
  }
  const stored = structuredClone(applied)
  setLastApplied(stored, applied)
  t.equal(
    stored.metadata.annotations?.['metacontroller.k8s.io/last-applied-configuration'],
    '{"apiVersion":"v1","data":{},"kind":"ConfigMap","metadata":{"labels":{"a":"1","z":"\\u003c\\u0026\\u003e"},"name":"a"}}',
  )
  t.same(applyUpdate(stored, applied), stored)
  const remembered = JSON.parse(stored.metadata.annotations?.['metacontroller.k8s.io/last-applied-configuration'] ?? '')
  t.same(applyUpdate(stored, remembered), stored, 'answering what was applied last holds everything as it is')
})
