// What a Database consists of beside its usual children while it is recovered.
import type { Context } from '../../../sdk/definition.ts'
import { heldChild } from '../../../sdk/hold.ts'
import { type Job, Job as JobType, type NetworkPolicy } from '../../../sdk/resources.ts'
import { names } from '../names.ts'
import type { Database } from '../schema.ts'
import { restoreJob, restorePolicy } from './job.ts'
import { recovered } from './state.ts'

/** `running`: whether the empty database serves. */
export function recoveryChildren(
  db: Database,
  context: Pick<Context<typeof JobType>, 'observed' | 'related' | 'settings'>,
  running: boolean,
): (Job | NetworkPolicy | undefined)[] {
  const recovery = recovered(db, context)
  if (recovery === undefined) return []
  if (recovery.status.phase === 'Recovered') {
    // Its log may still be of use; it goes by itself.
    return context.observed
      .list(JobType)
      .filter(({ metadata }) => metadata.name.startsWith(`${names(db).restore}-`))
      .map((job) => heldChild(job))
  }
  const { source, job } = recovery
  if (source === undefined) return []
  return [
    restorePolicy(db, source),
    // Its template cannot change.
    job !== undefined ? heldChild(job) : running ? restoreJob(db, source, context.settings) : undefined,
  ]
}
