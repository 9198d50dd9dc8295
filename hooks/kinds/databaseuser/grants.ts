// What a user may do, in the words of each engine.
import type { Database, EngineName } from '../database/schema.ts'
import type { DatabaseUser, Grant } from './schema.ts'

/** What access means, and which privileges may be named instead. */
const words: Readonly<Record<EngineName, { access: Record<Grant['access'], string>; privileges: readonly string[] }>> =
  {
    postgresql: {
      access: { read: 'SELECT', write: 'SELECT,INSERT,UPDATE,DELETE', admin: 'OWNER' },
      privileges: ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'],
    },
    mysql: {
      access: { read: 'SELECT', write: 'SELECT,INSERT,UPDATE,DELETE', admin: 'OWNER' },
      privileges: [
        ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER', 'EXECUTE'],
        ...['CREATE TEMPORARY TABLES', 'LOCK TABLES', 'CREATE VIEW', 'SHOW VIEW', 'CREATE ROUTINE', 'ALTER ROUTINE'],
        ...['EVENT', 'TRIGGER'],
      ],
    },
    mongodb: {
      access: { read: 'read', write: 'readWrite', admin: 'OWNER' },
      privileges: ['read', 'readWrite', 'dbAdmin'],
    },
  }

/** A database a line: its name, a tab, and privileges or OWNER, as the scripts read it. */
export function grantLines(user: DatabaseUser, db: Database): string {
  const { access } = words[db.spec.engine]
  return grantsOf(user, db)
    .map(({ name, access: level, privileges }) => `${name}\t${privileges?.join(',') ?? access[level]}`)
    .join('\n')
}

/** What is granted; by default the right to write in the Database's own database. */
export function grantsOf({ spec }: DatabaseUser, db: Database): Grant[] {
  return spec.databases ?? [{ name: db.spec.credentials.database, access: 'write' }]
}

/** Says what of the grants the engine does not know; undefined when all is well. */
export function grantFault(user: DatabaseUser, db: Database): string | undefined {
  const { engine, credentials } = db.spec
  const known = words[engine].privileges
  for (const [index, { name, privileges = [] }] of grantsOf(user, db).entries()) {
    const field = `spec.databases[${index}]`
    // Its owner owns this one alone, and what he does not own he cannot share.
    if (engine !== 'postgresql' && name !== credentials.database) {
      return `${field}.name: must be "${credentials.database}", the database of the Database "${db.metadata.name}"`
    }
    const unknown = privileges.find((privilege) => !known.includes(privilege))
    if (unknown !== undefined) {
      return `${field}.privileges: "${unknown}" is none that ${engine} has for this: ${known.join(', ')}`
    }
  }
  return undefined
}
