// MySQL in the official image: https://hub.docker.com/_/mysql and https://dev.mysql.com/doc/refman/8.4/en/
import { type Engine, monitor, paths } from './engine.ts'
import { accountsScript } from './mysql/accounts.ts'
import { clones } from './mysql/archive.ts'
import { configurationOf, configurationPath, port, runFolder, socket, volumePath } from './mysql/configuration.ts'
import { groupReplication } from './mysql/replication.ts'

export const mysql: Engine = {
  replication: groupReplication,
  archive: clones,
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
  dataPath: () => volumePath,
  configurationPath,
  scratch: [{ name: 'run', mountPath: runFolder }],
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
  configuration: (db, memoryBytes) => configurationOf(db, memoryBytes),
  accountsScript: (db, state) => accountsScript(db, { state }),
  reloadScript: (db) => String.raw`
# What is not set any more goes back to the server's own default.
applied=/tmp/reload-applied.sql
if [ -e "$applied" ]; then
  sed -n 's/^SET GLOBAL \([a-z0-9_]*\) = .*/\1/p' "$applied" | while read -r name; do
    grep -q "^SET GLOBAL $name = " ${configurationPath}/reload.sql || echo "SET GLOBAL $name = DEFAULT;"
  done | bash ${paths.scripts}/client.sh
fi
bash ${paths.scripts}/client.sh <${configurationPath}/reload.sql
cp --force ${configurationPath}/reload.sql "$applied"
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
  restoreScript: () => `
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
    // The mysql client as root over the socket, or to $REMOTE_HOST; the password is in a file that only this user can read.
    'client.sh': String.raw`
options=$(mktemp)
trap 'rm -f "$options"' EXIT
if [ -n "${'$'}{REMOTE_HOST:-}" ]; then where="protocol=tcp\nhost=$REMOTE_HOST\nport=$DATABASE_PORT"; else where='protocol=socket\nsocket=${socket}'; fi
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
      '--collect.info_schema.innodb_metrics',
      '--collect.perf_schema.replication_applier_status_by_worker',
      '--collect.perf_schema.replication_group_members',
      '--no-collect.info_schema.innodb_cmp',
      '--no-collect.info_schema.innodb_cmpmem',
      // Of another maker's MySQL.
      '--no-collect.info_schema.query_response_time',
    ],
    env: ({ password }) => [{ name: 'MYSQLD_EXPORTER_PASSWORD', valueFrom: password }],
  },
  backupSuffix: '.sql.gz',
  uri: ({ username, password, host, port, database, tls }) =>
    `mysql://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${host}:${port}/${database}${tls ? '?ssl-mode=REQUIRED' : ''}`,
  jdbcUri: ({ username, password, host, port, database, tls }) =>
    `jdbc:mysql://${host}:${port}/${database}?user=${encodeURIComponent(username)}&password=${encodeURIComponent(password)}${tls ? '&sslMode=REQUIRED' : ''}`,
}
