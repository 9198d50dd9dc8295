// What a spec can ask for that is well formed and cannot be done with the database that exists.
import type { Hold } from '../../sdk/definition.ts'
import type { StatefulSet } from '../../sdk/resources.ts'
import type { Database } from './schema.ts'
import { versionFault } from './versions.ts'

/** Why the Database cannot become what its spec says, as long as the StatefulSet is what it is. */
export function refusal(db: Database, observed: StatefulSet | undefined): Hold['hold'] | undefined {
  const engine = observed?.spec?.selector?.matchLabels?.['app.kubernetes.io/name']
  if (engine !== undefined && engine !== db.spec.engine) {
    // The CRD refuses it, unless the one that is installed is older than this.
    return { reason: 'EngineChangeRefused', message: `spec.engine: cannot be changed: set it back to ${engine}` }
  }
  const version = versionFault(db, observed)
  return version === undefined ? undefined : { reason: 'VersionChangeRefused', message: version }
}
