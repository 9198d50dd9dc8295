// How the first pod of a new PostgreSQL gets its data from a physical backup, before the engine starts.
import { shortHash } from '../../../../sdk/names.ts'
import { isRecovering } from '../../recovery/pending.ts'
import { recoveryOf, sourceOfSpec } from '../../recovery/source.ts'
import type { Database } from '../../schema.ts'
import { paths, recoveredMark } from '../engine.ts'
import { agentPath } from './member-scripts.ts'
import { configurationPath, majorOf, socketPath } from './parameters.ts'

/** Where the credentials of the store that is recovered from are mounted. */
export const sourcePath = `${paths.credentials}/source`

/** Bash by file name. Once the Database is recovered nothing of it is done any more, whatever becomes of a volume. */
export function restoreScripts(db: Database): Record<string, string> {
  return {
    'restore.sh': isRecovering(db) ? restoreScript(db) : 'exit 0',
  }
}

/**
 * SQL: roles that DatabaseUsers made are there for others to take over. The resources that made them may be gone, or belong
 * to the Database that the backup is of.
 */
export const releaseRoles = `
DO $do$
DECLARE
  statement text;
BEGIN
  FOR statement IN
    SELECT format('COMMENT ON ROLE %I IS %L', rolname, shobj_description(oid, 'pg_authid') || '${recoveredMark}') FROM pg_roles
     WHERE shobj_description(oid, 'pg_authid') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  LOOP
    EXECUTE statement;
  END LOOP;
END $do$;
`.trim()

// Which backup, of all that there are of that Database: the last one that was whole at the target. Python, because what
// pgBackRest says is JSON. Prints stanza, label, size, its time and the major version; or a reason and a sentence.
const choice = String.raw`
import datetime, json, os, re, sys
database, wanted, target, major = (os.environ[name] for name in ("DATABASE", "BACKUP", "TARGET", "MAJOR"))
def utc(seconds): return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
def fail(reason, message): print("fail", reason, message); sys.exit()
stanzas = [one for one in json.loads(sys.stdin.read(), strict=False) if re.fullmatch(re.escape(database) + "-[0-9a-f]{10}", one["name"]) or one["name"] == "[requested]" or one["name"] == "[invalid]"]
broken = [one["status"] for one in stanzas if one["status"]["code"] == 99]
found = [(one, stanza) for stanza in stanzas for one in stanza.get("backup", []) if not one.get("error")]
if not found and broken:
    said = " ".join(repo["status"]["message"] for stanza in stanzas for repo in stanza.get("repo", []) if repo["status"]["code"]) or broken[0]["message"]
    text = re.sub(r"[^ -~]+", " ", said)[:300]
    # With another passphrase it finds either that it cannot decrypt, or that what came of it makes no sense.
    nonsense = "BackupCorrupt" if os.environ["ENCRYPTED"] == "" else "DecryptionFailed"
    reason = "DecryptionFailed" if re.search("crypt|cipher|passphrase", said, re.I) else nonsense if "FormatError" in said else "SourceUnavailable"
    fail(reason, "the archive of " + database + " cannot be read: " + text)
if not found:
    fail("BackupNotFound", "there is no physical backup of " + database + " in " + os.environ["PLACE"])
if wanted:
    found = [(one, stanza) for one, stanza in found if one["label"] == wanted]
    if not found: fail("BackupNotFound", "there is no backup " + wanted + " in " + os.environ["PLACE"])
moment = datetime.datetime.fromisoformat(target.replace("Z", "+00:00")).timestamp() if target else None
whole = [(one, stanza) for one, stanza in found if moment is None or one["timestamp"]["stop"] <= moment]
if not whole:
    first = min(one["timestamp"]["stop"] for one, _ in found)
    fail("TargetNotCovered", "targetTime " + target + " lies before " + utc(first) + ", when the first backup was whole")
one, stanza = max(whole, key=lambda pair: pair[0]["timestamp"]["stop"])
versions = {db["id"]: db["version"] for db in stanza["db"]}
version = versions.get(one["database"]["id"], "")
if version.split(".")[0] != major:
    fail("VersionMismatch", "the backup is of PostgreSQL " + version + ", which " + major + " cannot read: set spec.version to a " + version)
print("ok", stanza["name"], one["label"], one["info"]["repository"].get("delta") or one["info"]["size"], version)
`

function restoreScript(db: Database): string {
  const { source, backupName = '', targetTime = '' } = sourceOfSpec(db)
  const major = majorOf(db.spec.version)
  const { destination, encryption } = recoveryOf(db)?.source.backup ?? {}
  const required = [
    ...(destination?.s3?.credentialsSecret === undefined ? [] : ['access-key-id', 'secret-access-key']),
    ...(encryption === undefined ? [] : ['passphrase']),
  ].map((file) => `${sourcePath}/${file}`)
  // Not by `date`: that of some images reads few formats.
  const seconds = targetTime === '' ? 0 : Date.parse(targetTime) / 1000
  const moment = `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}+00`
  const id = shortHash(JSON.stringify([db.metadata.uid, source, backupName, targetTime]))
  return String.raw`
export LC_ALL=C TZ=UTC
RESULT_FILE=/dev/termination-log
state=$(dirname "$PGDATA")/.recovery-${shortHash(db.metadata.uid)}
export DATABASE='${source.database}' BACKUP='${backupName}' TARGET='${targetTime}' MAJOR='${major}' ENCRYPTED='${encryption === undefined ? '' : 'yes'}' PLACE='${source.place}'
fail() { printf '%s: %s' "$1" "$2" >"$RESULT_FILE"; echo "$2" >&2; exit 1; }
# What pgBackRest gives as the error, for its last line only says that there was one.
last() { { sed -n '/ERROR: /{s/.*ERROR: *//p;q}' "$1" | grep . || grep -v '^[[:space:]]*$' "$1" | tail -n 1; } | cut -c 1-300; }
# https://github.com/pgbackrest/pgbackrest/blob/main/src/build/error/error.yaml: checksum, format, file missing, crypto
unrestored() {
  case $(last /tmp/error) in '[026]'* | '[029]'* | '[055]'* | '[095]'*) reason=BackupCorrupt ;; *) reason=RestoreFailed ;; esac
  fail $reason "$label cannot be restored: $(last /tmp/error)"
}
fatal() { grep -o 'FATAL: .*' /tmp/server.log | grep -v 'not accepting connections' | head -n 1 | cut -c 9-300; }
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --host=${socketPath} --username=postgres --dbname=postgres "$@"; }
run() { bash ${paths.scripts}/source.sh "$@"; }

# The others are copied from the first.
[ "${'$'}{HOSTNAME##*-}" = 0 ] || exit 0
if [ "$(head -n 1 "$state" 2>/dev/null)" = 'done ${id}' ]; then tail -n 1 "$state" >"$RESULT_FILE"; exit 0; fi
# What an attempt before left may go, what was there before may not.
if [ ! -e "$state" ] && [ -e "$PGDATA/PG_VERSION" ]; then
  fail NotEmpty "the volume holds a database already, of an earlier Database of this name that was deleted with another policy than Delete"
fi
choice=$(cat <<'PYTHON'
${choice.trim()}
PYTHON
)
began=$SECONDS
for file in ${required.join(' ')}; do
  [ -s "$file" ] || fail SourceUnavailable "there is no $(basename "$file") in the Secret that source.backup names for it"
done
run info --output=json --log-level-console=off >/tmp/info.json 2>/tmp/error || { run info >/tmp/error 2>&1 || fail SourceUnavailable "the archive cannot be read: $(last /tmp/error)"; }
read -r verdict stanza label rest < <(${agentPath}/bin/python3 -c "$choice" </tmp/info.json)
[ "$verdict" = ok ] || fail "${'$'}{stanza:-RestoreFailed}" "$label $rest"
size=${'$'}{rest%% *}
end=''
if [ -n "$TARGET" ]; then
  run --stanza="$stanza" repo-ls "archive/$stanza" --recurse --output=json >/tmp/files.json 2>/tmp/error || fail SourceUnavailable "the archive cannot be listed: $(last /tmp/error)"
  end=$(${agentPath}/bin/python3 -c 'import json; print(max((one["time"] for name, one in json.load(open("/tmp/files.json")).items() if one["type"] == "file" and "/" in name), default=0))')
  if [ "$end" -lt ${seconds} ]; then
    fail TargetNotCovered "targetTime $TARGET lies after $(date -d "@$end" +%Y-%m-%dT%H:%M:%SZ), when the last of the log was archived: ask for that or earlier, or leave targetTime out for all there is"
  fi
fi

# restore TYPE [OPTION…]: the files, and then the log up to the target.
restore() {
  echo "restoring $label of $stanza"
  echo 'began ${id}' >"$state"
  rm -rf "$PGDATA"
  mkdir -p -m 700 "$PGDATA"
  run --stanza="$stanza" --set="$label" --pg1-path="$PGDATA" --recovery-option="restore_command=bash ${paths.scripts}/source.sh --stanza=$stanza --pg1-path=$PGDATA --log-level-console=warn archive-get %f \"%p\"" \
    restore "$@" 2>&1 | tee /tmp/error || unrestored
  : >/tmp/server.log
  pg_ctl start --pgdata="$PGDATA" --wait --timeout=604800 --log=/tmp/server.log --options="-c config_file=${configurationPath}/postgresql.conf -c hba_file=${configurationPath}/pg_hba.conf -c unix_socket_directories=${socketPath} -c listen_addresses= -c port=5432 -c archive_mode=off -c hot_standby=off -c ssl=off" >/dev/null || return
  # It takes no connection before it is a primary.
  until [ "$(ask --command='SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; do
    pg_ctl status --pgdata="$PGDATA" >/dev/null || return
    sleep 1
  done
}
if [ -z "$TARGET" ]; then
  restore || { cat /tmp/server.log >&2; fail RestoreFailed "the log cannot be replayed: $(fatal)"; }
elif ! restore --type=time --target='${moment}' --target-action=promote; then
  cat /tmp/server.log >&2
  grep -q 'recovery ended before configured recovery target was reached' /tmp/server.log || fail RestoreFailed "the log cannot be replayed: $(fatal)"
  # Nothing was committed between the target and the end of the archive, which is later: so the end is the same.
  restore || { cat /tmp/server.log >&2; fail RestoreFailed "the log cannot be replayed: $(fatal)"; }
fi
cat /tmp/server.log
# They would hold for replicas as well.
for name in recovery_target recovery_target_action recovery_target_inclusive recovery_target_time recovery_target_timeline restore_command; do
  ask --command="ALTER SYSTEM RESET $name"
done
# Of the cluster that it was.
rm -f "$PGDATA/patroni.dynamic.json"
# Its roles have the passwords of the database that the backup is of.
bash ${paths.scripts}/accounts.sh
ask <<'SQL'
${releaseRoles}
SQL
pg_ctl stop --pgdata="$PGDATA" --mode=fast --wait --timeout=3600 >/dev/null
printf 'done ${id}\n{"name":"%s","bytes":%d,"seconds":%d}\n' "$label" "$size" "$((SECONDS - began))" >"$state"
sync
tail -n 1 "$state" >"$RESULT_FILE"
`
}
