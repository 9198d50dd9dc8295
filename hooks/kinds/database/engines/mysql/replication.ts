// MySQL's replicas as one group in single-primary mode: https://dev.mysql.com/doc/refman/8.4/en/group-replication.html
// The server is the official image's; what makes it a member is done by the agent beside it (hooks/agent/mysql).

import { createHash } from 'node:crypto'
import type { Container, Probe } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../../sdk/definition.ts'
import { suiteImage } from '../../../../sdk/images.ts'
import { restrictedContainer } from '../../../../sdk/podsecurity.ts'
import { dataVolume, host, names } from '../../names.ts'
import { isFilling } from '../../recovery/pending.ts'
import { helperResources } from '../../resources.ts'
import type { Database } from '../../schema.ts'
import { tokenMount, tokenVolume } from '../../token.ts'
import { type Configuration, paths } from '../engine.ts'
import type { Replication } from '../replication.ts'
import { accountsScript } from './accounts.ts'
import { configurationOf, configurationPath, dataFolder, port, runFolder, socket, volumePath } from './configuration.ts'

/** Of a group; https://dev.mysql.com/doc/refman/8.4/en/group-replication-limitations.html */
const maxMembers = 9

/** The account by which members reach one another, and the key of the Secret that holds its password. */
const recovery = { username: 'replication', key: 'replication-password' } as const

/** Written by the agent: what the member is. What is to be done on the primary alone looks there. */
const roleFile = `${runFolder}/role`

/** By it the server that is told to end asks its agent, who answers with the same and `.done`. */
const leaveFile = `${runFolder}/leave`

export const groupReplication: Replication = {
  name: 'group-replication',
  secretKeys: [recovery.key],
  ownedParameters: [
    {
      pattern:
        /^((loose.)?group.replication.*|gtid.mode|enforce.gtid.consistency|server.id|report.host|plugin.load.*|(super.)?read.only|(skip|disable)?.?log.bin|log.(replica|slave).updates|binlog.format|relay.log.*)$/i,
      reason: 'members of a group have to agree on it, and the operator sees to that',
    },
  ],
  configuration(db, memoryBytes): Configuration {
    const { files, restart } = configurationOf(db, memoryBytes, groupSettings(db))
    return { files: { ...files, 'agent.json': agentFile(db) }, restart }
  },
  scripts: (db) => ({
    'member.sh': memberScript(db),
    'ready.sh': readyScript,
    'accounts.sh': `
# Accounts reach the other members from the primary; the agent says which that is.
if [ "$(cat ${roleFile} 2>/dev/null)" != primary ]; then exit 0; fi
${accountsScript(db, { group: true, state: isFilling(db) ? 'closed' : 'open' })}`,
    'client.sh': clientScript,
  }),
  watched: [roleFile],
  command: () => ({ command: ['bash', `${paths.scripts}/member.sh`] }),
  initContainers: (_db, settings) => [agent(settings)],
  volumes: () => [tokenVolume],
  probes: () => ({
    // Its own process is asked, not the group: a member that waits for others is alive.
    startupProbe: probe(alive, { periodSeconds: 2, failureThreshold: 1800 }),
    readinessProbe: probe(['bash', `${paths.scripts}/ready.sh`], { periodSeconds: 5, failureThreshold: 3 }),
    livenessProbe: probe(alive, { periodSeconds: 20, failureThreshold: 6 }),
  }),
  rules: (db) => [
    {
      apiGroups: [''],
      resources: ['pods'],
      // The members alone: their names are known.
      resourceNames: Array.from({ length: maxMembers }, (_, ordinal) => names(db).pod(ordinal)),
      verbs: ['get', 'patch'],
    },
  ],
  grants: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'patch'] }],
}

const alive = [
  'mysqladmin',
  '--no-defaults',
  '--protocol=tcp',
  '--host=127.0.0.1',
  `--port=${port}`,
  '--connect-timeout=5',
  'ping',
]

function probe(command: string[], times: { periodSeconds: number; failureThreshold: number }): Probe {
  return { exec: { command }, timeoutSeconds: 10, ...times }
}

/** The domain below which each member has its name. */
function domain(db: Database): string {
  return host(db, names(db).headless)
}

// The plug-in's own settings are "loose": while the image makes an empty data folder, the plug-in is not there.
function groupSettings(db: Database): Record<string, string> {
  const group = {
    group_name: groupName(db),
    // A group needs no port of its own this way, and one set of accounts and certificates.
    communication_stack: 'MYSQL',
    ssl_mode: 'REQUIRED',
    recovery_use_ssl: 'ON',
    single_primary_mode: 'ON',
    enforce_update_everywhere_checks: 'OFF',
    // Who begins the group, and when who joins it, is the agent's to decide.
    start_on_boot: 'OFF',
    bootstrap_group: 'OFF',
    autorejoin_tries: '0',
    exit_state_action: 'READ_ONLY',
    // Five seconds of silence are suspicion enough: with 1 a killed primary was missed for 22 to 30 s, with 0 for 8.
    member_expel_timeout: '0',
    unreachable_majority_timeout: '5',
    // What the former primary acknowledged is there before the new one answers.
    consistency: 'BEFORE_ON_PRIMARY_FAILOVER',
    recovery_reconnect_interval: '5',
    // The default is 1 GiB for each member.
    message_cache_size: '134217728',
  }
  return {
    gtid_mode: 'ON',
    enforce_gtid_consistency: 'ON',
    plugin_load_add: 'group_replication.so;mysql_clone.so',
    ...Object.fromEntries(Object.entries(group).map(([name, value]) => [`loose_group_replication_${name}`, value])),
  }
}

/** A UUID of the Database alone: transactions of its group bear it, so that each member knows whether it was in there. */
function groupName({ metadata: { uid } }: Database): string {
  const hex = createHash('sha256').update(`mysql group of ${uid}`).digest('hex')
  // Version 8 of RFC 9562: made in a way of one's own.
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}

/** What the agent has to know. It reads the file again all the time, so that nothing restarts when it changes. */
function agentFile(db: Database): string {
  const file = {
    name: names(db).statefulSet,
    domain: domain(db),
    group: groupName(db),
    replicas: db.spec.replicas,
    // Given as soon as a pod was ready, and then for ever.
    initialized: db.status?.endpoints !== undefined,
    ...forced(db),
  }
  return `${JSON.stringify(file, undefined, 2)}\n`
}

/** Annotation of a Database with the name of the pod whose data it is to go on with, though others cannot be asked. */
const forceAnnotation = 'example.com/go-on-with'

function forced({ metadata: { name, annotations } }: Database): { forced?: number } {
  const pod = annotations?.[forceAnnotation] ?? ''
  const ordinal = pod.startsWith(`${name}-`) ? pod.slice(name.length + 1) : ''
  return new RegExp(`^[0-${maxMembers - 1}]$`).test(ordinal) ? { forced: Number(ordinal) } : {}
}

function agent(settings: Settings): Container {
  return {
    name: 'agent',
    image: suiteImage(settings),
    args: ['agent', 'mysql'],
    restartPolicy: 'Always',
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } } },
      { name: 'AGENT_FILE', value: `${configurationPath}/agent.json` },
      { name: 'DATA_FOLDER', value: volumePath },
      { name: 'MYSQL_SOCKET', value: socket },
      { name: 'ROLE_FILE', value: roleFile },
      { name: 'LEAVE_FILE', value: leaveFile },
      { name: 'SUPERUSER_PASSWORD_FILES', value: passwordFiles.join(':') },
      { name: 'REPLICATION_PASSWORD_FILE', value: `${paths.superuser}/${recovery.key}` },
    ],
    resources: helperResources,
    securityContext: restrictedContainer,
    volumeMounts: [
      { name: 'configuration', mountPath: configurationPath, readOnly: true },
      { name: 'superuser-credentials', mountPath: paths.superuser, readOnly: true },
      { name: 'run', mountPath: runFolder },
      // To see how much room it has.
      { name: dataVolume, mountPath: volumePath, readOnly: true },
      tokenMount,
    ],
  }
}

const passwordFiles = ['superuser-password', 'superuser-password-previous'].map((key) => `${paths.superuser}/${key}`)

// What is being committed when a server leaves its group waits for an answer that does not come: with clients that write,
// MySQL 9.7.4 took 51 s to end. So the agent has another take over before, which also lets clients write again a second
// after the pod was told to end; a last member only stops taking writes. Without an answer of the agent it ends as it is.
//
// MySQL ends with status 16 where it wants to be started again: after a clone of another member's data, which takes the
// place of its own. It does so only when it knows that it has a parent to do it.
// https://dev.mysql.com/doc/refman/8.4/en/restart.html
function memberScript(db: Database): string {
  const name = `$HOSTNAME.${domain(db)}`
  return `
export MYSQLD_PARENT_PID=$$
flags=(
  "--server-id=$((\${HOSTNAME##*-} + 1))"
  "--report-host=${name}"
  "--loose-group-replication-local-address=${name}:${port}"
)
pid=''
rm -f ${leaveFile} ${leaveFile}.done
leave() {
  : >${leaveFile}
  for ((tries = 0; tries < 250; tries++)); do
    if [ -e ${leaveFile}.done ]; then break; fi
    sleep 0.1
  done
  kill -TERM "$pid"
}
trap 'leave || kill -TERM "$pid" || true' TERM INT
while true; do
  # A server outside its group takes no writes. An empty data folder is filled by the image's entry point, which has to write.
  closed=()
  if [ -d ${dataFolder}/mysql ]; then closed=(--super-read-only=ON); fi
  docker-entrypoint.sh mysqld "\${flags[@]}" \${closed[@]+"\${closed[@]}"} &
  pid=$!
  status=0
  wait "$pid" || status=$?
  # A signal ends only the waiting.
  while kill -0 "$pid" 2>/dev/null; do
    status=0
    wait "$pid" || status=$?
  done
  if [ "$status" != 16 ]; then exit "$status"; fi
done
`
}

// Ready is who is in the group and has all of its data.
const readyScript = `
state=$(bash ${paths.scripts}/client.sh --execute="SELECT MEMBER_STATE FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid")
[ "$state" = ONLINE ]
`

// As a single server's, but for the time of a rotation in which this member's files and the group are not of one mind.
// Who is not let in has read nothing of its input yet. With ACCOUNT and PASSWORD_FILE it is somebody else who asks.
const clientScript = `
options=$(mktemp) errors=$(mktemp)
trap 'rm -f "$options" "$errors"' EXIT
connect() {
  # https://dev.mysql.com/doc/refman/8.4/en/option-files.html#option-file-syntax
  printf '[client]\\nuser="%s"\\npassword="%s"\\nsocket=${socket}\\n' "\${ACCOUNT:-root}" "$(sed 's/\\\\/&&/g' "$1")" >"$options"
  shift
  mysql --defaults-extra-file="$options" --protocol=socket --connect-timeout=5 --batch --skip-column-names "$@"
}
if [ -n "\${PASSWORD_FILE:-}" ] || [ ! -e ${passwordFiles[1]} ]; then
  connect "\${PASSWORD_FILE:-${passwordFiles[0]}}" "$@"
elif ! connect ${passwordFiles[0]} "$@" 2>"$errors"; then
  if ! grep -q 'ERROR 1045' "$errors"; then
    cat "$errors" >&2
    exit 1
  fi
  connect ${passwordFiles[1]} "$@"
fi
`
