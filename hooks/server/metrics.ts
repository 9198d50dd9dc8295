// What can be counted about the answers. Labels are kinds, hooks, outcomes and reasons, all of them few: never an object.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Change } from '../sdk/changes.ts'
import type { Build } from './build.ts'
import type { Capacity } from './capacity.ts'

/** How a hook request ended. */
export type Outcome =
  | 'answered'
  | 'held'
  | 'not_modified'
  | 'rejected'
  | 'unauthorized'
  | 'invalid'
  | 'failed'
  // Of what the API server asks: hooks validate, default and convert.
  | 'allowed'
  | 'denied'
  | 'patched'
  | 'converted'

export interface Metrics {
  readonly registry: Registry
  /** One request to a hook has been answered. */
  answered(kind: string, hook: string, outcome: Outcome, seconds: number): void
  /** What one answer of sync or finalize asks for. */
  told(kind: string, desired: number, changes: readonly Change[], hold: string | undefined): void
  rejected(reason: string): void
  /** The certificate that is shown from now on is good until then. */
  certified(until: Date): void
}

/** Metrics in a registry of their own, so that several servers can live in one process. */
export function createMetrics(capacity: Capacity, build: Build): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const byRequest = ['kind', 'hook', 'outcome'] as const
  const requests = new Counter({
    name: 'operator_hooks_requests_total',
    help: 'Hook requests by how they ended.',
    labelNames: byRequest,
    registers,
  })
  const duration = new Histogram({
    name: 'operator_hooks_request_duration_seconds',
    help: 'Time from the arrival of a request head to the answer.',
    labelNames: byRequest,
    // A sync takes about a millisecond; the last ones are what Metacontroller waits for.
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const hits = new Counter({
    name: 'operator_hooks_etag_hits_total',
    help: 'Requests answered 304, because Metacontroller still had the answer.',
    labelNames: ['kind', 'hook'] as const,
    registers,
  })
  const desired = new Counter({
    name: 'operator_hooks_children_desired_total',
    help: 'Children that answers asked for.',
    labelNames: ['kind'] as const,
    registers,
  })
  const byChild = ['kind', 'child'] as const
  const children = {
    create: new Counter({
      name: 'operator_hooks_children_created_total',
      help: 'Children asked for that did not exist.',
      labelNames: byChild,
      registers,
    }),
    change: new Counter({
      name: 'operator_hooks_children_changed_total',
      help: 'Children asked for that differed from what existed, drift included.',
      labelNames: byChild,
      registers,
    }),
    remove: new Counter({
      name: 'operator_hooks_children_removed_total',
      help: 'Children that existed and were no longer asked for.',
      labelNames: byChild,
      registers,
    }),
  }
  const drift = new Counter({
    name: 'operator_hooks_drift_total',
    help: 'Children that somebody else had changed, and that were put right.',
    labelNames: byChild,
    registers,
  })
  const holds = new Counter({
    name: 'operator_hooks_holds_total',
    help: 'Answers that changed nothing, by the reason.',
    labelNames: ['kind', 'reason'] as const,
    registers,
  })
  const rejected = new Counter({
    name: 'operator_hooks_rejected_total',
    help: 'Requests answered 429, by the reason.',
    labelNames: ['reason'] as const,
    registers,
  })
  new Gauge({
    name: 'operator_hooks_in_flight',
    help: 'Hook requests being worked on.',
    registers,
    collect() {
      this.set(capacity.inFlight())
    },
  })
  new Gauge({
    name: 'operator_hooks_event_loop_delay_seconds',
    help: 'The longest delay of the event loop in the last second.',
    registers,
    collect() {
      this.set(capacity.delaySeconds())
    },
  })
  new Gauge({
    name: 'operator_hooks_build_info',
    help: 'Always 1; the labels say what is running.',
    labelNames: ['version', 'build'] as const,
    registers,
  }).set({ version: build.version, build: build.id }, 1)
  const expiry = new Gauge({
    name: 'operator_hooks_certificate_expiry_timestamp_seconds',
    help: 'When the certificate that the service shows ends, in seconds since 1970; 0 without TLS.',
    registers,
  })
  return {
    registry,
    answered(kind, hook, outcome, seconds) {
      requests.inc({ kind, hook, outcome })
      duration.observe({ kind, hook, outcome }, seconds)
      if (outcome === 'not_modified') hits.inc({ kind, hook })
    },
    told(kind, count, changes, hold) {
      desired.inc({ kind }, count)
      for (const change of changes) {
        children[change.action].inc({ kind, child: change.kind })
        if (change.drift) drift.inc({ kind, child: change.kind })
      }
      if (hold !== undefined) holds.inc({ kind, reason: hold })
    },
    rejected: (reason) => rejected.inc({ reason }),
    certified: (until) => expiry.set(until.getTime() / 1000),
  }
}
