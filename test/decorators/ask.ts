// One object and what a decorator answers for it: Metacontroller's part, without time, watches or an API server.
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import type { Decorator } from '../../hooks/sdk/definition.ts'
import { type Evaluation, evaluateDecorator } from '../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../hooks/sdk/observed.ts'
import { type DecoratorResponse, lastAppliedAnnotation, type ObservedGroups } from '../../hooks/sdk/wire.ts'

export interface Asked {
  attachments?: readonly KubernetesObject[]
  related?: readonly KubernetesObject[]
  now?: string
  /** Annotations of the DecoratorController. */
  parameters?: Record<string, string>
  finalizing?: boolean
}

export function ask(
  definition: Decorator,
  object: KubernetesObject,
  { attachments = [], related = [], now = '2026-03-01T12:00:00Z', parameters = {}, finalizing = false }: Asked = {},
): Evaluation<DecoratorResponse> {
  return evaluateDecorator(
    definition,
    {
      controller: {
        apiVersion: 'metacontroller.k8s.io/v1alpha1',
        kind: 'DecoratorController',
        metadata: { name: definition.name, creationTimestamp: '2026-01-01T00:00:00Z', annotations: parameters },
      },
      object,
      attachments: { ...groups(attachments, definition.attachments) },
      related: groups(related, definition.relatedTypes ?? []),
      finalizing,
    },
    {
      now: new Date(now),
      credentials: createCredentials([{ id: 'test', secret: new Uint8Array(32) }]),
      settings: { imageRegistry: '' },
    },
  )
}

/** An attachment as Metacontroller has created it. */
export function applied(object: KubernetesObject, further: object = {}): KubernetesObject {
  const annotations = { ...object.metadata.annotations, [lastAppliedAnnotation]: JSON.stringify(object) }
  const metadata = { namespace, uid: 'u', resourceVersion: '7', generation: 1, ...object.metadata, annotations }
  return { ...object, metadata, ...further }
}

/** The one of that kind and name, for looking into. */
export function found(response: DecoratorResponse, kind: string, name: string): KubernetesObject {
  const object = response.attachments.find((one) => one.kind === kind && one.metadata.name === name)
  const there = response.attachments.map((one) => `${one.kind}/${one.metadata.name}`).join(', ')
  if (object === undefined) throw new Error(`there is no ${kind}/${name}, but ${there || 'nothing'}`)
  return object
}

export const namespace = 'shop'

export function database(spec: object = {}, metadata: object = {}): KubernetesObject {
  return {
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { name: 'orders', namespace, uid: 'db', generation: 1, ...metadata },
    spec: { engine: 'postgresql', version: '17.2', storage: { size: '1Gi' }, ...spec },
  }
}

export function backup(spec: object = {}): KubernetesObject {
  return {
    apiVersion: 'example.com/v1',
    kind: 'DatabaseBackup',
    metadata: { name: 'nightly', namespace, uid: 'backup', generation: 1 },
    spec: { databaseRef: { name: 'orders' }, destination: { claim: { name: 'backups' } }, ...spec },
  }
}

export function webApp(spec: object = {}, metadata: object = {}, status?: object): KubernetesObject {
  return {
    apiVersion: 'platform.example.com/v1',
    kind: 'WebApp',
    metadata: { name: 'web', namespace, uid: 'app', generation: 1, ...metadata },
    spec: { image: 'nginx:1.21', ...spec },
    ...(status && { status }),
  }
}

function groups(
  objects: readonly KubernetesObject[],
  types: readonly { apiVersion: string; kind: string }[],
): ObservedGroups {
  const all: ObservedGroups = Object.fromEntries(types.map((type) => [groupKey(type), {}]))
  for (const object of objects) {
    const group = all[groupKey(object)]
    if (group === undefined) throw new Error(`${object.kind} is not declared`)
    group[`${object.metadata.namespace ?? namespace}/${object.metadata.name}`] = object
  }
  return all
}
