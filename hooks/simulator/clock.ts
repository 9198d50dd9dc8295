// The time of a simulated cluster. Everything that happens in it later, or takes time, goes through one clock.

/** A clock whose time moves when told to (virtual) or by itself (real). Times are milliseconds since 1970. */
export interface Clock {
  readonly virtual: boolean
  now(): number
  /** The time as Kubernetes writes it: RFC 3339, whole seconds, UTC. */
  stamp(): string
  /** Runs `task` once, `seconds` from now. The answer takes it back. */
  after(seconds: number, task: () => void | Promise<void>): () => void
  /** Starts asynchronous work that time has to wait for: virtual time stands still until it is done. */
  run(task: () => Promise<void>): void
  /** Resolves when no work is under way. Rejects with the first error that work threw. */
  settled(): Promise<void>
  /** Lets `seconds` go by: all that falls due in them happens, in order. */
  advance(seconds: number): Promise<void>
  /** Drops all that is still to come. */
  stop(): void
}

interface Timer {
  due: number
  order: number
  task: () => void | Promise<void>
}

/**
 * A clock that stands still until `advance`. Two tasks due at the same instant run in the order they were
 * asked for; the second waits for all work that the first started.
 * @param start RFC 3339
 */
export function createClock(start = '2030-01-01T00:00:00Z'): Clock {
  const timers = createTimerHeap()
  const work = createWork()
  let now = Date.parse(start)
  let order = 0
  if (Number.isNaN(now)) throw new Error(`clock start ${JSON.stringify(start)} is not an RFC 3339 time`)
  return {
    virtual: true,
    now: () => now,
    stamp: () => rfc3339(now),
    after(seconds, task) {
      const timer = { due: now + Math.max(0, seconds) * 1000, order: order++, task }
      timers.push(timer)
      return () => timers.cancel(timer)
    },
    run: work.run,
    settled: work.settled,
    async advance(seconds) {
      const until = now + seconds * 1000
      await work.settled()
      for (let timer = timers.pop(until); timer !== undefined; timer = timers.pop(until)) {
        now = Math.max(now, timer.due)
        const { task } = timer
        const result = task()
        if (result instanceof Promise) work.run(() => result)
        if (work.busy()) await work.settled()
      }
      now = until
    },
    stop: timers.clear,
  }
}

/** The machine's own time, `speed` times as fast. `advance` really waits. */
export function createRealClock(speed = 1): Clock {
  const work = createWork()
  const started = Date.now()
  const pending = new Set<NodeJS.Timeout>()
  const now = () => started + (Date.now() - started) * speed
  return {
    virtual: false,
    now,
    stamp: () => rfc3339(now()),
    after(seconds, task) {
      // setTimeout wraps round above 2^31 - 1 ms; nothing here needs a longer wait than that.
      const delay = Math.min((Math.max(0, seconds) * 1000) / speed, 2 ** 31 - 1)
      const timer = setTimeout(() => {
        pending.delete(timer)
        work.run(async () => task())
      }, delay)
      pending.add(timer)
      return () => {
        clearTimeout(timer)
        pending.delete(timer)
      }
    },
    run: work.run,
    settled: work.settled,
    advance: (seconds) => new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / speed)),
    stop() {
      for (const timer of pending) clearTimeout(timer)
      pending.clear()
    },
  }
}

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export function rfc3339(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

function createWork() {
  let running = 0
  let failure: { error: unknown } | undefined
  let waiting: (() => void)[] = []
  return {
    busy: () => running > 0 || failure !== undefined,
    run(task: () => Promise<void>) {
      running++
      task()
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => {
          running--
          if (running > 0) return
          for (const wake of waiting.splice(0)) wake()
        })
    },
    async settled() {
      while (running > 0) await new Promise<void>((resolve) => waiting.push(resolve))
      waiting = []
      if (failure === undefined) return
      const { error } = failure
      failure = undefined
      throw error
    },
  }
}

function createTimerHeap() {
  const heap: Timer[] = []
  const cancelled = new Set<Timer>()
  const before = (left: Timer, right: Timer) =>
    left.due < right.due || (left.due === right.due && left.order < right.order)
  const swap = (left: number, right: number) => {
    const [a, b] = [heap[left], heap[right]]
    if (a === undefined || b === undefined) return
    heap[left] = b
    heap[right] = a
  }
  const precedes = (left: number, right: number) => {
    const [a, b] = [heap[left], heap[right]]
    return a !== undefined && b !== undefined && before(a, b)
  }
  const take = (): Timer | undefined => {
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    heap[0] = last
    for (let index = 0; ; ) {
      let least = index
      for (const child of [2 * index + 1, 2 * index + 2]) if (precedes(child, least)) least = child
      if (least === index) return first
      swap(index, least)
      index = least
    }
  }
  return {
    push(timer: Timer) {
      heap.push(timer)
      for (let index = heap.length - 1; index > 0; ) {
        const parent = (index - 1) >> 1
        if (!precedes(index, parent)) return
        swap(index, parent)
        index = parent
      }
    },
    pop(until: number): Timer | undefined {
      for (;;) {
        const [first] = heap
        if (first === undefined || first.due > until) return undefined
        const timer = take()
        if (timer === undefined || !cancelled.delete(timer)) return timer
      }
    },
    cancel(timer: Timer) {
      if (heap.includes(timer)) cancelled.add(timer)
    },
    clear() {
      heap.length = 0
      cancelled.clear()
    },
  }
}
