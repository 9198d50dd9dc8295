// A small kind for the SDK's own tests: a Greeting becomes a ConfigMap and, with `loud`, a Secret.
import * as z from 'zod'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import { composite } from '../../hooks/sdk/definition.ts'
import type { Environment } from '../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ConfigMap, Secret } from '../../hooks/sdk/resources.ts'
import type { CompositeRequest, ObservedGroups } from '../../hooks/sdk/wire.ts'
import { lastAppliedAnnotation } from '../../hooks/sdk/wire.ts'

export const greeting = composite({
  group: 'test.example.com',
  kind: 'Greeting',
  plural: 'greetings',
  description: 'Says something.',
  storage: 'v1',
  versions: {
    v1: {
      spec: z.object({
        text: z.string().min(1).default('hello'),
        loud: z.boolean().default(false),
        stop: z.boolean().default(false),
        emit: z.array(z.unknown()).optional(),
      }),
      status: z.object({ phase: z.string().optional(), said: z.string().optional() }),
    },
  },
  children: [ConfigMap, Secret],
  sync(parent, { observed, credentials }) {
    if (parent.spec.stop) return { hold: { reason: 'Stopped', message: 'spec.stop: true' } }
    const { name, uid } = parent.metadata
    const text: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { text: parent.spec.text },
    }
    const password = Buffer.from(credentials.derive({ uid, purpose: 'shout', rotation: 0 })).toString('base64')
    const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: { password } }
    const odd = (parent.spec.emit ?? []) as ConfigMap[]
    const there = observed.get(ConfigMap, name) !== undefined
    return {
      children: [text, parent.spec.loud ? secret : undefined, ...odd],
      status: { phase: 'Running', said: parent.spec.text },
      conditions: [
        there
          ? { type: 'Ready', status: 'True', reason: 'Said', message: '' }
          : { type: 'Ready', status: 'False', reason: 'Saying', message: 'not said yet' },
      ],
    }
  },
  finalize(_parent, { observed }) {
    return {
      children: [],
      status: { phase: 'Deleting' },
      conditions: [],
      finalized: observed.list(ConfigMap).length === 0,
    }
  },
})

export const environment: Environment = {
  now: new Date('2026-01-02T03:04:05.678Z'),
  credentials: createCredentials([{ id: 'k1', secret: Buffer.alloc(32, 1) }]),
  settings: { imageRegistry: '' },
}

export function requestFor(
  spec: unknown,
  children: readonly KubernetesObject[] = [],
  status?: Record<string, unknown>,
  keys: 'v1' | 'v2' = 'v2',
): CompositeRequest {
  return {
    controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController', metadata: {} },
    parent: {
      apiVersion: 'test.example.com/v1',
      kind: 'Greeting',
      metadata: { name: 'hi', namespace: 'ns', uid: '8f1c', generation: 3 },
      spec,
      ...(status === undefined ? {} : { status }),
    },
    children: groups(children, keys),
    related: {},
    finalizing: false,
  }
}

/** A desired child as Metacontroller would have created it. */
export function applied(child: KubernetesObject): KubernetesObject {
  const annotations = { ...child.metadata.annotations, [lastAppliedAnnotation]: JSON.stringify(child) }
  return {
    ...child,
    metadata: { ...child.metadata, namespace: 'ns', uid: 'u', resourceVersion: '7', annotations },
  }
}

function groups(children: readonly KubernetesObject[], keys: 'v1' | 'v2'): ObservedGroups {
  const all: ObservedGroups = { 'ConfigMap.v1': {}, 'Secret.v1': {} }
  for (const child of children) {
    const group = all[`${child.kind}.${child.apiVersion}`]
    if (group) group[keys === 'v2' ? `ns/${child.metadata.name}` : `${child.metadata.name}`] = child
  }
  return all
}

/** What must be there for a test to make sense. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is not there')
  return value
}
