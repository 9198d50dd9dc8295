// The kinds that go with a Database: its users, monitors and backups.
import assert from 'node:assert/strict'
import { isRecord, type KubernetesObject, type ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster, Scenario } from './cluster.ts'
import {
  at,
  conditionOf,
  database,
  databaseAt,
  phaseOf,
  present,
  running,
  statefulSetOf,
  untilCondition,
  untilGone,
} from './database.ts'
import { refused } from './refuse.ts'

const apiVersion = 'example.com/v1'

function resource(kind: string, namespace: string, name: string, spec: Record<string, unknown>): KubernetesObject {
  return { apiVersion, kind, metadata: { namespace, name }, spec: { databaseRef: { name: 'db' }, ...spec } }
}

const user = (namespace: string, name: string, spec: Record<string, unknown> = {}) =>
  resource('DatabaseUser', namespace, name, { username: name, ...spec })

const backup = (namespace: string, name: string, spec: Record<string, unknown> = {}) =>
  resource('DatabaseBackup', namespace, name, { destination: { claim: { name: 'dumps' } }, ...spec })

const referenceOf = ({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference => ({
  apiVersion,
  kind,
  namespace: String(metadata.namespace),
  name: String(metadata.name),
})

const secretAt = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Secret',
  namespace,
  name,
})
const jobType = { apiVersion: 'batch/v1', kind: 'Job' }
const podType = { apiVersion: 'v1', kind: 'Pod' }

/** The claim that backups go to. */
function claim(namespace: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name: 'dumps' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }
}

async function jobsOf(cluster: Cluster, namespace: string, start: string): Promise<KubernetesObject[]> {
  const jobs = await cluster.list(jobType, { namespace })
  return jobs.filter(({ metadata }) => metadata.name?.startsWith(start) && metadata.deletionTimestamp === undefined)
}

/** Waits for a pod of such a Job that runs, and ends it as its container would: with a termination message. */
async function end(
  cluster: Cluster,
  namespace: string,
  jobStart: string,
  message: string,
  exitCode = 0,
): Promise<void> {
  const pod = await cluster.until(`a pod of ${jobStart} runs`, async () => {
    const pods = await cluster.list(podType, { namespace })
    return pods.find(
      (one) =>
        one.metadata.ownerReferences?.some(({ name }) => name.startsWith(jobStart)) &&
        phaseOf(one) === 'Running' &&
        one.metadata.deletionTimestamp === undefined,
    )
  })
  const containers = at(pod, 'spec', 'containers')
  const time = new Date().toISOString().slice(0, 19)
  const terminated = {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    message,
    startedAt: at(pod, 'status', 'startTime') ?? `${time}Z`,
    finishedAt: `${time}Z`,
  }
  const containerStatuses = (Array.isArray(containers) ? containers : []).filter(isRecord).map(({ name, image }) => ({
    name,
    image,
    imageID: '',
    ready: false,
    restartCount: 0,
    started: false,
    state: { terminated },
  }))
  const phase = exitCode === 0 ? 'Succeeded' : 'Failed'
  await cluster.patch(referenceOf(pod), { status: { phase, containerStatuses } }, 'status')
}

async function decoded(cluster: Cluster, reference: ObjectReference): Promise<Record<string, string>> {
  const data = (await present(cluster, reference)).data as Record<string, string>
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

const userScenarios: readonly Scenario[] = [
  {
    title: 'a user is made once its Database takes connections, and dropped with its resource',
    async run(cluster) {
      const namespace = await cluster.namespace('user')
      const made = referenceOf(await cluster.apply(user(namespace, 'reporting', { deletionPolicy: 'Delete' })))
      await untilCondition(cluster, made, 'Ready', 'False', 'DatabaseNotFound')
      assert.deepEqual(await jobsOf(cluster, namespace, 'reporting-'), [])

      await running(cluster, database(namespace, 'db', { credentials: { username: 'shop', database: 'shop' } }))
      const ready = await untilCondition(cluster, made, 'Ready', 'True', 'Applied')
      assert.equal(at(ready, 'status', 'secretName'), 'reporting-user')
      const login = await decoded(cluster, secretAt(namespace, 'reporting-user'))
      assert.equal(login.username, 'reporting')
      assert.equal(login.dbname, 'shop')
      assert.match(
        String(login.uri),
        new RegExp(`^postgresql://reporting:[0-9A-Za-z]{43}@db.${namespace}.svc:5432/shop$`),
      )
      const [job] = await jobsOf(cluster, namespace, 'reporting-user-')
      assert.ok(!JSON.stringify(job).includes(String(login.password)), 'no password is in the Job')

      await cluster.delete(secretAt(namespace, 'reporting-user'))
      await cluster.until('the Secret is back', async () => cluster.get(secretAt(namespace, 'reporting-user')))
      assert.equal((await decoded(cluster, secretAt(namespace, 'reporting-user'))).password, login.password)

      await cluster.patch(made, { spec: { databases: [{ name: 'shop', access: 'read' }] } })
      await cluster.until('another Job has applied it', async () => {
        const [next] = await jobsOf(cluster, namespace, 'reporting-user-')
        return (
          next?.metadata.name !== job?.metadata.name && conditionOf(await cluster.get(made), 'Ready')?.status === 'True'
        )
      })

      const played = !cluster.capabilities.containers
      if (played) await cluster.behave({ kind: 'Job', namespace, name: 'reporting-user-drop-*' }, 'run')
      await cluster.delete(made)
      if (played) {
        await untilCondition(cluster, made, 'Ready', 'False', 'Dropping')
        await end(cluster, namespace, 'reporting-user-drop-', '{"changes":1}')
      }
      await untilGone(cluster, [made, secretAt(namespace, 'reporting-user')])
    },
  },
  {
    title: 'the owner of a database is no DatabaseUser, and what the engine refuses is told',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('user')
      await running(cluster, database(namespace, 'db', { credentials: { username: 'shop' } }))
      const owner = referenceOf(await cluster.apply(user(namespace, 'shop')))
      await untilCondition(cluster, owner, 'Ready', 'False', 'OwnerRefused')
      const wrong: [field: string, message: RegExp, spec: Record<string, unknown>][] = [
        ['spec.username', /name that an engine uses itself/, { username: 'postgres' }],
        ['spec.username', /a-z_/, { username: "a'; DROP ROLE app" }],
        ['spec.databases[0].name', /A-Za-z_/, { databases: [{ name: 'app"; --' }] }],
        ['spec.databases[0].privileges[0]', /A-Za-z/, { databases: [{ name: 'app', privileges: ['SELECT; DROP'] }] }],
        [
          'spec.rotation.interval',
          /cannot be rotated/,
          { passwordSecret: { name: 'own' }, rotation: { interval: '1d' } },
        ],
      ]
      for (const [field, message, spec] of wrong) {
        await refused(JSON.stringify(spec), field, message, () => cluster.create(user(namespace, 'refused', spec)))
      }
      const unknown = user(namespace, 'unknown', { databases: [{ name: 'app', privileges: ['EVERYTHING'] }] })
      await untilCondition(cluster, referenceOf(await cluster.apply(unknown)), 'Ready', 'False', 'InvalidGrant')

      await cluster.behave({ kind: 'Job', namespace, name: 'taken-*' }, 'run')
      const taken = referenceOf(await cluster.apply(user(namespace, 'taken')))
      const said = 'NOTICE:  starting\nrefused: there is a role "taken" already, and this resource did not make it'
      for (let pods = 0; pods < 3; pods++) await end(cluster, namespace, 'taken-user-', said, 1)
      const object = await untilCondition(cluster, taken, 'Synchronized', 'False', 'Refused', 120)
      assert.match(conditionOf(object, 'Ready')?.message ?? '', /there is a role "taken" already/)
      assert.equal(await cluster.get(secretAt(namespace, 'taken-user')), undefined)
      assert.equal(await cluster.get(databaseAt(namespace, 'db')).then(phaseOf), 'Running')
    },
    seconds: 240,
  },
]

const monitorScenarios: readonly Scenario[] = [
  {
    title: "a Database's monitoring makes a monitor, and turning it on and off restarts no database",
    async run(cluster) {
      const namespace = await cluster.namespace('monitor')
      const reference = await running(cluster, database(namespace, 'db', { replicas: 2 }))
      const before = await present(cluster, statefulSetOf(namespace, 'db'))
      await cluster.patch(reference, { spec: { monitoring: { enabled: true } } })
      const monitor = { apiVersion, kind: 'DatabaseMonitor', namespace, name: 'db' }
      await cluster.until('there is a monitor', () => cluster.get(monitor))
      const ready = await untilCondition(cluster, monitor, 'Ready', 'True', 'Running')
      assert.equal(at(ready, 'status', 'readyReplicas'), 2)
      const service = await present(cluster, { apiVersion: 'v1', kind: 'Service', namespace, name: 'db-metrics' })
      assert.equal(service.metadata.annotations?.['monitoring.example.com/scrape'], 'true')
      const after = await present(cluster, statefulSetOf(namespace, 'db'))
      assert.equal(after.metadata.generation, before.metadata.generation)

      await cluster.patch(reference, { spec: { monitoring: { enabled: false } } })
      await untilGone(cluster, [monitor, statefulSetOf(namespace, 'db-metrics'), referenceOf(service)])
      const last = await present(cluster, statefulSetOf(namespace, 'db'))
      assert.equal(last.metadata.generation, before.metadata.generation)
    },
  },
]

const backupScenarios: readonly Scenario[] = [
  {
    title: 'a backup is taken once, and its status keeps what its pod told',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('backup')
      await cluster.apply(claim(namespace))
      await running(cluster, database(namespace, 'db'))
      await cluster.behave({ kind: 'Job', namespace, name: 'before-once' }, 'run')
      const made = referenceOf(await cluster.apply(backup(namespace, 'before', { verify: true })))
      const name = 'db_before-20260301T120000Z.tar'
      const told = { name, bytes: 1048576, seconds: 42, verified: true }
      await end(cluster, namespace, 'before-once', JSON.stringify(told))
      const object = await untilCondition(cluster, made, 'Ready', 'True', 'Succeeded')
      const last = at(object, 'status', 'lastBackup')
      assert.ok(isRecord(last))
      assert.equal(last.size, 1048576)
      assert.equal(last.durationSeconds, 42)
      assert.equal(last.location, `claim dumps: db/${name}`)
      assert.equal(last.verified, true)
      assert.equal(at(object, 'status', 'lastVerified'), last.completionTime)
      assert.equal(conditionOf(object, 'Verified')?.status, 'True')

      // By then Metacontroller has seen the status that it wrote, and gives it to the hook.
      await cluster.pass(2)
      await cluster.delete({ ...jobType, namespace, name: 'before-once' })
      await cluster.pass(3)
      const later = await present(cluster, made)
      assert.deepEqual(at(later, 'status', 'lastBackup'), last)
      assert.deepEqual(await jobsOf(cluster, namespace, 'before'), [], 'it is not taken again')
    },
  },
  {
    title: 'a backup that fails says in which step and why',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('backup')
      await cluster.apply(claim(namespace))
      await running(cluster, database(namespace, 'db'))
      await cluster.behave({ kind: 'Job', namespace, name: 'before-once' }, 'run')
      const made = referenceOf(await cluster.apply(backup(namespace, 'before')))
      const said = 'rclone: copying\nAccess Denied'
      for (let pods = 0; pods < 3; pods++) await end(cluster, namespace, 'before-once', said, 1)
      const object = await untilCondition(cluster, made, 'Ready', 'False', 'BackupFailed', 120)
      assert.equal(phaseOf(object), 'Failed')
      assert.match(String(at(object, 'status', 'lastFailure', 'message')), /finish: Access Denied/)
      assert.equal(conditionOf(object, 'Stalled')?.status, 'True')
      assert.equal(conditionOf(object, 'Reconciling')?.status, 'False', 'kstatus would go on waiting')
    },
    seconds: 240,
  },
  {
    title: 'backups on a schedule, verified and with their expiration',
    needs: ['clock'],
    async run(cluster) {
      const namespace = await cluster.namespace('backup')
      await cluster.apply(claim(namespace))
      await running(cluster, database(namespace, 'db'))
      await cluster.behave({ kind: 'CronJob', namespace, name: 'nightly' }, 'run')
      const spec = { schedule: '* * * * *', retention: '7d' }
      const made = referenceOf(await cluster.apply(backup(namespace, 'nightly', spec)))
      await untilCondition(cluster, made, 'Ready', 'True', 'Scheduled')
      await cluster.pass(60)
      await end(
        cluster,
        namespace,
        'nightly-',
        '{"name":"db_nightly-20260301T120000Z.tar","bytes":5,"seconds":1,"verified":false}',
      )
      const object = await untilCondition(cluster, made, 'LastBackupSucceeded', 'True')
      const last = at(object, 'status', 'lastBackup')
      assert.ok(isRecord(last))
      const kept = Date.parse(String(last.expires)) - Date.parse(String(last.completionTime))
      assert.equal(kept, 7 * 86400_000)
      await cluster.patch(databaseAt(namespace, 'db'), { spec: { suspend: true } })
      await cluster.until('the schedule pauses', async () => {
        const cronJob = await cluster.get({ apiVersion: 'batch/v1', kind: 'CronJob', namespace, name: 'nightly' })
        return at(cronJob, 'spec', 'suspend') === true && phaseOf(await cluster.get(made)) === 'Suspended'
      })
    },
  },
]

const recoveryScenarios: readonly Scenario[] = [
  {
    title:
      'a Database begins with a backup: its owner waits, what fails is told and can be corrected, and it is done once',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('recovery')
      await cluster.apply(claim(namespace))
      await cluster.behave({ kind: 'Job', namespace, name: 'copy-restore-*' }, 'run')
      const lying = { database: 'db', destination: { claim: { name: 'dumps' } } }
      const recovery = { source: { backup: lying }, backupName: 'db-20200101T000000Z.tar' }
      const copy = referenceOf(await cluster.apply(database(namespace, 'copy', { bootstrap: { recovery } })))
      const waiting = referenceOf(await cluster.apply(backup(namespace, 'early', { databaseRef: { name: 'copy' } })))
      await untilCondition(cluster, copy, 'Ready', 'False', 'Restoring')

      await end(cluster, namespace, 'copy-restore-', 'BackupNotFound: there is no backup of that name', 42)
      const failed = await untilCondition(cluster, copy, 'Recovered', 'False', 'BackupNotFound')
      assert.equal(conditionOf(failed, 'Available')?.status, 'False')
      assert.equal(conditionOf(await cluster.get(waiting), 'Ready')?.reason, 'DatabaseNotReady')
      const config = await present(cluster, { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'copy-config' })
      assert.match(String(at(config, 'data', 'accounts.sh')), /NOLOGIN PASSWORD/)

      const [first] = await jobsOf(cluster, namespace, 'copy-restore-')
      await cluster.patch(copy, { spec: { bootstrap: { recovery: { backupName: null } } } })
      await cluster.until('another Job tries another backup', async () => {
        const [next] = await jobsOf(cluster, namespace, 'copy-restore-')
        return next !== undefined && next.metadata.name !== first?.metadata.name
      })
      await end(cluster, namespace, 'copy-restore-', '{"name":"db-20260301T120000Z.tar","bytes":5,"seconds":1}')
      const object = await untilCondition(cluster, copy, 'Ready', 'True', 'Running')
      assert.equal(at(object, 'status', 'recovery', 'backup'), 'db-20260301T120000Z.tar')
      assert.equal(conditionOf(object, 'Recovered')?.status, 'True')
      await assert.rejects(cluster.patch(copy, { spec: { bootstrap: { recovery: { backupName: 'x' } } } }), {
        reason: 'Invalid',
      })
      for (const job of await jobsOf(cluster, namespace, 'copy-restore-')) await cluster.delete(referenceOf(job))
      await cluster.pass(3)
      assert.deepEqual(await jobsOf(cluster, namespace, 'copy-restore-'), [], 'it is not done again')
      await cluster.patch(copy, { spec: { bootstrap: null } })
      await untilCondition(cluster, copy, 'Ready', 'True', 'Running')
      await assert.rejects(cluster.patch(copy, { spec: { bootstrap: { recovery } } }), { reason: 'Invalid' })
    },
    seconds: 240,
  },
]

export const databaseKindScenarios: readonly Scenario[] = [
  ...userScenarios,
  ...monitorScenarios,
  ...backupScenarios,
  ...recoveryScenarios,
]
