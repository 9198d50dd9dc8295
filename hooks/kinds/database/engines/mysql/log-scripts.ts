// How the binary logs of the primary get into the store: one sidecar closes them and says which are closed, another uploads
// those. Each server's own go into a folder of its own: on a failover the new primary uploads what it has, too, and by their
// GTIDs it is known what is in both.
import { byRclone } from '../../../databasebackup/scripts.ts'
import { paths } from '../engine.ts'
import { dataFolder, runFolder } from './configuration.ts'

/** Where the credentials of the store are mounted, and where the sidecars meet. */
export const storePath = `${paths.credentials}/store`
export const logPath = '/binlogs'

/** Seconds: what was written is closed so soon, and at most as much is lost with the volume. */
const period = 60

/** Bash, in the engine's image; `isMember`: of a group, where only the primary's count. */
export function closeScript(isMember: boolean): string {
  return `
trap 'exit 0' TERM INT
ask() { bash ${paths.scripts}/client.sh "$@"; }
closed='' rotated=-${period}
round() {
  ${isMember ? `[ "$(cat ${runFolder}/role 2>/dev/null)" = primary ] || return 0` : ':'}
  local now
  now=$(ask --execute='SELECT @@GLOBAL.gtid_executed') || return 0
  if [ "$now" != "$closed" ] && [ $((SECONDS - rotated)) -ge ${period} ]; then
    ask --execute='FLUSH BINARY LOGS' || return 0
    closed=$now rotated=$SECONDS
  fi
  ask --execute='SELECT @@server_uuid' >${logPath}/server.new && mv ${logPath}/server.new ${logPath}/server
  ask --execute='SHOW BINARY LOGS' | cut -f 1 | sed '$d' >${logPath}/closed.new && mv ${logPath}/closed.new ${logPath}/closed
  # For the pod that watches. On this server alone: it would else be a transaction, which is to be archived again.
  why=$(head -c 300 ${logPath}/failed 2>/dev/null | tr "\\\\\\\\'" '  ' || true)
  ask <<SQL
SET SESSION sql_log_bin = 0;
CREATE DATABASE IF NOT EXISTS operator_hooks;
CREATE TABLE IF NOT EXISTS operator_hooks.archive (id INT PRIMARY KEY, seen DATETIME NOT NULL, failure VARCHAR(300) NOT NULL);
REPLACE INTO operator_hooks.archive VALUES (1, UTC_TIMESTAMP(), '$why');
SQL
}
while true; do
  round || true
  # In the background, so that a signal does not wait for it.
  sleep 10 &
  wait $! || true
done
`
}

/** sh, in rclone's image. */
export const uploadScript = `set -u
trap 'exit 0' TERM INT
round() (
  set -e
  # Read anew each time: a Secret that is corrected works without a restart.
  if [ -e ${storePath}/access-key-id ]; then
    AWS_ACCESS_KEY_ID=$(cat ${storePath}/access-key-id) AWS_SECRET_ACCESS_KEY=$(cat ${storePath}/secret-access-key)
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  fi
  ${byRclone.trim()}
  server=$(cat ${logPath}/server)
  while read -r name; do
    if grep -q -x -F "$server/$name" ${logPath}/done 2>/dev/null; then continue; fi
    # It may be gone already, by its age.
    [ -e "${dataFolder}/$name" ] || continue
    rclone copyto --s3-no-check-bucket "${dataFolder}/$name" "\${remote}binlogs/$server/$name"
    echo "archived $server/$name"
    echo "$server/$name" >>${logPath}/done
  done <${logPath}/closed
)
while true; do
  if [ -s ${logPath}/closed ]; then
    if round 2>${logPath}/error; then
      rm -f ${logPath}/failed
    else
      cat ${logPath}/error >&2
      grep -v '^[[:space:]]*$' ${logPath}/error | tail -n 1 | cut -c 1-300 >${logPath}/failed
    fi
  fi
  sleep 5 &
  wait $! || true
done
`

/** Bash: what the pod that watches asks the primary, with the password of `monitor` in the folder. */
export const watchQuestion = (folder: string, key: string) => `
MYSQL_PWD=$(cat ${folder}/${key})
export MYSQL_PWD
said=$(mysql --no-defaults --host="$DATABASE_HOST" --user=monitor --connect-timeout=5 --batch --skip-column-names --execute="SELECT IF(seen < UTC_TIMESTAMP() - INTERVAL 90 SECOND, 'nobody archives the log', failure) FROM operator_hooks.archive") || exit 1
[ -z "$said" ] || { echo "$said"; exit 1; }`
