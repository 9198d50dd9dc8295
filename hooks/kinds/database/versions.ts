// Which changes of version are possible in place.
import type { StatefulSet } from '../../sdk/resources.ts'
import { engineOf } from './engines/index.ts'
import type { Database } from './schema.ts'
import { versionLabel } from './statefulset.ts'

/** The version that the StatefulSet's pods are made for. */
export function versionOf(statefulSet: StatefulSet | undefined): string | undefined {
  return statefulSet?.spec?.template?.metadata?.labels?.[versionLabel]
}

/**
 * Says why the engine cannot go from the version it runs to the one that is asked for; undefined when it can. The
 * CRD refuses most of this already, but it compares with the previous spec only, which may never have been run.
 */
export function versionFault(db: Database, statefulSet: StatefulSet | undefined): string | undefined {
  const running = versionOf(statefulSet)
  const wanted = db.spec.version
  if (running === undefined || running === wanted) return undefined
  const engine = engineOf(db)
  if (seriesOf(running, engine.seriesLength(running)) !== seriesOf(wanted, engine.seriesLength(wanted))) {
    return `spec.version: ${engine.title} ${running} cannot become ${wanted} in place, because the data files differ: create a new Database with version ${wanted} and restore a backup of this one into it, or set the version back to ${running}`
  }
  if (isEarlier(wanted, running) && !engine.mayDowngrade(running)) {
    return `spec.version: ${engine.title} ${running} cannot go back to ${wanted}: set the version to ${running} or later`
  }
  return undefined
}

function seriesOf(version: string, length: number): string {
  return version.split('.').slice(0, length).join('.')
}

/** Whether a version is earlier than another, as far as both are given: 8.0 is whatever 8.0 is newest. */
export function isEarlier(version: string, than: string): boolean {
  const left = version.split('.').map(Number)
  const right = than.split('.').map(Number)
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
