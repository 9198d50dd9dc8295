// How a physical backup of PostgreSQL is proved: restored by pgBackRest into a folder of the Job's own pod, brought up on a
// socket there, and read from end to end. pgBackRest compares each file with its checksum on the way.
import type { Settings } from '../../../../sdk/definition.ts'
import { scriptVolume } from '../../pod.ts'
import type { Database } from '../../schema.ts'
import type { Proof } from '../archive.ts'
import { paths } from '../engine.ts'
import { agentMount, agentVolume, bringAgent } from './agent.ts'
import { configurationPath } from './parameters.ts'

/** What the pod needs beside the credentials of the store. */
export function proof(db: Database, settings: Settings): Proof {
  return {
    before: [bringAgent(settings)],
    script,
    mounts: [
      { ...agentMount, readOnly: true },
      { name: 'scripts', mountPath: paths.scripts, readOnly: true },
      { name: 'configuration', mountPath: configurationPath, readOnly: true },
    ],
    volumes: [
      agentVolume,
      scriptVolume(db, ['pgbackrest.sh']),
      { ...scriptVolume(db, ['pgbackrest.conf', 'postgresql.conf']), name: 'configuration' },
    ],
  }
}

// Only up to where the backup is whole: what came later is not what it has to prove. Prepared transactions need the room
// that they had. amcheck reads every table and compares every index with it; pg_amcheck came with PostgreSQL 14, and
// pg_dump reads every table before that. https://www.postgresql.org/docs/current/app-pgamcheck.html
const script = String.raw`
set -Eeuo pipefail
export LC_ALL=C TZ=UTC PGHOST=$SCRATCH_PATH/run PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
data=$SCRATCH_PATH/data log=$SCRATCH_PATH/log
trap 'exit 143' TERM
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"; }
fail() { echo "$1" >&2; exit 1; }
label=$(sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' "$RESULT_PATH")
began=$SECONDS
mkdir -m 700 "$data" "$SCRATCH_PATH/run"
echo 'local all all trust' >"$SCRATCH_PATH/hba"
bash ${paths.scripts}/pgbackrest.sh --pg1-path="$data" --set="$label" --type=immediate --target-action=promote \
  --recovery-option="restore_command=bash ${paths.scripts}/pgbackrest.sh --pg1-path=$data --log-level-console=warn archive-get %f \"%p\"" restore 2>&1 | tee "$log" ||
  fail "$label cannot be restored: $(sed -n '/ERROR: /{s/.*ERROR: *//p;q}' "$log" | cut -c 1-300)"
: >"$log"
prepared=$(pg_controldata "$data" | sed -n 's/^max_prepared_xacts setting: *//p')
trap 'pg_ctl --pgdata="$data" --mode=immediate stop >/dev/null 2>&1 || true' EXIT
pg_ctl start --pgdata="$data" --wait --timeout=604800 --log="$log" --options="-c config_file=${configurationPath}/postgresql.conf -c hba_file=$SCRATCH_PATH/hba -c unix_socket_directories=$PGHOST -c listen_addresses= -c port=5432 -c archive_mode=off -c hot_standby=off -c ssl=off -c fsync=off -c shared_buffers=32MB -c max_prepared_transactions=$prepared -c autovacuum=off" >/dev/null ||
  { cat "$log" >&2; fail "$label does not start: $(grep -o 'FATAL: .*' "$log" | head -n 1 | cut -c 9-300)"; }
# It takes no connection before it is a primary.
until [ "$(ask --command='SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; do
  pg_ctl status --pgdata="$data" >/dev/null || { cat "$log" >&2; fail "the log of $label cannot be replayed: $(grep -o 'FATAL: .*' "$log" | grep -v 'not accepting connections' | head -n 1 | cut -c 9-300)"; }
  sleep 1
done
tables=0 databases=0
while IFS= read -r database; do
  name="dbname='$(printf '%s' "$database" | sed "s/[\\\\']/\\\\&/g")'"
  if ! command -v pg_amcheck >/dev/null; then pg_dump --format=custom --compress=0 --dbname="$name" >/dev/null; fi
  tables=$((tables + $(ask --dbname="$name" --command="SELECT count(*) FROM pg_stat_user_tables")))
  databases=$((databases + 1))
done < <(ask --command='SELECT datname FROM pg_database WHERE datallowconn')
[ $databases -gt 0 ] || fail "$label holds no database"
if command -v pg_amcheck >/dev/null; then pg_amcheck --all --install-missing --heapallindexed >"$SCRATCH_PATH/found" || { cat "$SCRATCH_PATH/found" >&2; fail "$label is damaged: $(head -n 1 "$SCRATCH_PATH/found" | cut -c 1-300)"; }; fi
pg_ctl stop --pgdata="$data" --mode=fast --wait --timeout=3600 >/dev/null
trap - EXIT
if pg_controldata "$data" | grep -q '^Data page checksum version: *[1-9]'; then pg_checksums --check --pgdata="$data"; fi
sed -i 's/"verified": *false/"verified": true/' "$RESULT_PATH"
echo "restored $label into a scratch server in $((SECONDS - began)) s: $databases databases with $tables tables"
`
