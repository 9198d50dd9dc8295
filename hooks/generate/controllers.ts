// One CompositeController or DecoratorController for each definition, as Metacontroller 4.17 takes them. What 1.5
// does not know (version, etag) its CRDs prune, and the hooks answer both.
// https://metacontroller.github.io/metacontroller/api/compositecontroller.html
import {
  type Composite,
  type Decorator,
  type Definition,
  hasCustomize,
  hasFinalize,
  hookName,
  storedVersion,
} from '../sdk/definition.ts'
import type { ResourceType, UpdateMethod } from '../sdk/resources.ts'

export interface ControllerOptions {
  /** Base of the hooks' URLs where Metacontroller and the service run outside a cluster, such as http://127.0.0.1:8080. */
  url?: string
  /** The Service in front of the hooks, unless `url` is given; `operator-hooks` in namespace `operator-hooks`. */
  service?: { name: string; namespace: string; port?: number; protocol?: 'http' | 'https' }
  /** The key of a Secret with the token that Metacontroller shows there. Metacontroller 4 knows it. */
  token?: { namespace: string; name: string; key: string }
}

export type Controller = CompositeController | DecoratorController

interface CompositeController {
  apiVersion: 'metacontroller.k8s.io/v1alpha1'
  kind: 'CompositeController'
  metadata: Metadata
  spec: {
    generateSelector: true
    resyncPeriodSeconds: number
    parentResource: Resource & { ignoreStatusChanges: true }
    childResources: Child[]
    endpointConfigs?: Endpoint[]
    hooks: Hooks
  }
}

interface DecoratorController {
  apiVersion: 'metacontroller.k8s.io/v1alpha1'
  kind: 'DecoratorController'
  metadata: Metadata
  spec: {
    resyncPeriodSeconds: number
    resources: (Resource & { ignoreStatusChanges?: true; labelSelector?: object; annotationSelector?: object })[]
    attachments: Child[]
    endpointConfigs?: Endpoint[]
    hooks: Hooks
  }
}

interface Hook {
  version: 'v2'
  webhook: {
    url?: string
    service?: { name: string; namespace: string; port?: number; protocol?: string }
    path?: string
    timeout: string
    etag?: { enabled: true; cacheTimeoutSeconds: number; cacheCleanupSeconds: number }
  }
}

/** How Metacontroller proves who it is, by the host that it calls. */
interface Endpoint {
  host: string
  authorization: { type: 'Bearer'; secretRef: { namespace: string; name: string; key: string } }
}

type Hooks = { sync: Hook; finalize?: Hook; customize?: Hook }
type HookPath = keyof Hooks
type Metadata = { name: string; labels: Record<string, string>; annotations?: Readonly<Record<string, string>> }
type Resource = { apiVersion: string; resource: string }
type Child = Resource & { updateStrategy: { method: UpdateMethod } }

/**
 * Seconds between looks at an unchanged parent. All of a kind are looked at together: while that lasts, whoever needs
 * something waits in the queue, so it must be seldom (docs/decisions/0034-after-an-outage.md).
 */
export const defaultResyncPeriodSeconds = 600

/** The controller of a definition. */
export function controllerOf(definition: Definition, options: ControllerOptions = {}): Controller {
  return definition.controller === 'composite' ? composite(definition, options) : decorator(definition, options)
}

/** A controller's name, cluster-wide: `databases.example.com` like its CRD, or the decorator's own. */
export function controllerName(definition: Definition): string {
  const name = definition.controller === 'composite' ? `${definition.plural}.${definition.group}` : definition.name
  // Metacontroller's finalizer is metacontroller.io/compositecontroller-<name>, and what follows the slash of a
  // qualified name has 63 characters at most.
  const longest = 63 - 'compositecontroller-'.length
  if (name.length > longest) {
    throw new Error(`${name}: the name of a controller has at most ${longest} characters, since its finalizer holds it`)
  }
  return name
}

function composite(definition: Composite, options: ControllerOptions): CompositeController {
  const { apiVersion } = storedVersion(definition)
  return {
    apiVersion: 'metacontroller.k8s.io/v1alpha1',
    kind: 'CompositeController',
    metadata: metadata(definition),
    spec: {
      // Children are told by the label controller-uid; the parent needs no spec.selector of its own.
      generateSelector: true,
      resyncPeriodSeconds: definition.resyncPeriodSeconds ?? defaultResyncPeriodSeconds,
      // Whoever looks at a status of its own making through a cache that lags by one write can take turns with itself:
      // each of two syncs carries over the times that the other has just replaced, and both write for ever. What a
      // kind goes on from is an event of a child, resyncAfterSeconds or the resync.
      parentResource: { apiVersion, resource: definition.plural, ignoreStatusChanges: true },
      childResources: definition.children.map(child),
      hooks: hooks(definition, options),
      ...endpoints(options),
    },
  }
}

function decorator(definition: Decorator, options: ControllerOptions): DecoratorController {
  return {
    apiVersion: 'metacontroller.k8s.io/v1alpha1',
    kind: 'DecoratorController',
    metadata: {
      ...decoratorMetadata(definition),
      ...(definition.parameters && { annotations: definition.parameters }),
    },
    spec: {
      resyncPeriodSeconds: definition.resyncPeriodSeconds ?? defaultResyncPeriodSeconds,
      resources: definition.resources.map(({ type, ignoreStatusChanges, labelSelector, annotationSelector }) => ({
        apiVersion: type.apiVersion,
        resource: type.resource,
        ...(ignoreStatusChanges ? ({ ignoreStatusChanges: true } as const) : {}),
        ...(labelSelector ? { labelSelector } : {}),
        ...(annotationSelector ? { annotationSelector } : {}),
      })),
      attachments: definition.attachments.map(child),
      hooks: hooks(definition, options),
      ...endpoints(options),
    },
  }
}

function metadata(definition: Definition): Metadata {
  return { name: controllerName(definition), labels: { 'app.kubernetes.io/part-of': 'operator-hooks' } }
}

// By name too, for a rule that knows labels only (sdk/resumption.ts).
function decoratorMetadata(definition: Decorator): Metadata {
  const { name, labels } = metadata(definition)
  return { name, labels: { ...labels, 'app.kubernetes.io/name': name } }
}

// Without a method it would be OnDelete, which never updates anything.
function child({ apiVersion, resource, updateMethod }: ResourceType): Child {
  return { apiVersion, resource, updateStrategy: { method: updateMethod } }
}

function hooks(definition: Definition, options: ControllerOptions): Hooks {
  return {
    sync: hook(definition, 'sync', options),
    ...(hasFinalize(definition) ? { finalize: hook(definition, 'finalize', options) } : {}),
    ...(hasCustomize(definition) ? { customize: hook(definition, 'customize', options) } : {}),
  }
}

function endpoints({ url, service = hookService, token }: ControllerOptions): { endpointConfigs?: Endpoint[] } {
  if (token === undefined) return {}
  const host = url === undefined ? `${service.name}.${service.namespace}` : new URL(url).host
  return { endpointConfigs: [{ host, authorization: { type: 'Bearer', secretRef: token } }] }
}

function hook(definition: Definition, which: HookPath, { url, service }: ControllerOptions): Hook {
  const path = `/hooks/${hookName(definition)}/${which}`
  const at = url === undefined ? { service: service ?? hookService, path } : { url: `${url.replace(/\/$/, '')}${path}` }
  // Without both times Metacontroller's cache leaks, or its controller does not start. customize has a cache of its own.
  const etag =
    which === 'customize'
      ? {}
      : { etag: { enabled: true, cacheTimeoutSeconds: 3600, cacheCleanupSeconds: 600 } as const }
  return { version: 'v2', webhook: { ...at, timeout: '10s', ...etag } }
}

/** The Service that deploy/kustomize makes. */
export const hookService = { name: 'operator-hooks', namespace: 'operator-hooks' }
