// What a DatabaseUser is: the children it consists of, and what it says of itself.

import { tokenlessAccount } from '../../sdk/companions.ts'
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Answer, ClockContext, Hold } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import { Job } from '../../sdk/resources.ts'
import { databaseOf, unavailable } from '../database/reference.ts'
import type { DatabaseUserChildren } from './children.ts'
import { applySpec, job, networkPolicy } from './job.ts'
import { existing, type Logins, listed, loginsOf, promoted, secondsToChange } from './logins.ts'
import { labels, names } from './names.ts'
import { type Progress, progressOf } from './progress.ts'
import { refusal } from './refusal.ts'
import type { DatabaseUser, DatabaseUserStatus } from './schema.ts'
import { applicationSecret, loginsSecret } from './secret.ts'

export type UserContext = ClockContext<DatabaseUserChildren>

export function sync(
  user: DatabaseUser,
  context: UserContext,
): Answer<DatabaseUserChildren, DatabaseUserStatus> | Hold<DatabaseUserStatus> {
  const { observed, related, credentials, settings, now } = context
  const { db, missing } = databaseOf(related, user.spec.databaseRef)
  if (db === undefined) return { hold: missing }
  const refused = refusal(user, db)
  if (refused !== undefined) return { hold: refused }
  const wanted = loginsOf(user, credentials, now)
  const lost = existing(wanted).find(({ keyId }) => keyId !== undefined && !credentials.hasKey(keyId))
  if (lost !== undefined) {
    const message = `the password of ${lost.username} was derived from the key "${lost.keyId}", which the service does not have any more: configure it again beside the current one, raise spec.rotation.counter, and take it away when that login has expired`
    return { hold: { reason: 'CredentialKeyMissing', message } }
  }
  const usernames = existing(wanted).map(({ username }) => username)
  const spec = applySpec(user, db, usernames, settings)
  // Which password a login has is not in the template.
  const progress = progressOf(user, db, spec, passwordsOf(wanted), context)
  const isApplied = progress.applied?.hash === progress.hash
  const logins = isApplied ? promoted(wanted, user, now) : wanted
  const waiting = unavailable(db)
  const live = observed.get(Job, progress.job)
  // What runs is left to end. Nothing begins while the Database takes no connections.
  const current =
    live !== undefined
      ? heldChild(live)
      : progress.outcome === 'recorded' || waiting !== undefined
        ? undefined
        : job(user, progress.job, spec)
  const failed = progress.failure !== undefined
  return {
    children: [
      tokenlessAccount({ name: names(user).serviceAccount, labels: labels(user) }),
      networkPolicy(user, db),
      loginsSecret(user, logins, credentials),
      logins.inForce && applicationSecret(user, db, logins.inForce, credentials),
      current,
    ],
    status: {
      phase: isApplied ? 'Ready' : failed ? 'Failed' : waiting === undefined ? 'Applying' : 'Pending',
      ...(logins.inForce === undefined ? {} : { username: logins.inForce.username, secretName: names(user).secret }),
      ...(progress.applied && { applied: progress.applied }),
      ...(progress.drift && { drift: progress.drift }),
      ...(progress.failure && { failure: progress.failure }),
      logins: listed(logins),
    },
    conditions: [readiness(user, logins, progress), synchronized(progress, waiting)],
    // A little late, so that the clock of the next sync is surely past it.
    resyncAfterSeconds: Math.min(progress.secondsLeft, secondsToChange(user, logins, now) ?? progress.secondsLeft) + 1,
  }
}

/** Which password each login has, less the password. */
function passwordsOf(logins: Logins): string {
  return existing(logins)
    .map(({ username, counter, keyId }) => `${username} ${counter} ${keyId ?? ''}`)
    .join('\n')
}

// A login that is made or dropped beside the one in force takes nothing from anybody.
function readiness(
  { metadata, spec }: DatabaseUser,
  { inForce }: Logins,
  { applied, failure }: Progress,
): ConditionInput {
  const type = 'Ready'
  if (failure !== undefined) return { type, status: 'False', reason: 'Failed', message: failure.message }
  if (inForce === undefined) {
    return { type, status: 'False', reason: 'Creating', message: `the user ${spec.username} is not made yet` }
  }
  return applied?.generation === metadata.generation
    ? { type, status: 'True', reason: 'Applied', message: '' }
    : { type, status: 'False', reason: 'Applying', message: 'what the spec says is not in force yet' }
}

function synchronized(
  { outcome, failure, hash, applied, job }: Progress,
  waiting: { reason: string; message: string } | undefined,
): ConditionInput {
  const type = 'Synchronized'
  if (failure !== undefined) {
    const message = `attempt ${failure.attempts} failed and another follows: ${failure.message}`
    return { type, status: 'False', reason: failure.message.startsWith('refused: ') ? 'Refused' : 'JobFailed', message }
  }
  if (applied?.hash === hash) return { type, status: 'True', reason: 'Applied', message: '' }
  if (outcome === 'running') return { type, status: 'False', reason: 'Applying', message: `waiting for Job/${job}` }
  return { type, status: 'False', ...(waiting ?? { reason: 'Applying', message: `waiting for Job/${job}` }) }
}
