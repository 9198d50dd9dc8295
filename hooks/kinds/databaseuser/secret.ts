// The Secret <name>-user for applications, and <name>-user-logins for the Jobs.
import type { Context } from '../../sdk/definition.ts'
import type { Secret } from '../../sdk/resources.ts'
import { engineOf } from '../database/engines/index.ts'
import { names as databaseNames, host } from '../database/names.ts'
import type { Database } from '../database/schema.ts'
import { replicationOf } from '../database/topology.ts'
import { grantsOf } from './grants.ts'
import { existing, type Login, type Logins, passwordOf } from './logins.ts'
import { labels, names } from './names.ts'
import type { DatabaseUser } from './schema.ts'

/** All that an application needs to connect as the login in force. */
export function applicationSecret(
  user: DatabaseUser,
  db: Database,
  login: Login,
  credentials: Context['credentials'],
): Secret {
  const engine = engineOf(db)
  const replication = replicationOf(db, undefined)
  const { username } = login
  const [first] = grantsOf(user, db)
  const access = {
    username,
    host: host(db, databaseNames(db).primary),
    port: engine.port,
    database: first?.name ?? db.spec.credentials.database,
    tls: db.spec.tls !== undefined,
    ...(replication?.members && { members: replication.members(db) }),
  }
  const common = { username, host: access.host, port: String(access.port), dbname: access.database }
  // The password of a Secret of the user's own is not known here, so nothing that holds it can be made.
  if (user.spec.passwordSecret !== undefined) return secret(user, names(user).secret, common)
  const password = passwordOf(user, login, credentials)
  const whole = { ...access, password }
  return secret(user, names(user).secret, {
    ...common,
    password,
    uri: engine.uri(whole),
    'jdbc-uri': engine.jdbcUri(whole),
  })
}

/** The password of every login, by its name; undefined where the user brings his own. */
export function loginsSecret(
  user: DatabaseUser,
  logins: Logins,
  credentials: Context['credentials'],
): Secret | undefined {
  if (user.spec.passwordSecret !== undefined) return undefined
  const passwords = existing(logins).map((login) => [login.username, passwordOf(user, login, credentials)] as const)
  return secret(user, names(user).logins, Object.fromEntries(passwords))
}

function secret(user: DatabaseUser, name: string, values: Record<string, string>): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels: labels(user) },
    type: 'Opaque',
    data: Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
  }
}
