// What the containers of a recovery run, one after the other: fetch, check, restore. Nothing touches the database before
// the backup was read from end to end.
import { byRclone, type Reach } from '../../databasebackup/scripts.ts'
import type { Engine } from '../engines/engine.ts'
import type { Database } from '../schema.ts'

/** Room on the node for the backup. */
export const workPath = '/work'

/** Exit code of what another attempt would not mend. */
export const hopeless = 42

/** Why a recovery fails, as its containers tell it: the reasons of the condition `Recovered`. */
export const failures = [
  'BackupNotFound',
  'SourceUnavailable',
  'DecryptionFailed',
  'BackupCorrupt',
  'TargetNotCovered',
  'VersionMismatch',
  'NotEmpty',
  'RestoreFailed',
] as const

// The termination message: a reason, and a sentence for people.
const prologue = `
set -eu
fail() {
  printf '%s: %s' "$1" "$2" >"$RESULT_FILE"
  echo "$2" >&2
  case $1 in SourceUnavailable | RestoreFailed) exit 1 ;; *) exit ${hopeless} ;; esac
}
# Numbers by which a store knows a request are long, and what it said comes after them.
last() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | sed -E 's/(RequestID|HostID): [^,]*, ?//g' | cut -c 1-300; }
trap 'exit 143' TERM
`

// The claim is mounted for reading only.
const onClaim = `
directory="$BACKUP_PATH/$BACKUP_FOLDER"
list() { [ ! -d "$directory" ] || ls -1 "$directory"; }
fetch() { ln -s "$directory/$1" "$2"; }
`

/** sh: what of $work/error tells why `name` could not be fetched, and says so. */
export const notFetched = (name: string) => `{
  cat "$work/error" >&2
  if grep -q -i -e 'decrypt' -e 'bad password' -e 'magic' "$work/error"; then
    fail DecryptionFailed "${name} cannot be decrypted: the passphrase is another one, or the file was damaged"
  elif grep -q -i -e 'corrupted on transfer' "$work/error"; then
    fail BackupCorrupt "${name} is not what was uploaded: $(last "$work/error")"
  fi
  fail SourceUnavailable "${name} cannot be read from the store: $(last "$work/error")"
}`

/** sh: lays the backup into `workPath`, under its own name. */
export function fetchScript(reach: Reach): string {
  const functions = reach === 'claim' ? onClaim : byRclone
  return String.raw`${prologue}
work=$WORK_PATH
[ -z "${'$'}{ENCRYPTION_PASSPHRASE_FILE:-}" ] || [ -s "$ENCRYPTION_PASSPHRASE_FILE" ] || fail DecryptionFailed "there is no passphrase in the Secret that source.encryption names"
${functions.trim()}
status=0
list >"$work/list" 2>"$work/error" || status=$?
# rclone exits 3 for a folder that is not there.
if [ $status -ne 0 ] && [ $status -ne 3 ]; then
  cat "$work/error" >&2
  fail SourceUnavailable "the folder $BACKUP_PLACE cannot be listed: $(last "$work/error")"
fi
if [ -n "${'$'}{BACKUP_NAME:-}" ]; then
  name=$(grep -Fx -- "$BACKUP_NAME" "$work/list" || true)
  [ -n "$name" ] || fail BackupNotFound "there is no backup $BACKUP_NAME in $BACKUP_PLACE"
else
  name=$(sed -n -E "s/^(($BACKUP_SERIES)-([0-9]{8}T[0-9]{6}Z).*)\$/\4 \1/p" "$work/list" | grep -F -- "$BACKUP_SUFFIX" | grep -v '\.sealed$' | sort | tail -n 1 | cut -d ' ' -f 2-)
  [ -n "$name" ] || fail BackupNotFound "there is no backup of $BACKUP_DATABASE in $BACKUP_PLACE$(grep -q '\.sealed$' "$work/list" && echo ', but encrypted ones: give encryption')"
fi
mkdir "$work/backup"
fetch "$name" "$work/backup/$name" 2>"$work/error" || ${notFetched('$name')}
echo "fetched $name"
`
}

/** Bash: reads all of the backup. */
export function checkScript(engine: Engine): string {
  return `${prologue}set -o pipefail
work=$WORK_PATH
file=$(ls -1d "$work/backup"/*)
name=$(basename "$file")
corrupt() { cat "$work/error" >&2; fail BackupCorrupt "$name cannot be read to its end: $(last "$work/error")"; }
${engine.checkScript.trim()}
echo "$name is whole"
`
}

/** Bash: puts the backup into the Database, which has to be empty, and opens it to its owner. */
export function restoreScript(db: Database, engine: Engine): string {
  return `${prologue}set -o pipefail
work=$WORK_PATH
file=$(ls -1d "$work/backup"/*)
name=$(basename "$file")
began=$SECONDS
# What the scripts of the pod ask instead of their own server.
export REMOTE_HOST="$DATABASE_HOST"
notempty() { fail NotEmpty "$1: a recovery goes into a new database; volumes of an earlier Database of this name stayed if it was deleted with another policy than Delete"; }
${engine.restoreScript(db).trim()}
${engine.accountsScript(db, 'open').trim()}
printf '{"name":"%s","bytes":%d,"seconds":%d}' "$name" "$(wc -c <"$file")" "$((SECONDS - began))" >"$RESULT_FILE"
echo "restored $name"
`
}
