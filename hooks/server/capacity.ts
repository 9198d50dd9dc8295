// Back-pressure. Metacontroller takes a 429 with Retry-After as "later", without an Event and without its back-off of up
// to 1000 s; any other refusal costs both. So whatever cannot be answered in time is answered 429 at once.
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface Limits {
  /** Bytes of a request body. */
  bodyBytes: number
  /** Requests that are worked on at a time. */
  inFlight: number
  eventLoopDelayMs: number
  /** The Retry-After of a 429. */
  retryAfterSeconds: number
  /** Budgets: Metacontroller has given up on a request that is older. */
  timeoutSeconds: { sync: number; finalize: number; customize: number }
}

export const defaultLimits: Limits = {
  bodyBytes: 16 * 1024 * 1024,
  inFlight: 64,
  eventLoopDelayMs: 1000,
  retryAfterSeconds: 2,
  timeoutSeconds: { sync: 10, finalize: 10, customize: 10 },
}

/** Why a request is refused for now. */
export type Overload = 'stopping' | 'in_flight' | 'event_loop'

export interface Capacity {
  /** Takes a place for a request, or says why there is none. Each place is given back by `leave`. */
  enter(): Overload | undefined
  leave(): void
  inFlight(): number
  /** The longest delay of the event loop in the last second. */
  delaySeconds(): number
  /** From now on every request is refused. */
  stop(): void
  stopping(): boolean
  close(): void
}

const sampleMs = 1000

export function createCapacity(limits: Limits): Capacity {
  const histogram = monitorEventLoopDelay({ resolution: 10 })
  histogram.enable()
  let delayMs = 0
  let count = 0
  let stopping = false
  const timer = setInterval(() => {
    delayMs = histogram.max / 1e6
    histogram.reset()
  }, sampleMs)
  timer.unref()
  return {
    enter() {
      if (stopping) return 'stopping'
      if (count >= limits.inFlight) return 'in_flight'
      // With nothing else under way a delay is past, or it is the platform's: Lambda and Cloud Run freeze what is idle.
      if (count > 0 && delayMs > limits.eventLoopDelayMs) return 'event_loop'
      count++
      return undefined
    },
    leave: () => {
      count--
    },
    inFlight: () => count,
    delaySeconds: () => delayMs / 1000,
    stop: () => {
      stopping = true
    },
    stopping: () => stopping,
    close() {
      clearInterval(timer)
      histogram.disable()
    },
  }
}
