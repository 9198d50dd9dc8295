// What a spec can ask for that is well formed and cannot be done.
import type { Hold } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import type { Database } from '../database/schema.ts'
import { grantFault } from './grants.ts'
import { type DatabaseUser, maxNameLength } from './schema.ts'

/** Why there cannot be such a user in that Database. */
export function refusal(user: DatabaseUser, db: Database): Hold['hold'] | undefined {
  const { name } = user.metadata
  const { engine, version, credentials } = db.spec
  if (name.length > maxNameLength || !dnsLabelPattern.test(name)) {
    const message = `metadata.name: must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Jobs are named after it`
    return { reason: 'InvalidName', message }
  }
  if (user.spec.username === credentials.username) {
    const message = `spec.username: "${credentials.username}" owns the database and is made by the Database itself: choose another name`
    return { reason: 'OwnerRefused', message }
  }
  if (engine === 'mongodb' && user.spec.connectionLimit !== undefined) {
    return { reason: 'NotSupported', message: 'spec.connectionLimit: mongodb has no limit of a user: leave it out' }
  }
  if (engine === 'mysql' && isBefore(version, [8, 0, 21])) {
    const message = `spec.databaseRef: MySQL ${version} cannot note whose a user is: it needs 8.0.21 or later`
    return { reason: 'NotSupported', message }
  }
  const grant = grantFault(user, db)
  return grant === undefined ? undefined : { reason: 'InvalidGrant', message: grant }
}

// "8.0" is the latest of its series.
function isBefore(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, number] of least.entries()) {
    const part = parts[index] ?? Number.POSITIVE_INFINITY
    if (part !== number) return part < number
  }
  return false
}
