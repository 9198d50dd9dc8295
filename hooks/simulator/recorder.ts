// Events as client-go's recorder writes them: core/v1, counted up when they repeat, held back when they flood.
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import type { Clock } from './clock.ts'
import { copy } from './json.ts'
import type { Client } from './store.ts'

export type Record = (about: KubernetesObject, type: 'Normal' | 'Warning', reason: string, message: string) => void

/** Metacontroller's --events-burst and --events-qps: so many events about one object, then one in five minutes. */
const burst = 25
const perSecond = 1 / 300

/** A recorder whose events come from `component`. */
export function createRecorder(client: Client, clock: Clock, component: string): Record {
  const buckets = new Map<string, { tokens: number; at: number }>()
  const known = new Map<string, { name: string; namespace: string }>()
  let count = 0
  const allowed = (key: string) => {
    const now = clock.now()
    const bucket = buckets.get(key) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
    buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now })
    return tokens >= 1
  }
  return (about, type, reason, message) => {
    const { namespace = 'default', name = '', uid = '' } = about.metadata
    if (!allowed(uid)) return
    const key = `${uid}/${type}/${reason}/${message}`
    const earlier = known.get(key)
    const stored = earlier === undefined ? undefined : client.get({ apiVersion: 'v1', kind: 'Event', ...earlier })
    if (stored !== undefined) {
      const event = copy(stored)
      event.count = Number(event.count) + 1
      event.lastTimestamp = clock.stamp()
      client.update(event)
      return
    }
    const event = { namespace, name: `${name}.${(clock.now() * 1000 + count++).toString(16)}` }
    known.set(key, event)
    const involvedObject: { [field: string]: unknown } = { apiVersion: about.apiVersion, kind: about.kind, name, uid }
    if (about.metadata.namespace !== undefined) involvedObject.namespace = about.metadata.namespace
    const times = { firstTimestamp: clock.stamp(), lastTimestamp: clock.stamp() }
    const source = { component }
    client.create({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: event,
      type,
      reason,
      message,
      count: 1,
      involvedObject,
      source,
      ...times,
    })
  }
}
