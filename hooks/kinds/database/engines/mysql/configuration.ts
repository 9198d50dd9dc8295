// The option file of MySQL, and what of it a running server takes over.
import type { Database } from '../../schema.ts'
import { type Configuration, mebibytes, paths } from '../engine.ts'
import { isCopied } from './copy-scripts.ts'

/** Where the server listens, and where its configuration and its data are. */
export const port = 3306
export const runFolder = '/var/run/mysqld'
export const socket = `${runFolder}/mysqld.sock`
export const configurationPath = '/etc/mysql/conf.d'
/** Where the volume is mounted, and the folder of it that the data is in. */
export const volumePath = '/var/lib/mysql'
export const dataFolder = `${volumePath}/data`

/** What is set for this much memory; `group` is what members of one have to agree on, and nobody may set otherwise. */
export function configurationOf(
  db: Database,
  memoryBytes: number,
  group?: Readonly<Record<string, string>>,
): Configuration {
  const settings: Record<string, string> = {
    ...sized(memoryBytes, group !== undefined),
    ...own(db),
    ...userSettings(db),
    ...copied(db),
    ...group,
  }
  const names = Object.keys(settings).sort()
  const fixed = names.filter((name) => !dynamic.has(name))
  return {
    files: {
      'my.cnf': optionFile(settings, names),
      'reload.sql': names
        .filter((name) => dynamic.has(name))
        .map((name) => `SET GLOBAL ${name} = ${literal(settings[name] ?? '')};\n`)
        .join(''),
    },
    restart: optionFile(settings, fixed),
  }
}

// https://dev.mysql.com/doc/refman/8.4/en/innodb-dedicated-server.html: half of the memory below 4 GiB, then more. But
// the server takes some 260 MiB besides, more while a dump is restored: with half of 512 MiB the kernel kills it then. A
// member of a group takes 256 MiB more, for the messages that it keeps and what it applies.
function sized(memoryBytes: number, isMember: boolean): Record<string, string> {
  const share = memoryBytes < 4 * 1024 ** 3 ? 0.5 : 0.7
  const pool = Math.min(memoryBytes * share, memoryBytes - (isMember ? 640 : 384) * 1024 ** 2)
  return {
    innodb_buffer_pool_size: `${mebibytes(pool, 32)}M`,
    max_connections: '151',
    character_set_server: 'utf8mb4',
    binlog_expire_logs_seconds: '604800',
  }
}

function own(db: Database): Record<string, string> {
  return {
    datadir: dataFolder,
    socket,
    pid_file: `${runFolder}/mysqld.pid`,
    port: String(port),
    bind_address: '*',
    mysqlx: 'OFF',
    // Names of clients are not looked up: they are pods.
    skip_name_resolve: 'ON',
    secure_file_priv: 'NULL',
    ...(db.spec.tls === undefined
      ? {}
      : {
          ssl_cert: `${paths.tls}/tls.crt`,
          ssl_key: `${paths.tls}/tls.key`,
          require_secure_transport: db.spec.tls.required ? 'ON' : 'OFF',
        }),
  }
}

// What a copy takes on the side of the server that is copied, and what says which transactions are in it.
function copied(db: Database): Record<string, string> {
  if (!isCopied(db)) return {}
  return { gtid_mode: 'ON', enforce_gtid_consistency: 'ON', plugin_load_add: 'mysql_clone.so' }
}

function userSettings(db: Database): Record<string, string> {
  const entries = Object.entries(db.spec.parameters ?? {})
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase().replaceAll('-', '_'), String(value)]))
}

function optionFile(settings: Record<string, string>, names: readonly string[]): string {
  return `[mysqld]\n${names.map((name) => `${name} = ${optionValue(settings[name] ?? '')}\n`).join('')}`
}

// A # would begin a comment, and a backslash an escape sequence: https://dev.mysql.com/doc/refman/8.4/en/option-files.html
function optionValue(value: string): string {
  if (/^[A-Za-z0-9_.,:/*+-]*$/.test(value)) return value
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

// SET knows numbers and strings, but no 256M.
function literal(value: string): string {
  const size = /^([0-9]+)([KMGT]?)$/i.exec(value)
  if (size !== null) {
    return String(BigInt(size[1] ?? '0') * 1024n ** BigInt(' KMGT'.indexOf((size[2] ?? '').toUpperCase() || ' ')))
  }
  if (/^-?[0-9]+(\.[0-9]+)?$/.test(value)) return value
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

// Global variables that SET GLOBAL changes on a running server, of those that people set:
// https://dev.mysql.com/doc/refman/8.4/en/dynamic-system-variables.html. Whatever is not here rolls the pods.
const dynamic = new Set([
  ...['binlog_cache_size', 'binlog_expire_logs_seconds', 'binlog_row_image', 'character_set_server'],
  ...['collation_server', 'connect_timeout', 'default_storage_engine', 'event_scheduler', 'general_log'],
  ...['group_concat_max_len', 'innodb_adaptive_flushing', 'innodb_adaptive_hash_index', 'innodb_buffer_pool_size'],
  ...['innodb_change_buffering', 'innodb_flush_log_at_trx_commit', 'innodb_flush_neighbors', 'innodb_io_capacity'],
  ...['innodb_io_capacity_max', 'innodb_lock_wait_timeout', 'innodb_lru_scan_depth', 'innodb_max_dirty_pages_pct'],
  ...['innodb_max_purge_lag', 'innodb_old_blocks_time', 'innodb_online_alter_log_max_size'],
  ...['innodb_print_all_deadlocks', 'innodb_redo_log_capacity', 'innodb_stats_persistent_sample_pages'],
  ...['innodb_thread_concurrency', 'interactive_timeout', 'join_buffer_size', 'local_infile', 'lock_wait_timeout'],
  ...['log_error_verbosity', 'log_queries_not_using_indexes', 'long_query_time', 'max_allowed_packet'],
  ...['max_binlog_size', 'max_connect_errors', 'max_connections', 'max_execution_time', 'max_heap_table_size'],
  ...['max_user_connections', 'min_examined_row_limit', 'net_read_timeout', 'net_write_timeout'],
  ...['read_buffer_size', 'read_rnd_buffer_size', 'slow_launch_time', 'slow_query_log', 'sort_buffer_size'],
  ...['sql_mode', 'sync_binlog', 'table_definition_cache', 'table_open_cache', 'thread_cache_size', 'tmp_table_size'],
  ...['transaction_isolation', 'wait_timeout'],
])
