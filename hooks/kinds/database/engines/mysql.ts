// MySQL in the official image: https://hub.docker.com/_/mysql and https://dev.mysql.com/doc/refman/8.4/en/
import type { Database } from '../schema.ts'
import { type Engine, mebibytes, monitor, operator, paths } from './engine.ts'

const port = 3306
const socket = '/var/run/mysqld/mysqld.sock'
const configurationPath = '/etc/mysql/conf.d'

export const mysql: Engine = {
  title: 'MySQL',
  repository: 'mysql',
  port,
  uid: 999,
  superuser: 'root',
  // SIGTERM is a graceful shutdown; it flushes and, with much undo or change buffering, takes its time.
  stopSeconds: 300,
  startSeconds: 3600,
  // 8.0, 8.4 are series of their own; from 9 on the innovation releases follow one another.
  // https://dev.mysql.com/doc/refman/8.4/en/mysql-releases.html
  seriesLength: (version) => (Number(version.split('.')[0]) >= 9 ? 1 : 2),
  // https://dev.mysql.com/doc/refman/8.4/en/downgrading.html: in place only within an LTS series.
  mayDowngrade: (version) => version.startsWith('8.4.'),
  dataPath: () => '/var/lib/mysql',
  configurationPath,
  scratch: [{ name: 'run', mountPath: '/var/run/mysqld' }],
  command: () => ({ args: ['mysqld'] }),
  env: () => [{ name: 'MYSQL_ROOT_PASSWORD_FILE', value: `${paths.superuser}/superuser-password` }],
  // Says yes also when access is denied, because then a server runs. While the image initialises a data folder,
  // its server has no TCP port.
  alive: () => [
    'mysqladmin',
    '--no-defaults',
    '--protocol=tcp',
    '--host=127.0.0.1',
    `--port=${port}`,
    '--connect-timeout=5',
    'ping',
  ],
  ready: () => ['bash', `${paths.scripts}/client.sh`, '--execute=SELECT 1'],
  ownedParameters: [
    {
      pattern: /^(bind.address|port|socket|skip.networking|mysqlx.*|admin.(address|port))$/i,
      reason: 'Services, probes and backups rely on where the server listens',
    },
    {
      pattern: /^(datadir|basedir|tmpdir|pid.file|plugin.dir|secure.file.priv|user|innodb.data.home.dir)$/i,
      reason: 'the operator mounts these folders',
    },
    { pattern: /^(ssl.*|tls.*|require.secure.transport)$/i, reason: 'use spec.tls' },
    { pattern: /^(skip.grant.tables|init.file)$/i, reason: 'it would open the server to everybody' },
  ],
  configuration(db, memoryBytes) {
    const settings = { ...sized(memoryBytes), ...own(db), ...userSettings(db) }
    const names = Object.keys(settings).sort()
    const fixed = names.filter((name) => !dynamic.has(name))
    return {
      files: {
        'my.cnf': optionFile(settings, names),
        'reload.sql': names
          .filter((name) => dynamic.has(name))
          .map((name) => `SET GLOBAL ${name} = ${literal(settings[name] ?? '')};\n`)
          .join(''),
      },
      restart: optionFile(settings, fixed),
    }
  },
  accountsScript: (db, state) => String.raw`
# Escapes a text for a string literal of SQL.
literal() {
  text=$(cat "$1")
  quote="'" backslash='\'
  text=${'$'}{text//"$backslash"/"$backslash$backslash"}
  printf "'%s'" "${'$'}{text//"$quote"/$quote$quote}"
}
client() { bash ${paths.scripts}/client.sh "$@"; }

# After a rotation the server still has the password before it.
if ! client --execute='SELECT 1' >/dev/null 2>&1 && [ -e ${paths.superuser}/superuser-password-previous ]; then
  password=$(literal ${paths.superuser}/superuser-password)
  PASSWORD_FILE=${paths.superuser}/superuser-password-previous client <<SQL
ALTER USER IF EXISTS 'root'@'localhost' IDENTIFIED BY $password, 'root'@'%' IDENTIFIED BY $password;
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
${monitorScript}${operatorScript(db.spec.credentials.database)}`,
  reloadScript: (db) => String.raw`
# What is not set any more goes back to the server's own default.
applied=/tmp/reload-applied.sql
if [ -e "$applied" ]; then
  sed -n 's/^SET GLOBAL \([a-z0-9_]*\) = .*/\1/p' "$applied" | while read -r name; do
    grep -q "^SET GLOBAL $name = " ${configurationPath}/reload.sql || echo "SET GLOBAL $name = DEFAULT;"
  done | bash ${paths.scripts}/client.sh
fi
bash ${paths.scripts}/client.sh <${configurationPath}/reload.sql
cp ${configurationPath}/reload.sql "$applied"
${db.spec.tls === undefined ? '' : `bash ${paths.scripts}/client.sh --execute='ALTER INSTANCE RELOAD TLS'`}
`,
  dumpScript: () => String.raw`
options=$work/client.cnf
(umask 077; printf '[client]\nuser=root\npassword="%s"\nhost=%s\nport=%s\n' "$(cat ${paths.superuser}/superuser-password)" "$DATABASE_HOST" "$DATABASE_PORT" >"$options")

# One transaction, so that InnoDB's tables are of one instant and nobody waits.
mysqldump --defaults-extra-file="$options" --all-databases --single-transaction --quick --routines --triggers --events \
  --set-gtid-purged=OFF --hex-blob | gzip >"$target"
rm "$options"
gzip --test "$target"
# Only a dump that ran to its end has this line.
gzip --decompress --stdout "$target" | tail -n 1 | grep -q '^-- Dump completed'
`,
  checkScript: `
gzip --test "$file" 2>"$work/error" || corrupt
# Only a dump that ran to its end has this line.
gzip --decompress --stdout "$file" | tail -n 1 | grep -q '^-- Dump completed' || { echo 'its end is missing' >"$work/error"; corrupt; }
`,
  // Without the accounts: mysql.user of another version is another table. https://dev.mysql.com/doc/refman/8.4/en/mysqldump-upgrade-testing.html
  restoreScript: () => String.raw`
ask() { bash ${paths.scripts}/client.sh "$@"; }
if [ "$(ask --execute="SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'operator_hooks_recovery_$RECOVERY_ID'")" = 0 ]; then
  tables=$(ask --execute="SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')")
  [ "$tables" = 0 ] || notempty "there are $tables tables and views already"
  # For as long as it lasts: what is there then is of an attempt before.
  ask --execute="CREATE DATABASE operator_hooks_recovery_$RECOVERY_ID"
fi
gzip --decompress --stdout "$file" |
  awk '/^-- Current Database: /{own = ($0 ~ /${'`'}(mysql|sys|operator_hooks_recovery_[0-9a-f]*)${'`'}$/)} !own' |
  ask
ask --execute="DROP DATABASE operator_hooks_recovery_$RECOVERY_ID"
`,
  helperScripts: {
    // The mysql client as root over the socket, or to $DATABASE_HOST; the password is in a file that only this user can read.
    'client.sh': String.raw`
options=$(mktemp)
trap 'rm -f "$options"' EXIT
if [ -n "${'$'}{DATABASE_HOST:-}" ]; then where="protocol=tcp\nhost=$DATABASE_HOST\nport=$DATABASE_PORT"; else where='protocol=socket\nsocket=${socket}'; fi
printf "[client]\nuser=root\npassword=\"%s\"\n$where\n" "$(cat "${'$'}{PASSWORD_FILE:-${paths.superuser}/superuser-password}")" >"$options"
mysql --defaults-extra-file="$options" --connect-timeout=5 --batch --skip-column-names "$@"
`,
  },
  // https://github.com/prometheus/mysqld_exporter
  exporter: {
    image: 'quay.io/prometheus/mysqld-exporter:v0.20.0',
    port: 9104,
    args: ({ host }) => [
      `--mysqld.address=${host}:${port}`,
      `--mysqld.username=${monitor.username}`,
      '--tls.insecure-skip-verify',
    ],
    env: ({ password }) => [{ name: 'MYSQLD_EXPORTER_PASSWORD', valueFrom: password }],
  },
  backupSuffix: '.sql.gz',
  uri: ({ username, password, host, port, database, tls }) =>
    `mysql://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${host}:${port}/${database}${tls ? '?ssl-mode=REQUIRED' : ''}`,
  jdbcUri: ({ username, password, host, port, database, tls }) =>
    `jdbc:mysql://${host}:${port}/${database}?user=${encodeURIComponent(username)}&password=${encodeURIComponent(password)}${tls ? '&sslMode=REQUIRED' : ''}`,
}

const monitorScript = `
password=$(literal ${paths.superuser}/${monitor.key})
client <<SQL
CREATE USER IF NOT EXISTS '${monitor.username}'@'%' IDENTIFIED BY $password WITH MAX_USER_CONNECTIONS 20;
ALTER USER '${monitor.username}'@'%' IDENTIFIED BY $password WITH MAX_USER_CONNECTIONS 20;
GRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO '${monitor.username}'@'%';
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

// https://dev.mysql.com/doc/refman/8.4/en/innodb-dedicated-server.html: half of the memory below 4 GiB, then more. But
// the server takes some 260 MiB besides, more while a dump is restored: with half of 512 MiB the kernel kills it then.
function sized(memoryBytes: number): Record<string, string> {
  const share = memoryBytes < 4 * 1024 ** 3 ? 0.5 : 0.7
  const pool = Math.min(memoryBytes * share, memoryBytes - 384 * 1024 ** 2)
  return {
    innodb_buffer_pool_size: `${mebibytes(pool, 32)}M`,
    max_connections: '151',
    character_set_server: 'utf8mb4',
    binlog_expire_logs_seconds: '604800',
  }
}

function own(db: Database): Record<string, string> {
  return {
    datadir: '/var/lib/mysql/data',
    socket,
    pid_file: '/var/run/mysqld/mysqld.pid',
    port: String(port),
    bind_address: '*',
    mysqlx: 'OFF',
    // Names of clients are not looked up: they are pods.
    skip_name_resolve: 'ON',
    secure_file_priv: 'NULL',
    ...(db.spec.tls === undefined
      ? {}
      : {
          ssl_cert: `${paths.tls}/tls.crt`,
          ssl_key: `${paths.tls}/tls.key`,
          require_secure_transport: db.spec.tls.required ? 'ON' : 'OFF',
        }),
  }
}

function userSettings(db: Database): Record<string, string> {
  const entries = Object.entries(db.spec.parameters ?? {})
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase().replaceAll('-', '_'), String(value)]))
}

function optionFile(settings: Record<string, string>, names: readonly string[]): string {
  return `[mysqld]\n${names.map((name) => `${name} = ${optionValue(settings[name] ?? '')}\n`).join('')}`
}

// A # would begin a comment, and a backslash an escape sequence: https://dev.mysql.com/doc/refman/8.4/en/option-files.html
function optionValue(value: string): string {
  if (/^[A-Za-z0-9_.,:/*+-]*$/.test(value)) return value
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

// SET knows numbers and strings, but no 256M.
function literal(value: string): string {
  const size = /^([0-9]+)([KMGT]?)$/i.exec(value)
  if (size !== null) {
    return String(BigInt(size[1] ?? '0') * 1024n ** BigInt(' KMGT'.indexOf((size[2] ?? '').toUpperCase() || ' ')))
  }
  if (/^-?[0-9]+(\.[0-9]+)?$/.test(value)) return value
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

// Global variables that SET GLOBAL changes on a running server, of those that people set:
// https://dev.mysql.com/doc/refman/8.4/en/dynamic-system-variables.html. Whatever is not here rolls the pods.
const dynamic = new Set([
  ...['binlog_cache_size', 'binlog_expire_logs_seconds', 'binlog_row_image', 'character_set_server'],
  ...['collation_server', 'connect_timeout', 'default_storage_engine', 'event_scheduler', 'general_log'],
  ...['group_concat_max_len', 'innodb_adaptive_flushing', 'innodb_adaptive_hash_index', 'innodb_buffer_pool_size'],
  ...['innodb_change_buffering', 'innodb_flush_log_at_trx_commit', 'innodb_flush_neighbors', 'innodb_io_capacity'],
  ...['innodb_io_capacity_max', 'innodb_lock_wait_timeout', 'innodb_lru_scan_depth', 'innodb_max_dirty_pages_pct'],
  ...['innodb_max_purge_lag', 'innodb_old_blocks_time', 'innodb_online_alter_log_max_size'],
  ...['innodb_print_all_deadlocks', 'innodb_redo_log_capacity', 'innodb_stats_persistent_sample_pages'],
  ...['innodb_thread_concurrency', 'interactive_timeout', 'join_buffer_size', 'local_infile', 'lock_wait_timeout'],
  ...['log_error_verbosity', 'log_queries_not_using_indexes', 'long_query_time', 'max_allowed_packet'],
  ...['max_binlog_size', 'max_connect_errors', 'max_connections', 'max_execution_time', 'max_heap_table_size'],
  ...['max_user_connections', 'min_examined_row_limit', 'net_read_timeout', 'net_write_timeout'],
  ...['read_buffer_size', 'read_rnd_buffer_size', 'slow_launch_time', 'slow_query_log', 'sort_buffer_size'],
  ...['sql_mode', 'sync_binlog', 'table_definition_cache', 'table_open_cache', 'thread_cache_size', 'tmp_table_size'],
  ...['transaction_isolation', 'wait_timeout'],
])
