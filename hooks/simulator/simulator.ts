// A Kubernetes cluster with Metacontroller, simulated in this process.
import type { KubernetesObject, ObjectReference, ObjectType } from '../sdk/kubernetes.ts'
import { merge } from './apply.ts'
import { type Clock, createClock } from './clock.ts'
import { startCollector } from './collector.ts'
import { messageOf } from './errors.ts'
import { copy, numberAt, objectOf, stringsOf, textAt } from './json.ts'
import { createMetacontroller, type Metacontroller } from './metacontroller.ts'
import { type PodBehaviour, type PodTimes, startStandIns, type Workload } from './standins/index.ts'
import {
  type Client,
  createStore,
  type Propagation,
  referenceOf,
  type Store,
  type Subresource,
  type Write,
} from './store.ts'
import { fetchTransport, type ResolveService, type Transport } from './webhook.ts'

export interface SimulatorOptions {
  /** How hooks are reached; the built-in fetch if absent. */
  readonly transport?: Transport
  /** Where a hook is that names a Service; without it such a hook is refused. */
  readonly resolve?: ResolveService
  /** A virtual clock that starts in 2030 if absent. */
  readonly clock?: Clock
  /** Metacontroller's --workers (5). */
  readonly workers?: number
  /** False leaves Metacontroller unstarted. */
  readonly metacontroller?: boolean
  /** How long pods take; false leaves out all that kube-controller-manager, scheduler and kubelets do. */
  readonly standIns?: PodTimes | false
}

/** A recorded event, as scenarios read it. */
interface RecordedEvent {
  reason: string
  type: string
  note: string
  count: number
}

/** A running simulated cluster. Every operation answers once the API server has; what follows from it takes `pass`. */
export interface Simulator {
  readonly clock: Clock
  readonly store: Store
  readonly metacontroller: Metacontroller
  /** Every accepted write since the start, oldest first. */
  readonly writes: readonly Write[]
  /** Creates, or changes what was applied before: what others have set stays, as with `kubectl apply`. */
  apply(object: KubernetesObject): Promise<KubernetesObject>
  create(object: KubernetesObject): Promise<KubernetesObject>
  get(reference: ObjectReference): Promise<KubernetesObject | undefined>
  list(type: ObjectType, options?: { namespace?: string; labels?: Record<string, string> }): Promise<KubernetesObject[]>
  patch(reference: ObjectReference, patch: object, subresource?: Subresource): Promise<KubernetesObject>
  delete(reference: ObjectReference, propagation?: Propagation): Promise<void>
  namespace(hint: string): Promise<string>
  until<T>(what: string, probe: () => Promise<T | undefined | false | null>, seconds?: number): Promise<T>
  pass(seconds: number): Promise<void>
  events(reference: ObjectReference): Promise<RecordedEvent[]>
  /** Decides how the pods of a workload behave from now on. */
  behave(workload: Workload, behaviour: PodBehaviour): Promise<void>
  /** Ends all that runs in it. */
  stop(): void
}

/** Starts a cluster. Its collector and, unless told otherwise, its Metacontroller run at once. */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const clock = options.clock ?? createClock()
  const store = createStore(clock)
  const writes: Write[] = []
  store.onWrite((write) => writes.push(write))
  const stopCollector = startCollector(store, clock)
  const standIns = options.standIns === false ? undefined : startStandIns(store, clock, options.standIns)
  const metacontroller = createMetacontroller({
    store,
    clock,
    transport: options.transport ?? fetchTransport,
    resolve: options.resolve ?? unresolved,
    ...(options.workers === undefined ? {} : { workers: options.workers }),
  })
  if (options.metacontroller !== false) metacontroller.start()
  const client = store.client('user')
  const remembered = new Map<string, KubernetesObject>()
  let namespaces = 0
  return {
    clock,
    store,
    metacontroller,
    writes,
    apply: async (object) => copy(applyAsUser(client, remembered, object)),
    create: async (object) => copy(client.create(object)),
    get: async (reference) => {
      const found = client.get(reference)
      return found === undefined ? undefined : copy(found)
    },
    list: async (type, { namespace, labels = {} } = {}) => {
      const wanted = Object.entries(labels)
      const found = client.list(type, namespace)
      return copy(found.filter(({ metadata }) => wanted.every(([key, value]) => metadata.labels?.[key] === value)))
    },
    patch: async (reference, patch, subresource) => copy(client.patch(reference, patch, subresource)),
    delete: async (reference, propagation = 'Background') => client.remove(reference, { propagation }),
    async namespace(hint) {
      const name = `${hint}-${++namespaces}`
      client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
      return name
    },
    until: (what, probe, seconds = 60) => waitFor(clock, what, probe, seconds),
    pass: (seconds) => clock.advance(seconds),
    events: async (reference) => eventsAbout(client, reference),
    async behave(workload, behaviour) {
      if (standIns === undefined) throw new Error('this simulator was started without stand-ins: no pod runs in it')
      standIns.behave(workload, behaviour)
    },
    stop() {
      metacontroller.kill()
      standIns?.stop()
      stopCollector()
      clock.stop()
    },
  }
}

/** Seconds of the cluster's time between two looks. */
const probeEvery = 0.1

async function waitFor<T>(
  clock: Clock,
  what: string,
  probe: () => Promise<T | undefined | false | null>,
  seconds: number,
): Promise<T> {
  const until = clock.now() + seconds * 1000
  let last = 'nothing'
  for (;;) {
    try {
      const found = await probe()
      if (found !== undefined && found !== false && found !== null) return found
      last = String(found)
    } catch (error) {
      last = messageOf(error)
    }
    if (clock.now() >= until) throw new Error(`waited ${seconds} s for ${what}; last: ${last}`)
    await clock.advance(probeEvery)
  }
}

/**
 * Applies as `kubectl apply --server-side` does, near enough: what was applied before and is no longer there goes,
 * what others have set stays. `remembered` holds what was applied, by uid.
 */
function applyAsUser(
  client: Client,
  remembered: Map<string, KubernetesObject>,
  input: KubernetesObject,
): KubernetesObject {
  const object = copy(input)
  delete object.status
  const existing = client.get(referenceOf(object))
  const last = remembered.get(existing?.metadata.uid ?? '')
  const { labels = {}, annotations = {}, finalizers = [] } = object.metadata
  const metadata = { name: object.metadata.name, namespace: object.metadata.namespace, labels, annotations, finalizers }
  const applied = copy({ ...object, metadata })
  const result =
    existing === undefined ? client.create(object) : client.update(objectOf(merge(copy(existing), last, applied)))
  remembered.set(result.metadata.uid ?? '', applied)
  return result
}

/** core/v1 Events and events.k8s.io/v1 ones, oldest first. */
function eventsAbout(client: Client, reference: ObjectReference): RecordedEvent[] {
  const groups = ['v1', 'events.k8s.io/v1']
  return groups
    .flatMap((apiVersion) => client.list({ apiVersion, kind: 'Event' }))
    .sort(
      (left, right) =>
        Date.parse(left.metadata.creationTimestamp ?? '') - Date.parse(right.metadata.creationTimestamp ?? ''),
    )
    .filter(({ involvedObject, regarding }) => {
      const { kind, name, namespace } = stringsOf(involvedObject ?? regarding)
      return kind === reference.kind && name === reference.name && namespace === reference.namespace
    })
    .map((event) => ({
      reason: textAt(event, 'reason') ?? '',
      type: textAt(event, 'type') ?? '',
      note: textAt(event, 'message') ?? textAt(event, 'note') ?? '',
      count: numberAt(event, 'series', 'count') ?? numberAt(event, 'count') ?? numberAt(event, 'deprecatedCount') ?? 1,
    }))
}

const unresolved: ResolveService = ({ name, namespace }) => {
  throw new Error(`the hook's service ${namespace}/${name} cannot be resolved: give the simulator a resolve function`)
}
