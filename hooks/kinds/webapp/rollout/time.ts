// Times of the status against the present one. The two need not come from one clock: another copy of the service may
// have written them, and clocks are set.

/** A stretch of time that began at a stored moment. */
export interface Stretch {
  /** RFC 3339: the stored moment, or the present one where the stored one cannot be right. */
  since: string
  seconds: number
}

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export function stamp(now: Date): string {
  return `${now.toISOString().slice(0, 19)}Z`
}

/**
 * How long ago `since` was. A moment that is missing, unreadable or still to come begins anew, so that a clock that was
 * set back costs a stretch its time so far and no more.
 * @param due when the stretch ends, in seconds. A sync is asked for at that moment and comes with each resync anyway; so
 *   when it is found long past, nobody has looked in between, or the clock was set forward, and the stretch begins anew.
 */
export function stretch(since: string | undefined, now: Date, due = Number.POSITIVE_INFINITY): Stretch {
  const seconds = (now.getTime() - Date.parse(since ?? '')) / 1000
  if (since === undefined || !(seconds >= -1) || seconds > due + unwatchedSeconds)
    return { since: stamp(now), seconds: 0 }
  return { since, seconds }
}

/** The later of two stored moments. */
export function later(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Date.parse(one) > Date.parse(other) ? one : other
}

/** Four times the resync period: any longer without a look is no accident of scheduling. */
const unwatchedSeconds = 120
