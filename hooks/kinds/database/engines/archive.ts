// What archives the log of an engine and takes physical backups: what its pods need for it, single or replicated.
import type { Container, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../sdk/definition.ts'
import type { Database } from '../schema.ts'

/** Where containers of the archive run. */
interface ArchiveSite {
  /** The engine's image. */
  engine: Pick<Container, 'image' | 'imagePullPolicy'>
  /** What the engine's container mounts. */
  mounts: VolumeMount[]
  /** Whether replication brings the programs already. */
  hasAgent: boolean
}

/** What the pod of a backup needs to restore it into a scratch server of its own. */
export interface Proof {
  /** Before it, in this order. */
  before: Container[]
  /**
   * Bash: restores what $RESULT_PATH names into $SCRATCH_PATH, reads it, and says there that it is verified. Credentials of
   * the store are where the engine's own pods have them.
   */
  script: string
  mounts: VolumeMount[]
  volumes: Volume[]
}

/** The facts of an engine's archive. */
export interface Archive {
  /** Under which name the backups of this Database lie in the repository: another Database of its name has another. */
  stanza(db: Database): string
  /** Configuration files beside the engine's. */
  files(db: Database): Readonly<Record<string, string>>
  /** Bash: scripts beside the engine's, by file name. */
  scripts(db: Database): Readonly<Record<string, string>>
  /** Before the engine, in this order. */
  initContainers(db: Database, settings: Settings, site: ArchiveSite): Container[]
  volumes(db: Database, hasAgent: boolean): Volume[]
  /** Of the engine's container. */
  mounts(db: Database, hasAgent: boolean): VolumeMount[]
  /** How a backup that a sidecar took is verified. */
  proof?(db: Database, settings: Settings): Proof
}
