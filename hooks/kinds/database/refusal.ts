// What a spec can ask for that is well formed and cannot be done.
import type { Hold } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import type { StatefulSet } from '../../sdk/resources.ts'
import { parameterFault } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import { type Database, maxNameLength } from './schema.ts'
import { versionFault } from './versions.ts'

/** Why the Database cannot become what its spec says, as long as the StatefulSet is what it is. */
export function refusal(db: Database, observed: StatefulSet | undefined): Hold['hold'] | undefined {
  const { name } = db.metadata
  if (name.length > maxNameLength || !dnsLabelPattern.test(name)) {
    const message = `metadata.name: must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Services and the CronJob <name>-backup are named after it; create the Database under another name`
    return { reason: 'InvalidName', message }
  }
  const engine = observed?.spec?.selector?.matchLabels?.['app.kubernetes.io/name']
  if (engine !== undefined && engine !== db.spec.engine) {
    // The CRD refuses it, unless the one that is installed is older than this.
    return { reason: 'EngineChangeRefused', message: `spec.engine: cannot be changed: set it back to ${engine}` }
  }
  const parameter = parameterFault(db, engineOf(db))
  if (parameter !== undefined) return { reason: 'InvalidParameter', message: parameter }
  const version = versionFault(db, observed)
  return version === undefined ? undefined : { reason: 'VersionChangeRefused', message: version }
}
