// What is known of past backups, written down a second time: as an annotation of the ServiceAccount.
//
// Metacontroller writes the status that it is answered over whatever is there by then. So a sync that was given a status
// from before the last one, and no Job any more, would forget what came of it, and the Job is the only one who knew. A
// child is different: it is updated as it was seen, and the API server refuses that when it has changed since. What the
// status lost comes back from there with the next sync.
import * as z from 'zod'
import type { Observed } from '../../sdk/observed.ts'
import { type ResourceType, ServiceAccount } from '../../sdk/resources.ts'
import { names } from './names.ts'
import { type DatabaseBackup, type DatabaseBackupStatus, status } from './schema.ts'

type Known = Pick<DatabaseBackupStatus, 'lastBackup' | 'lastFailure' | 'lastVerified'>

const annotation = 'example.com/backup-results'

// Of this very resource: a ServiceAccount may outlive the one before.
const record = status.pick({ lastBackup: true, lastFailure: true, lastVerified: true }).extend({ uid: z.string() })

/** The annotation that holds it; none where nothing is known. */
export function recordOf(
  backup: DatabaseBackup,
  { lastBackup, lastFailure, lastVerified }: Known,
): Record<string, string> {
  if (lastBackup === undefined && lastFailure === undefined) return {}
  // In the schema's order of fields, wherever they come from: the text only changes with what it says.
  const checked = record.safeParse({ lastBackup, lastFailure, lastVerified, uid: backup.metadata.uid })
  return checked.success ? { [annotation]: JSON.stringify(checked.data) } : {}
}

/** What was written down of this DatabaseBackup, which may be less than its status says, or more. */
export function recorded(backup: DatabaseBackup, observed: Observed<ResourceType>): Known {
  const text = observed.get(ServiceAccount, names(backup).serviceAccount)?.metadata.annotations?.[annotation]
  const parsed = record.safeParse(parseJson(text ?? ''))
  return parsed.success && parsed.data.uid === backup.metadata.uid ? parsed.data : {}
}

// Whoever may write to ServiceAccounts could write anything there.
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
