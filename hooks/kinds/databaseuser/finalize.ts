// Deleting a DatabaseUser: with deletionPolicy Delete a Job drops it from the engine, and only then the resource goes.
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import { tokenlessAccount } from '../../sdk/companions.ts'
import type { FinalAnswer } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import { shortHash } from '../../sdk/names.ts'
import { Job } from '../../sdk/resources.ts'
import { jobOutcome } from '../database/jobs.ts'
import { databaseOf, unavailable } from '../database/reference.ts'
import type { Database } from '../database/schema.ts'
import type { DatabaseUserChildren } from './children.ts'
import { dropSpec, job, networkPolicy } from './job.ts'
import { labels, names } from './names.ts'
import { whyFailed } from './progress.ts'
import type { DatabaseUser, DatabaseUserStatus } from './schema.ts'
import type { UserContext } from './sync.ts'

type Final = FinalAnswer<DatabaseUserChildren, DatabaseUserStatus>

export function finalize(user: DatabaseUser, context: UserContext): Final {
  const answer = (reason: string, message: string, children?: Final['children']): Final => ({
    children: children ?? [],
    finalized: children === undefined,
    status: { ...user.status, phase: 'Deleting' },
    conditions: [{ type: 'Ready', status: 'False', reason, message }],
    ...(children === undefined ? {} : { resyncAfterSeconds: 10 }),
  })
  const { observed, related, settings } = context
  if (user.spec.deletionPolicy === 'Retain') return answer('Deleted', 'the user stays in the engine')
  const { db } = databaseOf(related, user.spec.databaseRef)
  // Nobody is left to drop it from.
  if (db === undefined || db.metadata.deletionTimestamp !== undefined) {
    return answer('Deleted', 'the Database is gone, or goes itself')
  }
  const everApplied = user.status?.applied !== undefined || user.status?.failure !== undefined
  if (!everApplied && observed.list(Job).length === 0) return answer('Deleted', 'the user was never made')
  // Metacontroller makes no children then, and the collector takes those that there are.
  if (user.metadata.finalizers?.includes('foregroundDeletion')) {
    return answer('DeletedInForeground', 'deleted with --cascade=foreground, so that the user stays in the engine')
  }
  const spec = dropSpec(user, db, settings)
  const name = names(user).dropJob(shortHash(JSON.stringify([db.metadata.uid, spec])))
  const live = observed.get(Job, name)
  const outcome = jobOutcome(live)
  if (outcome === 'succeeded') return answer('Deleted', 'the user is dropped')
  const beside = besides(user, db)
  const waiting = unavailable(db)
  if (live === undefined && waiting !== undefined) {
    return answer(waiting.reason, `${waiting.message}, to drop the user; ${wayOut}`, beside)
  }
  const children = [...beside, live === undefined ? job(user, name, withoutEnd(spec)) : heldChild(live)]
  if (live !== undefined && outcome === 'failed') {
    const why = whyFailed(live, related)
    return answer(
      'DropFailed',
      `the user could not be dropped: ${why}; delete Job/${name} to try again; ${wayOut}`,
      children,
    )
  }
  return answer('Dropping', `waiting for Job/${name} to drop the user`, children)
}

const wayOut = 'set spec.deletionPolicy to Retain to leave it in the engine'

// Its result decides what follows, so it stays until the resource is gone.
function withoutEnd({ ttlSecondsAfterFinished: _ttl, ...spec }: JobSpec): JobSpec {
  return spec
}

// Nothing that an application needs: its Secret goes first.
function besides(user: DatabaseUser, db: Database): Final['children'] {
  return [tokenlessAccount({ name: names(user).serviceAccount, labels: labels(user) }), networkPolicy(user, db)]
}
