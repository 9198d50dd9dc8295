// What the kind has to know of an engine. Each engine is one file that states these facts.
import type { EnvVar, EnvVarSource } from 'kubernetes-types/core/v1.js'
import { fieldBelow } from '../../../sdk/fields.ts'
import type { Problem } from '../../../sdk/schema.ts'
import type { Database } from '../schema.ts'
import type { Archive } from './archive.ts'
import type { Replication } from './replication.ts'

/** An engine's facts, and the texts that are written for it. */
export interface Engine {
  /** As a person writes it. */
  title: string
  /** Official image on Docker Hub. */
  repository: string
  port: number
  /** User and group of the official image. */
  uid: number
  /** The engine's own administrator. */
  superuser: string
  /** Seconds that a graceful stop may take before the kernel ends it. */
  stopSeconds: number
  /** Seconds that starting may take, recovery after a crash included. */
  startSeconds: number
  /** Numbers of a version that make a release series, within which the data files stay readable. */
  seriesLength(version: string): 1 | 2
  /** Whether the engine may go back to an earlier version of the same series. */
  mayDowngrade(version: string): boolean
  /** Where the volume is mounted. */
  dataPath(version: string): string
  /** Where the configuration is mounted. */
  configurationPath: string
  /** Folders it writes to besides its data: the root file system is read-only. */
  scratch: readonly Scratch[]
  /** What the container runs; without a command, the image's own entry point with these arguments. */
  command(db: Database): { command?: string[]; args: string[] }
  env(db: Database): EnvVar[]
  /** Exits 0 when the engine answers at all. */
  alive(db: Database): string[]
  /** Exits 0 when the engine serves clients. */
  ready(db: Database): string[]
  /** Parameters that users may not set. */
  ownedParameters: readonly OwnedParameter[]
  configuration(db: Database, memoryBytes: number): Configuration
  /**
   * Bash: makes database and accounts as the mounted credentials say, as often as it is run: of the server in the same
   * pod, or of $REMOTE_HOST. While it is closed, the owner cannot log in or may do nothing.
   */
  accountsScript(db: Database, state: 'open' | 'closed'): string
  /** Bash: makes the running engine take over its mounted configuration. */
  reloadScript(db: Database): string
  /** Bash: writes a dump of everything to "$target", with "$work" as scratch, and verifies it. */
  dumpScript(db: Database): string
  /** Bash: reads the dump in "$file" from end to end, with "$work" as scratch; calls `corrupt`, with why in "$work/error". */
  checkScript: string
  /**
   * Bash: puts the checked dump in "$file" into the server at $DATABASE_HOST, whatever an attempt of the same
   * $RECOVERY_ID left there; calls `notempty` with what it found when there is anything else.
   */
  restoreScript(db: Database): string
  /** Bash: scripts of the engine's own that the others call, by file name. */
  helperScripts?: Readonly<Record<string, string>>
  /** What serves metrics to Prometheus, from a pod of its own for each replica. */
  exporter: Exporter
  /** What archives the engine's log and takes physical backups. */
  archive?: Archive
  /** What makes several replicas one database. */
  replication?: Replication
  /** How the file name of a backup ends. */
  backupSuffix: string
  uri(access: Access): string
  jdbcUri(access: Access): string
}

/** An exporter logs in as `monitor`, who may read statistics and nothing else. */
interface Exporter {
  image: string
  port: number
  args(target: ExporterTarget): string[]
  env(target: ExporterTarget): EnvVar[]
}

/** What an exporter connects to. */
export interface ExporterTarget {
  host: string
  /** Whether the server knows TLS. Nothing is verified: its certificate may be for other names. */
  tls: boolean
  /** Takes the password from the Secret; for an exporter that reads no file. */
  password: EnvVarSource
  /** Where the password is mounted. */
  passwordFile: string
}

interface Scratch {
  name: string
  mountPath: string
  /** Shared memory instead of disk. */
  medium?: 'Memory'
}

/** The engine's files, and what of them it takes over only by a restart. */
export interface Configuration {
  /** By file name in `configurationPath`. */
  files: Readonly<Record<string, string>>
  /** Changes exactly when pods have to roll; hashed into the pod template. */
  restart: string
}

/** What a client needs to connect. */
export interface Access {
  username: string
  password: string
  host: string
  port: number
  database: string
  tls: boolean
  /** Instead of host and port, for clients that ask the members themselves who the primary is. */
  members?: Members
}

/** Of a replicated database: host and port of each, and the name that they have as a whole. */
export interface Members {
  hosts: readonly string[]
  set: string
}

/** A parameter that may not be set, and why. */
export interface OwnedParameter {
  pattern: RegExp
  reason: string
}

/** Where things are mounted, in the engine's pods and in those of backups. */
export const paths = {
  scripts: '/scripts',
  credentials: '/etc/credentials',
  app: '/etc/credentials/app',
  superuser: '/etc/credentials/superuser',
  tls: '/etc/tls',
} as const

/** The user of exporters, and the key of the Secret that holds its password. It reads statistics and nothing else. */
export const monitor = { username: 'monitor', key: 'monitor-password' } as const

/**
 * The user that makes other users, and the key of the Secret that holds its password: it may make users and hand out
 * what the database's owner has, and is no administrator.
 */
export const operator = { username: 'operator_hooks', key: 'operator-password' } as const

/** What follows the uid of the DatabaseUser on a user that came with a backup: it is there for another to take over. */
export const recoveredMark = ' recovered'

/** The user's parameters that the kind does not let him set. */
export function parameterProblems(db: Database, { ownedParameters, replication }: Engine): Problem[] {
  const { replicas, highAvailability, parameters = {} } = db.spec
  const replicated = replicas > 1 || highAvailability !== undefined
  const all = [...ownedParameters, ...(replicated ? (replication?.ownedParameters ?? []) : [])]
  return Object.keys(parameters).flatMap((name) => {
    const owned = all.find(({ pattern }) => pattern.test(name))
    if (owned === undefined) return []
    const field = fieldBelow('spec.parameters', name)
    return [{ field, message: `cannot be set: ${owned.reason}`, reason: 'InvalidParameter' }]
  })
}

/** Whole mebibytes, at least `least`. */
export function mebibytes(bytes: number, least: number): number {
  return Math.max(least, Math.floor(bytes / 1024 ** 2))
}
