// A work queue as client-go's: one key is worked on once at a time, failures back off per key.
import type { Clock } from './clock.ts'

/** What a worker makes of one key: 'done' forgets its failures, 'failed' backs off, a number asks again after so many seconds. */
export type Outcome = 'done' | 'failed' | number

export interface Queue {
  /** Asks for the key to be worked on. Asked again before it is, it is worked on once. */
  add(key: string): void
  addAfter(key: string, seconds: number): void
  /** Failures of the key since its last success. */
  failures(key: string): number
  stop(): void
}

/**
 * Runs `work` for keys with so many workers at once.
 * Back-off per key: 5 ms, doubled with each failure, at most 1000 s (workqueue.DefaultTypedControllerRateLimiter).
 */
export function createQueue(clock: Clock, workers: number, work: (key: string) => Promise<Outcome>): Queue {
  const waiting = new Set<string>()
  const active = new Set<string>()
  const again = new Set<string>()
  const delayed = new Map<string, { due: number; cancel: () => void }>()
  const failures = new Map<string, number>()
  let stopped = false

  const add = (key: string) => {
    if (stopped) return
    if (active.has(key)) again.add(key)
    else waiting.add(key)
    pump()
  }
  const addAfter = (key: string, seconds: number) => {
    if (stopped) return
    if (seconds <= 0) {
      add(key)
      return
    }
    const due = clock.now() + seconds * 1000
    const pending = delayed.get(key)
    // A delaying queue keeps the earlier of two times for one key.
    if (pending !== undefined && pending.due <= due) return
    pending?.cancel()
    const cancel = clock.after(seconds, () => {
      delayed.delete(key)
      add(key)
    })
    delayed.set(key, { due, cancel })
  }
  const settle = (key: string, outcome: Outcome) => {
    if (outcome === 'done') failures.delete(key)
    else if (typeof outcome === 'number') {
      // Zero seconds is a hot loop; it still takes a request's time, a millisecond or two, each round.
      addAfter(key, Math.max(outcome, 0.0015))
    } else {
      const count = failures.get(key) ?? 0
      failures.set(key, count + 1)
      addAfter(key, Math.min(0.005 * 2 ** count, 1000))
    }
  }
  const pump = () => {
    for (const key of waiting) {
      if (active.size >= workers) return
      waiting.delete(key)
      active.add(key)
      clock.run(async () => {
        const outcome = await work(key)
        active.delete(key)
        if (stopped) return
        settle(key, outcome)
        if (again.delete(key)) waiting.add(key)
        pump()
      })
    }
  }
  return {
    add,
    addAfter,
    failures: (key) => failures.get(key) ?? 0,
    stop() {
      stopped = true
      waiting.clear()
      again.clear()
      for (const { cancel } of delayed.values()) cancel()
      delayed.clear()
    },
  }
}
