// The Job <name>-restore-<hash>, which puts a dump into a Database that has just begun, once.
import type { Container, EnvVar, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../sdk/definition.ts'
import { prefixedImage } from '../../../sdk/images.ts'
import { shortHash } from '../../../sdk/names.ts'
import { nameResolution } from '../../../sdk/network.ts'
import { restrictedContainer } from '../../../sdk/podsecurity.ts'
import { canonicalQuantity } from '../../../sdk/quantity.ts'
import type { Job, NetworkPolicy } from '../../../sdk/resources.ts'
import { paths as backupPaths, type Reach } from '../../databasebackup/scripts.ts'
import { s3Env, uploadImage } from '../backup.ts'
import { scriptKeys } from '../configuration.ts'
import { paths } from '../engines/engine.ts'
import { engineOf } from '../engines/index.ts'
import { host, labels, names, selectorLabels } from '../names.ts'
import { endpointPort } from '../networkpolicy.ts'
import { credentialMounts, credentialVolumes, engineImageFields, jobPod, scriptVolume } from '../pod.ts'
import { backupResources } from '../resources.ts'
import type { Database } from '../schema.ts'
import { secretMode } from '../token.ts'
import { checkScript, fetchScript, hopeless, restoreScript, workPath } from './scripts.ts'
import { folderOf, recoveryOf, type Source } from './source.ts'

/** The container whose termination message tells the result, and all of them in their order. */
export const resultContainer = 'restore'
export const containerNames = ['fetch', 'check', 'replay', resultContainer] as const

/** Another source is another Job. */
export function restoreJobName(db: Database, source: Source): string {
  return `${names(db).restore}-${idOf(source)}`
}

function idOf(source: Source): string {
  return shortHash(JSON.stringify(source))
}

export function restoreJob(db: Database, source: Source, settings: Settings): Job {
  const [fetch, check, restore] = containers(db, source, settings)
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: restoreJobName(db, source), labels: labels(db, 'restore') },
    spec: {
      // With its back-off, a store may be away for ten minutes.
      backoffLimit: 6,
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [hopeless] } }],
      },
      activeDeadlineSeconds: recoveryOf(db)?.activeDeadlineSeconds ?? 21600,
      // The status remembers what came of it.
      ttlSecondsAfterFinished: 7 * 86400,
      template: {
        metadata: { labels: { ...db.spec.pod.labels, ...labels(db, 'restore') } },
        spec: {
          ...jobPod(db, names(db).serviceAccount),
          initContainers: [fetch, check],
          containers: [restore],
          volumes: volumes(db, source),
        },
      },
    },
  }
}

function containers(db: Database, source: Source, settings: Settings): [Container, Container, Container] {
  const engine = engineOf(db)
  const engineImage = engineImageFields(db, settings)
  const { destination, encryption } = source
  const reach: Reach = destination.s3 === undefined && encryption === undefined ? 'claim' : 'rclone'
  const image =
    reach === 'claim' ? engineImage : { image: prefixedImage(recoveryOf(db)?.uploadImage ?? uploadImage, settings) }
  const step = (name: (typeof containerNames)[number], command: string[], more: Partial<Container>): Container => ({
    name,
    ...engineImage,
    command,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: backupResources(db),
    securityContext: restrictedContainer,
    ...more,
    env: [...commonEnv, ...(more.env ?? [])],
    volumeMounts: [...commonMounts(source), ...(more.volumeMounts ?? [])],
  })
  return [
    step('fetch', ['sh', '-c', fetchScript(reach)], {
      ...image,
      env: fetchEnv(db, source, reach),
      volumeMounts: secretMounts(source),
    }),
    step('check', ['bash', '-c', checkScript(engine)], {}),
    step('restore', ['bash', '-c', restoreScript(db, engine)], {
      env: [
        { name: 'DATABASE_HOST', value: host(db, names(db).primary) },
        { name: 'DATABASE_PORT', value: String(engine.port) },
        { name: 'RECOVERY_ID', value: idOf(source) },
      ],
      volumeMounts: [...credentialMounts, { name: 'scripts', mountPath: paths.scripts, readOnly: true }],
    }),
  ]
}

const commonEnv: EnvVar[] = [
  { name: 'WORK_PATH', value: workPath },
  { name: 'RESULT_FILE', value: '/dev/termination-log' },
  { name: 'HOME', value: '/tmp' },
]

function fetchEnv(db: Database, source: Source, reach: Reach): EnvVar[] {
  const { database, destination, encryption, series, backupName } = source
  const { s3, claim } = destination
  const folder = folderOf(db, source)
  const place = s3 === undefined ? `claim ${claim?.name ?? ''}: ${database}` : `s3://${s3.bucket}/${folder}`
  return [
    { name: 'BACKUP_DATABASE', value: database },
    { name: 'BACKUP_PLACE', value: place },
    { name: 'BACKUP_SERIES', value: series },
    { name: 'BACKUP_SUFFIX', value: engineOf(db).backupSuffix },
    ...(backupName === undefined ? [] : [{ name: 'BACKUP_NAME', value: backupName }]),
    ...(s3 === undefined
      ? [
          { name: 'BACKUP_PATH', value: backupPaths.backup },
          { name: 'BACKUP_FOLDER', value: database },
        ]
      : s3Env(db, { ...s3, prefix: folder })),
    ...(reach === 'rclone'
      ? [
          // What is away is said so soon; the Job tries again.
          { name: 'RCLONE_LOW_LEVEL_RETRIES', value: '2' },
          { name: 'RCLONE_RETRIES', value: '2' },
          { name: 'RCLONE_CONTIMEOUT', value: '15s' },
        ]
      : []),
    ...(reach === 'rclone' && s3 === undefined
      ? [
          { name: 'RCLONE_CONFIG', value: '/tmp/rclone.conf' },
          { name: 'BACKUP_REMOTE', value: `${backupPaths.backup}/${database}` },
        ]
      : []),
    ...(encryption === undefined ? [] : [{ name: 'ENCRYPTION_PASSPHRASE_FILE', value: backupPaths.passphrase }]),
  ]
}

function commonMounts({ destination }: Source): VolumeMount[] {
  return [
    { name: 'work', mountPath: workPath },
    { name: 'tmp', mountPath: '/tmp' },
    ...(destination.claim === undefined ? [] : [{ name: 'backup', mountPath: backupPaths.backup, readOnly: true }]),
  ]
}

function secretMounts({ destination, encryption }: Source): VolumeMount[] {
  const folder = backupPaths.passphrase.slice(0, backupPaths.passphrase.lastIndexOf('/'))
  return [
    ...(encryption === undefined ? [] : [{ name: 'encryption', mountPath: folder, readOnly: true }]),
    ...(destination.s3?.caSecret === undefined ? [] : [{ name: 's3-ca', mountPath: '/etc/s3-ca', readOnly: true }]),
  ]
}

function volumes(db: Database, { destination, encryption }: Source): Volume[] {
  const { claim, s3 } = destination
  const workSize = recoveryOf(db)?.workSize
  const sizeLimit = workSize === undefined ? undefined : canonicalQuantity(workSize)
  const secret = (name: string, secretName: string, key: string, path: string): Volume => ({
    name,
    secret: { secretName, defaultMode: secretMode, items: [{ key, path }] },
  })
  return [
    scriptVolume(db, scriptKeys(db, undefined)),
    ...credentialVolumes(db),
    { name: 'work', emptyDir: sizeLimit === undefined ? {} : { sizeLimit } },
    { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    ...(claim === undefined
      ? []
      : [{ name: 'backup', persistentVolumeClaim: { claimName: claim.name, readOnly: true } }]),
    ...(encryption === undefined ? [] : [secret('encryption', encryption.secretName, encryption.key, 'passphrase')]),
    ...(s3?.caSecret === undefined ? [] : [secret('s3-ca', s3.caSecret.name, s3.caSecret.key, 'ca.crt')]),
  ]
}

/** A recovery reaches the Database, the S3 server and the cluster's DNS; nothing reaches it. */
export function restorePolicy(db: Database, { destination: { s3 } }: Source): NetworkPolicy | undefined {
  if (!db.spec.networkPolicy.enabled) return undefined
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(db).restore, labels: labels(db, 'restore') },
    spec: {
      podSelector: { matchLabels: selectorLabels(db, 'restore') },
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        ...nameResolution,
        {
          to: [{ podSelector: { matchLabels: selectorLabels(db) } }],
          ports: [{ port: engineOf(db).port, protocol: 'TCP' }],
        },
        ...(s3 === undefined ? [] : [{ ports: [{ port: endpointPort(s3.endpoint), protocol: 'TCP' as const }] }]),
      ],
    },
  }
}
