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
}
