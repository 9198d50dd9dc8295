// What runs in the pods of a replicated PostgreSQL beside Patroni itself. Bash is in the official images of both
// distributions.
import { paths } from '../engine.ts'
import { membersFile } from '../replication.ts'
import { configurationPath } from './parameters.ts'

/** Where the init container puts the agent: what is in its `bin` finds the rest by itself. */
export const agentPath = '/opt/agent'
/** In memory: Patroni's configuration, and the password file that it writes. */
export const runPath = '/run/patroni'

/** What the agent's `services` looks after: deploy/postgresql-agent/services.py. */
interface Watched {
  /** By this label, and the selector, Services find members. */
  readonly label: string
  readonly selector: string
  /** The label by which a pod says that its volume is full, and where that is mounted. */
  readonly storage: string
  readonly volume: string
}

/**
 * Starts a member. Only the first pod, and one that was a member before, may begin a database: the others' volumes may
 * be empty, or hold what they were before there was replication.
 */
export const startScript = ({ label, selector, storage, volume }: Watched): string => `
export LC_ALL=C
ordinal=\${POD_NAME##*-}
case $POD_IP in
  *:*) address="[$POD_IP]" any='[::]' ;;
  *) address=$POD_IP any=0.0.0.0 ;;
esac
mkdir -p ${runPath}/config
ln -sf ${configurationPath}/patroni.yml ${runPath}/config/1-cluster.yml
ln -sf ${paths.superuser}/patroni.yml ${runPath}/config/2-credentials.yml
cat >${runPath}/config/3-member.yml <<END
name: $POD_NAME
restapi: {listen: "$any:8008", connect_address: "$address:8008"}
kubernetes: {pod_ip: "$POD_IP"}
postgresql: {connect_address: "$address:5432"}
# Among equals the lowest number: a rolling update begins at the highest.
tags: {failover_priority: $((100 - ordinal))}
END

# A primary that crashed is to be back soon, and what is asked here was asked when its pod began. Once: should it end
# again, it may be that something has changed.
prepared=${runPath}/prepared
may=()
if [ "$ordinal" = 0 ] || [ -e "$PGDATA/patroni.dynamic.json" ]; then may=(--may-initialize); fi
system=''
if [ -e $prepared ]; then
  rm $prepared
else
  system=$(${agentPath}/bin/member "\${may[@]}" ${configurationPath}/cluster.json ${configurationPath}/dynamic.json)
  : >$prepared
fi
if [ "$ordinal" != 0 ] && [ -n "$system" ] && [ -s "$PGDATA/PG_VERSION" ]; then
  own=$(pg_controldata --pgdata="$PGDATA" | sed -n 's/^Database system identifier: *//p')
  if [ "$own" != "$system" ]; then
    aside="$PGDATA.of-system-$own"
    echo "the data in $PGDATA is of another database system, $own: it goes to $aside, and this member is copied anew" >&2
    mv "$PGDATA" "$aside"
  fi
fi
unset LC_ALL
${agentPath}/bin/services watch ${label} ${selector} ${configurationPath}/${membersFile} ${runPath}/config/4-leaving.yml \\
  ${storage} ${volume} &
exec ${agentPath}/bin/patroni ${runPath}/config
`

/** Has Patroni and the server take over what Kubernetes renews in the mounted files, about a minute after it changed. */
export const watchScript = String.raw`
export LC_ALL=C
trap 'exit 0' TERM INT

# METHOD PATH [BODY]: asks Patroni, and prints its answer.
rest() {
  local body=${'$'}{3:-} line
  {
    printf '%s %s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "$1" "$2" "${'$'}{#body}" "$body" >&3
    while IFS= read -r -t 10 line <&3 || [ -n "$line" ]; do printf '%s\n' "$line"; done
  } 3<>/dev/tcp/127.0.0.1/8008
}
succeeds() {
  local answer
  answer=$(rest "$@") && [[ $answer == HTTP/1.?' 2'* ]]
}

# What is for all members is the primary's to do.
apply() {
  succeeds POST /reload || return 1
  [ "$role" = primary ] || return 0
  bash ${paths.scripts}/accounts.sh && succeeds PATCH /config "$(cat ${configurationPath}/dynamic.json)"
}

applied=''
pending=0
ordinal=${'$'}{HOSTNAME##*-}
while true; do
  answer=$(rest GET /patroni 2>/dev/null || true)
  role=''
  if [[ $answer == *'"state": "running"'* ]]; then
    if [[ $answer == *'"role": "primary"'* ]]; then role=primary; else role=replica; fi
  fi
  # Without TLS there is no folder of it.
  files=$({ find -L ${configurationPath} ${paths.app} ${paths.superuser} ${paths.tls} -maxdepth 1 -type f -exec cat {} + 2>/dev/null || true; } | sha256sum)
  if [ -n "$role" ] && [ "$role $files" != "$applied" ]; then
    if apply; then
      applied="$role $files"
      echo "configuration and credentials are in force on this $role"
    else
      echo 'configuration or credentials could not be applied; trying again' >&2
    fi
  fi

  # Usually pods are rolled for it. What is left then, such as a limit that was lowered, a server takes over only after
  # the primary has: https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN
  if [[ $answer == *'"pending_restart": true'* ]]; then pending=$((pending + 1)); else pending=0; fi
  patience=24
  [ "$role" = primary ] || patience=$((36 + 6 * ordinal))
  if [ "$pending" -ge "$patience" ] && succeeds POST /restart '{"restart_pending": true}'; then pending=0; fi

  # In the background, so that a signal does not wait for it.
  sleep 5 &
  wait $! || true
done
`
