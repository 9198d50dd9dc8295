// Kubernetes Events about what an answer does, for `kubectl describe`. They are made after the answer has left, and
// written by a recorder that may fall behind, drop and fail without anybody waiting for it.
import { randomUUID } from 'node:crypto'
import type { Change } from '../sdk/changes.ts'
import { lookup } from '../sdk/changes.ts'
import { reasons } from '../sdk/evaluate.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { conditionOf, type Story } from './story.ts'

/** Something to be told about an object. */
export interface HookEvent {
  type: 'Normal' | 'Warning'
  reason:
    | 'Created'
    | 'Scaled'
    | 'Changed'
    | 'DriftRepaired'
    | 'Removed'
    | 'Refused'
    | 'NameTaken'
    | 'Stalled'
    | 'Finalized'
  /** What was being done: Sync or Finalize. */
  action: string
  /** For people; names and field paths, never a value that may be secret. */
  note: string
  regarding: { apiVersion: string; kind: string; name: string; uid: string; namespace?: string }
}

/** Whoever takes events. `record` returns at once and never throws. */
export interface EventSink {
  record(event: HookEvent): void
  /** Resolves when everything recorded so far was written or given up. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Whether there may be something to tell of an answer: cheap, and false for nearly all of them. */
export function isEventful(story: Story): boolean {
  const { changes, hold, response } = story
  return changes.length > 0 || hold !== undefined || response.finalized === true || newStall(story) !== undefined
}

/** What there is to tell of an answer; nothing when it changed nothing. */
export function eventsOf(story: Story): HookEvent[] {
  const { subject, hold, changes, response } = story
  const { name = '', namespace, uid = '' } = subject.metadata
  const identity = { apiVersion: subject.apiVersion, kind: subject.kind, name, uid }
  const regarding = namespace === undefined ? identity : { ...identity, namespace }
  const action = response.finalized === undefined ? 'Sync' : 'Finalize'
  const events: HookEvent[] = []
  const tell = (type: HookEvent['type'], reason: HookEvent['reason'], note: string) =>
    events.push({
      type,
      reason,
      action,
      note: note.length > longestNote ? `${note.slice(0, longestNote - 1)}…` : note,
      regarding,
    })

  if (hold?.reason === reasons.nameTaken) tell('Warning', 'NameTaken', hold.message)
  else if (hold !== undefined) tell('Warning', 'Refused', `${hold.reason}: ${hold.message}`)
  const stall = hold === undefined ? newStall(story) : undefined
  if (stall !== undefined) tell('Warning', 'Stalled', `${stall.reason}: ${stall.message}`)
  // A parent that is let go loses its children by the garbage collector, whatever the answer says of them.
  if (response.finalized === true)
    return [...events, { type: 'Normal', reason: 'Finalized', action, note: 'let go', regarding }]

  const created = changes.filter((change) => change.action === 'create' && !wasAskedFor(change, story))
  if (created.length > 0) tell('Normal', 'Created', created.map(title).join(', '))
  for (const change of changes.filter(({ action }) => action === 'change')) {
    if (change.drift) {
      tell('Warning', 'DriftRepaired', `${title(change)}: somebody changed ${change.fields.join(', ')}; put back`)
      continue
    }
    const scaled = change.fields.includes(replicas) ? scale(change, story) : undefined
    if (scaled !== undefined) tell('Normal', 'Scaled', scaled)
    const others = scaled === undefined ? change.fields : change.fields.filter((field) => field !== replicas)
    if (others.length > 0) tell('Normal', 'Changed', `${title(change)}: ${others.join(', ')}`)
  }
  const removed = changes.filter((change) => change.action === 'remove')
  if (removed.length > 0) tell('Normal', 'Removed', removed.map(title).join(', '))
  return events
}

/** An events.k8s.io/v1 Event as it is written. */
export interface WrittenEvent extends HookEvent {
  name: string
  /** Of the Event itself: the object's own, or `default` for a cluster-scoped one. */
  namespace: string
  eventTime: Date
}

/** How events reach an API server. Both may reject. */
export interface EventWriter {
  create(event: WrittenEvent): Promise<void>
  /** Says of an event that was created that it has been seen `count` times. */
  update(event: WrittenEvent, series: { count: number; lastObservedTime: Date }): Promise<void>
}

export interface RecorderOptions {
  /** The same object, reason and note within so many seconds is one event, seen more often. */
  windowSeconds?: number
  /** How often an event that is seen again is written again, at most. */
  seriesSeconds?: number
  /** Writes that may wait; beyond that the oldest is dropped. */
  queued?: number
  now?: () => Date
  /** Told of a write that failed, and of a drop. */
  failed?: (what: string, error?: unknown) => void
}

/** A sink that writes events one after the other, and one that is repeated as a series of the first. */
export function createRecorder(writer: EventWriter, options: RecorderOptions = {}): EventSink {
  const { windowSeconds = 600, seriesSeconds = 60, queued = 1000, now = () => new Date(), failed = () => {} } = options
  const known = new Map<string, Known>()
  const queue: (() => Promise<void>)[] = []
  let working: Promise<void> | undefined
  const timer = setInterval(writeSeries, seriesSeconds * 1000)
  timer.unref()

  return {
    record(event) {
      const time = now()
      const { regarding, reason, note } = event
      const key = `${regarding.uid} ${regarding.kind}/${regarding.namespace}/${regarding.name} ${reason} ${note}`
      const before = known.get(key)
      if (before !== undefined && time.getTime() - before.seen.getTime() < windowSeconds * 1000) {
        before.count++
        before.seen = time
        return
      }
      const namespace = regarding.namespace ?? 'default'
      const name = `${regarding.name.slice(0, 230)}.${randomUUID().slice(0, 8)}${time.getTime().toString(16).slice(-8)}`
      const written = { ...event, name, namespace, eventTime: time }
      known.delete(key)
      known.set(key, { event: written, count: 1, told: 1, seen: time })
      forget(time)
      enqueue(async () => {
        try {
          await writer.create(written)
        } catch (error) {
          // Without a first there is no series: the next time it is a first again.
          known.delete(key)
          failed('an event could not be written', error)
        }
      })
    },
    async flush() {
      writeSeries()
      await working
    },
    async close() {
      clearInterval(timer)
      writeSeries()
      await working
    },
  }

  function writeSeries(): void {
    for (const [key, one] of known) {
      if (one.count === one.told) continue
      one.told = one.count
      const series = { count: one.count, lastObservedTime: one.seen }
      enqueue(async () => {
        try {
          await writer.update(one.event, series)
        } catch (error) {
          known.delete(key)
          failed('an event could not be written again', error)
        }
      })
    }
    forget(now())
  }

  function forget(time: Date): void {
    // Oldest first: a map keeps the order in which its entries came.
    for (const [key, { seen, count, told }] of known) {
      const stale = time.getTime() - seen.getTime() >= windowSeconds * 1000 && count === told
      if (stale || known.size > mostKnown) known.delete(key)
    }
  }

  function enqueue(write: () => Promise<void>): void {
    if (queue.length >= queued) {
      queue.shift()
      failed('an event was dropped: they come faster than they can be written')
    }
    queue.push(write)
    working ??= work().finally(() => {
      working = undefined
    })
  }

  async function work(): Promise<void> {
    for (let write = queue.shift(); write !== undefined; write = queue.shift()) await write()
  }
}

interface Known {
  event: WrittenEvent
  count: number
  /** The count that was written last. */
  told: number
  seen: Date
}

// The API server refuses longer ones.
const longestNote = 1024
const mostKnown = 4096
const replicas = 'spec.replicas'

function title({ kind, name }: Change): string {
  return `${kind}/${name}`
}

// A kind may come to a halt by itself, with nothing to hold: a revision that was rolled back.
function newStall({ subject, response }: Story) {
  const after = conditionOf(response.status, 'Stalled')
  return after?.status === 'True' && conditionOf(subject.status, 'Stalled')?.status !== 'True' ? after : undefined
}

// A child that has been asked for and did not appear yet is asked for again; it is created once.
function wasAskedFor(change: Change, { subject }: Story): boolean {
  const before = conditionOf(subject.status, 'Applied')
  return before?.status === 'False' && (before.message ?? '').includes(title(change))
}

function scale(change: Change, { desired, observed, subject }: Story): string | undefined {
  const child = desired.find(({ kind, metadata }) => kind === change.kind && metadata.name === change.name)
  if (child === undefined) return undefined
  const live = lookup(observed, child, change.namespace ?? subject.metadata.namespace)
  const [from, to] = [replicasOf(live), replicasOf(child)]
  return from === undefined || to === undefined ? undefined : `${title(change)} from ${from} to ${to}`
}

function replicasOf(object: KubernetesObject | undefined): number | undefined {
  const spec = object?.spec
  return isRecord(spec) && typeof spec.replicas === 'number' ? spec.replicas : undefined
}
