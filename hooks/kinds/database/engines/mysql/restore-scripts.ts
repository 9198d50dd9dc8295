// How the first pod of a new MySQL gets its data from a physical backup, before the engine starts: the container `fetch`
// brings the files, `restore` opens them.
import { shortHash } from '../../../../sdk/names.ts'
import { byRclone } from '../../../databasebackup/scripts.ts'
import { isRecovering } from '../../recovery/pending.ts'
import { notFetched } from '../../recovery/scripts.ts'
import { recoveryOf, sourceOfSpec } from '../../recovery/source.ts'
import type { Database } from '../../schema.ts'
import { paths, recoveredMark } from '../engine.ts'
import { dataFolder, runFolder } from './configuration.ts'
import { copyAccount, unpackScript } from './copy-scripts.ts'

/** Where the credentials of the store that is recovered from are mounted. */
export const sourcePath = `${paths.credentials}/source`

/** Beside the data, on its volume. */
const folder = dataFolder.slice(0, dataFolder.lastIndexOf('/'))
export const workFolder = `${folder}/.recovery`

/** By file name. Once the Database is recovered nothing of it is done any more, whatever becomes of a volume. */
export function restoreScripts(db: Database): Record<string, string> {
  return { 'restore.sh': isRecovering(db) ? restoreScript(db) : 'exit 0' }
}

export function fetchScripts(db: Database): Record<string, string> {
  return { 'fetch.sh': isRecovering(db) ? fetchScript(db) : 'exit 0\n' }
}

/** Another recovery has another. */
export function recoveryId(db: Database): string {
  const { source, backupName = '', targetTime = '' } = sourceOfSpec(db)
  return shortHash(JSON.stringify([db.metadata.uid, source, backupName, targetTime]))
}

function prologue(db: Database): string {
  return `
RESULT_FILE=/dev/termination-log
work=${workFolder}
state=${folder}/.recovery-${shortHash(db.metadata.uid)}
id=${recoveryId(db)}
fail() { printf '%s: %s' "$1" "$2" >"$RESULT_FILE"; echo "$2" >&2; exit 1; }
last() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | sed -E 's/(RequestID|HostID): [^,]*, ?//g' | cut -c 1-300; }
trap 'exit 143' TERM
# The others are copied from the first.
[ "\${HOSTNAME##*-}" = 0 ] || exit 0
`
}

function fetchScript(db: Database): string {
  const { source, backupName = '', targetTime = '' } = sourceOfSpec(db)
  const { destination, encryption } = recoveryOf(db)?.source.backup ?? {}
  const required = [
    ...(destination?.s3?.credentialsSecret === undefined ? [] : ['access-key-id', 'secret-access-key']),
    ...(encryption === undefined ? [] : ['passphrase']),
  ].map((file) => `${sourcePath}/${file}`)
  return String.raw`set -eu
${prologue(db)}
[ "$(head -n 1 "$state" 2>/dev/null)" != "done $id" ] || exit 0
# What an attempt before left may go, what was there before may not.
if [ ! -e "$state" ] && [ -e ${dataFolder}/mysql ]; then
  fail NotEmpty "the volume holds a database already, of an earlier Database of this name that was deleted with another policy than Delete"
fi
echo "began $id" >"$state"
date +%s >"$state.began"
mkdir -p "$work"
rm -f "$work/request" "$work/replay"
for file in ${required.join(' ')}; do
  [ -s "$file" ] || fail SourceUnavailable "there is no $(basename "$file") in the Secret that source.backup names for it"
done
if [ -e ${sourcePath}/access-key-id ]; then
  AWS_ACCESS_KEY_ID=$(cat ${sourcePath}/access-key-id) AWS_SECRET_ACCESS_KEY=$(cat ${sourcePath}/secret-access-key)
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
fi
${byRclone.trim()}
database='${source.database}' place='${source.place}/physical' wanted='${backupName}' target='${targetTime === '' ? '' : compact(targetTime)}'
status=0
rclone lsf --recursive --files-only --include '/*/*/manifest*' "$remote" >"$work/list" 2>"$work/error" || status=$?
# rclone exits 3 for a folder that is not there.
if [ $status -ne 0 ] && [ $status -ne 3 ]; then
  cat "$work/error" >&2
  fail SourceUnavailable "the folder $place cannot be listed: $(last "$work/error")"
fi
# Time and folder of each that is whole, the latest first.
sed -n -E "s#^($database-[0-9a-f]{10})/($database(_[a-z0-9-]+)?-([0-9]{8}T[0-9]{6}Z))/manifest\$#\4 \1/\2#p" "$work/list" | sort -r >"$work/found"
if [ ! -s "$work/found" ]; then
  fail BackupNotFound "there is no physical backup of $database in $place$(grep -q '\.sealed$' "$work/list" && echo ', but encrypted ones: give encryption')"
fi
if [ -n "$wanted" ]; then
  grep "/$wanted\$" "$work/found" >"$work/wanted" || fail BackupNotFound "there is no backup $wanted in $place"
  mv "$work/wanted" "$work/found"
fi
name=''
while read -r time path; do
  # The copy has what was written until it was done.
  if [ -n "$target" ] && expr "x$time" '>' "x$target" >/dev/null; then continue; fi
  rclone copyto "$remote$path/manifest" "$work/manifest" 2>"$work/error" || ${notFetched('$path')}
  taken=$(sed -n 's/^taken=//p' "$work/manifest")
  if [ -n "$target" ] && expr "x$taken" '>' "x$target" >/dev/null; then continue; fi
  name=$path
  break
done <"$work/found"
[ -n "$name" ] || fail TargetNotCovered "targetTime ${targetTime} lies before the first backup was whole, which began at $(tail -n 1 "$work/found" | cut -d ' ' -f 1)"
if [ "$(cat "$work/name" 2>/dev/null)" != "$name" ]; then rm -rf "$work/copy"; fi
echo "$name" >"$work/name"
rclone copy "$remote$name" "$work/copy" 2>"$work/error" || ${notFetched('$name')}
count=0 bytes=0
find "$work/copy" -name '*.gz' >"$work/files"
while IFS= read -r file; do
  gzip -t "$file" 2>/dev/null || { rm -rf "$work/copy"; fail BackupCorrupt "$name cannot be read to its end: $(basename "$file")"; }
  count=$((count + 1)) bytes=$((bytes + $(stat -c %s "$file")))
done <"$work/files"
files=$(sed -n 's/^files=//p' "$work/copy/manifest")
[ "$count" = "$files" ] || { rm -rf "$work/copy"; fail BackupCorrupt "$name is not whole: of its $files files $count are there"; }
echo "$bytes" >"$work/bytes"
echo "fetched $name"
${
  backupName !== '' && targetTime === ''
    ? ''
    : String.raw`# A log is as old as the last of its transactions.
since=$(printf '%s' "$taken" | sed 's/\(....\)\(..\)\(..\)T\(..\)\(..\)\(..\)Z/\1-\2-\3T\4:\5:\6Z/')
rm -rf "$work/binlogs"
rclone copy --max-age "$since" "$remote${'$'}{name%%/*}/binlogs" "$work/binlogs" 2>"$work/error" || { grep -q 'directory not found' "$work/error" || ${notFetched('the log')}; }
{
  echo "gtids=$(sed -n 's/^gtids=//p' "$work/manifest")"
  echo "until=${targetTime}"
} >"$work/request"
`
}`
}

/** As the names of backups have it. */
function compact(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

/**
 * SQL that gives SQL, for a shell's double quotes: accounts that DatabaseUsers made are there for others to take over. The
 * resources that made them may be gone, or belong to the Database that the backup is of.
 */
export const releasingUsers = String.raw`
SELECT CONCAT('ALTER USER ', QUOTE(USER), '@', QUOTE(HOST), ' ATTRIBUTE ',
              QUOTE(JSON_OBJECT('operator-hooks', CONCAT(ATTRIBUTE->>'\$.\"operator-hooks\"', '${recoveredMark}'))), ';')
  FROM information_schema.USER_ATTRIBUTES
 WHERE ATTRIBUTE->>'\$.\"operator-hooks\"' REGEXP '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\$'
`.trim()

/** Only while the log is replayed, in which the passwords of all others may change. */
const replayUser = 'operator_hooks_replay'

// The logs are put in the place of those that a replica receives: https://dev.mysql.com/doc/refman/8.4/en/start-replica.html
const replayScript = String.raw`
if [ -s "$work/replay" ] && grep -q '^log=' "$work/replay"; then
  (
    umask 077
    password=$(od -A n -N 24 -t x1 /dev/urandom | tr -d ' \n')
    printf '[client]\nuser=${replayUser}\npassword=%s\nsocket=${runFolder}/mysqld.sock\n' "$password" >/tmp/replay.cnf
    printf "CREATE USER '${replayUser}'@'localhost' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO '${replayUser}'@'localhost';\n" "$password" >/tmp/init.sql
  )
  rm -rf "$work/relay"
  mkdir "$work/relay"
  number=0
  while IFS= read -r log; do
    number=$((number + 1))
    file=$work/relay/relay.$(printf '%06d' $number)
    ln "$work/binlogs/$log" "$file"
    echo "$file" >>"$work/relay/relay.index"
  done < <(sed -n 's/^log=//p' "$work/replay")
  all=$(sed -n 's/^all=//p' "$work/replay")
  stop=$(sed -n 's/^stop=//p' "$work/replay")
  # A number that no server has: it would take transactions of its own number for its own.
  mysqld "${'$'}{quiet[@]}" --server-id=4294967295 --gtid-mode=ON --enforce-gtid-consistency=ON --relay-log="$work/relay/relay" \
    --relay-log-index="$work/relay/relay.index" --relay-log-recovery=OFF --relay-log-purge=OFF &
  server=$!
  replaying() { mysql --defaults-file=/tmp/replay.cnf --protocol=socket --batch --skip-column-names "$@"; }
  until replaying --execute='DO 1' 2>/dev/null; do
    ended || sleep 1
  done
  rm -f /tmp/init.sql
  echo "replaying $number logs"
  replaying --execute="CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'archive', RELAY_LOG_FILE = 'relay.000001', RELAY_LOG_POS = 4"
  replaying --execute="START REPLICA SQL_THREAD ${'$'}{stop:+UNTIL SQL_BEFORE_GTIDS = '$stop'}"
  while true; do
    why=$(replaying --execute="SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = '' AND LAST_ERROR_NUMBER <> 0 LIMIT 1" | cut -c 1-300)
    [ -z "$why" ] || fail RestoreFailed "the log cannot be replayed: $why"
    running=$(replaying --execute="SELECT SERVICE_STATE FROM performance_schema.replication_applier_status WHERE CHANNEL_NAME = ''")
    applied=$(replaying --execute="SELECT GTID_SUBSET('$all', @@GLOBAL.gtid_executed)")
    [ "$running" = ON ] && [ "$applied" = 0 ] || break
    ended || sleep 1
  done
  [ "$applied" = 1 ] || [ -n "$stop" ] || fail RestoreFailed 'the log was not replayed to its end'
  replaying --execute='STOP REPLICA'
  replaying --execute='RESET REPLICA ALL'
  replaying --execute='SHUTDOWN'
  wait $server
  server=''
fi
`

function restoreScript(db: Database): string {
  return String.raw`
shopt -s globstar dotglob nullglob
export LC_ALL=C
${prologue(db)}
if [ "$(head -n 1 "$state" 2>/dev/null)" = "done $id" ]; then tail -n 1 "$state" >"$RESULT_FILE"; exit 0; fi
path=$(cat "$work/name")
name=${'$'}{path##*/}
copy=$work/copy
version=$(sed -n 's/^version=//p' "$work/manifest")
own=$(mysqld --version | grep -o -E '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
# Within a series, and never back: https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html
series() { case $1 in 8.*) cut -d . -f 1-2 <<<"$1" ;; *) cut -d . -f 1 <<<"$1" ;; esac; }
if [ "$(series "$version")" != "$(series "$own")" ] || [ "$(printf '%s\n' "$version" "$own" | sort -V | tail -n 1)" != "$own" ]; then
  fail VersionMismatch "the backup is of MySQL $version, which $own cannot read: set spec.version to $version or a later one of its series"
fi
# Where an attempt before came to an end, this one goes on.
if [ -d "$copy" ]; then
  ${unpackScript.trim()}
  rm -rf ${dataFolder} "$copy/manifest"
  mv "$copy" ${dataFolder}
fi
ended() { kill -0 "$server" 2>/dev/null && return 1; cat /tmp/server.err >&2; fail RestoreFailed "the server ended: $(grep -F '[ERROR]' /tmp/server.err | tail -n 1 | sed 's/.*\[ERROR\] *//' | cut -c 1-300)"; }
quiet=(--skip-networking --skip-log-bin --skip-replica-start --event-scheduler=OFF --innodb-buffer-pool-size=128M --log-error=/tmp/server.err --init-file=/tmp/init.sql)
server=''
trap '[ -z "$server" ] || kill -9 $server 2>/dev/null || true; rm -f /tmp/init.sql /tmp/replay.cnf' EXIT
${replayScript.trim()}

# Its accounts have the passwords of the database that the backup is of, and its group is not the one here.
literal() {
  local text quote="'" backslash='\'
  text=$(cat "$1")
  text=${'$'}{text//"$backslash"/"$backslash$backslash"}
  printf "'%s'" "${'$'}{text//"$quote"/$quote$quote}"
}
(
  umask 077
  password=$(literal ${paths.superuser}/superuser-password)
  for account in "'root'@'localhost'" "'root'@'%'"; do
    echo "ALTER USER IF EXISTS $account IDENTIFIED BY $password;"
    echo "ALTER USER IF EXISTS $account DISCARD OLD PASSWORD;"
  done
  echo "DROP USER IF EXISTS 'replication'@'%', '${copyAccount.username}'@'%', '${replayUser}'@'localhost';"
  echo 'DROP DATABASE IF EXISTS operator_hooks;'
) >/tmp/init.sql
mysqld "${'$'}{quiet[@]}" &
server=$!
ask() { bash ${paths.scripts}/client.sh "$@"; }
until ask --execute='DO 1' 2>/tmp/error; do
  ended || sleep 1
done
rm -f /tmp/init.sql
ask --execute='RESET REPLICA ALL' || true
# Where there is an agent it says so; here nobody else can be.
echo primary >${runFolder}/role
bash ${paths.scripts}/accounts.sh
ask --raw --execute="${releasingUsers}" | ask
ask --execute='SHUTDOWN'
wait $server
seconds=$(($(date +%s) - $(cat "$state.began")))
rm -f "$state.began"
printf 'done %s\n{"name":"%s","bytes":%d,"seconds":%d}\n' "$id" "$name" "$(cat "$work/bytes")" "$seconds" >"$state"
sync
rm -rf "$work"
tail -n 1 "$state" >"$RESULT_FILE"
`
}
