// What the API server refuses at once, each time with the field's path and what would be right.
import assert from 'node:assert/strict'
import type { ApiError, Scenario } from './cluster.ts'
import { database, present, running, statefulSetOf } from './database.ts'

interface Refusal {
  title: string
  spec: Record<string, unknown>
  field: string
  message: RegExp
}

const onCreation: Refusal[] = [
  {
    title: 'an unknown engine',
    spec: { engine: 'oracle' },
    field: 'spec.engine',
    message: /Unsupported value: "oracle".*"postgresql"/,
  },
  { title: 'a version without a minor', spec: { version: '13' }, field: 'spec.version', message: /should match/ },
  { title: 'no replica', spec: { replicas: 0 }, field: 'spec.replicas', message: /greater than or equal to 1/ },
  { title: '11 replicas', spec: { replicas: 11 }, field: 'spec.replicas', message: /less than or equal to 10/ },
  {
    title: '10 replicas of mysql',
    spec: { engine: 'mysql', version: '8.4.3', replicas: 10 },
    field: 'spec.replicas',
    message: /9/,
  },
  {
    title: '8 replicas of mongodb',
    spec: { engine: 'mongodb', version: '7.0.14', replicas: 8 },
    field: 'spec.replicas',
    message: /7/,
  },
  {
    title: 'a size that is none',
    spec: { storage: { size: 'big' } },
    field: 'spec.storage.size',
    message: /should match/,
  },
  { title: 'no storage', spec: { storage: undefined }, field: 'spec.storage', message: /Required/ },
  {
    title: 'a size of nothing',
    spec: { storage: { size: '0Gi' } },
    field: 'spec.storage.size',
    message: /must be more than nothing/,
  },
  {
    title: 'a PostgreSQL that is too old',
    spec: { version: '11.8' },
    field: 'spec.version',
    message: /PostgreSQL version from 12 on/,
  },
  {
    title: 'a MySQL that is too old',
    spec: { engine: 'mysql', version: '5.7.44' },
    field: 'spec.version',
    message: /MySQL version from 8\.0 on/,
  },
  {
    title: 'a MongoDB that is too old',
    spec: { engine: 'mongodb', version: '4.4' },
    field: 'spec.version',
    message: /MongoDB version from 5\.0 on/,
  },
  {
    title: 'backups without a destination',
    spec: { backup: { enabled: true } },
    field: 'spec.backup.destination',
    message: /backups need a destination/,
  },
  {
    title: 'backups to two destinations',
    spec: { backup: { destination: { claim: { name: 'dumps' }, s3: { bucket: 'dumps' } } } },
    field: 'spec.backup.destination',
    message: /give either s3 or claim/,
  },
  {
    title: 'a schedule that is none',
    spec: { backup: { schedule: '0 25 * * *' } },
    field: 'spec.backup.schedule',
    message: /should match/,
  },
  {
    title: 'a retention without a unit',
    spec: { backup: { retention: '7' } },
    field: 'spec.backup.retention',
    message: /should match/,
  },
  {
    title: 'a last backup without a destination',
    spec: { deletionPolicy: 'BackupAndDelete' },
    field: 'spec.deletionPolicy',
    message: /a last backup needs spec\.backup\.destination/,
  },
  {
    title: 'alerts without metrics',
    spec: { monitoring: { alerting: true } },
    field: 'spec.monitoring.alerting',
    message: /set monitoring\.enabled/,
  },
  {
    title: 'a user that the engine has itself',
    spec: { credentials: { username: 'postgres' } },
    field: 'spec.credentials.username',
    message: /must not be a name that an engine uses itself/,
  },
  {
    title: 'a parameter of two lines',
    spec: { parameters: { work_mem: '1MB\nport = 1' } },
    field: 'spec.parameters.work_mem',
    message: /should match/,
  },
  {
    title: 'a request above its limit',
    spec: { resources: { requests: { cpu: 2, memory: '1Gi' }, limits: { cpu: '1500m', memory: '2Gi' } } },
    field: 'spec.resources.requests',
    message: /no request may be above its limit/,
  },
  {
    title: 'a label that the operator sets itself',
    spec: { pod: { labels: { 'app.kubernetes.io/name': 'mine' } } },
    field: 'spec.pod.labels',
    message: /must not set labels that the operator sets itself/,
  },
  {
    title: 'a peer that is two things at once',
    spec: { networkPolicy: { ingress: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] } },
    field: 'spec.networkPolicy.ingress',
    message: /every peer is either an ipBlock/,
  },
]

const onChange: Refusal[] = [
  {
    title: 'another engine',
    spec: { engine: 'mysql', version: '8.4.3' },
    field: 'spec.engine',
    message: /cannot be changed/,
  },
  {
    title: 'a smaller size',
    spec: { storage: { size: '512Mi' } },
    field: 'spec.storage.size',
    message: /shrink|smaller/,
  },
  {
    title: 'another storage class',
    spec: { storage: { size: '1Gi', storageClass: 'fast' } },
    field: 'spec.storage.storageClass',
    message: /the storage class cannot be changed/,
  },
  {
    title: 'another release series',
    spec: { version: '14.1' },
    field: 'spec.version',
    message: /another release series/,
  },
]

export const refuseScenarios: Scenario[] = [
  {
    title: 'refused specs are refused with the field and what is allowed',
    async run(cluster) {
      const namespace = await cluster.namespace('refused')
      for (const { title, spec, field, message } of onCreation) {
        await refused(title, field, message, () => cluster.create(database(namespace, 'db', spec)))
      }
      // The API server calls the object itself <nil>.
      await refused('a name too long for the backup CronJob', '<nil>', /metadata\.name must be at most 45/, () =>
        cluster.create(database(namespace, `d${'b'.repeat(45)}`)),
      )
    },
  },
  {
    title: 'what a database cannot survive is refused on a change',
    async run(cluster) {
      const namespace = await cluster.namespace('fixed')
      const reference = await running(cluster, database(namespace, 'db'))
      const before = await present(cluster, statefulSetOf(namespace, 'db'))
      for (const { title, spec, field, message } of onChange) {
        await refused(title, field, message, () => cluster.patch(reference, { spec }))
      }
      assert.deepEqual((await present(cluster, statefulSetOf(namespace, 'db'))).spec, before.spec)
    },
  },
]

/** Asserts that the API server refuses it for that field, with words that match. */
export async function refused(
  title: string,
  field: string,
  message: RegExp,
  action: () => Promise<unknown>,
): Promise<void> {
  const error = await action().then(
    () => undefined,
    (reason: ApiError) => reason,
  )
  assert.ok(error, `${title} is refused`)
  assert.equal(error.code, 422, `${title}: ${error.message}`)
  const cause = error.causes.find((one) => one.field === field)
  assert.ok(cause, `${title}: one of ${error.causes.map((one) => one.field).join(', ')} should be ${field}`)
  assert.match(`${cause.message} ${error.message}`, message, title)
}
