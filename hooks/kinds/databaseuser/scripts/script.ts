// What the Jobs of a DatabaseUser are told, whatever the engine. Names, which are no secrets, come by the environment;
// passwords are files. Nothing of either is ever on a command line, and nothing of a password in the log.
import { operator } from '../../database/engines/engine.ts'

/** Variables of the environment. */
export const variable = {
  host: 'DATABASE_HOST',
  port: 'DATABASE_PORT',
  /** The database that the operator's own user belongs to, where users belong to one (MongoDB). */
  database: 'DATABASE_NAME',
  /** Whether the server knows TLS: "true" or "false". */
  tls: 'DATABASE_TLS',
  username: 'USER_NAME',
  /** The logins there should be, parted by spaces. */
  logins: 'USER_LOGINS',
  /** Who made the user: no other one is touched. */
  mark: 'USER_MARK',
  /** A database a line: its name, a tab, its privileges or `OWNER`, parted by commas. */
  grants: 'USER_GRANTS',
  /** Most connections of a login; -1: no limit. */
  limit: 'USER_CONNECTIONS',
  /** Where the result goes: how many statements it took, as `{"changes":0}`. */
  result: 'RESULT_FILE',
} as const

export const paths = {
  /** A file for each login, named after it. */
  logins: '/etc/credentials/logins',
  /** The password of the operator's own user. */
  operator: `/etc/credentials/operator/${operator.key}`,
} as const

export interface Scripts {
  /** Bash: makes the user what the variables say, as often as it is run, and changes nothing that is right already. */
  apply: string
  /** Bash: drops the user and all its logins; what they own goes to the owner of its database. */
  drop: string
}
