// Backups on a schedule, which a DatabaseBackup takes, and the Job of a last backup.
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import type { Container, EnvVar, PodSpec, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../sdk/definition.ts'
import { prefixedImage } from '../../sdk/images.ts'
import { restrictedContainer } from '../../sdk/podsecurity.ts'
import { withoutEmpty } from '../../sdk/podspec.ts'
import { canonicalQuantity } from '../../sdk/quantity.ts'
import type { Job } from '../../sdk/resources.ts'
import type { DatabaseBackups } from '../databasebackup/resource.ts'
import { paths as backupPaths, storeAndPrune } from '../databasebackup/scripts.ts'
import { backupPath, dumpKey, storeKey } from './backup-scripts.ts'
import { paths } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import { host, labels, names } from './names.ts'
import { engineImageFields, jobPod, scriptVolume, superuserVolume } from './pod.ts'
import { backupResources, helperResources } from './resources.ts'
import type { Database } from './schema.ts'
import { secretMode } from './token.ts'

/** The official image of rclone: the engines' images have no client for S3. */
export const uploadImage = 'rclone/rclone:1.71.0'

/** The DatabaseBackup <name>-backup, which makes the CronJob of that name. */
export function backupSchedule(db: Database, state?: 'suspended'): DatabaseBackups | undefined {
  const { enabled, suspend, destination, resources, ...rest } = db.spec.backup
  if (!enabled || destination === undefined) return undefined
  const { annotations = {} } = db.spec.serviceAccount
  const { alerting } = db.spec.monitoring
  return {
    apiVersion: 'example.com/v1',
    kind: 'DatabaseBackup',
    metadata: { name: names(db).backup, labels: labels(db, 'backup') },
    spec: {
      databaseRef: { name: db.metadata.name },
      ...rest,
      ...(Object.keys(resources).length === 0 ? {} : { resources }),
      suspend: suspend || state === 'suspended',
      ...(alerting && { monitoring: { alerting } }),
      destination: withoutEmpty(destination),
      ...(Object.keys(annotations).length === 0 ? {} : { serviceAccount: { annotations } }),
    },
  }
}

/** The last backup. It stays until the Database is gone, because its result decides what follows. */
export function finalBackup(db: Database, settings: Settings): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: names(db).finalBackup, labels: labels(db, 'backup') },
    spec: backupJob(db, settings),
  }
}

function backupJob(db: Database, settings: Settings): JobSpec {
  return {
    backoffLimit: 2,
    activeDeadlineSeconds: db.spec.backup.activeDeadlineSeconds,
    template: {
      metadata: { labels: { ...db.spec.pod.labels, ...labels(db, 'backup') } },
      spec: podSpec(db, settings),
    },
  }
}

function podSpec(db: Database, settings: Settings): PodSpec {
  return {
    ...jobPod(db, names(db).serviceAccount),
    initContainers: [dump(db, settings)],
    containers: [store(db, settings)],
    volumes: volumes(db),
  }
}

function dump(db: Database, settings: Settings): Container {
  return {
    name: 'dump',
    ...engineImageFields(db, settings),
    command: ['bash', `${paths.scripts}/${dumpKey}`],
    env: [
      ...commonEnv(db),
      { name: 'DATABASE_HOST', value: host(db, names(db).primary) },
      { name: 'DATABASE_PORT', value: String(engineOf(db).port) },
    ],
    resources: backupResources(db),
    securityContext: restrictedContainer,
    volumeMounts: [...commonMounts, { name: 'superuser-credentials', mountPath: paths.superuser, readOnly: true }],
  }
}

function store(db: Database, settings: Settings): Container {
  const { destination, encryption } = db.spec.backup
  const s3 = destination?.s3
  const sealed = encryption !== undefined
  const image =
    s3 === undefined && !sealed
      ? engineImageFields(db, settings)
      : { image: prefixedImage(db.spec.backup.uploadImage ?? uploadImage, settings) }
  return {
    name: 'store',
    ...image,
    command: sealed ? ['sh', '-c', storeAndPrune('rclone')] : ['sh', `${paths.scripts}/${storeKey}`],
    env: [...commonEnv(db), ...s3Env(db, s3), ...(sealed ? sealingEnv(db) : [])],
    resources: s3 === undefined ? helperResources : backupResources(db),
    securityContext: restrictedContainer,
    volumeMounts: [
      ...commonMounts,
      ...(s3?.caSecret === undefined ? [] : [{ name: 's3-ca', mountPath: '/etc/s3-ca', readOnly: true }]),
      ...(sealed ? [{ name: 'encryption', mountPath: passphraseFolder, readOnly: true }] : []),
    ],
  }
}

const passphraseFolder = backupPaths.passphrase.slice(0, backupPaths.passphrase.lastIndexOf('/'))

function sealingEnv(db: Database): EnvVar[] {
  const { name } = db.metadata
  return [
    { name: 'ENCRYPTION_PASSPHRASE_FILE', value: backupPaths.passphrase },
    { name: 'RESULT_FILE', value: '/dev/termination-log' },
    ...(db.spec.backup.destination?.s3 === undefined
      ? [
          { name: 'RCLONE_CONFIG', value: '/tmp/rclone.conf' },
          { name: 'BACKUP_REMOTE', value: `${backupPath}/${name}` },
        ]
      : []),
  ]
}

function commonEnv(db: Database): EnvVar[] {
  return [
    { name: 'BACKUP_PATH', value: backupPath },
    { name: 'DATABASE_NAME', value: db.metadata.name },
    { name: 'HOME', value: '/tmp' },
  ]
}

const commonMounts: VolumeMount[] = [
  { name: 'scripts', mountPath: paths.scripts, readOnly: true },
  { name: 'backup', mountPath: backupPath },
  { name: 'tmp', mountPath: '/tmp' },
]

type S3 = NonNullable<NonNullable<Database['spec']['backup']['destination']>['s3']>

/**
 * rclone takes a remote from the environment: `store`, and BACKUP_REMOTE is the folder of this Database's backups.
 * https://rclone.org/docs/#config-file, https://rclone.org/s3/
 */
export function s3Env(db: Database, s3: S3 | undefined): EnvVar[] {
  if (s3 === undefined) return []
  const prefix = s3.prefix ?? `${db.metadata.namespace}/${db.metadata.name}`
  const remote = 'RCLONE_CONFIG_STORE'
  const secretName = s3.credentialsSecret?.name
  return [
    { name: 'BACKUP_REMOTE', value: `store:${s3.bucket}/${prefix}` },
    { name: 'RCLONE_CONFIG', value: '/tmp/rclone.conf' },
    { name: `${remote}_TYPE`, value: 's3' },
    { name: `${remote}_PROVIDER`, value: s3.endpoint === undefined ? 'AWS' : 'Other' },
    { name: `${remote}_ENV_AUTH`, value: 'true' },
    { name: `${remote}_REGION`, value: s3.region },
    { name: `${remote}_FORCE_PATH_STYLE`, value: String(s3.forcePathStyle) },
    ...(s3.endpoint === undefined ? [] : [{ name: `${remote}_ENDPOINT`, value: s3.endpoint }]),
    ...(s3.caSecret === undefined ? [] : [{ name: 'RCLONE_CA_CERT', value: '/etc/s3-ca/ca.crt' }]),
    ...(secretName === undefined
      ? []
      : [
          { name: 'AWS_ACCESS_KEY_ID', valueFrom: { secretKeyRef: { name: secretName, key: 'access-key-id' } } },
          {
            name: 'AWS_SECRET_ACCESS_KEY',
            valueFrom: { secretKeyRef: { name: secretName, key: 'secret-access-key' } },
          },
        ]),
  ]
}

function volumes(db: Database): Volume[] {
  const { destination, workSize, encryption } = db.spec.backup
  const claimName = destination?.claim?.name
  const ca = destination?.s3?.caSecret
  const sizeLimit = workSize === undefined ? undefined : canonicalQuantity(workSize)
  return [
    scriptVolume(db, [dumpKey, storeKey]),
    superuserVolume(db),
    claimName === undefined
      ? { name: 'backup', emptyDir: sizeLimit === undefined ? {} : { sizeLimit } }
      : { name: 'backup', persistentVolumeClaim: { claimName } },
    { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    ...(encryption === undefined
      ? []
      : [
          {
            name: 'encryption',
            secret: {
              secretName: encryption.secretName,
              defaultMode: secretMode,
              items: [{ key: encryption.key, path: 'passphrase' }],
            },
          },
        ]),
    ...(ca === undefined
      ? []
      : [
          {
            name: 's3-ca',
            secret: { secretName: ca.name, defaultMode: secretMode, items: [{ key: ca.key, path: 'ca.crt' }] },
          },
        ]),
  ]
}
