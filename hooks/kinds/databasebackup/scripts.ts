// What the containers of a backup run, one after the other: dump (databases/backup-scripts.ts), store, verify, prune.
// The last one tells the result in its termination message.
import type { EngineName } from '../database/schema.ts'

/** Where things are. */
export const paths = {
  /** The claim, or room on the node until the upload. */
  backup: '/backup',
  scratch: '/scratch',
  passphrase: '/etc/credentials/encryption/passphrase',
} as const

const prologue = `
set -eu
work="$BACKUP_PATH/.work-$HOSTNAME"
trap 'exit 143' TERM
`

// Stored or not, nothing is left when a step fails: another attempt is another pod, which dumps anew.
const cleanOnFailure = `
trap '[ $? -eq 0 ] || rm -rf "$work"' EXIT
`

const onClaim = `
directory="$BACKUP_PATH/$BACKUP_FOLDER"
mkdir -p "$directory"
# Renamed within one volume: a backup is there as a whole or not at all.
store() { mv "$1" "$directory/$2" && sync; }
list() { ls -1 "$directory"; }
discard() { rm "$directory/$1"; }
fetch() { ln -s "$directory/$1" "$2"; }
`

// rclone compares checksums after the upload. Its crypt encrypts and authenticates every 64 KiB with NaCl's secretbox,
// under a key that scrypt makes of the passphrase: https://rclone.org/crypt/. With it a claim is a remote, too.
export const byRclone = `
if [ -n "\${ENCRYPTION_PASSPHRASE_FILE:-}" ]; then
  [ -s "$ENCRYPTION_PASSPHRASE_FILE" ] || { echo 'the passphrase is empty' >&2; exit 1; }
  # Not to hide it: rclone wants it in this form.
  RCLONE_CONFIG_SEALED_PASSWORD=$(rclone obscure - <"$ENCRYPTION_PASSPHRASE_FILE")
  export RCLONE_CONFIG_SEALED_PASSWORD RCLONE_CONFIG_SEALED_TYPE=crypt RCLONE_CONFIG_SEALED_REMOTE="$BACKUP_REMOTE"
  export RCLONE_CONFIG_SEALED_FILENAME_ENCRYPTION=off RCLONE_CONFIG_SEALED_DIRECTORY_NAME_ENCRYPTION=false
  export RCLONE_CONFIG_SEALED_SUFFIX=.sealed
  remote=sealed:
else
  remote=$BACKUP_REMOTE/
fi
store() { rclone copyto --s3-no-check-bucket "$1" "$remote$2"; }
list() { rclone lsf --files-only "$remote"; }
discard() { rclone deletefile "$remote$1"; }
fetch() { rclone copyto "$remote$1" "$2"; }
`

// A backup that is a folder is there as a whole once its manifest is. Of those that are not, what a week ago had not come to
// its end never will.
const foldersByRclone = String.raw`${byRclone}
store() {
  rclone copy --s3-no-check-bucket --exclude /manifest "$1" "$remote$2" &&
    rclone copyto --s3-no-check-bucket "$1/manifest" "$remote$2/manifest" || { rclone purge "$remote$2" || true; return 1; }
}
list() { rclone lsf --recursive --files-only --include '/*/manifest' "$remote" | cut -d / -f 1; }
discard() { rclone deletefile "$remote$1/manifest" && rclone purge "$remote$1"; }
fetch() { rclone copy "$remote$1" "$2"; }
# What no backup that is left needs: a log is as old as the last of its transactions.
forget() {
  oldest=$(list | sed 's/.*-\([0-9]\{8\}T[0-9]\{6\}Z\)$/\1/' | sort | head -n 1)
  before=$(printf '%s' "$oldest" | sed 's/\(....\)\(..\)\(..\)T\(..\)\(..\)\(..\)Z/\1-\2-\3T\4:\5:\6Z/')
  if [ -z "$before" ] || ! rclone lsf --dirs-only "$remote" | grep -q -x 'binlogs/'; then return; fi
  rclone delete --min-age "$before" "${'$'}{remote}binlogs"
}
sweep() {
  list >"$work/list"
  before="$DATABASE_NAME-$(date -u -d "@$(($(date -u +%s) - 604800))" +%Y%m%dT%H%M%SZ)"
  rclone lsf --dirs-only "$remote" | tr -d / | grep "^$DATABASE_NAME-[0-9]\{8\}T[0-9]\{6\}Z$" | grep -v -x -F -f "$work/list" | while read -r broken; do
    if expr "x$broken" '<' "x$before" >/dev/null; then rclone purge "$remote$broken"; fi
  done || true
}
`

/** How a container reaches the destination. */
export type Reach = 'claim' | 'rclone'

/** How a backup lies there: as a file, or as a folder that is always reached by rclone. */
export type Layout = Reach | 'folder'

const functionsOf: Readonly<Record<Layout, string>> = { claim: onClaim, rclone: byRclone, folder: foldersByRclone }

const storing = (layout: Layout) => (layout === 'folder' ? storingFolder : storingFile)

const storingFile = `
file=$(ls -1d "$work/$DATABASE_NAME"-*)
name=$(basename "$file")
bytes=$(wc -c <"$file")
store "$file" "$name"
rm -f "$file"
echo "stored $name"
printf '%s' "$name" >"$work/name"
printf '%d' "$bytes" >"$work/bytes"
`

const storingFolder = `
name=$(cat "$work/name")
store "$work/$name" "$name"
rm -rf "$work/$name"
echo "stored $name"
`

const readingBack = `
# What lies there now is what is verified, not what was meant to be.
mkdir "$work/readback"
fetch "$name" "$work/readback/$name"
`

const pruning = String.raw`
name=$(cat "$work/name")
# Only now that there is a new backup: those older than the retention go, and never the newest.
if [ -n "${'$'}{RETENTION_SECONDS:-}" ]; then
  cutoff="$DATABASE_NAME-$(date -u -d "@$(($(date -u +%s) - RETENTION_SECONDS))" +%Y%m%dT%H%M%SZ)"
  list >"$work/list"
  grep "^$DATABASE_NAME-[0-9]\{8\}T[0-9]\{6\}Z" "$work/list" | sort >"$work/sorted"
  sed '$d' "$work/sorted" >"$work/older"
  while read -r old; do
    if expr "x$old" '<' "x$cutoff" >/dev/null; then
      discard "$old"
      echo "pruned $old"
    fi
  done <"$work/older"
fi
# The moment in the name is when the dump began.
began=$(printf '%s' "$name" | sed 's/.*-\([0-9]\{4\}\)\([0-9][0-9]\)\([0-9][0-9]\)T\([0-9][0-9]\)\([0-9][0-9]\)\([0-9][0-9]\)Z.*/\1-\2-\3 \4:\5:\6/')
seconds=$(($(date -u +%s) - $(date -u -d "$began" +%s)))
verified=false
[ ! -e "$work/verified" ] || verified=true
printf '{"name":"%s","bytes":%d,"seconds":%d,"verified":%s}' "$name" "$(cat "$work/bytes")" "$seconds" "$verified" >"$RESULT_FILE"
rm -rf "$work"
`

/** sh: stores what was dumped, and lays what was stored beside it again to be verified. */
export function storeAndReadBack(layout: Layout): string {
  return `${prologue}${cleanOnFailure}${functionsOf[layout]}${storing(layout)}${readingBack}`
}

/** sh: prunes after a verification, and tells the result. */
export function prune(layout: Layout): string {
  return `${prologue}${cleanOnFailure}${functionsOf[layout]}${sweeping(layout)}${pruning}`
}

/** sh: stores what was dumped, prunes and tells the result. */
export function storeAndPrune(layout: Layout): string {
  return `${prologue}${cleanOnFailure}${functionsOf[layout]}${storing(layout)}${sweeping(layout)}${pruning}`
}

function sweeping(layout: Layout): string {
  return layout === 'folder' ? sweepingFolders : ''
}

const sweepingFolders = `
sweep
[ -z "\${RETENTION_SECONDS:-}" ] || forget
`

/** Bash: has the data files copied to a folder in $BACKUP_PATH/.work-$HOSTNAME that is named after $DATABASE_NAME. */
export function copyFiles(script: string): string {
  return `set -Eeuo pipefail
work="$BACKUP_PATH/.work-$HOSTNAME"
trap 'exit 143' TERM
rm -rf "$work"
mkdir "$work"
name="$DATABASE_NAME-$(date -u +%Y%m%dT%H%M%SZ)"
copy=$work/$name
${script.trim()}
printf '%s' "$name" >"$work/name"
echo "copied $name, $(cat "$work/bytes") bytes"
`
}

/** Bash: opens what was read back by a server of its own, which nothing else can reach. */
export function verifyFiles(script: string): string {
  return `${prologue}set -o pipefail
copy=$(ls -1d "$work/readback"/*)
${script.trim()}
rm -rf "$work/readback"
: >"$work/verified"
echo "restored into a scratch server: $found tables"
`
}

/** Bash: restores what was read back into a server of its own, which nothing else can reach. */
export function verify(engine: EngineName): string {
  return `${prologue}${cleanOnFailure}set -o pipefail
scratch=$SCRATCH_PATH
file=$(ls -1d "$work/readback"/*)
${scratchServers[engine].trim()}
[ "$found" -gt 0 ] || { echo 'there is nothing in it' >&2; exit 1; }
rm -rf "$work/readback"
: >"$work/verified"
echo "restored into a scratch server: $found tables or collections"
`
}

// What is in there is only to be looked at, so that nothing waits for a disk.
const scratchServers: Readonly<Record<EngineName, string>> = {
  postgresql: String.raw`
mkdir "$scratch/dump" "$scratch/run"
export PGDATA=$scratch/data PGHOST=$scratch/run PGPORT=5432 PGUSER=postgres
initdb --username=postgres --auth=trust --encoding=UTF8 --no-sync >/dev/null
trap 'status=$?; pg_ctl --mode=immediate stop >/dev/null; [ $status -eq 0 ] || rm -rf "$work"' EXIT
pg_ctl --wait --timeout=120 --log="$scratch/log" -o "-c listen_addresses= -c port=5432 -c unix_socket_directories=$scratch/run -c fsync=off -c shared_buffers=32MB" start >/dev/null
tar --extract --file="$file" --directory="$scratch/dump"
grep -v '^CREATE ROLE postgres;$' "$scratch/dump/globals.sql" | psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres >/dev/null
found=0
while IFS=$'\t' read -r oid database; do
  [ "$database" = postgres ] || createdb --template=template0 -- "$database"
  name="dbname='$(printf '%s' "$database" | sed "s/[\\\\']/\\\\&/g")'"
  pg_restore --exit-on-error --dbname="$name" "$scratch/dump/$oid.dump"
  found=$((found + 1 + $(psql --no-psqlrc --tuples-only --no-align --dbname="$name" --command="SELECT count(*) FROM pg_stat_user_tables")))
done <"$scratch/dump/databases.tsv"
`,
  mysql: String.raw`
mysqld --no-defaults --initialize-insecure --datadir="$scratch/data" --log-error="$scratch/log" --mysqlx=OFF
mysqld --no-defaults --datadir="$scratch/data" --socket="$scratch/socket" --pid-file="$scratch/pid" --skip-networking --mysqlx=OFF \
  --secure-file-priv=NULL --skip-log-bin --innodb-flush-log-at-trx-commit=2 --log-error="$scratch/log" &
server=$!
trap 'status=$?; kill -9 $server 2>/dev/null || true; [ $status -eq 0 ] || rm -rf "$work"' EXIT
client() { mysql --no-defaults --socket="$scratch/socket" --user=root --batch --skip-column-names "$@"; }
tries=0
until client --execute='DO 1' 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] && kill -0 $server || { tail -n 1 "$scratch/log.err" >&2; exit 1; }
  sleep 1
done
# Without the accounts of the server that it is of.
gzip --decompress --stdout "$file" |
  awk '/^-- Current Database: /{own = ($0 ~ /${'`'}(mysql|sys)${'`'}$/)} !own' |
  client
found=$(client --execute="SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')")
found=$((found + 1))
`,
  mongodb: `
mkdir "$scratch/data"
mongod --dbpath="$scratch/data" --bind_ip=127.0.0.1 --port=27018 --nounixsocket --logpath="$scratch/log" &
server=$!
trap 'status=$?; kill -9 $server 2>/dev/null || true; [ $status -eq 0 ] || rm -rf "$work"' EXIT
tries=0
until mongosh --quiet --norc --port 27018 --eval 'quit(0)' >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] && kill -0 $server || { tail -n 1 "$scratch/log" >&2; exit 1; }
  sleep 1
done
mongorestore --quiet --port=27018 --archive="$file" --gzip --stopOnError --nsExclude='admin.*' --nsExclude='config.*'
found=$(mongosh --quiet --norc --port 27018 --eval 'print(1 + db.getMongo().getDBNames().filter((name) => !["admin", "config", "local"].includes(name)).reduce((sum, name) => sum + db.getSiblingDB(name).getCollectionNames().length, 0))')
`,
}
