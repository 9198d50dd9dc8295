// PostgreSQL in the official image: https://hub.docker.com/_/postgres and https://www.postgresql.org/docs/
import type { Database } from '../schema.ts'
import { type Access, type Engine, mebibytes, monitor, operator, paths } from './engine.ts'

const port = 5432
const socketPath = '/var/run/postgresql'
const configurationPath = '/etc/postgresql'

export const postgresql: Engine = {
  title: 'PostgreSQL',
  repository: 'postgres',
  port,
  uid: 999,
  superuser: 'postgres',
  // The image's STOPSIGNAL is SIGINT, the fast shutdown: it ends sessions and writes a checkpoint.
  stopSeconds: 180,
  // Replaying the log of a busy server takes minutes; a probe that gives up would start it all over again.
  startSeconds: 3600,
  seriesLength: () => 1,
  mayDowngrade: () => true,
  // From 18 on the volume of the image is one level up, so that pg_upgrade --link can work within it.
  dataPath: (version) => (majorOf(version) >= 18 ? '/var/lib/postgresql' : '/var/lib/postgresql/data'),
  configurationPath,
  scratch: [
    { name: 'run', mountPath: socketPath },
    { name: 'shm', mountPath: '/dev/shm', medium: 'Memory' },
  ],
  command: () => ({ args: ['postgres', '-c', `config_file=${configurationPath}/postgresql.conf`] }),
  env: (db) => [
    { name: 'PGDATA', value: dataDirectory(db.spec.version) },
    { name: 'POSTGRES_PASSWORD_FILE', value: `${paths.superuser}/superuser-password` },
    {
      name: 'POSTGRES_INITDB_ARGS',
      value: '--encoding=UTF8 --data-checksums --auth-local=trust --auth-host=scram-sha-256',
    },
  ],
  // While the image initialises a data folder, its server listens on the socket only: so TCP tells the real one.
  alive: () => ['pg_isready', '--quiet', '--host=127.0.0.1', `--port=${port}`, '--timeout=5'],
  ready: () => [
    'psql',
    '--no-psqlrc',
    '--quiet',
    '--tuples-only',
    `--host=${socketPath}`,
    '--username=postgres',
    '--command=SELECT 1',
  ],
  ownedParameters: [
    {
      pattern: /^(listen_addresses|port|unix_socket_(directories|group|permissions)|bonjour.*)$/i,
      reason: 'Services, probes and backups rely on where the server listens',
    },
    {
      pattern: /^(data_directory|config_file|hba_file|ident_file|external_pid_file|include(_dir|_if_exists)?)$/i,
      reason: 'the operator mounts these files',
    },
    { pattern: /^ssl(_.*)?$/i, reason: 'use spec.tls' },
    {
      pattern: /^(log_destination|logging_collector|log_directory|log_filename)$/i,
      reason: 'the log goes to the container’s output',
    },
  ],
  configuration(db, memoryBytes) {
    const settings = { ...sized(db, memoryBytes), ...own(db), ...userSettings(db) }
    const restart = Object.entries(settings).filter(([name]) => needsRestart(name))
    return {
      files: { 'postgresql.conf': render(settings), 'pg_hba.conf': hostBasedAuthentication(db) },
      restart: render(Object.fromEntries(restart)),
    }
  },
  accountsScript: (db, state) => String.raw`
# Over the socket, where the pod's own user is trusted; nothing secret is on a command line or in the log.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host="${'$'}{DATABASE_HOST:-${socketPath}}" --username=postgres --dbname=postgres >/dev/null <<'SQL'
SET client_min_messages = 'warning';
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';
\set superpassword ${'`'}cat ${paths.superuser}/superuser-password${'`'}
\set username ${'`'}cat ${paths.app}/username${'`'}
\set password ${'`'}cat ${paths.app}/password${'`'}
\set database '${db.spec.credentials.database}'
SELECT format('ALTER ROLE postgres PASSWORD %L', :'superpassword') \gexec
SELECT format('CREATE ROLE %I', :'username')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'username') \gexec
SELECT format('ALTER ROLE %I ${state === 'open' ? 'LOGIN' : 'NOLOGIN'} PASSWORD %L', :'username', :'password') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'username')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
${otherStatements}SQL
`,
  reloadScript: () => `
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=${socketPath} --username=postgres --dbname=postgres \\
  --command='SELECT pg_reload_conf()' >/dev/null
`,
  dumpScript: () => String.raw`
export PGHOST="$DATABASE_HOST" PGPORT="$DATABASE_PORT" PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=30
PGPASSWORD="$(cat ${paths.superuser}/superuser-password)"
export PGPASSWORD

mkdir "$work/dump"
pg_dumpall --globals-only --file="$work/dump/globals.sql"
psql --no-psqlrc --tuples-only --no-align --field-separator=$'\t' \
  --command='SELECT oid, datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY oid' \
  >"$work/dump/databases.tsv"
while IFS=$'\t' read -r oid database; do
  pg_dump --format=custom --dbname="dbname='$(printf '%s' "$database" | sed "s/[\\\\']/\\\\&/g")'" --file="$work/dump/$oid.dump"
  pg_restore --list "$work/dump/$oid.dump" >/dev/null
done <"$work/dump/databases.tsv"
tar --create --file="$target" --directory="$work/dump" .
tar --list --file="$target" >/dev/null
`,
  checkScript: String.raw`
mkdir "$work/dump"
tar --extract --file="$file" --directory="$work/dump" 2>"$work/error" || corrupt
[ -s "$work/dump/globals.sql" ] && [ -s "$work/dump/databases.tsv" ] || { echo 'it is no dump of PostgreSQL' >"$work/error"; corrupt; }
while IFS=$'\t' read -r oid database; do
  pg_restore --file=/dev/null "$work/dump/$oid.dump" 2>"$work/error" || corrupt
done <"$work/dump/databases.tsv"
`,
  restoreScript: (db) => String.raw`
export PGHOST="$DATABASE_HOST" PGPORT="$DATABASE_PORT" PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=30
PGPASSWORD="$(cat ${paths.superuser}/superuser-password)"
export PGPASSWORD
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"; }
# Names of databases may hold anything.
conninfo() { printf "dbname='%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"; }

mark="recovery $RECOVERY_ID"
if [ "$(ask --command="SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'postgres'")" != "$mark" ]; then
  ask --command='SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate' >"$work/databases"
  while read -r database; do
    relations=$(ask --dbname="$(conninfo "$database")" --command="SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'")
    [ "$relations" = 0 ] || notempty "the database $database holds $relations tables, views and the like already"
  done <"$work/databases"
  ask --command="COMMENT ON DATABASE postgres IS '$mark'"
fi

# Roles that are there stay as they are: their passwords are those of this Database, not of the one in the backup.
awk -v own=' ${ownRoles(db).join(' ')} ' '
  /^CREATE ROLE .*;$/ { name = $0; sub(/^CREATE ROLE /, "", name); sub(/;$/, "", name)
    print "DO $o$ BEGIN IF to_regrole($n$" name "$n$) IS NULL THEN CREATE ROLE " name "; END IF; END $o$;"; next }
  /^ALTER ROLE .* WITH / { name = $3; gsub(/"/, "", name); if (index(own, " " name " ")) next }
  { print }' "$work/dump/globals.sql" >"$work/globals.sql"
ask --set=VERBOSITY=terse --file="$work/globals.sql" >/dev/null
while IFS=$'\t' read -r oid database; do
  if [ "$database" = postgres ]; then
    pg_restore --exit-on-error --clean --if-exists --dbname=postgres "$work/dump/$oid.dump"
    continue
  fi
  ask --set=name="$database" >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name';
DROP DATABASE IF EXISTS :"name";
SQL
  pg_restore --exit-on-error --create --dbname=postgres "$work/dump/$oid.dump"
done <"$work/dump/databases.tsv"
# The planner's statistics are in no dump.
vacuumdb --all --analyze-only --quiet
ask --command="COMMENT ON DATABASE postgres IS 'default administrative connection database'"
`,
  // https://github.com/prometheus-community/postgres_exporter
  exporter: {
    image: 'quay.io/prometheuscommunity/postgres-exporter:v0.20.0',
    port: 9187,
    args: () => ['--no-collector.wal'],
    env: ({ host, tls, passwordFile }) => [
      { name: 'DATA_SOURCE_URI', value: `${host}:${port}/postgres?sslmode=${tls ? 'require' : 'disable'}` },
      { name: 'DATA_SOURCE_USER', value: monitor.username },
      { name: 'DATA_SOURCE_PASS_FILE', value: passwordFile },
    ],
  },
  backupSuffix: '.tar',
  uri: (access) => `postgresql://${login(access)}@${access.host}:${access.port}/${access.database}${sslMode(access)}`,
  jdbcUri: ({ host, port, database, username, password, tls }) =>
    `jdbc:postgresql://${host}:${port}/${database}?user=${encodeURIComponent(username)}&password=${encodeURIComponent(password)}${tls ? '&sslmode=require' : ''}`,
}

// pg_monitor reads statistics and settings: https://www.postgresql.org/docs/current/predefined-roles.html. To give
// what the owner has one has to be a member of it, and to make another one a member, to be one with ADMIN OPTION:
// https://www.postgresql.org/docs/current/role-attributes.html
const otherStatements = String.raw`\set monitorpassword ${'`'}cat ${paths.superuser}/${monitor.key}${'`'}
\set operatorpassword ${'`'}cat ${paths.superuser}/${operator.key}${'`'}
SELECT 'CREATE ROLE ${monitor.username} LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${monitor.username}') \gexec
SELECT format('ALTER ROLE ${monitor.username} LOGIN CONNECTION LIMIT 20 PASSWORD %L', :'monitorpassword') \gexec
GRANT pg_monitor TO ${monitor.username};
SELECT 'CREATE ROLE ${operator.username}'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${operator.username}') \gexec
SELECT format('ALTER ROLE ${operator.username} LOGIN CREATEROLE PASSWORD %L', :'operatorpassword') \gexec
SELECT format('GRANT %I TO ${operator.username} WITH ADMIN OPTION', :'username') \gexec
`

// Roles of which a backup knows other passwords.
function ownRoles({ spec }: Database): string[] {
  return ['postgres', spec.credentials.username, monitor.username, operator.username]
}

function majorOf(version: string): number {
  return Number(version.split('.')[0])
}

function dataDirectory(version: string): string {
  // A folder of its own: the root of a volume may hold lost+found, and initdb wants an empty folder.
  const major = majorOf(version)
  return major >= 18 ? `/var/lib/postgresql/${major}/docker` : '/var/lib/postgresql/data/pgdata'
}

function login({ username, password }: Access): string {
  return `${encodeURIComponent(username)}:${encodeURIComponent(password)}`
}

function sslMode({ tls }: Access): string {
  return tls ? '?sslmode=require' : ''
}

// https://www.postgresql.org/docs/current/runtime-config-resource.html: a quarter of the memory for shared buffers;
// what the planner may expect to be cached is that and the kernel's page cache.
function sized(db: Database, memoryBytes: number): Record<string, string> {
  const connections = Number(db.spec.parameters?.max_connections ?? 100) || 100
  return {
    max_connections: '100',
    shared_buffers: `${mebibytes(memoryBytes / 4, 16)}MB`,
    effective_cache_size: `${mebibytes((memoryBytes * 3) / 4, 32)}MB`,
    maintenance_work_mem: `${Math.min(2048, mebibytes(memoryBytes / 16, 16))}MB`,
    work_mem: `${Math.min(64, mebibytes(memoryBytes / 4 / connections, 1))}MB`,
    checkpoint_completion_target: '0.9',
    wal_compression: 'on',
    // What a replica or point-in-time recovery will need; changing it later costs a restart.
    wal_level: 'replica',
    password_encryption: 'scram-sha-256',
    log_timezone: 'UTC',
    timezone: 'UTC',
  }
}

function own(db: Database): Record<string, string> {
  return {
    listen_addresses: '*',
    port: String(port),
    unix_socket_directories: socketPath,
    hba_file: `${configurationPath}/pg_hba.conf`,
    log_destination: 'stderr',
    logging_collector: 'off',
    ...(db.spec.tls === undefined
      ? {}
      : { ssl: 'on', ssl_cert_file: `${paths.tls}/tls.crt`, ssl_key_file: `${paths.tls}/tls.key` }),
  }
}

function userSettings(db: Database): Record<string, string> {
  const entries = Object.entries(db.spec.parameters ?? {})
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]))
}

function render(settings: Record<string, string>): string {
  const lines = Object.keys(settings)
    .sort()
    .map((name) => `${name} = '${(settings[name] ?? '').replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`)
  return lines.join('')
}

// The socket is in an emptyDir of the pod: only its own containers reach it.
function hostBasedAuthentication(db: Database): string {
  const host = db.spec.tls?.required === true ? 'hostssl' : 'host'
  return [
    '# type  database  user  address  method',
    'local  all  all  trust',
    'local  replication  all  trust',
    `${host}  all  all  all  scram-sha-256`,
    '',
  ].join('\n')
}

// Parameters of context "postmaster" (pg_settings), 12 to 18. Those of extensions (with a dot) are taken to be.
function needsRestart(name: string): boolean {
  return name.includes('.') || postmaster.has(name)
}

const postmaster = new Set([
  ...['archive_mode', 'autovacuum_freeze_max_age', 'autovacuum_max_workers', 'autovacuum_multixact_freeze_max_age'],
  ...['autovacuum_worker_slots', 'bonjour', 'bonjour_name', 'cluster_name', 'commit_timestamp_buffers'],
  ...['config_file', 'data_directory', 'data_sync_retry', 'debug_io_direct', 'dynamic_shared_memory_type'],
  ...['event_source', 'external_pid_file', 'hba_file', 'hot_standby', 'huge_page_size', 'huge_pages', 'ident_file'],
  ...['ignore_invalid_pages', 'io_max_combine_limit', 'io_max_concurrency', 'io_method', 'jit_provider'],
  ...['listen_addresses', 'logging_collector', 'max_active_replication_origins', 'max_connections'],
  ...['max_files_per_process', 'max_locks_per_transaction', 'max_logical_replication_workers'],
  ...['max_notify_queue_pages', 'max_pred_locks_per_transaction', 'max_prepared_transactions'],
  ...['max_replication_slots', 'max_wal_senders', 'max_worker_processes', 'min_dynamic_shared_memory'],
  ...['multixact_member_buffers', 'multixact_offset_buffers', 'notify_buffers', 'old_snapshot_threshold', 'port'],
  ...['recovery_target', 'recovery_target_action'],
  ...['recovery_target_inclusive', 'recovery_target_lsn', 'recovery_target_name', 'recovery_target_time'],
  ...['recovery_target_timeline', 'recovery_target_xid', 'reserved_connections'],
  ...['serializable_buffers', 'shared_buffers', 'shared_memory_type', 'shared_preload_libraries'],
  ...['subtransaction_buffers', 'summarize_wal', 'superuser_reserved_connections', 'track_activity_query_size'],
  ...['track_commit_timestamp', 'transaction_buffers', 'unix_socket_directories', 'unix_socket_group'],
  ...['unix_socket_permissions', 'wal_buffers', 'wal_decode_buffer_size', 'wal_level', 'wal_log_hints'],
])
