// What a Database is to those who ask for one: every field, its default, and what is refused.
import * as z from 'zod'
import { imageTextSchema, objectNameSchema, pullSecretsSchema } from '../../sdk/containers.ts'
import type { Column, Parent, Scale } from '../../sdk/definition.ts'
import { imageSchema } from '../../sdk/images.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import {
  annotationsSchema,
  extraLabelsSchema,
  networkPeersSchema,
  podSchema,
  resourcesSchema,
} from '../../sdk/podspec.ts'
import { isTimeZone, periodPattern, scheduleFault, schedulePattern, timeZonePattern } from '../../sdk/schedule.ts'
import { immutable, quantity, rule, type ValidationRule } from '../../sdk/schema.ts'

/** A resource of this kind, its spec checked and defaulted. */
export type Database = Parent<z.output<typeof spec>, DatabaseStatus>

export type DatabaseStatus = z.output<typeof status>
export type EngineName = Database['spec']['engine']
export type Phase = DatabaseStatus['phase']

/** The longest name: a CronJob's is at most 52 characters, and its own ends in -backup. */
export const maxNameLength = 45

const secretName = objectNameSchema.describe('Name of the Secret, in the same namespace.')

// A size as storage is bought: whole numbers only. Kubernetes spells the decimal kilo "k", people "K".
const size = rule(
  rule(
    z
      .string()
      .max(16)
      .regex(/^[0-9]+[KMGT]i?$/, 'must be a whole number and a unit, such as 10Gi: K, M, G, T, Ki, Mi, Gi or Ti'),
    { rule: "!self.matches('^0+[KMGT]')", message: 'must be more than nothing' },
    (text) => !/^0+[KMGT]/.test(text),
  ),
  {
    rule: "quantity(self.endsWith('K') ? self.replace('K', 'k') : self).compareTo(quantity(oldSelf.endsWith('K') ? oldSelf.replace('K', 'k') : oldSelf)) >= 0",
    message:
      'storage never shrinks: ask for the size it has or more, or create a smaller database and restore a backup',
  },
)

const storage = rule(
  z.object({
    size: size.describe('Size of the volume of each replica, such as 10Gi. It can grow, never shrink.'),
    storageClass: objectNameSchema
      .optional()
      .describe("StorageClass of the volumes; the cluster's default when absent. It cannot be changed."),
    resizeImage: imageTextSchema
      .optional()
      .describe('Image with kubectl that makes claims larger, instead of the official one.'),
  }),
  {
    rule: 'has(self.storageClass) == has(oldSelf.storageClass) && (!has(self.storageClass) || self.storageClass == oldSelf.storageClass)',
    message: 'the storage class cannot be changed: create a new database and restore a backup into it',
    fieldPath: '.storageClass',
  },
)

const s3 = z.object({
  bucket: z
    .string()
    .min(3)
    .max(63)
    .regex(/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/, 'must be the name of an S3 bucket')
    .describe('Bucket that backups go to.'),
  region: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[a-z0-9-]+$/, 'must be a region such as eu-central-1')
    .default('us-east-1')
    .describe('Region of the bucket.'),
  prefix: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9!_.*'()-]+(\/[A-Za-z0-9!_.*'()-]+)*$/, 'must be a path without a leading or trailing slash')
    .optional()
    .describe('Path in the bucket; namespace/name of the database when absent.'),
  endpoint: z
    .string()
    .max(512)
    .regex(/^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?$/, 'must be a URL such as https://minio.storage.svc:9000')
    .optional()
    .describe('URL of an S3-compatible server; that of AWS when absent.'),
  forcePathStyle: z
    .boolean()
    .default(false)
    .describe('Whether the bucket is part of the path, as MinIO and most own servers want it.'),
  caSecret: z
    .object({
      name: secretName,
      key: z.string().min(1).max(253).default('ca.crt').describe('Key that holds the certificates in PEM.'),
    })
    .optional()
    .describe('Certificate authority of the endpoint, when it is none of the public ones.'),
  credentialsSecret: z
    .object({ name: secretName })
    .optional()
    .describe(
      "Secret with the keys access-key-id and secret-access-key. When absent, the pod's own identity is used (IRSA, workload identity: see spec.serviceAccount.annotations).",
    ),
})

/** Where backups go. */
export const destination = rule(
  z.object({
    s3: s3.optional().describe('An S3 bucket.'),
    claim: z
      .object({ name: objectNameSchema.describe('Name of the PersistentVolumeClaim, in the same namespace.') })
      .optional()
      .describe('A PersistentVolumeClaim that exists already and is no part of the database.'),
  }),
  { rule: 'has(self.s3) != has(self.claim)', message: 'give either s3 or claim' },
  (value) => (value.s3 === undefined) !== (value.claim === undefined),
)

/** What is said of a backup on a schedule, by a Database or a DatabaseBackup. */
export const backupFields = {
  schedule: z
    .string()
    .min(1)
    .max(100)
    .regex(schedulePattern, 'must be a cron expression of five fields, such as "0 2 * * *", or a macro such as @daily')
    .superRefine((schedule, context) => {
      const fault = schedulePattern.test(schedule) ? scheduleFault(schedule) : undefined
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
    }),
  timeZone: z
    .string()
    .max(64)
    .regex(timeZonePattern, 'must be a time zone such as Europe/Berlin or Etc/UTC')
    .refine(isTimeZone, { message: 'is not a time zone that is known' })
    .default('Etc/UTC')
    .describe('Time zone of the schedule.'),
  retention: z
    .string()
    .max(8)
    .regex(periodPattern, 'must be a period such as 12h, 7d or 4w')
    .default('7d')
    .describe('For how long backups are kept. Older ones go after a backup has succeeded, the last one never.'),
  suspend: z.boolean().default(false).describe('Whether the schedule pauses.'),
  resources: resourcesSchema.prefault({}).describe('What a backup asks for and may use.'),
  workSize: quantity()
    .optional()
    .describe('Limit for what a backup writes on its node before it is uploaded; without one the node sets it.'),
  uploadImage: imageTextSchema
    .optional()
    .describe('Image with rclone that uploads to S3, instead of the official one.'),
  activeDeadlineSeconds: z.int().min(60).max(604800).default(21600).describe('A backup that takes longer is given up.'),
  encryption: z
    .object({
      secretName,
      key: z.string().min(1).max(253).default('passphrase').describe('Key that holds the passphrase.'),
    })
    .optional()
    .describe(
      'Encryption before the upload, with a passphrase that is needed to restore: keep it somewhere else as well.',
    ),
}

const backup = rule(
  z.object({
    method: z
      .enum(['logical', 'physical'])
      .default('logical')
      .describe(
        "How: logical is a dump by the engine's own tool, which any later version can read. Physical copies the data files and archives the log, for recovery to a point in time: for postgresql and mysql, to S3.",
      ),
    enabled: z.boolean().default(false).describe('Whether backups are taken on a schedule.'),
    schedule: backupFields.schedule
      .default('0 2 * * *')
      .describe('When: a cron expression of five fields or a macro such as @daily.'),
    timeZone: backupFields.timeZone,
    retention: backupFields.retention,
    suspend: backupFields.suspend,
    destination: destination.optional().describe('Where backups go: an S3 bucket or a claim.'),
    resources: backupFields.resources,
    workSize: backupFields.workSize,
    uploadImage: backupFields.uploadImage,
    activeDeadlineSeconds: backupFields.activeDeadlineSeconds,
    encryption: backupFields.encryption,
  }),
  { rule: '!self.enabled || has(self.destination)', message: 'backups need a destination', fieldPath: '.destination' },
  (value) => !value.enabled || value.destination !== undefined,
)

const lyingBackups = z.object({
  database: objectNameSchema.describe('Name of the Database that they are of, which need not exist any more.'),
  method: z.enum(['logical', 'physical']).default('logical').describe('How they were taken.'),
  destination: destination.describe(
    'Where they lie, as the destination of the backups said. Without a prefix it is that of a Database of this namespace.',
  ),
  encryption: backupFields.encryption.describe('The passphrase that they are encrypted with.'),
})

const recoverySource = rule(
  z.object({
    backupRef: z
      .object({ name: objectNameSchema.describe('Name of the DatabaseBackup, in the same namespace.') })
      .optional()
      .describe('The DatabaseBackup that made the backup.'),
    backup: lyingBackups.optional().describe('Where backups lie, when there is no DatabaseBackup any more.'),
  }),
  { rule: 'has(self.backupRef) != has(self.backup)', message: 'give either backupRef or backup' },
  (value) => (value.backupRef === undefined) !== (value.backup === undefined),
)

const recoveryFields = z.object({
  source: recoverySource.describe('Which backups.'),
  backupName: z
    .string()
    .max(300)
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'must be the name of a backup, as status.lastBackup.name has it')
    .optional()
    .describe('Which one of them; the latest when absent.'),
  targetTime: z
    .string()
    .max(32)
    .regex(
      /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$/,
      'must be a time as RFC 3339 has it, in whole seconds, such as 2026-03-01T12:30:00Z',
    )
    .refine((text) => !Number.isNaN(Date.parse(text)), { message: 'is no time that there is' })
    .optional()
    .describe('The database as it was then; with a physical backup, and as it was last when absent.'),
  uploadImage: backupFields.uploadImage,
  workSize: backupFields.workSize.describe(
    'Limit for what is written on the node before it is in the database; without one the node sets it.',
  ),
  activeDeadlineSeconds: backupFields.activeDeadlineSeconds.describe('A recovery that takes longer is given up.'),
})

const recovery = rule(
  recoveryFields,
  {
    rule: "!has(self.targetTime) || (has(self.source.backup) && self.source.backup.method == 'physical')",
    message: 'a dump is of one time only: for another one, source.backup has to be of method physical',
    fieldPath: '.targetTime',
  },
  ({ targetTime, source }) => targetTime === undefined || source.backup?.method === 'physical',
)

/** Names that mean something to one of the engines, or to the operator. */
export const reservedUsers = [
  'postgres',
  'root',
  'monitor',
  'operator_hooks',
  'operator_hooks_backup',
  'public',
  'none',
  'mysql',
]
const reservedDatabases = [
  ...['postgres', 'template0', 'template1', 'mysql', 'sys', 'information_schema', 'performance_schema'],
  ...['admin', 'local', 'config'],
]

/** A name in the engine that is none of its own. */
export function unreserved(maxLength: number, reserved: readonly string[]) {
  return rule(
    z
      .string()
      .min(1)
      .max(maxLength)
      .regex(/^[a-z_][a-z0-9_]*$/, 'must be lower case letters, digits and _'),
    {
      rule: `!self.startsWith('pg_') && !(self in [${reserved.map((name) => `'${name}'`).join(', ')}])`,
      message: `must not be a name that an engine uses itself: ${reserved.join(', ')}, or one that starts with pg_`,
    },
    (name) => !name.startsWith('pg_') && !reserved.includes(name),
  )
}

const property = z.string().min(1).max(253)

const external = z.object({
  secretStoreRef: z
    .object({
      name: objectNameSchema.describe('Name of the store.'),
      kind: z
        .enum(['SecretStore', 'ClusterSecretStore'])
        .default('SecretStore')
        .describe('Whether it is of this namespace or of the cluster.'),
    })
    .describe('Store of the External Secrets operator, such as one that leads to Vault.'),
  key: z.string().min(1).max(1024).describe('Where the credentials lie in the store, such as a path in Vault.'),
  usernameProperty: property.default('username').describe('Name of the user there.'),
  passwordProperty: property.default('password').describe('Name of the password there.'),
  refreshInterval: z
    .string()
    .max(16)
    .regex(/^([0-9]+h)?([0-9]+m)?([0-9]+s)?$/, 'must be a duration such as 1h or 15m')
    .default('1h')
    .describe('How often the store is asked again.'),
})

const credentialFields = z.object({
  username: unreserved(32, reservedUsers).default('app').describe('User that owns the database.'),
  database: unreserved(63, reservedDatabases).default('app').describe('Name of the database that is created.'),
  secretName: objectNameSchema
    .optional()
    .describe('Secret with the keys username and password to use, instead of derived credentials.'),
  rotation: z
    .int()
    .min(0)
    .max(1000000)
    .default(0)
    .describe('Counter: each change gives the derived credentials new passwords.'),
  external: external
    .optional()
    .describe(
      'Where the Secret of secretName is filled from, by the External Secrets operator and the DecoratorController external-secrets.',
    ),
})

const credentials = rule(
  credentialFields,
  {
    rule: '!has(self.external) || has(self.secretName)',
    message: 'credentials from an external store need the name of the Secret that they go into',
    fieldPath: '.secretName',
  },
  (value) => value.external === undefined || value.secretName !== undefined,
)

const oneLine = /^[^\n\r\0]*$/

const parameters = rule(
  z.record(
    z.string(),
    z
      .union([z.int(), z.string().max(4096)])
      .refine((value) => oneLine.test(String(value)), { message: 'must have no line breaks' })
      .meta({ 'x-kubernetes-int-or-string': true, pattern: oneLine.source }),
  ),
  {
    rule: "self.all(name, name.matches('^[A-Za-z][A-Za-z0-9_.-]*$'))",
    message: "every name must be one of the engine's parameters, such as max_connections",
  },
  (record) => Object.keys(record).every((name) => /^[A-Za-z][A-Za-z0-9_.-]*$/.test(name)),
)
  .refine((record) => Object.keys(record).length <= 128, { message: 'must have at most 128 parameters' })
  .meta({ maxProperties: 128 })

const service = z.object({
  type: z
    .enum(['ClusterIP', 'NodePort', 'LoadBalancer'])
    .default('ClusterIP')
    .describe('How the primary and read-only Services are reached.'),
  annotations: annotationsSchema.optional().describe('Annotations for the Services.'),
  labels: extraLabelsSchema.optional().describe('Labels for the Services.'),
  loadBalancerClass: z.string().min(1).max(253).optional().describe('Class of the load balancer.'),
  loadBalancerSourceRanges: z
    .array(z.string().max(43))
    .max(32)
    .optional()
    .describe('Ranges of addresses that the load balancer lets in.')
    .meta({ 'x-kubernetes-list-type': 'atomic' }),
})

const base = z.object({
  engine: immutable(z.enum(['postgresql', 'mysql', 'mongodb']), 'the engine').describe(
    'Engine of the database. It cannot be changed.',
  ),
  version: z
    .string()
    .max(32)
    .regex(/^[0-9]+\.[0-9]+(\.[0-9]+)?$/, 'must be a version such as 17.2 or 8.4.3')
    .describe(
      "Version of the engine, as the official image is tagged. It changes only within the engine's release series.",
    ),
  image: imageSchema.optional().describe('Where the image is taken from, instead of the official one on Docker Hub.'),
  imagePullSecrets: pullSecretsSchema.optional(),
  replicas: z
    .int()
    .min(1)
    .max(10)
    .default(1)
    .describe('Number of replicas, 1 to 10; at most 9 for mysql and 7 for mongodb.'),
  storage: storage.describe('Volumes that hold the data.'),
  resources: resourcesSchema.prefault({}).describe('What the engine asks for and may use; its memory is sized by it.'),
  parameters: parameters
    .optional()
    .describe(
      'Settings of the engine in its own words: of postgresql.conf, my.cnf, or mongod.conf with dots (net.maxIncomingConnections).',
    ),
  credentials: credentials.prefault({}).describe('User and database for applications.'),
  backup: backup.prefault({}).describe('Backups.'),
  highAvailability: z
    .object({
      synchronous: z
        .boolean()
        .default(false)
        .describe(
          'Whether a write is acknowledged only when a replica has it too, so that a failover loses none. It costs time for each write. MySQL groups and MongoDB replica sets have their own ways and take no notice.',
        ),
    })
    .optional()
    .describe(
      'Replication. With more than one replica a database is replicated anyway; given for a single one, it can be scaled later without a restart.',
    ),
  bootstrap: z
    .object({ recovery: recovery.optional().describe('From a backup, instead of empty.') })
    .optional()
    .describe(
      'What the database begins with. It cannot be given to one that is there already, nor changed once it is recovered.',
    ),
  deletionPolicy: z
    .enum(['Retain', 'Delete', 'BackupAndRetain', 'BackupAndDelete'])
    .default('Retain')
    .describe(
      'What happens to the data when the resource is deleted: Retain keeps the claims, Delete deletes them, and the two others take a last backup before.',
    ),
  monitoring: z
    .object({
      enabled: z.boolean().default(false).describe('Whether an exporter serves metrics for Prometheus.'),
      image: imageTextSchema.optional().describe('Image of the exporter, instead of the official one.'),
      alerting: z.boolean().default(false).describe('Whether alerts are set up, where the Prometheus operator is.'),
    })
    .prefault({})
    .describe('Metrics and alerts.'),
  suspend: z.boolean().default(false).describe('Whether the database is stopped: no pod runs, everything else stays.'),
  tls: z
    .object({
      secretName: secretName.describe(
        'Secret of type kubernetes.io/tls: tls.crt, tls.key, and ca.crt if there is one.',
      ),
      required: z.boolean().default(false).describe('Whether connections without TLS are refused.'),
      issuerRef: z
        .object({
          name: objectNameSchema.describe('Name of the issuer.'),
          kind: z
            .string()
            .min(1)
            .max(63)
            .default('Issuer')
            .describe('Issuer, ClusterIssuer or that of an external one.'),
          group: z.string().min(1).max(253).default('cert-manager.io').describe('API group of the issuer.'),
        })
        .optional()
        .describe(
          'Who issues the certificate into that Secret, by cert-manager and the DecoratorController cert-manager. Without one the Secret is yours to make.',
        ),
    })
    .optional()
    .describe('Encrypted connections.'),
  service: service.prefault({}).describe('Services.'),
  serviceAccount: z
    .object({ annotations: annotationsSchema.optional().describe('Annotations, such as those of a cloud identity.') })
    .prefault({})
    .describe('ServiceAccount of the pods.'),
  pod: podSchema.prefault({}).describe('Metadata and placement of the pods.'),
  networkPolicy: z
    .object({
      enabled: z.boolean().default(true).describe('Whether NetworkPolicies limit who reaches the database.'),
      ingress: networkPeersSchema.optional().describe('Peers that may connect, beside the pods of the same namespace.'),
      egress: networkPeersSchema
        .optional()
        .describe('Peers that the engine may connect to, beside its replicas and DNS.'),
    })
    .prefault({})
    .describe('Who may connect.'),
})

function isSecureS3(value: z.output<typeof destination> | undefined): boolean {
  return value?.s3 !== undefined && (value.s3.endpoint?.startsWith('https://') ?? true)
}

export const spec = [
  {
    when: { rule: "self.engine != 'mysql' || self.replicas <= 9", fieldPath: '.replicas' },
    message: 'must be at most 9: a MySQL group has no more members',
    check: (value: z.output<typeof base>) => value.engine !== 'mysql' || value.replicas <= 9,
  },
  {
    when: { rule: "self.engine != 'mongodb' || self.replicas <= 7", fieldPath: '.replicas' },
    message: 'must be at most 7: a MongoDB replica set has no more voters',
    check: (value: z.output<typeof base>) => value.engine !== 'mongodb' || value.replicas <= 7,
  },
  {
    when: {
      rule: "self.engine != 'postgresql' || (self.version.matches('^[0-9]+[.][0-9]+$') && int(self.version.split('.')[0]) >= 12)",
      fieldPath: '.version',
    },
    message: 'must be a PostgreSQL version from 12 on, in two numbers, such as 13.8 or 17.2',
    check: (value: z.output<typeof base>) =>
      value.engine !== 'postgresql' ||
      (/^[0-9]+\.[0-9]+$/.test(value.version) && Number(value.version.split('.')[0]) >= 12),
  },
  {
    when: { rule: "self.engine != 'mysql' || int(self.version.split('.')[0]) >= 8", fieldPath: '.version' },
    message: 'must be a MySQL version from 8.0 on, such as 8.4 or 8.4.3',
    check: (value: z.output<typeof base>) => value.engine !== 'mysql' || Number(value.version.split('.')[0]) >= 8,
  },
  {
    when: { rule: "self.engine != 'mongodb' || int(self.version.split('.')[0]) >= 5", fieldPath: '.version' },
    message: 'must be a MongoDB version from 5.0 on, such as 7.0 or 8.0.4',
    check: (value: z.output<typeof base>) => value.engine !== 'mongodb' || Number(value.version.split('.')[0]) >= 5,
  },
  {
    when: {
      rule: "self.engine != oldSelf.engine || (self.engine == 'postgresql' || (self.engine == 'mysql' && int(self.version.split('.')[0]) >= 9) ? self.version.split('.')[0] == oldSelf.version.split('.')[0] : self.version.split('.')[0] == oldSelf.version.split('.')[0] && self.version.split('.')[1] == oldSelf.version.split('.')[1])",
      fieldPath: '.version',
    },
    message:
      'cannot move to another release series in place: create a new Database with that version and restore a backup into it',
    check: undefined,
  },
  {
    when: {
      rule: "!self.deletionPolicy.startsWith('Backup') || has(self.backup.destination)",
      fieldPath: '.deletionPolicy',
    },
    message: 'a last backup needs spec.backup.destination',
    check: (value: z.output<typeof base>) =>
      !value.deletionPolicy.startsWith('Backup') || value.backup.destination !== undefined,
  },
  {
    when: { rule: "self.backup.method == 'logical' || self.engine != 'mongodb'", fieldPath: '.backup.method' },
    message: 'physical backups are for postgresql and mysql',
    check: (value: z.output<typeof base>) => value.backup.method === 'logical' || value.engine !== 'mongodb',
  },
  {
    when: {
      rule: "self.backup.method == 'logical' || (has(self.backup.destination) && has(self.backup.destination.s3) && (!has(self.backup.destination.s3.endpoint) || self.backup.destination.s3.endpoint.startsWith('https://')))",
      fieldPath: '.backup.destination',
    },
    message:
      'physical backups go to S3 by https: whichever pod writes or restores them reaches it, and a claim is most often of one node alone',
    check: (value: z.output<typeof base>) => value.backup.method === 'logical' || isSecureS3(value.backup.destination),
  },
  {
    when: {
      rule: "!has(self.bootstrap) || !has(self.bootstrap.recovery) || !has(self.bootstrap.recovery.source.backup) || self.bootstrap.recovery.source.backup.method == 'logical' || (self.engine != 'mongodb' && has(self.bootstrap.recovery.source.backup.destination.s3))",
      fieldPath: '.bootstrap.recovery.source.backup.method',
    },
    message: 'physical backups are for postgresql and mysql, and lie in S3',
    check: ({ engine, bootstrap }: z.output<typeof base>) => {
      const from = bootstrap?.recovery?.source.backup
      return from?.method !== 'physical' || (engine !== 'mongodb' && isSecureS3(from.destination))
    },
  },
  {
    when: { rule: '!self.monitoring.alerting || self.monitoring.enabled', fieldPath: '.monitoring.alerting' },
    message: 'alerts need metrics: set monitoring.enabled',
    check: (value: z.output<typeof base>) => !value.monitoring.alerting || value.monitoring.enabled,
  },
].reduce((schema, { when, message, check }) => rule(schema, { ...when, message }, check), base)

export const status = z.object({
  phase: z
    .enum(['Pending', 'Creating', 'Restoring', 'Running', 'Scaling', 'Updating', 'Failed', 'Deleting'])
    .describe('Where the database is, in a word.'),
  replicas: z.int().min(0).describe('Pods that exist.'),
  readyReplicas: z.int().min(0).describe('Pods that are ready.'),
  selector: z.string().max(1024).describe('Selector of the pods, for the scale subresource.'),
  version: z.string().max(32).optional().describe('Version that all pods run.'),
  endpoints: z
    .object({
      primary: z.string().max(512).describe('Host and port for reading and writing.'),
      readonly: z.array(z.string().max(512)).max(10).describe('Hosts and ports for reading.'),
    })
    .optional()
    .describe('Where the database is reached.'),
  topology: z
    .object({
      primary: z.string().max(63).optional().describe('Pod that takes writes.'),
      members: z
        .array(
          z.object({
            name: z.string().max(63).describe('Name of the pod.'),
            role: z.enum(['primary', 'replica']).describe('What it is in the database.'),
            ready: z.boolean().describe('Whether it serves.'),
          }),
        )
        .max(10)
        .describe('Members that have a role.')
        .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }),
    })
    .optional()
    .describe('Who is what in a replicated database.'),
  credentials: z
    .object({
      secretName: z.string().max(253).describe('Secret for applications.'),
      keyId: z.string().max(253).optional().describe('Key of the suite that the passwords are derived from.'),
      rotation: z.int().min(0).optional().describe('Rotation that the passwords belong to.'),
      previous: z
        .object({
          keyId: z.string().max(253).describe('Key that they were derived from.'),
          rotation: z.int().min(0).describe('Their rotation.'),
        })
        .optional()
        .describe('The passwords before the last rotation.'),
    })
    .optional()
    .describe('Credentials of the database.'),
  backup: z
    .object({
      lastScheduleTime: z.string().max(64).optional().describe('When the last scheduled backup began.'),
      lastSuccessfulTime: z.string().max(64).optional().describe('When a scheduled backup last succeeded.'),
    })
    .optional()
    .describe('Backups.'),
  recovery: z
    .object({
      phase: z.enum(['Restoring', 'Failed', 'Recovered']).describe('How far the recovery is, in a word.'),
      backup: z.string().max(400).optional().describe('The backup that was restored.'),
      size: z.int().min(0).optional().describe('Its bytes.').meta({ format: 'int64' }),
      durationSeconds: z.int().min(0).optional().describe('How long it took.'),
      completionTime: z.string().max(64).optional().describe('When it was done.'),
    })
    .optional()
    .describe('What came of spec.bootstrap.recovery.'),
  storage: z
    .object({ size: z.string().max(32).describe('Smallest size that all volumes are known to have.') })
    .optional()
    .describe('Volumes.'),
})

export const rules: readonly ValidationRule[] = [
  {
    rule: `self.metadata.name.size() <= ${maxNameLength} && self.metadata.name.matches('${dnsLabelPattern.source}')`,
    message: `metadata.name must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Services and the CronJob <name>-backup are named after it`,
  },
  {
    rule: '!has(self.spec.bootstrap) || (has(oldSelf.spec.bootstrap) && (self.spec.bootstrap == oldSelf.spec.bootstrap || !(has(self.status) && has(self.status.recovery) && has(self.status.recovery.completionTime))))',
    message:
      'spec.bootstrap says what a new database begins with: it cannot be given to one that is there, nor changed once it is recovered',
  },
]

export const columns: readonly Column[] = [
  { name: 'Engine', type: 'string', jsonPath: '.spec.engine', description: 'Engine of the database.' },
  { name: 'Version', type: 'string', jsonPath: '.spec.version', description: 'Version that is asked for.' },
  { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', description: 'Replicas that are asked for.' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the database is, in a word.' },
  {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].status',
    description: 'Whether all is as it was asked for.',
  },
  {
    name: 'Reason',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    description: 'Why, in a word.',
    priority: 1,
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

export const scale: Scale = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.status.selector',
}
