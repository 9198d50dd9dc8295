// The parameters of a PostgreSQL server: https://www.postgresql.org/docs/current/runtime-config.html
import type { Database } from '../../schema.ts'
import { mebibytes, paths } from '../engine.ts'
import { archiveParameters } from './archive-parameters.ts'

export const port = 5432
export const socketPath = '/var/run/postgresql'
export const configurationPath = '/etc/postgresql'

/** Everything that is set: sized from the memory, the operator's own, and over these the user's. */
export function settingsOf(db: Database, memoryBytes: number): Record<string, string> {
  return { ...sized(db, memoryBytes), ...own(db), ...archiveParameters(db), ...userSettings(db) }
}

/** The release series of a version. */
export function majorOf(version: string): number {
  return Number(version.split('.')[0])
}

/** PGDATA. */
export function dataDirectory(version: string): string {
  // A folder of its own: the root of a volume may hold lost+found, and initdb wants an empty folder.
  const major = majorOf(version)
  return major >= 18 ? `${volumePath(version)}/${major}/docker` : `${volumePath(version)}/pgdata`
}

/** Where the volume is mounted. From 18 on the image's is one level up, so that pg_upgrade --link can work within it. */
export function volumePath(version: string): string {
  return majorOf(version) >= 18 ? '/var/lib/postgresql' : '/var/lib/postgresql/data'
}

// https://www.postgresql.org/docs/current/runtime-config-resource.html: a quarter of the memory for shared buffers;
// what the planner may expect to be cached is that and the kernel's page cache.
function sized(db: Database, memoryBytes: number): Record<string, string> {
  const connections = Number(db.spec.parameters?.max_connections ?? 100) || 100
  return {
    max_connections: '100',
    shared_buffers: `${mebibytes(memoryBytes / 4, 16)}MB`,
    effective_cache_size: `${mebibytes((memoryBytes * 3) / 4, 32)}MB`,
    maintenance_work_mem: `${Math.min(2048, mebibytes(memoryBytes / 16, 16))}MB`,
    work_mem: `${Math.min(64, mebibytes(memoryBytes / 4 / connections, 1))}MB`,
    checkpoint_completion_target: '0.9',
    wal_compression: 'on',
    // What a replica or point-in-time recovery will need; changing it later costs a restart.
    wal_level: 'replica',
    password_encryption: 'scram-sha-256',
    log_timezone: 'UTC',
    timezone: 'UTC',
  }
}

function own(db: Database): Record<string, string> {
  return {
    listen_addresses: '*',
    port: String(port),
    unix_socket_directories: socketPath,
    hba_file: `${configurationPath}/pg_hba.conf`,
    log_destination: 'stderr',
    logging_collector: 'off',
    ...(db.spec.tls === undefined
      ? {}
      : { ssl: 'on', ssl_cert_file: `${paths.tls}/tls.crt`, ssl_key_file: `${paths.tls}/tls.key` }),
  }
}

function userSettings(db: Database): Record<string, string> {
  const entries = Object.entries(db.spec.parameters ?? {})
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]))
}

/** The text of postgresql.conf. */
export function render(settings: Record<string, string>): string {
  const lines = Object.keys(settings)
    .sort()
    .map((name) => `${name} = '${(settings[name] ?? '').replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`)
  return lines.join('')
}

/**
 * The text of pg_hba.conf: whether connections have to be encrypted, and `replicator`, the user by whom other servers
 * replicate this one.
 */
export function hostBasedAuthentication(encrypted: boolean, replicator?: string): string {
  const host = encrypted ? 'hostssl' : 'host'
  // The socket is in an emptyDir of the pod: only its own containers reach it. `all` databases is none for replication.
  return [
    '# type  database  user  address  method',
    'local  all  all  trust',
    'local  replication  all  trust',
    `${host}  all  all  all  scram-sha-256`,
    ...(replicator === undefined ? [] : [`${host}  replication  "${replicator}"  all  scram-sha-256`]),
    '',
  ].join('\n')
}

// Parameters of context "postmaster" (pg_settings), 12 to 18. Those of extensions (with a dot) are taken to be.
export function needsRestart(name: string): boolean {
  return name.includes('.') || postmaster.has(name)
}

const postmaster = new Set([
  ...['archive_mode', 'autovacuum_freeze_max_age', 'autovacuum_max_workers', 'autovacuum_multixact_freeze_max_age'],
  ...['autovacuum_worker_slots', 'bonjour', 'bonjour_name', 'cluster_name', 'commit_timestamp_buffers'],
  ...['config_file', 'data_directory', 'data_sync_retry', 'debug_io_direct', 'dynamic_shared_memory_type'],
  ...['event_source', 'external_pid_file', 'hba_file', 'hot_standby', 'huge_page_size', 'huge_pages', 'ident_file'],
  ...['ignore_invalid_pages', 'io_max_combine_limit', 'io_max_concurrency', 'io_method', 'jit_provider'],
  ...['listen_addresses', 'logging_collector', 'max_active_replication_origins', 'max_connections'],
  ...['max_files_per_process', 'max_locks_per_transaction', 'max_logical_replication_workers'],
  ...['max_notify_queue_pages', 'max_pred_locks_per_transaction', 'max_prepared_transactions'],
  ...['max_replication_slots', 'max_wal_senders', 'max_worker_processes', 'min_dynamic_shared_memory'],
  ...['multixact_member_buffers', 'multixact_offset_buffers', 'notify_buffers', 'old_snapshot_threshold', 'port'],
  ...['recovery_target', 'recovery_target_action'],
  ...['recovery_target_inclusive', 'recovery_target_lsn', 'recovery_target_name', 'recovery_target_time'],
  ...['recovery_target_timeline', 'recovery_target_xid', 'reserved_connections'],
  ...['serializable_buffers', 'shared_buffers', 'shared_memory_type', 'shared_preload_libraries'],
  ...['subtransaction_buffers', 'summarize_wal', 'superuser_reserved_connections', 'track_activity_query_size'],
  ...['track_commit_timestamp', 'transaction_buffers', 'unix_socket_directories', 'unix_socket_group'],
  ...['unix_socket_permissions', 'wal_buffers', 'wal_decode_buffer_size', 'wal_level', 'wal_log_hints'],
])
