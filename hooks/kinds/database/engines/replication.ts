// What makes the replicas of a Database one database: what an engine's pods need beyond those of a single one.
import type { Container, ContainerPort, EnvVar, Probe, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../sdk/definition.ts'
import type { PolicyRule } from '../../../sdk/resources.ts'
import type { Database } from '../schema.ts'
import type { Configuration, Members, OwnedParameter } from './engine.ts'

/** File of the configuration that tells members how many of them there are to be: `{"members": 3}`. */
export const membersFile = 'members.json'

/** The facts of an engine's replication. Where a field is absent, a member is as a single database is. */
export interface Replication {
  /** By what, as the pods' label `example.com/replication` says: patroni, group-replication, replica-set. */
  readonly name: string
  /** Labels for the pods beyond it. */
  labels?(db: Database): Record<string, string>
  /** Keys of the Secret that hold passwords of the members' own; each is derived with its name as the purpose. */
  readonly secretKeys: readonly string[]
  /** Keys of the Secret that hold files with such passwords in them; `previous` gives those before the last rotation. */
  secretFiles?(
    password: (key: string) => string,
    previous: ((key: string) => string) | undefined,
  ): Readonly<Record<string, string>>
  /** In place of the engine's. */
  configuration?(db: Database, memoryBytes: number): Configuration
  /** Bash: makes the members' own accounts as the mounted credentials say, after the engine's `accountsScript`. */
  accountsScript?(db: Database): string
  /** Parameters that users of a replicated Database may not set, beside the engine's. */
  readonly ownedParameters?: readonly OwnedParameter[]
  /** Bash: scripts beside the engine's, by file name; one of the engine's own is replaced. */
  scripts?(db: Database): Readonly<Record<string, string>>
  /** Files of the pod that say where accounts are to be made: when one changes, accounts and configuration are applied anew. */
  readonly watched?: readonly string[]
  /** Before the engine, in this order: what brings programs, and sidecars with restartPolicy Always. */
  initContainers?(db: Database, settings: Settings): Container[]
  /** In place of the engine's. */
  command?(db: Database): { command?: string[]; args?: string[] }
  /** In place of the engine's. */
  env?(db: Database): EnvVar[]
  /** Of the engine's container, beside the engine's port. */
  readonly ports?: readonly ContainerPort[]
  /** Ports on which members reach one another, beside the engine's. */
  readonly peerPorts?: readonly number[]
  /** Of the engine's container, in place of the engine's. */
  probes?(db: Database): { startupProbe: Probe; readinessProbe: Probe; livenessProbe: Probe }
  /** Of the pod, beside the engine's. */
  volumes?(db: Database): Volume[]
  /** Of the engine's container, beside the engine's. */
  mounts?(db: Database): VolumeMount[]
  /** In place of the engine's. */
  readonly stopSeconds?: number
  /**
   * What members do before their pods go, when there are to be fewer. They read how many in `membersFile`. `leave`: each
   * gives its vote and its role up, or those that stay would wait for votes of others that are gone. `hand over`: the
   * primary, where it goes, makes one that stays the primary; left to themselves, others that go might take over, or none.
   */
  readonly beforeScalingIn?: 'leave' | 'hand over'
  /** How long a member has to be ready before the next one is replaced: until the others count on it. 0 unless told. */
  readonly settleSeconds?: number
  /** For clients that ask the members themselves who the primary is. */
  members?(db: Database): Members
  /** What the pods' ServiceAccount may do in its namespace. Its token reaches the containers that mount `tokenVolume`. */
  rules(db: Database): PolicyRule[]
  /** The same for Databases of any name: Metacontroller has to hold what it gives away. */
  readonly grants: readonly PolicyRule[]
}
