// Physical backups of PostgreSQL by pgBackRest (https://pgbackrest.org/configuration.html): every pod archives its log,
// and a sidecar takes backups when the Job of a DatabaseBackup asks for one. Why this way is in
// docs/decisions/0038-physical-backups-by-a-sidecar.md.
import type { Container, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { restrictedContainer } from '../../../../sdk/podsecurity.ts'
import { periodSeconds } from '../../../../sdk/schedule.ts'
import { physicalSource } from '../../recovery/pending.ts'
import type { Database } from '../../schema.ts'
import { type Archive, repositoryPath, restoreResources, sidecarResources, stanzaOf, storeVolume } from '../archive.ts'
import { monitor, paths } from '../engine.ts'
import { agentMount, agentVolume, bringAgent } from './agent.ts'
import { archives } from './archive-parameters.ts'
import { agentSidecarScript, archiveScript, requestScript } from './archive-scripts.ts'
import { agentPath } from './member-scripts.ts'
import { dataDirectory, port, socketPath } from './parameters.ts'
import { restoreScripts, sourcePath } from './restore-scripts.ts'
import { proof } from './verification.ts'

type Destination = NonNullable<Database['spec']['backup']['destination']>
type Encryption = Database['spec']['backup']['encryption']

/** Where the credentials of the store are mounted. */
const storePath = `${paths.credentials}/store`

export const pgBackRest: Archive = {
  requestScript,
  watch: {
    env: (host) => [
      { name: 'PGHOST', value: host },
      { name: 'PGUSER', value: monitor.username },
      { name: 'PGDATABASE', value: 'postgres' },
      { name: 'PGCONNECT_TIMEOUT', value: '5' },
    ],
    // https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ARCHIVER-VIEW
    // A command that fails only does so after pgBackRest has tried for minutes, so that a segment that waits is looked for as well.
    question: (folder) => `PGPASSWORD=$(cat ${folder}/${monitor.key})
export PGPASSWORD
why=$(psql --no-psqlrc --quiet --tuples-only --no-align --command="
SELECT 'the segment ' || last_failed_wal || ' could not be archived' FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity')
UNION ALL
(SELECT 'the segment ' || replace(name, '.ready', '') || ' waits to be archived since ' || modification FROM pg_ls_archive_statusdir()
WHERE name LIKE '%.ready' AND modification < now() - interval '1 minute' ORDER BY modification LIMIT 1)") || exit 1
[ -z "$why" ] || { echo "$why"; exit 1; }`,
  },
  ownedParameters: /^(archive_(mode|command|library|timeout)|wal_level)$/i,
  files: (db) => ({
    ...(archives(db) ? { 'pgbackrest.conf': ownConfiguration(db) } : {}),
    ...(physicalSource(db) === undefined ? {} : { 'source.conf': sourceConfiguration(db) }),
  }),
  scripts: (db) => ({
    ...(archives(db)
      ? { 'pgbackrest.sh': archiveScript(storePath, 'pgbackrest.conf'), 'backup-agent.sh': agentSidecarScript }
      : {}),
    ...(physicalSource(db) === undefined
      ? {}
      : { 'source.sh': archiveScript(sourcePath, 'source.conf'), ...restoreScripts(db) }),
  }),
  initContainers(db, settings, { engine, mounts, hasAgent }) {
    const container = (name: string, script: string, more: Partial<Container>): Container => ({
      name,
      ...engine,
      command: ['bash', `${paths.scripts}/${script}`],
      env: [
        { name: 'PGDATA', value: dataDirectory(db.spec.version) },
        { name: 'HOME', value: '/tmp' },
      ],
      securityContext: restrictedContainer,
      ...more,
      volumeMounts: [...mounts, ...(more.volumeMounts ?? [])],
    })
    if (!isUsed(db)) return []
    return [
      ...(hasAgent ? [] : [bringAgent(settings)]),
      ...(physicalSource(db) === undefined
        ? []
        : [
            container('restore', 'restore.sh', {
              resources: restoreResources,
              terminationMessagePolicy: 'FallbackToLogsOnError',
              volumeMounts: [agentMount, sourceMount],
            }),
          ]),
      ...(archives(db)
        ? [
            container('backup', 'backup-agent.sh', {
              restartPolicy: 'Always',
              resources: sidecarResources,
              volumeMounts: [agentMount, storeMount],
            }),
          ]
        : []),
    ]
  },
  volumes: (db, hasAgent) => [
    ...(hasAgent || !isUsed(db) ? [] : [agentVolume]),
    ...(archives(db) ? [storeVolume('store', db.spec.backup.destination, db.spec.backup.encryption)] : []),
    ...sourceVolumes(db),
  ],
  mounts: (db, hasAgent) => [
    ...(hasAgent || !archives(db) ? [] : [{ ...agentMount, readOnly: true }]),
    ...(archives(db) ? [storeMount] : []),
  ],
  proof(db, settings) {
    const { mounts, volumes, ...more } = proof(db, settings)
    const { destination, encryption } = db.spec.backup
    return {
      ...more,
      mounts: [...mounts, storeMount],
      volumes: [...volumes, storeVolume('store', destination, encryption)],
    }
  },
}

function isUsed(db: Database): boolean {
  return archives(db) || physicalSource(db) !== undefined
}

const storeMount: VolumeMount = { name: 'store', mountPath: storePath, readOnly: true }
const sourceMount: VolumeMount = { name: 'source', mountPath: sourcePath, readOnly: true }

function ownConfiguration(db: Database): string {
  const { destination, encryption, retention } = db.spec.backup
  const days = Math.max(1, Math.ceil((periodSeconds(retention) ?? 0) / 86400))
  return render({
    global: {
      ...repository(destination, encryption, storePath, db.metadata.namespace, db.metadata.name),
      // By age of the full backup that others build on; the last one stays in any case.
      'repo1-retention-full-type': 'time',
      'repo1-retention-full': String(days),
      'repo1-bundle': 'y',
      'compress-type': 'zst',
      'start-fast': 'y',
      'archive-check': 'y',
      'process-max': '2',
      ...local,
    },
    // One line for each file would drown the engine's own log.
    'global:archive-push': { 'log-level-console': 'warn' },
    [stanzaOf(db)]: server(db),
  })
}

function sourceConfiguration(db: Database): string {
  const source = physicalSource(db)
  return render({
    global: {
      ...repository(source?.destination, source?.encryption, sourcePath, db.metadata.namespace, source?.database ?? ''),
      'process-max': '2',
      ...local,
    },
  })
}

function server(db: Database): Record<string, string> {
  return {
    'pg1-path': dataDirectory(db.spec.version),
    'pg1-socket-path': socketPath,
    'pg1-port': String(port),
    'pg1-user': 'postgres',
  }
}

const local = {
  'log-level-console': 'info',
  'log-level-file': 'off',
  'lock-path': '/tmp/pgbackrest',
  'spool-path': '/tmp/pgbackrest',
}

function repository(
  destination: Destination | undefined,
  encryption: Encryption,
  mounted: string,
  namespace: string | undefined,
  name: string,
): Record<string, string> {
  const s3 = destination?.s3
  if (s3 === undefined) return {}
  const endpoint = s3.endpoint === undefined ? undefined : new URL(s3.endpoint)
  return {
    'repo1-type': 's3',
    'repo1-path': `/${repositoryPath(s3, namespace, name)}`,
    'repo1-s3-bucket': s3.bucket,
    'repo1-s3-region': s3.region,
    'repo1-s3-endpoint': endpoint?.hostname ?? `s3.${s3.region}.amazonaws.com`,
    ...(endpoint === undefined || endpoint.port === '' ? {} : { 'repo1-storage-port': endpoint.port }),
    'repo1-s3-uri-style': s3.forcePathStyle ? 'path' : 'host',
    // The images of databases know no authorities.
    'repo1-storage-ca-file': s3.caSecret === undefined ? `${agentPath}/etc/ca-certificates.crt` : `${mounted}/ca.crt`,
    // Without keys, the identity that the cloud gave the pod's ServiceAccount.
    'repo1-s3-key-type': s3.credentialsSecret === undefined ? 'web-id' : 'shared',
    ...(encryption === undefined ? {} : { 'repo1-cipher-type': 'aes-256-cbc' }),
  }
}

function render(sections: Record<string, Record<string, string>>): string {
  return Object.entries(sections)
    .map(
      ([section, options]) =>
        `[${section}]\n${Object.entries(options)
          .map(([name, value]) => `${name}=${value}\n`)
          .join('')}`,
    )
    .join('\n')
}

function sourceVolumes(db: Database): Volume[] {
  const source = physicalSource(db)
  return source === undefined ? [] : [storeVolume('source', source.destination, source.encryption)]
}
