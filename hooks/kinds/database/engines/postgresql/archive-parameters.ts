// What a PostgreSQL server has to be told to archive its log: https://www.postgresql.org/docs/current/continuous-archiving.html
import type { Database } from '../../schema.ts'
import { paths } from '../engine.ts'

/** Whether the engine archives its log. */
export function archives(db: Database): boolean {
  return db.spec.backup.method === 'physical' && db.spec.backup.destination?.s3 !== undefined
}

/** Parameters of an engine that archives. */
export function archiveParameters(db: Database): Record<string, string> {
  if (!archives(db)) return {}
  return {
    archive_mode: 'on',
    archive_command: `bash ${paths.scripts}/pgbackrest.sh archive-push "%p"`,
    // At most so much is lost with the volume.
    archive_timeout: '60s',
  }
}
