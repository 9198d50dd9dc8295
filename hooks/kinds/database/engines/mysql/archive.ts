// Physical backups of MySQL by its clone plug-in: the pod of a backup copies the data files of a replica or of the primary,
// two sidecars archive the binary logs, and the first pod of a Database begins with such a copy and such logs. Why this way is in
// docs/decisions/0041-physical-backups-by-clone.md.
import type { Container, EnvVar, VolumeMount } from 'kubernetes-types/core/v1.js'
import { prefixedImage, suiteImage } from '../../../../sdk/images.ts'
import { restrictedContainer } from '../../../../sdk/podsecurity.ts'
import { s3Env, uploadImage } from '../../backup.ts'
import { physicalSource } from '../../recovery/pending.ts'
import { recoveryOf } from '../../recovery/source.ts'
import { helperResources } from '../../resources.ts'
import type { Database } from '../../schema.ts'
import { type Archive, repositoryPath, restoreResources, sidecarResources, stanzaOf, storeVolume } from '../archive.ts'
import { monitor, paths } from '../engine.ts'
import { runFolder } from './configuration.ts'
import { copyAccount, copyScript, isCopied, verifyCopyScript } from './copy-scripts.ts'
import { closeScript, logPath, storePath, uploadScript, watchQuestion } from './log-scripts.ts'
import { fetchScripts, recoveryId, restoreScripts, sourcePath, workFolder } from './restore-scripts.ts'

export const clones: Archive = {
  secretKeys: (db) => (isCopied(db) ? [copyAccount.key] : []),
  copy: { passwordKey: copyAccount.key, script: copyScript, verifyScript: verifyCopyScript },
  // A copy is opened with a small redo log: innodb_redo_log_capacity.
  earliest: '8.0.30',
  ownedParameters: /^(gtid.mode|enforce.gtid.consistency|plugin.load.*|(skip|disable)?.?log.bin)$/i,
  files: () => ({}),
  watch: {
    env: (host) => [{ name: 'DATABASE_HOST', value: host }],
    question: (folder) => watchQuestion(folder, monitor.key),
  },
  scripts: (db, isMember) => ({
    ...(isCopied(db) ? { 'close-logs.sh': closeScript(isMember) } : {}),
    ...(physicalSource(db) === undefined ? {} : restoreScripts(db)),
  }),
  plainScripts: (db) => ({
    ...(isCopied(db) ? { 'upload-logs.sh': uploadScript } : {}),
    ...(physicalSource(db) === undefined ? {} : fetchScripts(db)),
  }),
  initContainers(db, settings, { engine, mounts }) {
    const container = (name: string, more: Partial<Container>): Container => ({
      name,
      terminationMessagePolicy: 'FallbackToLogsOnError',
      resources: restoreResources,
      securityContext: restrictedContainer,
      ...more,
    })
    const data = mounts.filter(({ name }) => ['data', 'scripts', 'tmp'].includes(name))
    const sidecars = (): Container[] => {
      const { destination, encryption } = db.spec.backup
      if (!isCopied(db) || destination?.s3 === undefined) return []
      const prefix = `${repositoryPath(destination.s3, db.metadata.namespace, db.metadata.name)}/${stanzaOf(db)}`
      return [
        container('close-logs', {
          ...engine,
          command: ['bash', `${paths.scripts}/close-logs.sh`],
          restartPolicy: 'Always',
          resources: helperResources,
          env: [{ name: 'HOME', value: '/tmp' }],
          volumeMounts: [...mounts.filter(({ name }) => name !== 'data'), logMount],
        }),
        container('upload-logs', {
          image: prefixedImage(db.spec.backup.uploadImage ?? uploadImage, settings),
          command: ['sh', `${paths.scripts}/upload-logs.sh`],
          restartPolicy: 'Always',
          resources: sidecarResources,
          env: storeEnv(db, destination.s3, prefix, storePath, encryption !== undefined),
          volumeMounts: [
            ...data.map((mount) => (mount.name === 'data' ? { ...mount, readOnly: true } : mount)),
            logMount,
            storeMount,
          ],
        }),
      ]
    }
    const source = physicalSource(db)
    const s3 = source?.destination.s3
    if (source === undefined || s3 === undefined) return sidecars()
    return [
      container('fetch', {
        image: prefixedImage(recoveryOf(db)?.uploadImage ?? uploadImage, settings),
        command: ['sh', `${paths.scripts}/fetch.sh`],
        env: storeEnv(
          db,
          s3,
          repositoryPath(s3, db.metadata.namespace, source.database),
          sourcePath,
          source.encryption !== undefined,
        ),
        volumeMounts: [...data, sourceMount],
      }),
      container('replay', {
        image: suiteImage(settings),
        args: ['binlogs', workFolder, '--result=/dev/termination-log'],
        volumeMounts: data.filter(({ name }) => name === 'data'),
      }),
      container('restore', {
        ...engine,
        command: ['bash', `${paths.scripts}/restore.sh`],
        env: [{ name: 'HOME', value: '/tmp' }],
        // A folder of its own for the socket: an agent would take its server for the one that shall serve.
        volumeMounts: mounts.map((mount) => (mount.mountPath === runFolder ? { ...mount, subPath: 'restore' } : mount)),
      }),
      ...sidecars(),
    ]
  },
  volumes(db) {
    const { destination, encryption } = db.spec.backup
    const source = physicalSource(db)
    return [
      ...(isCopied(db)
        ? [storeVolume('store', destination, encryption), { name: 'binlogs', emptyDir: { sizeLimit: '16Mi' } }]
        : []),
      ...(source === undefined ? [] : [storeVolume('source', source.destination, source.encryption)]),
    ]
  },
  mounts: () => [],
  // A container that has done its part is not run again in the same pod: another recovery takes another pod.
  annotations: (db): Record<string, string> =>
    physicalSource(db) === undefined ? {} : { 'example.com/recovery': recoveryId(db) },
}

type S3 = NonNullable<NonNullable<Database['spec']['backup']['destination']>['s3']>

// Keys are files that are read at each call; none of them is in the environment of a container.
function storeEnv(db: Database, s3: S3, prefix: string, mounted: string, isEncrypted: boolean): EnvVar[] {
  const { credentialsSecret: _keys, caSecret, ...place } = s3
  return [
    { name: 'HOME', value: '/tmp' },
    ...s3Env(db, { ...place, prefix }),
    ...(caSecret === undefined ? [] : [{ name: 'RCLONE_CA_CERT', value: `${mounted}/ca.crt` }]),
    // What is away is said so soon; it is tried again.
    { name: 'RCLONE_LOW_LEVEL_RETRIES', value: '2' },
    { name: 'RCLONE_RETRIES', value: '2' },
    { name: 'RCLONE_CONTIMEOUT', value: '15s' },
    ...(isEncrypted ? [{ name: 'ENCRYPTION_PASSPHRASE_FILE', value: `${mounted}/passphrase` }] : []),
  ]
}

const logMount: VolumeMount = { name: 'binlogs', mountPath: logPath }
const storeMount: VolumeMount = { name: 'store', mountPath: storePath, readOnly: true }
const sourceMount: VolumeMount = { name: 'source', mountPath: sourcePath, readOnly: true }
