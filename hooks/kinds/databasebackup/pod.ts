// The pod of a backup: a container for each step, on a schedule or once.
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import type { Container, EnvVar, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { resourcesWithDefaults } from '../../sdk/containerresources.ts'
import type { Settings } from '../../sdk/definition.ts'
import { prefixedImage } from '../../sdk/images.ts'
import { nameResolution } from '../../sdk/network.ts'
import { restrictedContainer } from '../../sdk/podsecurity.ts'
import { canonicalQuantity } from '../../sdk/quantity.ts'
import type { CronJob, Job, NetworkPolicy } from '../../sdk/resources.ts'
import { periodSeconds } from '../../sdk/schedule.ts'
import { s3Env, uploadImage } from '../database/backup.ts'
import { dumpScript } from '../database/backup-scripts.ts'
import { type Archive, repositoryPath, stanzaOf } from '../database/engines/archive.ts'
import { paths as enginePaths } from '../database/engines/engine.ts'
import { engineOf } from '../database/engines/index.ts'
import { names as databaseNames, selectorLabels as databasePods, host } from '../database/names.ts'
import { endpointPort } from '../database/networkpolicy.ts'
import { engineImageFields, jobPod } from '../database/pod.ts'
import { isRecovering } from '../database/recovery/pending.ts'
import type { Database } from '../database/schema.ts'
import { secretMode } from '../database/token.ts'
import { labels, names, selectorLabels, series } from './names.ts'
import type { DatabaseBackup } from './schema.ts'
import {
  copyFiles,
  type Layout,
  paths,
  prune,
  type Reach,
  storeAndPrune,
  storeAndReadBack,
  verify,
  verifyFiles,
} from './scripts.ts'

/** The container whose termination message tells the result, and all of them in their order. */
export const resultContainer = 'finish'
export const containerNames = ['dump', 'store', 'verify', resultContainer] as const

export function cronJob(backup: DatabaseBackup, db: Database, schedule: string, settings: Settings): CronJob {
  const { timeZone, suspend } = backup.spec
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: names(backup).cronJob, labels: labels(backup) },
    spec: {
      schedule,
      timeZone,
      // What is stopped cannot be dumped, what goes away is not, and what is not recovered yet is empty.
      suspend: suspend || db.spec.suspend || db.metadata.deletionTimestamp !== undefined || isRecovering(db),
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: 3600,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 3,
      jobTemplate: { metadata: { labels: labels(backup) }, spec: jobSpec(backup, db, settings) },
    },
  }
}

/** The Job of a backup that is taken once. */
export function job(backup: DatabaseBackup, db: Database, settings: Settings): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: names(backup).job, labels: labels(backup) },
    // The status remembers what came of it. Of those on a schedule the CronJob keeps some.
    spec: { ...jobSpec(backup, db, settings), ttlSecondsAfterFinished: 7 * 86400 },
  }
}

function jobSpec(backup: DatabaseBackup, db: Database, settings: Settings): JobSpec {
  const [last, ...first] = steps(backup, db, settings).reverse()
  return {
    backoffLimit: 2,
    activeDeadlineSeconds: backup.spec.activeDeadlineSeconds,
    template: {
      metadata: { labels: labels(backup) },
      spec: {
        ...jobPod(db, names(backup).serviceAccount),
        initContainers: first.reverse(),
        containers: last === undefined ? [] : [last],
        volumes: volumes(backup, db, settings),
      },
    },
  }
}

function steps(backup: DatabaseBackup, db: Database, settings: Settings): Container[] {
  const { spec } = backup
  const archive = archiveOf(backup, db)
  if (archive?.requestScript !== undefined) return requestSteps(backup, db, settings, archive.requestScript)
  const copy = archive?.copy
  const engineImage = engineImageFields(db, settings)
  const reach: Reach = spec.destination.s3 === undefined && spec.encryption === undefined ? 'claim' : 'rclone'
  const image = reach === 'claim' ? engineImage : { image: prefixedImage(spec.uploadImage ?? uploadImage, settings) }
  const step = (name: (typeof containerNames)[number], command: string[], more: Partial<Container>): Container => ({
    name,
    ...engineImage,
    command,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: resources(backup),
    securityContext: restrictedContainer,
    ...more,
    env: [...commonEnv(backup, db), ...(more.env ?? [])],
    volumeMounts: [...commonMounts, ...(more.volumeMounts ?? [])],
  })
  const layout: Layout = copy === undefined ? reach : 'folder'
  const store = { ...image, env: storeEnv(backup, db, reach), volumeMounts: storeMounts(backup) }
  const { primary, readonly } = databaseNames(db)
  const dump =
    copy === undefined
      ? step('dump', ['bash', '-c', dumpScript(db)], {
          env: [
            { name: 'DATABASE_HOST', value: host(db, primary) },
            { name: 'DATABASE_PORT', value: String(engineOf(db).port) },
          ],
          volumeMounts: [{ name: 'superuser-credentials', mountPath: enginePaths.superuser, readOnly: true }],
        })
      : step('dump', ['bash', '-c', copyFiles(copy.script(db))], {
          env: [
            // A replica by preference: the primary has enough to do.
            { name: 'DONORS', value: `${host(db, readonly)} ${host(db, primary)}` },
            { name: 'DATABASE_PORT', value: String(engineOf(db).port) },
            { name: 'BACKUP_PASSWORD_FILE', value: `${copyPasswordFolder}/${copy.passwordKey}` },
          ],
          volumeMounts: [{ name: 'copy-credentials', mountPath: copyPasswordFolder, readOnly: true }],
        })
  if (!spec.verify) return [dump, step(resultContainer, ['sh', '-c', storeAndPrune(layout)], store)]
  return [
    dump,
    step('store', ['sh', '-c', storeAndReadBack(layout)], store),
    step('verify', ['bash', '-c', copy === undefined ? verify(db.spec.engine) : verifyFiles(copy.verifyScript(db))], {
      env: [{ name: 'SCRATCH_PATH', value: paths.scratch }],
      volumeMounts: [{ name: 'scratch', mountPath: paths.scratch }],
    }),
    step(resultContainer, ['sh', '-c', prune(layout)], store),
  ]
}

const copyPasswordFolder = `${enginePaths.credentials}/copy`

/** What takes its backups where they are physical. */
function archiveOf({ spec }: DatabaseBackup, db: Database): Archive | undefined {
  return spec.method === 'physical' ? engineOf(db).archive : undefined
}

// A sidecar of the primary takes it: see docs/decisions/0038-physical-backups-by-a-sidecar.md.
function requestSteps(backup: DatabaseBackup, db: Database, settings: Settings, requestScript: string): Container[] {
  const step = (name: (typeof containerNames)[number], script: string, more: Partial<Container>): Container => ({
    name,
    ...engineImageFields(db, settings),
    command: ['bash', '-c', script],
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: resources(backup),
    securityContext: restrictedContainer,
    ...more,
    env: [...(more.env ?? []), { name: 'HOME', value: '/tmp' }],
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }, ...(more.volumeMounts ?? [])],
  })
  const request = (name: (typeof containerNames)[number], resultFile: string) =>
    step(name, requestScript, {
      env: [
        { name: 'DATABASE_HOST', value: host(db, databaseNames(db).primary) },
        { name: 'DATABASE_PORT', value: String(engineOf(db).port) },
        { name: 'RESULT_FILE', value: resultFile },
      ],
      volumeMounts: [{ name: 'superuser-credentials', mountPath: enginePaths.superuser, readOnly: true }],
    })
  const proof = proofOf(backup, db, settings)
  if (proof === undefined) return [request(resultContainer, terminationLog)]
  return [
    request('dump', physicalResult),
    ...proof.before,
    step('verify', proof.script, {
      env: [
        { name: 'RESULT_PATH', value: physicalResult },
        { name: 'SCRATCH_PATH', value: paths.scratch },
      ],
      volumeMounts: [{ name: 'scratch', mountPath: paths.scratch }, ...proof.mounts],
    }),
    step(resultContainer, `cat ${physicalResult} >${terminationLog}`, {}),
  ]
}

const terminationLog = '/dev/termination-log'
const physicalResult = '/tmp/result'

function proofOf({ spec }: DatabaseBackup, db: Database, settings: Settings) {
  return spec.verify ? engineOf(db).archive?.proof?.(db, settings) : undefined
}

function resources({ spec }: DatabaseBackup) {
  return resourcesWithDefaults(spec.resources, {
    cpu: '100m',
    memory: '512Mi',
    ephemeralStorage: spec.workSize === undefined ? ['256Mi'] : ['256Mi', spec.workSize],
  })
}

function commonEnv(backup: DatabaseBackup, db: Database): EnvVar[] {
  return [
    { name: 'BACKUP_PATH', value: paths.backup },
    { name: 'DATABASE_NAME', value: series(backup, db) },
    { name: 'RESULT_FILE', value: terminationLog },
    { name: 'HOME', value: '/tmp' },
  ]
}

function storeEnv(backup: DatabaseBackup, db: Database, reach: Reach): EnvVar[] {
  const { schedule, retention, destination, encryption } = backup.spec
  const seconds = schedule === undefined ? undefined : periodSeconds(retention)
  const folder = db.metadata.name
  const archive = archiveOf(backup, db)
  const s3 =
    destination.s3 === undefined || archive?.copy === undefined
      ? destination.s3
      : {
          ...destination.s3,
          prefix: `${repositoryPath(destination.s3, db.metadata.namespace, folder)}/${stanzaOf(db)}`,
        }
  return [
    ...(seconds === undefined ? [] : [{ name: 'RETENTION_SECONDS', value: String(seconds) }]),
    { name: 'BACKUP_FOLDER', value: folder },
    ...s3Env(db, s3),
    ...(reach === 'rclone' && destination.s3 === undefined
      ? [
          { name: 'RCLONE_CONFIG', value: '/tmp/rclone.conf' },
          { name: 'BACKUP_REMOTE', value: `${paths.backup}/${folder}` },
        ]
      : []),
    ...(encryption === undefined ? [] : [{ name: 'ENCRYPTION_PASSPHRASE_FILE', value: paths.passphrase }]),
  ]
}

const commonMounts: VolumeMount[] = [
  { name: 'backup', mountPath: paths.backup },
  { name: 'tmp', mountPath: '/tmp' },
]

function storeMounts({ spec }: DatabaseBackup): VolumeMount[] {
  const folder = paths.passphrase.slice(0, paths.passphrase.lastIndexOf('/'))
  return [
    ...(spec.encryption === undefined ? [] : [{ name: 'encryption', mountPath: folder, readOnly: true }]),
    ...(spec.destination.s3?.caSecret === undefined
      ? []
      : [{ name: 's3-ca', mountPath: '/etc/s3-ca', readOnly: true }]),
  ]
}

function volumes(backup: DatabaseBackup, db: Database, settings: Settings): Volume[] {
  const { spec } = backup
  const claimName = spec.destination.claim?.name
  const ca = spec.destination.s3?.caSecret
  const sizeLimit = spec.workSize === undefined ? undefined : canonicalQuantity(spec.workSize)
  const onNode = sizeLimit === undefined ? {} : { sizeLimit }
  const { encryption } = spec
  const archive = archiveOf(backup, db)
  if (archive?.requestScript !== undefined) {
    const proof = proofOf(backup, db, settings)
    return [
      superuserPassword(db),
      { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
      ...(proof === undefined ? [] : [{ name: 'scratch', emptyDir: onNode }, ...proof.volumes]),
    ]
  }
  return [
    archive?.copy === undefined
      ? superuserPassword(db)
      : secret('copy-credentials', databaseNames(db).secret, archive.copy.passwordKey, archive.copy.passwordKey),
    claimName === undefined
      ? { name: 'backup', emptyDir: onNode }
      : { name: 'backup', persistentVolumeClaim: { claimName } },
    { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    ...(spec.verify ? [{ name: 'scratch', emptyDir: onNode }] : []),
    ...(encryption === undefined ? [] : [secret('encryption', encryption.secretName, encryption.key, 'passphrase')]),
    ...(ca === undefined ? [] : [secret('s3-ca', ca.name, ca.key, 'ca.crt')]),
  ]
}

function superuserPassword(db: Database): Volume {
  return secret('superuser-credentials', databaseNames(db).secret, 'superuser-password', 'superuser-password')
}

function secret(name: string, secretName: string, key: string, path: string): Volume {
  return { name, secret: { secretName, defaultMode: secretMode, items: [{ key, path }] } }
}

/** Backups reach the Database, the S3 server and the cluster's DNS; nothing reaches them. */
export function networkPolicy(backup: DatabaseBackup, db: Database): NetworkPolicy {
  const { s3 } = backup.spec.destination
  const isAsked = archiveOf(backup, db)?.requestScript !== undefined
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(backup).networkPolicy, labels: labels(backup) },
    spec: {
      podSelector: { matchLabels: selectorLabels(backup) },
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        ...nameResolution,
        {
          to: [{ podSelector: { matchLabels: databasePods(db) } }],
          ports: [{ port: engineOf(db).port, protocol: 'TCP' }],
        },
        ...(s3 === undefined || (isAsked && !backup.spec.verify)
          ? []
          : [{ ports: [{ port: endpointPort(s3.endpoint), protocol: 'TCP' as const }] }]),
      ],
    },
  }
}
