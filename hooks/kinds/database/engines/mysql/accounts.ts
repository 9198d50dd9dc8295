// The accounts of MySQL: those of applications, of exporters, and of the operator that makes further users.
import type { Database } from '../../schema.ts'
import { monitor, operator, paths } from '../engine.ts'
import { copyAccountScript } from './copy-scripts.ts'

/**
 * Bash: makes them as the mounted credentials say, as often as it is run. With `keepsPrevious` the administrator's password
 * before a rotation stays good: where there are several members, their files change at different times.
 */
export function accountsScript(
  db: Database,
  { keepsPrevious = false, state }: { keepsPrevious?: boolean; state: 'open' | 'closed' },
): string {
  const retain = keepsPrevious ? ' RETAIN CURRENT PASSWORD' : ''
  return String.raw`
# Escapes a text for a string literal of SQL.
literal() {
  text=$(cat "$1")
  quote="'" backslash='\'
  text=${'$'}{text//"$backslash"/"$backslash$backslash"}
  printf "'%s'" "${'$'}{text//"$quote"/$quote$quote}"
}
client() { bash ${paths.scripts}/client.sh "$@"; }

# After a rotation the server still has the password before it.
if ! PASSWORD_FILE=${paths.superuser}/superuser-password client --execute='SELECT 1' >/dev/null 2>&1 && [ -e ${paths.superuser}/superuser-password-previous ]; then
  password=$(literal ${paths.superuser}/superuser-password)
  PASSWORD_FILE=${paths.superuser}/superuser-password-previous client <<SQL
ALTER USER IF EXISTS 'root'@'localhost' IDENTIFIED BY $password${retain}, 'root'@'%' IDENTIFIED BY $password${retain};
SQL
fi
username=$(literal ${paths.app}/username)
password=$(literal ${paths.app}/password)
client <<SQL
CREATE DATABASE IF NOT EXISTS \`${db.spec.credentials.database}\`;
CREATE USER IF NOT EXISTS $username@'%' IDENTIFIED BY $password ACCOUNT LOCK;
ALTER USER $username@'%' IDENTIFIED BY $password ACCOUNT ${state === 'open' ? 'UNLOCK' : 'LOCK'};
GRANT ALL ON \`${db.spec.credentials.database.replaceAll('_', '\\\\_')}\`.* TO $username@'%';
SQL
${monitorScript}${operatorScript(db.spec.credentials.database)}${copyAccountScript(db)}`
}

// Statistics, and no row of anybody's tables, which it could read once.
const monitorScript = `
password=$(literal ${paths.superuser}/${monitor.key})
client <<SQL
CREATE USER IF NOT EXISTS '${monitor.username}'@'%' IDENTIFIED BY $password WITH MAX_USER_CONNECTIONS 20;
ALTER USER '${monitor.username}'@'%' IDENTIFIED BY $password WITH MAX_USER_CONNECTIONS 20;
REVOKE SELECT ON *.* FROM '${monitor.username}'@'%';
GRANT PROCESS, REPLICATION CLIENT ON *.* TO '${monitor.username}'@'%';
GRANT SELECT ON performance_schema.* TO '${monitor.username}'@'%';
SQL
`

// CREATE USER reaches no account with SYSTEM_USER, such as root's. What an account may do is read from mysql.*.
// https://dev.mysql.com/doc/refman/8.4/en/account-categories.html
function operatorScript(database: string): string {
  return `
password=$(literal ${paths.superuser}/${operator.key})
client <<SQL
CREATE USER IF NOT EXISTS '${operator.username}'@'%' IDENTIFIED BY $password;
ALTER USER '${operator.username}'@'%' IDENTIFIED BY $password;
GRANT CREATE USER ON *.* TO '${operator.username}'@'%';
GRANT SELECT ON mysql.* TO '${operator.username}'@'%';
GRANT ALL ON \\\`${database.replaceAll('_', '\\\\_')}\\\`.* TO '${operator.username}'@'%' WITH GRANT OPTION;
SQL
`
}
