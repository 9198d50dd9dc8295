// What the containers of a last backup run. The first dumps and verifies with the engine's own tools, as that of any backup
// does, and the second stores the dump. Names of backups sort by time: <database>-20260131T020000Z<suffix>.
import { untilAnswering } from './answering.ts'
import { engineOf } from './engines/index.ts'
import type { Database } from './schema.ts'

/** The volume that both containers see: the claim, or room on the node until the upload. */
export const backupPath = '/backup'

/** Keys of the ConfigMap. */
export const dumpKey = 'backup.sh'
export const storeKey = 'backup-store.sh'

export function backupScripts(db: Database): Record<string, string> {
  return { [dumpKey]: dumpScript(db), [storeKey]: storeScript(db) }
}

/** Bash: dumps what $DATABASE_HOST serves to a file in $BACKUP_PATH/.work-$HOSTNAME that is named after $DATABASE_NAME. */
export function dumpScript(db: Database): string {
  const engine = engineOf(db)
  return `#!/usr/bin/env bash
set -Eeuo pipefail
work="$BACKUP_PATH/.work-$HOSTNAME"
trap '[ $? -eq 0 ] || rm -rf "$work"' EXIT
trap 'exit 143' TERM
# What a pod left behind that was killed: no backup may take longer than seven days.
find "$BACKUP_PATH" -maxdepth 1 -name '.work-*' -mtime +7 -exec rm -rf {} +
rm -rf "$work"
mkdir "$work"
name="$DATABASE_NAME-$(date -u +%Y%m%dT%H%M%SZ)${engine.backupSuffix}"
target="$work/unverified"

${untilAnswering}
${engine.dumpScript(db).trim()}

# Only a dump that is whole gets the name by which the next container finds it.
[ -s "$target" ]
rm -rf "$work/dump"
mv "$target" "$work/$name"
echo "dumped and verified $name, $(wc -c <"$work/$name") bytes"
`
}

function storeScript(db: Database): string {
  const functions = db.spec.backup.destination?.s3 === undefined ? claimFunctions : s3Functions
  return `#!/bin/sh
set -eu
work="$BACKUP_PATH/.work-$HOSTNAME"
# Stored or not, nothing is left: another attempt is another pod, which dumps anew.
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM

${functions.trim()}

for file in "$work/$DATABASE_NAME"-*; do
  name=$(basename "$file")
  store "$file" "$name"
  echo "stored $name"
done
`
}

const claimFunctions = `
directory="$BACKUP_PATH/$DATABASE_NAME"
mkdir -p "$directory"
# Renamed within one volume: a backup is there as a whole or not at all.
store() { mv "$1" "$directory/$2" && sync; }
`

const s3Functions = `
# rclone compares checksums after the upload.
store() { rclone copyto --s3-no-check-bucket "$1" "$BACKUP_REMOTE/$2"; }
`
