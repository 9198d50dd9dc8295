// What the simulator's tests share: a small parent kind and hooks that are functions of this process.
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { CompositeRequest } from '../../hooks/sdk/wire.ts'
import {
  type ApiError,
  createSimulator,
  type HookAnswer,
  type HookCall,
  isApiError,
  type Simulator,
  type SimulatorOptions,
} from '../../hooks/simulator/index.ts'

export const widgetCrd: KubernetesObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget', shortNames: ['wd'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        additionalPrinterColumns: [
          { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                'x-kubernetes-preserve-unknown-fields': true,
                properties: { replicas: { type: 'integer', default: 1 } },
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
}

/** A hook: gets the request, gives the answer's body, or the whole HTTP answer. */
export type Hook = (request: CompositeRequest & Record<string, unknown>, call: HookCall) => object | HookAnswer

/** A cluster whose hooks `http://hooks/<name>` are functions, with every call counted. */
export function simulate(
  hooks: Record<string, Hook>,
  options: SimulatorOptions = {},
): Simulator & { calls: HookCall[] } {
  const calls: HookCall[] = []
  const simulator = createSimulator({
    ...options,
    transport: async (call) => {
      calls.push(call)
      const hook = hooks[call.url.replace('http://hooks/', '')]
      if (hook === undefined) throw new Error('connect ECONNREFUSED')
      const answer = hook(JSON.parse(call.body), call)
      return isAnswer(answer) ? answer : { status: 200, headers: {}, body: JSON.stringify(answer) }
    },
  })
  return Object.assign(simulator, { calls })
}

/** A CompositeController for Widgets whose hooks are those of `hooks` in `simulate`. */
export function widgetController(
  spec: Record<string, unknown> = {},
  hooks: Record<string, unknown> = {},
): KubernetesObject {
  return {
    apiVersion: 'metacontroller.k8s.io/v1alpha1',
    kind: 'CompositeController',
    metadata: { name: 'widgets' },
    spec: {
      generateSelector: true,
      parentResource: { apiVersion: 'example.com/v1', resource: 'widgets' },
      childResources: [{ apiVersion: 'v1', resource: 'configmaps', updateStrategy: { method: 'InPlace' } }],
      hooks: { sync: hook('sync'), ...hooks },
      ...spec,
    },
  }
}

/** A v2 hook at `http://hooks/<name>`. */
export function hook(name: string, webhook: Record<string, unknown> = {}): Record<string, unknown> {
  return { version: 'v2', webhook: { url: `http://hooks/${name}`, ...webhook } }
}

export function widget(name: string, namespace: string, spec: Record<string, unknown> = {}): KubernetesObject {
  return { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name, namespace }, spec }
}

export function configMap(name: string, data: Record<string, string>, namespace?: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    data,
  }
}

function isAnswer(answer: object): answer is HookAnswer {
  return 'status' in answer && typeof answer.status === 'number' && 'body' in answer
}

/** What the API server said when it refused; fails when it did not. */
export async function refusal(request: Promise<unknown> | (() => unknown)): Promise<ApiError> {
  try {
    await (typeof request === 'function' ? request() : request)
  } catch (error) {
    if (isApiError(error)) return error
    throw error
  }
  throw new Error('the API server took what it should have refused')
}
