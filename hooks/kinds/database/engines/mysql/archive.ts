// Physical backups of MySQL by its clone plug-in: the pod of a backup copies the data files of a replica or of the primary,
// and the first pod of a Database begins with such a copy. Why this way is in
// docs/decisions/0040-physical-backups-by-clone.md.
import type { Container, VolumeMount } from 'kubernetes-types/core/v1.js'
import { prefixedImage } from '../../../../sdk/images.ts'
import { shortHash } from '../../../../sdk/names.ts'
import { restrictedContainer } from '../../../../sdk/podsecurity.ts'
import { canonicalResources } from '../../../../sdk/podspec.ts'
import { s3Env, uploadImage } from '../../backup.ts'
import { recoveryOf } from '../../recovery/source.ts'
import type { Database } from '../../schema.ts'
import { type Archive, repositoryPath, storeVolume } from '../archive.ts'
import { paths } from '../engine.ts'
import { runFolder } from './configuration.ts'
import { copyAccount, copyScript, isCopied, verifyCopyScript } from './copy-scripts.ts'
import { fetchScripts, restoreScripts, sourcePath } from './restore-scripts.ts'

export const clones: Archive = {
  stanza: (db) => `${db.metadata.name}-${shortHash(db.metadata.uid)}`,
  secretKeys: (db) => (isCopied(db) ? [copyAccount.key] : []),
  copy: { passwordKey: copyAccount.key, script: copyScript, verifyScript: verifyCopyScript },
  ownedParameters: /^(gtid.mode|enforce.gtid.consistency|plugin.load.*|(skip|disable)?.?log.bin)$/i,
  files: () => ({}),
  scripts: (db) => (physicalSource(db) === undefined ? {} : restoreScripts(db)),
  plainScripts: (db) => (physicalSource(db) === undefined ? {} : fetchScripts(db)),
  initContainers(db, settings, { engine, mounts }) {
    const source = physicalSource(db)
    const s3 = source?.destination.s3
    if (source === undefined || s3 === undefined) return []
    const { credentialsSecret: _keys, caSecret, ...place } = s3
    const container = (name: string, more: Partial<Container>): Container => ({
      name,
      terminationMessagePolicy: 'FallbackToLogsOnError',
      resources: restoreResources,
      securityContext: restrictedContainer,
      ...more,
    })
    return [
      container('fetch', {
        image: prefixedImage(recoveryOf(db)?.uploadImage ?? uploadImage, settings),
        command: ['sh', `${paths.scripts}/fetch.sh`],
        env: [
          { name: 'HOME', value: '/tmp' },
          ...s3Env(db, { ...place, prefix: repositoryPath(s3, db.metadata.namespace, source.database) }),
          ...(caSecret === undefined ? [] : [{ name: 'RCLONE_CA_CERT', value: `${sourcePath}/ca.crt` }]),
          // What is away is said so soon; the pod tries again.
          { name: 'RCLONE_LOW_LEVEL_RETRIES', value: '2' },
          { name: 'RCLONE_RETRIES', value: '2' },
          { name: 'RCLONE_CONTIMEOUT', value: '15s' },
          ...(source.encryption === undefined
            ? []
            : [{ name: 'ENCRYPTION_PASSPHRASE_FILE', value: `${sourcePath}/passphrase` }]),
        ],
        volumeMounts: [...mounts.filter(({ name }) => ['data', 'scripts', 'tmp'].includes(name)), sourceMount],
      }),
      container('restore', {
        ...engine,
        command: ['bash', `${paths.scripts}/restore.sh`],
        env: [{ name: 'HOME', value: '/tmp' }],
        // A folder of its own for the socket: an agent would take its server for the one that shall serve.
        volumeMounts: mounts.map((mount) => (mount.mountPath === runFolder ? { ...mount, subPath: 'restore' } : mount)),
      }),
    ]
  },
  volumes(db) {
    const source = physicalSource(db)
    return source === undefined ? [] : [storeVolume('source', source.destination, source.encryption)]
  },
  mounts: () => [],
}

function physicalSource(db: Database) {
  const backup = recoveryOf(db)?.source.backup
  return backup?.method === 'physical' ? backup : undefined
}

const sourceMount: VolumeMount = { name: 'source', mountPath: sourcePath, readOnly: true }

const restoreResources = canonicalResources({
  requests: { cpu: '100m', memory: '512Mi', 'ephemeral-storage': '16Mi' },
  limits: { memory: '1Gi', 'ephemeral-storage': '256Mi' },
})
