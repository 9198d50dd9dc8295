// PostgreSQL replicated by Patroni (https://patroni.readthedocs.io/en/latest/), which runs inside the engine's own image
// from what an init container brings, and keeps its state in ConfigMaps. Why, and what was found out on real nodes, is in
// docs/decisions/0035-patroni-by-init-container.md.
import type { EnvVar, Probe } from 'kubernetes-types/core/v1.js'
import { isRecord } from '../../../../sdk/kubernetes.ts'
import { quantityToNumber } from '../../../../sdk/quantity.ts'
import type { PolicyRule } from '../../../../sdk/resources.ts'
import { replicationLabel, roleLabel, storageLabel } from '../../../../sdk/roles.ts'
import { maxReplicas, names } from '../../names.ts'
import { volumeSize } from '../../resources.ts'
import type { Database } from '../../schema.ts'
import { tokenMount, tokenVolume } from '../../token.ts'
import { type Configuration, mebibytes, paths } from '../engine.ts'
import { membersFile, type Replication } from '../replication.ts'
import { agentMount, agentVolume, bringAgent } from './agent.ts'
import { agentPath, runPath, startScript, watchScript } from './member-scripts.ts'
import {
  configurationPath,
  dataDirectory,
  hostBasedAuthentication,
  majorOf,
  needsRestart,
  port,
  render,
  settingsOf,
  socketPath,
  volumePath,
} from './parameters.ts'

const name = 'patroni'
const restPort = 8008

/** Roles of the members' own. A hyphen is in no name that users may choose. */
const roles = {
  replication: { username: 'patroni-replicator', key: 'replicator-password' },
  rewind: { username: 'patroni-rewind', key: 'rewind-password' },
} as const

/** The pod label that Patroni knows its members by, and its value. */
const scopeLabel = 'example.com/cluster'
const scopeOf = (db: Database) => `${db.metadata.name}-patroni`

export const patroni: Replication = {
  name,
  labels: (db) => ({ [scopeLabel]: scopeOf(db) }),
  secretKeys: [roles.replication.key, roles.rewind.key],
  secretFiles: (password) => ({ 'patroni.yml': document(credentials(password)) }),
  configuration,
  accountsScript,
  scripts: (db) => ({
    'start.sh': startScript({ ...services(db), storage: storageLabel, volume: volumePath(db.spec.version) }),
    'watch.sh': watchScript,
  }),
  initContainers: (_db, settings) => [bringAgent(settings)],
  command: () => ({ command: ['bash', `${paths.scripts}/start.sh`], args: [] }),
  env,
  ports: [{ name: 'patroni', containerPort: restPort, protocol: 'TCP' }],
  peerPorts: [restPort],
  probes,
  volumes: () => [agentVolume, { name: 'patroni', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }, tokenVolume],
  beforeScalingIn: 'hand over',
  settleSeconds: 5,
  mounts: () => [{ ...agentMount, readOnly: true }, { name: 'patroni', mountPath: runPath }, tokenMount],
  rules,
  // What is asked for by name below: the name of another Database is another one.
  grants: [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'get', 'list', 'patch', 'update', 'watch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'patch', 'watch'] },
  ],
}

function env(db: Database): EnvVar[] {
  const field = (fieldPath: string) => ({ fieldRef: { apiVersion: 'v1', fieldPath } })
  return [
    { name: 'PGDATA', value: dataDirectory(db.spec.version) },
    { name: 'POD_NAME', valueFrom: field('metadata.name') },
    { name: 'POD_IP', valueFrom: field('status.podIP') },
    { name: 'HOME', value: '/tmp' },
  ]
}

// Another member takes over when the lock in the ConfigMap is `ttl` old. By then a member that does not answer has been
// killed, so that it cannot wake up and go on: three probes of 3 s, the first within 3 s, and a second to end. Patroni's
// /liveness asks neither the database nor the API server, so a busy one is not taken for a frozen one.
const ttl = 20

function probes(): ReturnType<NonNullable<Replication['probes']>> {
  const get = (path: string, times: Omit<Probe, 'httpGet'>): Probe => ({
    httpGet: { path, port: restPort, scheme: 'HTTP' },
    ...times,
  })
  return {
    // It answers while it recovers or copies; but not while it waits for another to initialize the database.
    startupProbe: get('/liveness', { periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 3600 }),
    // Every second, because clients wait for it when a primary is back.
    readinessProbe: get('/readiness', { periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 2 }),
    livenessProbe: get('/liveness', {
      periodSeconds: 3,
      timeoutSeconds: 3,
      failureThreshold: 3,
      terminationGracePeriodSeconds: 1,
    }),
  }
}

/** Its own ConfigMaps, and its own pods by their highest possible number. Lists and creation know no names. */
function rules(db: Database): PolicyRule[] {
  const scope = scopeOf(db)
  const objects = ['config', 'failover', 'leader', 'sync'].map((suffix) => `${scope}-${suffix}`)
  const pods = Array.from({ length: maxReplicas }, (_, ordinal) => names(db).pod(ordinal))
  return [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'list', 'watch'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: objects, verbs: ['get', 'patch', 'update'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['pods'], resourceNames: pods, verbs: ['get', 'patch'] },
  ]
}

function configuration(db: Database, memoryBytes: number): Configuration {
  const settings = { ...replicated(db), ...settingsOf(db, memoryBytes), hba_file: hbaFile(db) }
  const entries = Object.entries(settings)
  const dynamic = dynamicConfiguration(db, settings)
  const own = entries.filter(([parameter]) => !dynamicParameters.has(parameter) && !byPatroni.has(parameter))
  return {
    files: {
      // Patroni's own postgresql.conf includes it.
      'postgresql.conf': render(Object.fromEntries(own)),
      'pg_hba.conf': hostBasedAuthentication(false, roles.replication.username),
      // Always there: a list of files that grows is merged into another order than it was made in, and pods would roll.
      'pg_hba_tls.conf': hostBasedAuthentication(true, roles.replication.username),
      'patroni.yml': document(local(db, dynamic)),
      'cluster.json': document(cluster(db)),
      'dynamic.json': document(dynamic),
      [membersFile]: document({ members: db.spec.replicas }),
    },
    restart: render(Object.fromEntries(entries.filter(([parameter]) => needsRestart(parameter)))),
  }
}

// A file of its own where connections must be encrypted, because mounted files change under a server: one that has no
// certificate until its pod is rolled would let nobody in any more, its replicas least of all. Another file is another
// parameter, which is in force when the pod is.
function hbaFile({ spec }: Database): string {
  return `${configurationPath}/${spec.tls?.required === true ? 'pg_hba_tls.conf' : 'pg_hba.conf'}`
}

/** What Patroni sets on the server's command line, from its dynamic configuration alone. */
const dynamicParameters = new Set([
  ...['max_connections', 'max_locks_per_transaction', 'max_prepared_transactions', 'max_replication_slots'],
  ...['max_wal_senders', 'max_worker_processes', 'track_commit_timestamp', 'wal_keep_segments', 'wal_keep_size'],
  ...['wal_level', 'wal_log_hints'],
])
/** And from where it listens. */
const byPatroni = new Set(['cluster_name', 'hot_standby', 'listen_addresses', 'port'])

// Each member takes a sender and a slot, and while it is copied two.
function replicated(db: Database): Record<string, string> {
  const volume = quantityToNumber(volumeSize(db))
  return {
    max_wal_senders: '24',
    max_replication_slots: '24',
    wal_log_hints: 'on',
    // A replica that stays away shall not fill the volume: it is copied anew when it comes back.
    ...(majorOf(db.spec.version) >= 13 ? { max_slot_wal_keep_size: `${mebibytes(volume / 4, 256)}MB` } : {}),
  }
}

/** What holds for all members alike; null takes away what an earlier answer may have set. */
function dynamicConfiguration(db: Database, settings: Record<string, string>): Record<string, unknown> {
  const parameters = [...dynamicParameters].map((parameter) => [parameter, settings[parameter] ?? null])
  return {
    ttl,
    // How long it may take to notice that a server has died. At each turn the primary writes to the API server.
    loop_wait: 3,
    retry_timeout: 5,
    primary_start_timeout: 15,
    maximum_lag_on_failover: 1048576,
    // With the API server away the primary goes on as long as it reaches every member.
    failsafe_mode: true,
    synchronous_mode: db.spec.highAvailability?.synchronous === true ? true : null,
    postgresql: { use_pg_rewind: true, use_slots: true, parameters: Object.fromEntries(parameters) },
  }
}

/** How Services know the members and their roles: deploy/postgresql-agent/services.py. */
const services = (db: Database) => ({ label: roleLabel, selector: `${scopeLabel}=${scopeOf(db)}` })

/** What a member reads from its files, the same for each; `start.sh` adds its name and addresses. */
function local(db: Database, dynamic: Record<string, unknown>): Record<string, unknown> {
  // A primary that cannot say any more that it is none shall lead Services no longer.
  const { label, selector } = services(db)
  const demoteOthers = `${agentPath}/bin/services demote ${label} ${selector}`
  return {
    scope: scopeOf(db),
    restapi: {
      // Who is neither in the pod nor another member may look, and change nothing. A password besides would be in nobody's
      // way but that of its own rotation: Patroni takes a new one over when it is told to, by who knows the old one.
      allowlist: ['127.0.0.1/32', '::1/128'],
      allowlist_include_members: true,
    },
    kubernetes: {
      namespace: db.metadata.namespace,
      labels: memberLabels(db),
      scope_label: scopeLabel,
      role_label: roleLabel,
      leader_label_value: 'primary',
      follower_label_value: 'replica',
    },
    bootstrap: {
      dcs: withoutNull(dynamic),
      initdb: ['data-checksums', { encoding: 'UTF8' }],
      post_bootstrap: `bash ${paths.scripts}/accounts.sh`,
    },
    postgresql: {
      listen: `*:${port}`,
      data_dir: dataDirectory(db.spec.version),
      custom_conf: `${configurationPath}/postgresql.conf`,
      pgpass: `${runPath}/pgpass`,
      use_unix_socket: true,
      use_unix_socket_repl: true,
      parameters: { hba_file: hbaFile(db), unix_socket_directories: socketPath },
      create_replica_methods: ['basebackup'],
      basebackup: [{ checkpoint: 'fast' }],
      callbacks: { on_role_change: demoteOthers, on_start: demoteOthers },
      // A member whose data cannot be brought back to the others' history is copied anew.
      remove_data_directory_on_rewind_failure: true,
      remove_data_directory_on_diverged_timelines: true,
    },
    watchdog: { mode: 'off' },
  }
}

function credentials(password: (key: string) => string): Record<string, unknown> {
  const login = ({ username, key }: { username: string; key: string }) => ({ username, password: password(key) })
  return {
    postgresql: {
      authentication: {
        // Over the socket, where it needs no password.
        superuser: { username: 'postgres' },
        replication: login(roles.replication),
        rewind: login(roles.rewind),
      },
    },
  }
}

/** What the agent's `member` has to know: see deploy/postgresql-agent/member.py. */
function cluster(db: Database): Record<string, unknown> {
  const { apiVersion, kind } = db
  return {
    scope: scopeOf(db),
    labels: { ...memberLabels(db), [scopeLabel]: scopeOf(db) },
    owner: { apiVersion, kind, name: db.metadata.name, uid: db.metadata.uid },
  }
}

function memberLabels(db: Database): Record<string, string> {
  return { 'app.kubernetes.io/instance': db.metadata.name, [replicationLabel]: name }
}

// What pg_rewind needs: https://www.postgresql.org/docs/current/app-pgrewind.html#id-1.9.5.10.9
function accountsScript(): string {
  const read = (key: string) => `\`cat ${paths.superuser}/${key}\``
  const make = ({ username }: { username: string }, options: string, password: string) => String.raw`
SELECT 'CREATE ROLE "${username}"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${username}') \gexec
SELECT format('ALTER ROLE "${username}" LOGIN ${options} PASSWORD %L', :'${password}') \gexec`
  const functions = [
    'pg_ls_dir(text, boolean, boolean)',
    'pg_stat_file(text, boolean)',
    'pg_read_binary_file(text)',
    'pg_read_binary_file(text, bigint, bigint, boolean)',
  ]
  return String.raw`
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=${socketPath} --username=postgres --dbname=postgres >/dev/null <<'SQL'
SET client_min_messages = 'warning';
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';
SET synchronous_commit = 'local';
\set replicatorpassword ${read(roles.replication.key)}
\set rewindpassword ${read(roles.rewind.key)}
${make(roles.replication, 'REPLICATION', 'replicatorpassword')}
${make(roles.rewind, 'NOREPLICATION', 'rewindpassword')}
${functions.map((signature) => `GRANT EXECUTE ON FUNCTION pg_catalog.${signature} TO "${roles.rewind.username}";`).join('\n')}
SQL
`
}

// Null has a meaning only where something is patched.
function withoutNull(value: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(value).filter(([, field]) => field !== null)
  return Object.fromEntries(kept.map(([key, field]) => [key, isRecord(field) ? withoutNull(field) : field]))
}

// JSON is YAML.
function document(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
