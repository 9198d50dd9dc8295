// Cron schedules and periods as CronJobs take them.
import { Cron } from 'croner'
import { remembering } from './remember.ts'

/**
 * Says what is wrong with a CronJob's schedule; undefined when nothing is. Five fields or a macro, as
 * robfig/cron reads them (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax).
 */
export const scheduleFault = remembering((schedule: string): string | undefined => {
  if (macros.test(schedule)) return undefined
  if (!schedulePattern.test(schedule)) {
    return 'must be five fields (minute hour day-of-month month day-of-week, such as "0 2 * * *") or a macro such as @daily'
  }
  try {
    // From a fixed instant, so that the answer does not depend on the day it is asked. UTC by its offset: by its name
    // it would load what Intl knows of time zones, a tenth of a cold start.
    const next = new Cron(schedule, { mode: '5-part', utcOffset: 0 }).nextRun(new Date('2024-01-01T00:00:00Z'))
    return next === null ? 'never comes round: there is no such day' : undefined
  } catch (error) {
    return `is not a cron expression: ${error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error)}`
  }
})

/** The times of a schedule around an instant, in UTC: the last at or before it, and the next after it. */
export function timesAround(schedule: string, now: Date): { last: Date | undefined; next: Date | undefined } {
  const cron = new Cron(schedule, { mode: '5-part', utcOffset: 0, paused: true })
  // A second later, for "at" too: the smallest step of croner.
  const [last] = cron.previousRuns(1, new Date(now.getTime() + 1000))
  return { last, next: cron.nextRun(now) ?? undefined }
}

/** The longest time between two runs of a schedule, in seconds, looking at a few of them. */
export const longestGapSeconds = remembering((schedule: string): number => {
  // From a fixed instant, so that the answer does not depend on the day it is asked.
  const runs = new Cron(schedule, { mode: '5-part', utcOffset: 0, paused: true }).nextRuns(32, '2024-01-01T00:00:00Z')
  const gaps = runs.slice(1).map((run, index) => (run.getTime() - (runs[index]?.getTime() ?? 0)) / 1000)
  return Math.max(0, ...gaps)
})

/** Seconds of a period such as `12h`, `7d` or `4w`. Undefined when it is none. */
export function periodSeconds(period: string): number | undefined {
  const match = periodPattern.exec(period)
  const unit = units[match?.[2] ?? '']
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit
}

/** Hours, days or weeks. */
export const periodPattern = /^([1-9][0-9]{0,3})([hdw])$/

/** An IANA time zone that this runtime knows; "Local" and offsets are refused, as CronJobs refuse them. */
export const isTimeZone = remembering((name: string): boolean => {
  // The default, so most are spared what loading time zones costs.
  if (name === 'Etc/UTC') return true
  if (!timeZonePattern.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
})

export const timeZonePattern = /^[A-Z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/

const units: Record<string, number> = { h: 3600, d: 86400, w: 604800 }
const macros = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/

// What each field may hold, so that kubectl apply refuses most mistakes without the hook: croner alone would also
// take L, W, # and 7 for Sunday, which CronJobs do not.
function field(value: string): string {
  const item = `([*?]|(${value})(-(${value}))?)(/[1-9][0-9]?)?`
  return `${item}(,${item})*`
}

const months = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC'
const days = 'SUN|MON|TUE|WED|THU|FRI|SAT'

/** Five fields or a macro. */
export const schedulePattern = new RegExp(
  `^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|${[
    field('[0-5]?[0-9]'),
    field('[01]?[0-9]|2[0-3]'),
    field('0?[1-9]|[12][0-9]|3[01]'),
    field(`0?[1-9]|1[0-2]|${months}|${months.toLowerCase()}`),
    field(`[0-6]|${days}|${days.toLowerCase()}`),
  ].join(' +')})$`,
)
