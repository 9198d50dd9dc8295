// What is wrong with a Database, or unwise, that neither its schema nor CEL can tell.
import type { Findings } from '../../sdk/definition.ts'
import { fieldBelow } from '../../sdk/fields.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { quantityToNumber } from '../../sdk/quantity.ts'
import type { Problem } from '../../sdk/schema.ts'
import { parameterProblems } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import { engineResources } from './resources.ts'
import { type Database, maxNameLength } from './schema.ts'
import { isEarlier } from './versions.ts'

/** Asked at admission and by each sync; a problem holds what exists. */
export function validate(db: Database): Findings {
  return {
    problems: [
      ...nameProblems(db),
      ...parameterProblems(db, engineOf(db)),
      ...archiveProblems(db),
      ...memberProblems(db),
    ],
    warnings: [...quorumWarnings(db), ...dataWarnings(db)],
  }
}

function nameProblems({ metadata: { name } }: Database): Problem[] {
  if (name.length <= maxNameLength && dnsLabelPattern.test(name)) return []
  const message = `must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Services and the CronJob <name>-backup are named after it; create the Database under another name`
  return [{ field: 'metadata.name', message, reason: 'InvalidName' }]
}

function archiveProblems(db: Database): Problem[] {
  const { backup, parameters = {}, version } = db.spec
  const { archive, title } = engineOf(db)
  if (backup.method !== 'physical' || archive === undefined) return []
  const { ownedParameters, earliest } = archive
  const owned = Object.keys(parameters).filter((name) => ownedParameters.test(name))
  const message = 'cannot be set: physical backups archive the log'
  const problems = owned.map((name) => ({
    field: fieldBelow('spec.parameters', name),
    message,
    reason: 'InvalidParameter',
  }))
  if (earliest === undefined || !isEarlier(version, earliest)) return problems
  const old = `is ${version}, and physical backups of ${title} need ${earliest} at least; take backup.method logical`
  return [...problems, { field: 'spec.version', message: old, reason: 'VersionTooOld' }]
}

// Group Replication keeps messages of 128 MiB at least, and certifies and applies beside it: a member of 512 MiB is killed by
// the kernel when it joins. https://dev.mysql.com/doc/refman/8.4/en/group-replication-performance-xcom-cache.html
// Before 8.0.27 members cannot talk by MySQL's own protocol, which alone knows accounts and TLS as the server does.
// https://dev.mysql.com/doc/refman/8.0/en/group-replication-options.html#sysvar_group_replication_communication_stack
function memberProblems(db: Database): Problem[] {
  const { engine, replicas, highAvailability, resources, version } = db.spec
  if (engine !== 'mysql' || (replicas === 1 && highAvailability === undefined)) return []
  const problems: Problem[] = []
  if (isEarlier(version, '8.0.27')) {
    const message = `is ${version}, and members of a MySQL group need 8.0.27 at least; a single Database may have it`
    problems.push({ field: 'spec.version', message, reason: 'VersionTooOld' })
  }
  const memory = engineResources(db).limits?.memory
  if (memory !== undefined && quantityToNumber(memory) < 768 * 1024 ** 2) {
    const field = `spec.resources.${resources.limits?.memory === undefined ? 'requests' : 'limits'}.memory`
    const message = `is ${memory}, and a member of a MySQL group needs 768Mi at least`
    problems.push({ field, message, reason: 'TooLittleMemory' })
  }
  return problems
}

// Both decide by a majority: https://dev.mysql.com/doc/refman/8.4/en/group-replication-fault-tolerance.html and
// https://www.mongodb.com/docs/manual/core/replica-set-architectures/
function quorumWarnings({ spec: { engine, replicas } }: Database): string[] {
  if (engine === 'postgresql' || replicas % 2 === 1) return []
  const survived = replicas / 2 - 1
  const loss = survived === 0 ? 'no replica may fail' : `no more than ${survived} of them may fail`
  return [`spec.replicas: ${replicas} vote no better than ${replicas - 1}, ${loss}; take an odd number`]
}

function dataWarnings({ spec: { deletionPolicy, backup } }: Database): string[] {
  if (deletionPolicy !== 'Delete' || backup.enabled) return []
  return ['spec.deletionPolicy: Delete takes the data along with the resource, and no backups are taken']
}
