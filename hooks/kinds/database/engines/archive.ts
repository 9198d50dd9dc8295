// What archives the log of an engine and takes physical backups: what its pods need for it, single or replicated.
import type { Container, EnvVar, SecretProjection, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../sdk/definition.ts'
import { shortHash } from '../../../sdk/names.ts'
import { canonicalResources } from '../../../sdk/podspec.ts'
import type { Database } from '../schema.ts'
import { secretMode } from '../token.ts'

/** Where containers of the archive run. */
interface ArchiveSite {
  /** The engine's image. */
  engine: Pick<Container, 'image' | 'imagePullPolicy'>
  /** What the engine's container mounts. */
  mounts: VolumeMount[]
  /** Whether replication brings the programs already. */
  hasAgent: boolean
}

/** How the pod of a DatabaseBackup copies the data files itself. */
interface Copy {
  /** Key of the Secret with the password of the account that may copy, and nothing else. */
  passwordKey: string
  /** Bash: copies what the first of $DONORS that can serves to the folder "$copy", with a file `manifest` in it. */
  script(db: Database): string
  /** Bash: starts a server of its own on the folder "$copy", and sets found to the number of tables and schemas in it. */
  verifyScript(db: Database): string
}

/** How a pod of its own sees whether the log is archived. */
interface Watch {
  env(host: string): EnvVar[]
  /** Bash: exits 0 where it is, or says why it is not; passwords are in the folder. */
  question(folder: string): string
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
  /** Keys of the Secret with passwords of accounts that it needs; each is derived with its name as the purpose. */
  secretKeys?(db: Database): readonly string[]
  /** Bash: asks a sidecar for a backup, prints its log and tells the result. */
  requestScript?: string
  /** Where no sidecar takes backups. */
  copy?: Copy
  watch?: Watch
  /** Parameters that are the archive's to set. */
  ownedParameters: RegExp
  /** The earliest version of the engine that has what it takes. */
  earliest?: string
  /** Configuration files beside the engine's. */
  files(db: Database): Readonly<Record<string, string>>
  /** Bash: scripts beside the engine's, by file name; `isMember`: of a replicated database. */
  scripts(db: Database, isMember: boolean): Readonly<Record<string, string>>
  /** sh, for images without Bash: by file name. */
  plainScripts?(db: Database): Readonly<Record<string, string>>
  /** Before the engine, in this order. */
  initContainers(db: Database, settings: Settings, site: ArchiveSite): Container[]
  volumes(db: Database, hasAgent: boolean): Volume[]
  /** Of the pods, beside the others. */
  annotations?(db: Database): Readonly<Record<string, string>>
  /** Of the engine's container. */
  mounts(db: Database, hasAgent: boolean): VolumeMount[]
  /** How a backup that a sidecar took is verified. */
  proof?(db: Database, settings: Settings): Proof
}

/** Under which name the backups of this Database lie in the repository: another Database of its name has another. */
export const stanzaOf = ({ metadata }: Database): string => `${metadata.name}-${shortHash(metadata.uid)}`

/** What a sidecar takes that sleeps most of the time, and holds parts of files while it uploads them. */
export const sidecarResources = canonicalResources({
  requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '16Mi' },
  limits: { memory: '512Mi', 'ephemeral-storage': '256Mi' },
})
/** What it takes to bring data files back. */
export const restoreResources = canonicalResources({
  requests: { cpu: '100m', memory: '512Mi', 'ephemeral-storage': '16Mi' },
  limits: { memory: '1Gi', 'ephemeral-storage': '256Mi' },
})

type Destination = Database['spec']['backup']['destination']

/** Where in the bucket physical backups of that Database lie. */
export function repositoryPath(
  s3: NonNullable<NonNullable<Destination>['s3']>,
  namespace: string | undefined,
  name: string,
): string {
  return `${s3.prefix ?? `${namespace}/${name}`}/physical`
}

/**
 * The credentials of a store as files: access-key-id, secret-access-key, ca.crt and passphrase. Optional: a Secret that is
 * missing shall not keep the database from starting. What then does not work says so.
 */
export function storeVolume(
  name: string,
  destination: Destination,
  encryption: Database['spec']['backup']['encryption'],
): Volume {
  const s3 = destination?.s3
  const from = (secret: string, items: { key: string; path: string }[]): { secret: SecretProjection } => ({
    secret: { name: secret, items, optional: true },
  })
  return {
    name,
    projected: {
      defaultMode: secretMode,
      sources: [
        ...(s3?.credentialsSecret === undefined
          ? []
          : [
              from(s3.credentialsSecret.name, [
                { key: 'access-key-id', path: 'access-key-id' },
                { key: 'secret-access-key', path: 'secret-access-key' },
              ]),
            ]),
        ...(s3?.caSecret === undefined ? [] : [from(s3.caSecret.name, [{ key: s3.caSecret.key, path: 'ca.crt' }])]),
        ...(encryption === undefined
          ? []
          : [from(encryption.secretName, [{ key: encryption.key, path: 'passphrase' }])]),
      ],
    },
  }
}
