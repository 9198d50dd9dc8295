// What runs in the pods of a PostgreSQL that archives its log, and in the Job that asks for a backup.
import { untilAnswering } from '../../answering.ts'
import { paths } from '../engine.ts'
import { agentPath } from './member-scripts.ts'
import { configurationPath, socketPath } from './parameters.ts'

/** Channel on which sidecar and Job speak, followed by the number of the Job's session, and how the Job's session is known. */
const channel = 'operator_hooks_backup'
const session = 'operator-hooks backup'

/** pgBackRest with the credentials that are mounted now: no restart when they change, and none on a command line. */
export function archiveScript(mounted: string, configuration: string): string {
  return `
given() { if [ -s "${mounted}/$2" ]; then export "$1=$(cat "${mounted}/$2")"; fi; }
given PGBACKREST_REPO1_S3_KEY access-key-id
given PGBACKREST_REPO1_S3_KEY_SECRET secret-access-key
given PGBACKREST_REPO1_CIPHER_PASS passphrase
if [ -n "\${AWS_ROLE_ARN:-}" ]; then export PGBACKREST_REPO1_S3_ROLE="\${AWS_ROLE_ARN##*/}"; fi
unset PGHOST PGPORT PGUSER PGDATABASE
stanza=$(sed -n 's/^\\[\\(.*\\)\\]$/\\1/p' ${configurationPath}/${configuration} | grep -v '^global' || true)
exec ${agentPath}/bin/pgbackrest --config=${configurationPath}/${configuration} \${stanza:+--stanza="$stanza"} "$@"
`
}

/**
 * The sidecar. A session of the administrator with a certain name asks for a backup, and hears of it by NOTIFY: so that
 * who may ask is what the database says, and the request ends with the session. Only the primary can notify.
 */
export const agentSidecarScript = `
export LC_ALL=C
trap 'exit 0' TERM INT
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --host=${socketPath} --username=postgres --dbname=postgres "$@"; }
tell() { ask --set=line="${'$'}{1:0:2000}" <<<"SELECT pg_notify('${channel}_${'$'}{served%% *}', :'line')" >/dev/null || true; }
# The oldest request, by what no other has.
waiting() {
  ask --command="SELECT pid || ' ' || extract(epoch FROM backend_start) FROM pg_stat_activity WHERE application_name = '${session}' AND usesysid = 10 AND NOT pg_is_in_recovery() ORDER BY backend_start LIMIT 1" 2>/dev/null || true
}
run() { bash ${paths.scripts}/pgbackrest.sh "$@"; }

backup() {
  run stanza-create || return
  run info --output=json --log-level-console=off --log-level-stderr=error >/tmp/backup-info.json || return
  # A full one a week, and what changed since then in between.
  type=$(${agentPath}/bin/python3 -c '
import json, time
fulls = [one["timestamp"]["stop"] for stanza in json.load(open("/tmp/backup-info.json")) for one in stanza["backup"] if one["type"] == "full"]
print("incr" if fulls and time.time() - max(fulls) < 6.5 * 86400 else "full")')
  run --type="$type" backup
}

result() {
  run info --output=json --log-level-console=off --log-level-stderr=error >/tmp/backup-info.json
  ${agentPath}/bin/python3 -c '
import json
last = max((one for stanza in json.load(open("/tmp/backup-info.json")) for one in stanza["backup"]), key=lambda one: one["timestamp"]["stop"])
size = last["info"]["repository"].get("delta") or last["info"]["size"]
print(json.dumps({"name": last["label"], "bytes": size, "seconds": last["timestamp"]["stop"] - last["timestamp"]["start"], "verified": False}))'
}

served='' created=''
while true; do
  # Nothing can be archived before.
  if [ -z "$created" ] && [ "$(ask --command='SELECT pg_is_in_recovery()' 2>/dev/null || true)" = f ] && run stanza-create; then created=yes; fi
  request=$(waiting)
  if [ -n "$request" ] && [ "$request" != "$served" ]; then
    served=$request
    tell "log $HOSTNAME takes the backup"
    rm -f /tmp/backup-fifo /tmp/backup-status
    mkfifo /tmp/backup-fifo
    # A group of its own, to be ended as a whole when nobody waits for it any more.
    set -m
    (
      status=0
      backup >/tmp/backup-fifo 2>&1 || status=$?
      echo $status >/tmp/backup-status
    ) &
    group=$!
    set +m
    while IFS= read -r line; do
      echo "$line"
      tell "log $line"
      if [ "$(waiting)" != "$served" ]; then
        echo 'nobody waits for this backup any more' >&2
        kill -TERM -- "-$group" 2>/dev/null || true
      fi
    done </tmp/backup-fifo
    wait "$group" || true
    status=$(cat /tmp/backup-status 2>/dev/null || echo 143)
    if [ "$status" = 0 ]; then tell "end $(result)"; else tell "failed $status"; fi
  fi
  # In the background, so that a signal does not wait for it.
  sleep 2 &
  wait $! || true
done
`

/** Bash: asks the sidecar of the primary for a backup, prints its log and tells the result. */
export const requestScript = String.raw`
set -euo pipefail
export LC_ALL=C PGHOST="$DATABASE_HOST" PGPORT="$DATABASE_PORT" PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=30
export PGAPPNAME='${session}'
PGPASSWORD="$(cat ${paths.superuser}/superuser-password)"
export PGPASSWORD
${untilAnswering}
coproc server { psql --no-psqlrc --quiet --tuples-only --no-align 2>&1; }
trap 'kill "$server_PID" 2>/dev/null || true; exit 143' TERM
in=${'$'}{server[0]} out=${'$'}{server[1]}
error='' began=$SECONDS heard=''
fail() { echo "$1" >&2; exit 1; }
echo "SELECT 'LISTEN ${channel}_' || pg_backend_pid() \\gexec" >&"$out"
while true; do
  # What was notified is printed after each statement.
  echo 'SELECT 1 WHERE false;' >&"$out" 2>/dev/null || fail "the session with the database ended: ${'$'}{error:-it was restarted, or another pod is its primary now}"
  while true; do
    status=0
    IFS= read -r -t 1 -u "$in" line || status=$?
    [ $status -le 128 ] || break
    [ $status -eq 0 ] || fail "the session with the database ended: ${'$'}{error:-it was restarted, or another pod is its primary now}"
    said=$(printf '%s\n' "$line" | sed -n 's/^Asynchronous notification "${channel}_[0-9]*" with payload "\(.*\)" received from server process with PID [0-9]*\.$/\1/p')
    case $said in
      'log '*)
        heard=yes
        echo "${'$'}{said#log }"
        case $said in *ERROR:*) error=$(printf '%s' "$said" | sed 's/.*ERROR: *//') ;; esac
        ;;
      'end '*)
        printf '%s' "${'$'}{said#end }" >"$RESULT_FILE"
        exit 0
        ;;
      'failed '*) fail "${'$'}{error:-pgBackRest ended with ${'$'}{said#failed }}" ;;
      '') [ -z "$line" ] || { echo "$line" >&2; error=$line; } ;;
    esac
  done
  [ -n "$heard" ] || [ $((SECONDS - began)) -lt 180 ] || fail 'no pod of the database answers: is its container "backup" running?'
done
`
