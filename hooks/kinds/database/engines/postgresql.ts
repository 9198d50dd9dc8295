// PostgreSQL in the official image: https://hub.docker.com/_/postgres and https://www.postgresql.org/docs/
import type { Database } from '../schema.ts'
import { type Access, type Engine, monitor, operator, paths } from './engine.ts'
import { pgBackRest } from './postgresql/archive.ts'
import {
  configurationPath,
  dataDirectory,
  hostBasedAuthentication,
  needsRestart,
  port,
  render,
  settingsOf,
  socketPath,
  volumePath,
} from './postgresql/parameters.ts'
import { patroni } from './postgresql/patroni.ts'
import { releaseRoles } from './postgresql/restore-scripts.ts'

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
  dataPath: volumePath,
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
    const settings = settingsOf(db, memoryBytes)
    const restart = Object.entries(settings).filter(([name]) => needsRestart(name))
    return {
      files: {
        'postgresql.conf': render(settings),
        'pg_hba.conf': hostBasedAuthentication(db.spec.tls?.required === true),
      },
      restart: render(Object.fromEntries(restart)),
    }
  },
  accountsScript: (db, state) => String.raw`
# Over the socket, where the pod's own user is trusted; nothing secret is on a command line or in the log.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host="${'$'}{REMOTE_HOST:-${socketPath}}" --username=postgres --dbname=postgres >/dev/null <<'SQL'
SET client_min_messages = 'warning';
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';
-- Not held up where a replica is to confirm: they are made again by whoever becomes primary.
SET synchronous_commit = 'local';
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
ask <<'SQL'
${releaseRoles}
SQL
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
    image: 'quay.io/prometheuscommunity/postgres-exporter:v0.20.1',
    port: 9187,
    // What alerts and dashboards ask for and is off by default; what looks at the tables of the database `postgres`, which has
    // none, is off.
    args: () => [
      '--collector.database_wraparound',
      '--collector.stat_checkpointer',
      '--no-collector.stat_user_tables',
      '--no-collector.statio_user_tables',
    ],
    env: ({ host, tls, passwordFile }) => [
      { name: 'DATA_SOURCE_URI', value: `${host}:${port}/postgres?sslmode=${tls ? 'require' : 'disable'}` },
      { name: 'DATA_SOURCE_USER', value: monitor.username },
      { name: 'DATA_SOURCE_PASS_FILE', value: passwordFile },
    ],
  },
  archive: pgBackRest,
  replication: patroni,
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

function login({ username, password }: Access): string {
  return `${encodeURIComponent(username)}:${encodeURIComponent(password)}`
}

function sslMode({ tls }: Access): string {
  return tls ? '?sslmode=require' : ''
}
