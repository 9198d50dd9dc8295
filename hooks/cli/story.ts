// What happens in a simulated cluster, told write by write as a person would tell it.
import { type Condition, findCondition } from '../sdk/conditions.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import type { Write } from '../simulator/store.ts'
import { type FieldDifference, objectDifferences } from './differences.ts'

/** One thing that happened. */
export interface Happening {
  readonly what: 'created' | 'changed' | 'removed' | 'progress' | 'failure' | 'status'
  /** `StatefulSet/orders` */
  readonly subject: string
  /** What is told of it: `is ready`. */
  readonly text: string
  /** Of a change that Metacontroller made. */
  readonly fields: readonly FieldDifference[]
}

/** Tells a write; undefined when it is nothing that anybody wants to know. */
export function happeningOf(write: Write): Happening | undefined {
  const { before, after, by, changed, reference } = write
  if (!changed) return undefined
  const subject = `${reference.kind}/${reference.name}`
  if (reference.kind === 'Event') return after && eventOf(after)
  if (reference.kind === 'Pod') return podOf(write, subject)
  if (reference.kind === 'Job') return jobOf(write, subject)
  const tell = tellOf(subject)
  if (by === 'garbage-collector') return write.verb === 'delete' ? tell('removed', 'goes with its owner') : undefined
  if (reference.kind === 'PersistentVolumeClaim' && before === undefined)
    return tell('created', `asks for ${sizeOf(after)}`)
  if (by !== 'metacontroller') return undefined
  if (write.subresource === 'status') return statusOf(subject, before, after)
  if (before === undefined) return tell('created', 'is created')
  if (write.verb === 'delete') return tell('removed', 'is removed')
  const fields = after === undefined ? [] : objectDifferences(before, after).filter(isOfAuthor)
  return fields.length === 0 ? undefined : { what: 'changed', subject, text: 'changes', fields }
}

function tellOf(subject: string) {
  return (what: Happening['what'], text: string): Happening => ({ what, subject, text, fields: [] })
}

/** Owners and finalizers are book-keeping. */
function isOfAuthor({ field }: FieldDifference): boolean {
  return !/^metadata\.(finalizers|ownerReferences)/.test(field)
}

function statusOf(subject: string, before?: KubernetesObject, after?: KubernetesObject): Happening | undefined {
  const [old, fresh] = [stateOf(before), stateOf(after)]
  if (old.text === fresh.text || fresh.text === '') return undefined
  return { what: fresh.stalled ? 'failure' : 'status', subject, text: fresh.text, fields: [] }
}

function stateOf(object: KubernetesObject | undefined): { text: string; stalled: boolean } {
  const status = object?.status
  if (!isRecord(status)) return { text: '', stalled: false }
  const conditions = Array.isArray(status.conditions) ? (status.conditions as Condition[]) : []
  const ready = findCondition(conditions, 'Ready')
  const stalled = findCondition(conditions, 'Stalled')?.status === 'True'
  const phase = typeof status.phase === 'string' ? status.phase : undefined
  const message = ready === undefined || ready.message === '' ? undefined : ready.message
  const name = phase ?? (ready && (ready.status === 'True' ? 'Ready' : ready.reason))
  return { text: [name, message].filter((part) => part !== undefined).join(': '), stalled }
}

function podOf({ before, after, verb }: Write, subject: string): Happening | undefined {
  const tell = tellOf(subject)
  if (verb === 'delete')
    return before?.metadata.deletionTimestamp === undefined ? undefined : tell('removed', 'is gone')
  if (before === undefined) return undefined
  const phase = isRecord(after?.status) ? after.status.phase : undefined
  // The end of a Job's pod: that it succeeded is told of the Job.
  if (phase === 'Succeeded') return undefined
  if (phase === 'Failed')
    return isRecord(before.status) && before.status.phase === 'Failed' ? undefined : tell('failure', 'fails')
  if (!isReady(before) && isReady(after)) return tell('progress', 'is ready')
  if (isReady(before) && !isReady(after)) return tell('failure', 'is no longer ready')
  const [old, fresh] = [waitingOf(before), waitingOf(after)]
  return fresh !== undefined && fresh !== old ? tell('failure', fresh) : undefined
}

function jobOf({ before, after, verb }: Write, subject: string): Happening | undefined {
  const tell = tellOf(subject)
  if (verb === 'delete') return tell('removed', 'is removed')
  if (before === undefined) return tell('created', 'is started')
  const done = (object: KubernetesObject | undefined, type: string) =>
    conditionsOf(object).some((condition) => condition.type === type && condition.status === 'True')
  if (done(after, 'Complete') && !done(before, 'Complete')) return tell('progress', 'succeeds')
  if (done(after, 'Failed') && !done(before, 'Failed')) return tell('failure', 'fails')
  return undefined
}

function eventOf(event: KubernetesObject): Happening | undefined {
  if (event.type !== 'Warning') return undefined
  const about = isRecord(event.involvedObject) ? event.involvedObject : isRecord(event.regarding) ? event.regarding : {}
  const text = `${event.reason}: ${event.message ?? event.note}`
  // A sync that was under way when its parent went: nothing that anybody has to look after.
  if (text.endsWith(`${about.kind} "${about.name}" not found`)) return undefined
  return { what: 'failure', subject: `${about.kind}/${about.name}`, text, fields: [] }
}

function isReady(object: KubernetesObject | undefined): boolean {
  return conditionsOf(object).some(({ type, status }) => type === 'Ready' && status === 'True')
}

function conditionsOf(object: KubernetesObject | undefined): { type: string; status: string }[] {
  const status = object?.status
  return isRecord(status) && Array.isArray(status.conditions) ? status.conditions : []
}

/** CrashLoopBackOff, ImagePullBackOff and their like. */
function waitingOf(pod: KubernetesObject | undefined): string | undefined {
  const status = pod?.status
  if (!isRecord(status) || !Array.isArray(status.containerStatuses)) return undefined
  for (const container of status.containerStatuses) {
    const waiting: unknown = isRecord(container) && isRecord(container.state) ? container.state.waiting : undefined
    if (isRecord(waiting) && typeof waiting.reason === 'string' && waiting.reason !== 'ContainerCreating')
      return waiting.reason
  }
  return undefined
}

function sizeOf(claim: KubernetesObject | undefined): string {
  const spec = claim?.spec
  const resources = isRecord(spec) ? spec.resources : undefined
  const requests = isRecord(resources) ? resources.requests : undefined
  return isRecord(requests) ? String(requests.storage) : 'storage'
}
