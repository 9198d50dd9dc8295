// The Metacontroller process: one controller for each CompositeController and DecoratorController that is stored.
import { equal } from '../sdk/equal.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { groupOf, versionOf } from '../sdk/kubernetes.ts'
import { isProcessEnd } from './children.ts'
import type { Clock } from './clock.ts'
import { startComposite } from './composite.ts'
import type { Controller, Process } from './controller.ts'
import { startDecorator } from './decorator.ts'
import { messageOf } from './errors.ts'
import { createInformers } from './informer.ts'
import { at, listAt, textAt } from './json.ts'
import { createQueue } from './queue.ts'
import { createRecorder } from './recorder.ts'
import type { Client, Store } from './store.ts'
import type { ResolveService, Transport } from './webhook.ts'

export interface MetacontrollerSettings {
  readonly store: Store
  readonly clock: Clock
  readonly transport: Transport
  readonly resolve: ResolveService
  /** --workers, per controller; 5 as there. */
  readonly workers?: number
  /** --cache-flush-interval in seconds; 1800 as there. */
  readonly relistSeconds?: number
}

/** A Metacontroller that can be killed and started again; what it knew is lost with it. */
export interface Metacontroller {
  start(): void
  /** Ends it at once: whatever it was doing stays half done. */
  kill(): void
  readonly running: boolean
  /** Kills it right after its write number `n` from now, 1 being the next. */
  killAfterWrite(n: number): void
}

const apiVersion = 'metacontroller.k8s.io/v1alpha1'

/** Does not start by itself. */
export function createMetacontroller(settings: MetacontrollerSettings): Metacontroller {
  let end: (() => void) | undefined
  let writesLeft = Number.POSITIVE_INFINITY
  const metacontroller: Metacontroller = {
    start() {
      if (end !== undefined) return
      const life = { alive: true }
      const stop = run(
        settings,
        mortalClient(settings.store, life, () => {
          writesLeft--
          if (writesLeft === 0) metacontroller.kill()
        }),
      )
      end = () => {
        life.alive = false
        stop()
      }
    },
    kill() {
      end?.()
      end = undefined
      writesLeft = Number.POSITIVE_INFINITY
    },
    get running() {
      return end !== undefined
    },
    killAfterWrite(n) {
      writesLeft = n
    },
  }
  return metacontroller
}

/** A client that fails for good once its process is dead, before or after the write that killed it. */
function mortalClient(store: Store, life: { alive: boolean }, wrote: () => void): Client {
  const client = store.client('metacontroller')
  const alive = () => {
    if (!life.alive) throw Object.assign(new Error('Metacontroller was killed'), { name: 'ProcessEnd' })
  }
  const read = <T>(action: () => T): T => {
    alive()
    return action()
  }
  const write = <T>(action: () => T): T => {
    const result = read(action)
    wrote()
    alive()
    return result
  }
  return {
    get: (reference) => read(() => client.get(reference)),
    list: (type, namespace) => read(() => client.list(type, namespace)),
    create: (object) => write(() => client.create(object)),
    update: (object, subresource) => write(() => client.update(object, subresource)),
    patch: (reference, patch, subresource) => write(() => client.patch(reference, patch, subresource)),
    remove: (reference, options) => write(() => client.remove(reference, options)),
  }
}

function run(settings: MetacontrollerSettings, client: Client): () => void {
  const { store, clock, transport, resolve } = settings
  const informers = createInformers(store, client, clock)
  // Events do not count as writes of the loop: the recorder sends them from a queue of its own.
  const record = createRecorder(store.client('metacontroller-events'), clock, 'metacontroller')
  const process: Process = {
    client,
    clock,
    transport,
    resolve,
    informers,
    record,
    resources: store.resources,
    workers: settings.workers ?? 5,
    relistSeconds: settings.relistSeconds ?? 1800,
  }
  const kinds = [
    { kind: 'CompositeController', start: (object: KubernetesObject) => startWithParent(object, process) },
    { kind: 'DecoratorController', start: (object: KubernetesObject) => startDecorator(object, process) },
  ]
  const stops = kinds.map(({ kind, start }) => superviseAll(process, kind, start))
  return () => {
    for (const stop of stops) stop()
    informers.stop()
  }
}

/** Starts, restarts and stops the controllers of one kind as their objects come, change and go. */
function superviseAll(
  process: Process,
  kind: string,
  start: (object: KubernetesObject) => Controller | undefined,
): () => void {
  const { clock, informers, record } = process
  const informer = informers.of({ apiVersion, kind })
  const running = new Map<string, { controller: Controller | undefined; spec: unknown }>()
  const stop = (name: string) => {
    running.get(name)?.controller?.stop()
    running.delete(name)
  }
  const queue = createQueue(clock, 1, async (name) => {
    const object = informer.get(name)
    if (object === undefined) {
      stop(name)
      return 'done'
    }
    if (running.has(name) && equal(running.get(name)?.spec, object.spec)) return 'done'
    stop(name)
    try {
      running.set(name, { controller: start(object), spec: object.spec })
      record(object, 'Normal', 'Started', `Started controller: ${name}`)
      return 'done'
    } catch (error) {
      if (isProcessEnd(error)) return 'done'
      record(object, 'Warning', 'CreateError', `Cannot create new controller: ${messageOf(error)}`)
      return 'failed'
    }
  })
  const end = informer.onChange(({ object }) => queue.add(object.metadata.name ?? ''))
  return () => {
    end()
    queue.stop()
    for (const name of [...running.keys()]) stop(name)
  }
}

/** A composite's parent must be a CRD whose version has a status subresource. */
function startWithParent(object: KubernetesObject, process: Process): Controller | undefined {
  const rule = at(object, 'spec', 'parentResource')
  const parentVersion = textAt(rule, 'apiVersion') ?? ''
  const name = `${textAt(rule, 'resource')}.${groupOf(parentVersion)}`
  const crd = process.client.get({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', name })
  if (crd === undefined) throw new Error(`CustomResourceDefinition.apiextensions.k8s.io "${name}" not found`)
  const version = listAt(crd, 'spec', 'versions').find(
    (candidate) => at(candidate, 'name') === versionOf(parentVersion),
  )
  if (at(version, 'subresources', 'status') === undefined) {
    const message = `[${object.metadata.name}] Sync error - ignoring, CRD [${name}] does not have subresource 'Status' enabled`
    process.record(object, 'Warning', 'SyncError', message)
    return undefined
  }
  return startComposite(object, process)
}
