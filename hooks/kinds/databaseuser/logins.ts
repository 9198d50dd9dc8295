// Which logins a DatabaseUser has. A new one is made beside the one in force, and only once it is there does the Secret
// name it; the one before still works until its retention is over. So nobody is cut off, as long as applications read
// their Secret again within that time.
import type { Context } from '../../sdk/definition.ts'
import { periodSeconds } from '../../sdk/schedule.ts'
import type { DatabaseUser, DatabaseUserStatus } from './schema.ts'

export type Login = NonNullable<DatabaseUserStatus['logins']>[number]

/** All logins there should be. */
export interface Logins {
  /** The one that the Secret names; undefined until the first one is made. */
  inForce?: Login
  /** The one that is to be in force as soon as it is made. */
  next?: Login
  /** Those before, which expire. */
  superseded: Login[]
}

/** The logins at `now`, going on from those that the status lists. */
export function loginsOf(user: DatabaseUser, credentials: Context['credentials'], now: Date): Logins {
  const { status } = user
  const recorded = status?.logins ?? []
  const lasting = recorded.filter(({ expires }) => expires === undefined)
  const superseded = recorded.filter(({ expires }) => expires !== undefined && Date.parse(expires) > now.getTime())
  const inForce = status?.username === undefined ? undefined : lasting[0]
  const next = status?.username === undefined ? lasting[0] : lasting[1]
  const newest = next ?? inForce
  const wanted = isWanted(user, newest, now) ? newest : newLogin(user, credentials, now, recorded)
  if (wanted === inForce) return { ...(inForce && { inForce }), superseded }
  return { ...(inForce && { inForce }), ...(wanted && { next: wanted }), superseded }
}

/** The logins once `next` is made: it is in force, and the one before has its retention left. */
export function promoted({ inForce, next, superseded }: Logins, user: DatabaseUser, now: Date): Logins {
  if (next === undefined) return { ...(inForce && { inForce }), superseded }
  const replaced = inForce === undefined || inForce.username === next.username
  const expires = timestamp(now.getTime() + seconds(user.spec.rotation.retention) * 1000)
  // A login that comes back into force expires no more.
  const before = superseded.filter(({ username }) => username !== next.username)
  return { inForce: next, superseded: replaced ? before : [...before, { ...inForce, expires }] }
}

/** Every login that the engine should know, each once: the later of two of one name holds. */
export function existing({ inForce, next, superseded }: Logins): Login[] {
  const all = [...superseded, ...(inForce ? [inForce] : []), ...(next ? [next] : [])]
  return all.filter(({ username }, index) => all.findLastIndex((one) => one.username === username) === index)
}

/** As the status lists them. */
export function listed({ inForce, next, superseded }: Logins): Login[] {
  return [...(inForce ? [inForce] : []), ...(next ? [next] : []), ...superseded]
}

/** Seconds until the next change that comes by time alone; undefined when there is none. */
export function secondsToChange(user: DatabaseUser, { inForce, superseded }: Logins, now: Date): number | undefined {
  const { interval } = user.spec.rotation
  const ends = superseded.map(({ expires = '' }) => Date.parse(expires))
  const turn = interval && inForce ? [Date.parse(inForce.since) + seconds(interval) * 1000] : []
  const next = Math.min(...ends, ...turn)
  return Number.isFinite(next) ? Math.max(1, Math.ceil((next - now.getTime()) / 1000)) : undefined
}

/** The password of a login, which nobody has to remember. */
export function passwordOf({ metadata }: DatabaseUser, login: Login, credentials: Context['credentials']): string {
  const { username, counter, keyId } = login
  return credentials.derive({ uid: metadata.uid, purpose: `user ${username}`, rotation: counter, keyId })
}

/** RFC 3339, whole seconds. */
export function timestamp(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** Seconds of a period that the schema has checked. */
export function seconds(period: string): number {
  return periodSeconds(period) ?? 0
}

function isWanted({ spec }: DatabaseUser, login: Login | undefined, now: Date): boolean {
  if (login === undefined || login.counter !== spec.rotation.counter) return false
  const { interval } = spec.rotation
  const isPlain = login.username === spec.username
  if (interval === undefined) return isPlain
  return !isPlain && now.getTime() - Date.parse(login.since) < seconds(interval) * 1000
}

function newLogin(
  { spec }: DatabaseUser,
  credentials: Context['credentials'],
  now: Date,
  recorded: readonly Login[],
): Login | undefined {
  const since = timestamp(now.getTime())
  // 2026-03-01T12:34 becomes 2603011234: with the longest name that is 31 of the 32 characters that MySQL takes.
  const suffix = since.slice(2, 16).replace(/[-:T]/g, '')
  const username = spec.rotation.interval === undefined ? spec.username : `${spec.username}_${suffix}`
  const { counter } = spec.rotation
  // Within the same minute there is one already: the next sync makes the other.
  if (username !== spec.username && recorded.some((one) => one.username === username)) return undefined
  const keyId = spec.passwordSecret === undefined ? { keyId: credentials.currentKeyId } : {}
  return { username, ...keyId, counter, since }
}
