// The accounts of MySQL: those of applications, of exporters, and of the operator that makes further users.
import type { Database } from '../../schema.ts'
import { monitor, operator, paths } from '../engine.ts'
import { copyAccount, copyAccountScript, isCopied } from './copy-scripts.ts'

/**
 * Bash: makes them as the mounted credentials say, as often as it is run. In a `group` the administrator's password before a
 * rotation stays good, since the files of members change at different times; and what is there already is left alone.
 */
export function accountsScript(
  db: Database,
  { group = false, state }: { group?: boolean; state: 'open' | 'closed' },
): string {
  const retain = group ? ' RETAIN CURRENT PASSWORD' : ''
  // While it is closed nobody can log in, and accounts are made anew afterwards.
  const remembers = group && state === 'open'
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
${remembers ? leaveUnchanged(db) : ''}password=$(literal ${paths.app}/password)
client <<SQL
CREATE DATABASE IF NOT EXISTS \`${db.spec.credentials.database}\`;
CREATE USER IF NOT EXISTS $username@'%' IDENTIFIED BY $password ACCOUNT LOCK;
ALTER USER $username@'%' IDENTIFIED BY $password ACCOUNT ${state === 'open' ? 'UNLOCK' : 'LOCK'};
GRANT ALL ON \`${db.spec.credentials.database.replaceAll('_', '\\\\_')}\`.* TO $username@'%';
SQL
${monitorScript}${operatorScript(db.spec.credentials.database)}${copyAccountScript(db)}${remembers ? rememberScript : ''}`
}

// A statement about accounts keeps everybody from logging in to the server until its group has agreed on it, another member
// included whose connection of the group waits for that in turn: with 9.7.4 and a member that joined just then, nothing could
// be written for 30 to 47 seconds. So a member that becomes the primary finds out whether there is anything to be made.
function leaveUnchanged(db: Database): string {
  const others = [monitor, operator, ...(isCopied(db) ? [copyAccount] : [])]
  const shown = ['$username', ...others.map(({ username }) => `'${username}'`)].map(
    (account) => `SHOW CREATE USER ${account}@'%'; SHOW GRANTS FOR ${account}@'%';`,
  )
  const logins = [
    `"$(cat ${paths.app}/username)" ${paths.app}/password`,
    ...others.map(({ username, key }) => `${username} ${paths.superuser}/${key}`),
  ]
  return `
# A digest of what accounts are and may do, and of what made them so.
made() {
  { cat ${paths.scripts}/accounts.sh && client <<SQL
SET SESSION print_identified_with_as_hex = ON;
${shown.join('\n')}
SQL
  } 2>/dev/null | sha256sum | cut -d ' ' -f 1
}
# lets_in USERNAME PASSWORD_FILE
lets_in() { ACCOUNT=$1 PASSWORD_FILE=$2 client --execute='DO 0' 2>/dev/null; }
known=$(client --execute='SELECT made FROM operator_hooks.accounts' 2>/dev/null || true)
if [ -n "$known" ] && [ "$known" = "$(made)" ] && ${logins.map((login) => `lets_in ${login}`).join(' && ')}; then exit 0; fi
`
}

const rememberScript = `
client <<SQL
CREATE DATABASE IF NOT EXISTS operator_hooks;
CREATE TABLE IF NOT EXISTS operator_hooks.accounts (id INT PRIMARY KEY, made CHAR(64) NOT NULL);
REPLACE INTO operator_hooks.accounts VALUES (1, '$(made)');
SQL
`

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
