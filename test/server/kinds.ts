// A small kind for these tests: a Note becomes a Deployment, a Secret with a derived password, and a ConfigMap.
import * as z from 'zod'
import { composite, type Definition, decorator } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ConfigMap, Deployment, Secret, Service } from '../../hooks/sdk/resources.ts'
import type { ObservedGroups } from '../../hooks/sdk/wire.ts'

/** Calls of `note.sync`, so that a test sees whether it was asked. */
export const calls = { sync: 0 }

const note = composite({
  group: 'test.example.com',
  kind: 'Note',
  plural: 'notes',
  description: 'A note that is served.',
  versions: {
    v1: {
      spec: z.object({
        text: z.string().max(100),
        replicas: z.int().min(0).max(10).default(1),
        /** Makes the kind fail in one way or another. */
        fail: z.enum(['throw', 'undeclared', 'hold', 'parse', 'slow']).optional(),
      }),
      status: z.object({ phase: z.string() }),
    },
  },
  storage: 'v1',
  children: [Deployment, Secret, ConfigMap, Service],
  sync(parent, { observed, credentials }) {
    calls.sync++
    const { name, uid, annotations } = parent.metadata
    const password = credentials.derive({ uid, purpose: 'note', rotation: 0 })
    const { fail } = parent.spec
    if (fail === 'throw')
      throw new Error(`cannot log in with ${password} or ${annotations?.['test.example.com/password']}`)
    if (fail === 'parse') JSON.parse(`{"password": ${annotations?.['test.example.com/password']}}`)
    if (fail === 'slow') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    if (fail === 'hold') return { hold: { reason: 'NotYet', message: `the note waits; ${password} is not told` } }
    const live = observed.get(Deployment, name)
    const ready = live?.status?.readyReplicas === parent.spec.replicas
    return {
      children: [
        deployment(name, parent.spec.replicas, password),
        secret(name, password),
        text(name, parent.spec.text, fail === 'undeclared' ? 'elsewhere' : undefined),
      ],
      status: { phase: ready ? 'Running' : 'Creating' },
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False', reason: ready ? 'Available' : 'Creating', message: '' },
      ],
    }
  },
  finalize: () => ({
    children: [],
    status: { phase: 'Deleting' },
    conditions: [{ type: 'Ready', status: 'False', reason: 'Deleting', message: '' }],
    finalized: true,
  }),
  related: () => [{ type: ConfigMap, labels: { note: 'shared' } }],
})

/** A kind whose answers depend on the time. */
const alarm = composite({
  group: 'test.example.com',
  kind: 'Alarm',
  plural: 'alarms',
  description: 'Tells the time.',
  versions: { v1: { spec: z.object({}), status: z.object({ at: z.string() }) } },
  storage: 'v1',
  children: [ConfigMap],
  clock: true,
  sync: (_parent, { now }) => ({ children: [], status: { at: now.toISOString() }, conditions: [] }),
})

/** Puts a ConfigMap beside every Service. */
const companion = decorator({
  name: 'companion',
  description: 'A companion for every Service.',
  resources: [{ type: Service, labelSelector: { matchLabels: { companion: 'yes' } } }],
  attachments: [ConfigMap],
  sync: (service) => ({
    attachments: [text(`${service.metadata.name}-companion`, 'here')],
    labels: { 'companion-of': service.metadata.name },
  }),
})

export const definitions: readonly Definition[] = [note, alarm, companion]

/** A sync request for a Note as Metacontroller sends it. */
export function noteRequest(
  spec: Record<string, unknown> = { text: 'hello' },
  options: {
    children?: ObservedGroups
    status?: object
    annotations?: Record<string, string>
    finalizing?: boolean
  } = {},
) {
  const { children = {}, status, annotations, finalizing = false } = options
  return {
    controller: {
      apiVersion: 'metacontroller.k8s.io/v1alpha1',
      kind: 'CompositeController',
      metadata: { name: 'notes' },
      spec: { hooks: { sync: { version: 'v2' }, customize: { version: 'v2' } } },
    },
    parent: {
      apiVersion: 'test.example.com/v1',
      kind: 'Note',
      metadata: {
        name: 'first',
        namespace: 'default',
        uid: 'a3b1',
        generation: 1,
        ...(annotations && { annotations }),
      },
      spec,
      ...(status && { status }),
    },
    children: { 'Deployment.apps/v1': {}, 'Secret.v1': {}, 'ConfigMap.v1': {}, 'Service.v1': {}, ...children },
    related: {},
    finalizing,
  }
}

/** What would be observed after an answer was applied: the desired children with an identity. */
export function observedAfter(children: readonly KubernetesObject[]): ObservedGroups {
  const groups: ObservedGroups = {}
  for (const child of children) {
    const { name = '' } = child.metadata
    const metadata = { ...child.metadata, namespace: 'default', uid: `${child.kind}-${name}`, resourceVersion: '1' }
    const group = `${child.kind}.${child.apiVersion}`
    groups[group] = { ...groups[group], [name]: { ...structuredClone(child), metadata } }
  }
  return groups
}

function deployment(name: string, replicas: number, password: string): Deployment {
  const containers = [{ name: 'note', image: 'nginx', env: [{ name: 'PASSWORD', value: password }] }]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { note: name } },
      template: { metadata: { labels: { note: name } }, spec: { containers } },
    },
  }
}

function secret(name: string, password: string): Secret {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: { password: btoa(password) } }
}

function text(name: string, text: string, namespace?: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...(namespace && { namespace }) }, data: { text } }
}
