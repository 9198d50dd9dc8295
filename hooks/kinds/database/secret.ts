// The Secret <name>-secret: all that an application needs to connect, and the administrator's password.
import type { Credentials } from '../../sdk/credentials.ts'
import type { Secret } from '../../sdk/resources.ts'
import type { Origin, Origins } from './credentials.ts'
import { monitor, operator } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import type { Replication } from './engines/replication.ts'
import { host, labels, names } from './names.ts'
import type { Database } from './schema.ts'

/** The Secret that holds username and password for applications: the user's own, if he names one. */
export function applicationSecret(db: Database): string {
  return db.spec.credentials.secretName ?? names(db).secret
}

export function secret(
  db: Database,
  credentials: Credentials,
  { current, previous }: Origins,
  replication: Replication | undefined,
): Secret {
  const engine = engineOf(db)
  const { username, database, secretName } = db.spec.credentials
  const derive = (purpose: string, { keyId, rotation }: Origin) =>
    credentials.derive({ uid: db.metadata.uid, purpose, rotation, keyId })
  const access = {
    username,
    password: derive('app', current),
    host: host(db, names(db).primary),
    port: engine.port,
    database,
    tls: db.spec.tls !== undefined,
    ...(replication?.members && { members: replication.members(db) }),
  }
  // The password of the user's own Secret is not known here, so nothing that holds it can be made.
  const login =
    secretName === undefined
      ? { username, password: access.password, uri: engine.uri(access), 'jdbc-uri': engine.jdbcUri(access) }
      : {}
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: names(db).secret, labels: labels(db) },
    type: 'Opaque',
    data: encoded({
      ...login,
      host: access.host,
      port: String(engine.port),
      dbname: database,
      'superuser-username': engine.superuser,
      'superuser-password': derive('superuser', current),
      [monitor.key]: derive('monitor', current),
      [operator.key]: derive('operator', current),
      ...Object.fromEntries(
        [...(engine.archive?.secretKeys?.(db) ?? []), ...(replication?.secretKeys ?? [])].map((key) => [
          key,
          derive(key, current),
        ]),
      ),
      ...replication?.secretFiles?.((key) => derive(key, current), previous && ((key) => derive(key, previous))),
      ...(previous === undefined ? {} : { 'superuser-password-previous': derive('superuser', previous) }),
    }),
  }
}

function encoded(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value = '']) => [key, Buffer.from(value).toString('base64')]),
  )
}
