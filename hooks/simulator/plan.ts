// What would be written to a cluster if a parent were applied to it, without touching that cluster.
import { equal } from '../sdk/equal.ts'
import type { KubernetesObject, ObjectReference } from '../sdk/kubernetes.ts'
import { lastAppliedAnnotation } from '../sdk/wire.ts'
import { type ApiError, isApiError } from './errors.ts'
import { copy } from './json.ts'
import { createSimulator } from './simulator.ts'
import { type Client, keyOf, referenceOf, type Write } from './store.ts'
import type { ResolveService, Transport } from './webhook.ts'

export interface PlanOptions {
  /** The suite's CRDs and controllers. */
  readonly definitions: readonly KubernetesObject[]
  /** What there is: parent, children and related objects, as read from a cluster or a file. */
  readonly observed: readonly KubernetesObject[]
  /** What would be applied. */
  readonly parents: readonly KubernetesObject[]
  readonly transport: Transport
  readonly resolve?: ResolveService
  /** Seconds of simulated time in which the hooks' answers settle; 5 if absent. */
  readonly seconds?: number
}

/** One object that would change. `replace` is a deletion followed by a creation under the same name. */
export interface PlannedChange {
  readonly action: 'create' | 'update' | 'replace' | 'delete'
  readonly reference: ObjectReference
  readonly before?: KubernetesObject
  readonly after?: KubernetesObject
}

export interface Plan {
  /** By kind, then by name. */
  readonly changes: readonly PlannedChange[]
  /** Parents that the API server would refuse. */
  readonly refused: readonly { readonly reference: ObjectReference; readonly error: ApiError }[]
  /** What Metacontroller would report as SyncError: updates that are forbidden, hooks that fail. */
  readonly errors: readonly string[]
  /** The parents as they would then be, their new status included. */
  readonly parents: readonly KubernetesObject[]
}

/**
 * Puts the observed objects into a simulated cluster in which nothing else moves, applies the parents and gathers
 * what Metacontroller writes. Throws when an observed object's kind is not served: its CRD belongs to `definitions`.
 */
export async function planWrites(options: PlanOptions): Promise<Plan> {
  const { definitions, observed, transport, resolve } = options
  const simulator = createSimulator({
    transport,
    metacontroller: false,
    standIns: false,
    ...(resolve === undefined ? {} : { resolve }),
  })
  try {
    for (const definition of definitions) await simulator.apply(definition)
    const names = new Set([...observed, ...options.parents].map(({ metadata }) => metadata.namespace ?? 'default'))
    for (const name of names) await simulator.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    for (const object of observed) simulator.store.seed(object)
    const refused: { reference: ObjectReference; error: ApiError }[] = []
    for (const parent of options.parents) {
      try {
        put(simulator.store.client('user'), parent)
      } catch (error) {
        if (!isApiError(error)) throw error
        refused.push({ reference: referenceOf(parent), error })
      }
    }
    const from = simulator.writes.length
    simulator.metacontroller.start()
    await simulator.pass(options.seconds ?? 5)
    const written = simulator.writes
      .slice(from)
      .filter(({ by }) => by === 'metacontroller' || by === 'garbage-collector')
    const isParent = ({ reference }: Write) =>
      options.parents.some((parent) => identity(referenceOf(parent)) === identity(reference))
    const references = options.parents.map(referenceOf)
    const parents = (await Promise.all(references.map((reference) => simulator.get(reference)))).filter(
      (found) => found !== undefined,
    )
    const errors = await Promise.all(references.map((reference) => simulator.events(reference)))
    return {
      changes: gather(written.filter((write) => !isParent(write))),
      refused,
      errors: errors
        .flat()
        .filter(({ reason }) => reason === 'SyncError')
        .map(({ note }) => note),
      parents,
    }
  } finally {
    simulator.stop()
  }
}

/** Puts a parent as its file says over the one observed: the file is taken for the whole of the spec. */
function put(client: Client, parent: KubernetesObject): void {
  const existing = client.get(referenceOf(parent))
  if (existing === undefined) {
    client.create(parent)
    return
  }
  const { status: _status, ...wanted } = copy(parent)
  const { labels, annotations } = existing.metadata
  const metadata = {
    ...existing.metadata,
    labels: { ...labels, ...parent.metadata.labels },
    annotations: { ...annotations, ...parent.metadata.annotations },
  }
  client.update({ ...copy(existing), ...wanted, metadata })
}

/** All writes to one object as one change, from what was there first to what is there last. */
function gather(writes: readonly Write[]): PlannedChange[] {
  const byObject = Map.groupBy(writes, ({ reference }) => identity(reference))
  const changes = [...byObject.values()].flatMap((ofOne): PlannedChange[] => {
    const [first] = ofOne
    const last = ofOne.at(-1)
    if (first === undefined || last === undefined) return []
    const { reference, before } = first
    const after = last.after
    if (before === undefined && after === undefined) return []
    if (before === undefined) return [{ action: 'create', reference, ...(after && { after }) }]
    if (after === undefined) return [{ action: 'delete', reference, before }]
    const replaced = before.metadata.uid !== after.metadata.uid
    if (!replaced && equal(content(before), content(after))) return []
    return [{ action: replaced ? 'replace' : 'update', reference, before, after }]
  })
  return changes.sort((left, right) => (identity(left.reference) < identity(right.reference) ? -1 : 1))
}

/** An object without its status and what only the API server and Metacontroller keep. */
function content({ status: _status, metadata, ...rest }: KubernetesObject): unknown {
  const { managedFields, resourceVersion, generation, uid, creationTimestamp, annotations, ...kept } = metadata
  const { [lastAppliedAnnotation]: _applied, ...others } = annotations ?? {}
  return { ...rest, metadata: { ...kept, annotations: others } }
}

function identity(reference: ObjectReference): string {
  return `${reference.kind}.${reference.apiVersion}/${keyOf(reference)}`
}
