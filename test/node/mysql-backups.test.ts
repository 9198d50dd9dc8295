// Physical backups of MySQL in real pods: the data files are copied by the clone plug-in, encrypted, and a new Database begins
// with them. And what goes wrong on the way is told, with nothing touched.
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import {
  at,
  conditionOf,
  database,
  databaseAt,
  databaseBackupAt,
  untilCondition,
  untilGone,
  untilPhase,
} from '../scenarios/database.ts'
import { untilServed } from './client.ts'
import { obstacleToOwnNodes } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

const resources = { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '1Gi' } }
/** A schedule that comes round when nobody tests. */
const never = '0 0 1 1 *'
/** Bash: runs the statement in $1 as the application does, against the Service $0. */
const client =
  'MYSQL_PWD=$(cat /etc/credentials/app/password) mysql --host="$0" --user=app --batch --skip-column-names --execute="$1" app'
/** Has the other member be the primary. */
const handOver =
  "SELECT group_replication_set_as_primary((SELECT MEMBER_ID FROM performance_schema.replication_group_members WHERE MEMBER_ROLE = 'SECONDARY' LIMIT 1))"

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  t.test('physical backups of MySQL in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  const { mysql: version } = cluster.versions
  const namespace = await cluster.namespace('mysql-copies')
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  const secret = (name: string, stringData: Record<string, string>): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    stringData,
  })
  const { ca, accessKeyId, secretAccessKey } = cluster.s3
  await cluster.create(
    secret('s3', { 'access-key-id': accessKeyId, 'secret-access-key': secretAccessKey, 'ca.crt': ca }),
  )
  await cluster.create(secret('phrase', { passphrase: `a "long" phrase \\ of mine` }))
  await cluster.create(secret('other-phrase', { passphrase: 'another' }))
  await cluster.patch(
    { apiVersion: 'v1', kind: 'Namespace', name: namespace },
    { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
  )
  const destination = {
    s3: {
      bucket: cluster.s3.bucket,
      endpoint: cluster.s3.endpoint,
      forcePathStyle: true,
      caSecret: { name: 's3' },
      credentialsSecret: { name: 's3' },
    },
  }
  const where = { destination, encryption: { secretName: 'phrase' } }
  const source = (fields: Record<string, unknown> = {}) => ({
    backup: { database: 'ledger', method: 'physical', ...where, ...fields },
  })
  const of = (name: string) => databaseAt(namespace, name)

  const apply = (name: string, spec: Record<string, unknown>) =>
    cluster.apply(database(namespace, name, { engine: 'mysql', version, resources, ...spec }))
  const ready = async (name: string) => {
    await untilPhase(cluster, of(name), 'Running', 400)
    await untilCondition(cluster, of(name), 'Ready', 'True')
    await untilServed(cluster, () => ask(name, 'SELECT 1'))
  }
  /** Runs a statement as the application does, with what the Secret says. */
  const ask = async (name: string, statement: string) =>
    (await kubectl('exec', `${name}-0`, '--container=database', '--', 'bash', '-c', client, name, statement)).trim()
  /** Runs a statement as the administrator on one pod. */
  const askPod = async (pod: string, statement: string) =>
    (await kubectl('exec', pod, '-cdatabase', '--', 'bash', '/scripts/client.sh', `--execute=${statement}`)).trim()
  const password = async (name: string) =>
    Buffer.from(
      await kubectl('get', 'secret', `${name}-secret`, '-ojsonpath={.data.superuser-password}'),
      'base64',
    ).toString()
  /** What came of a Job of that DatabaseBackup, and its log. */
  const done = (backup: string, job: string) =>
    cluster.until(
      `${job} is done`,
      async () => {
        const failed = await kubectl('get', 'job', job, '-ojsonpath={.status.failed}').catch(() => '')
        if (/[1-9]/.test(failed)) throw new Error(await kubectl('logs', `job/${job}`, '--all-containers'))
        const last = at(await cluster.get(databaseBackupAt(namespace, backup)), 'status', 'lastBackup')
        if (at(last, 'job') !== job) return undefined
        const log = await kubectl('logs', `job/${job}`, '--all-containers')
        const told: Record<string, unknown> & { log: string } = { ...(last as object), log }
        return told
      },
      240,
    )
  const fails = (name: string, reason: string, message: RegExp, seconds = 180) =>
    cluster.until(
      `${name} says ${reason} and ${message}`,
      async () => {
        const found = await cluster.get(of(name))
        const condition = conditionOf(found, 'Recovered')
        if (condition?.reason === reason && message.test(condition.message)) return condition.status === 'False'
        throw new Error(`${condition?.reason}: ${condition?.message}`)
      },
      seconds,
    )
  const stored = async (folder: string) =>
    (await cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', `ls -1 /data/${folder}`))
      .trim()
      .split('\n')

  let folder = ''
  let first = ''

  t.test('the data files are copied, encrypted and verified, and come back in another Database', async (t) => {
    await apply('ledger', {
      deletionPolicy: 'Delete',
      backup: { enabled: true, schedule: never, method: 'physical', ...where },
    })
    await ready('ledger')
    await ask('ledger', 'CREATE TABLE notes (id int PRIMARY KEY)')
    await ask('ledger', 'INSERT INTO notes VALUES (1)')
    await askPod('ledger-0', 'CREATE DATABASE nothing_in_it')
    await kubectl('create', 'job', 'by-hand', '--from=cronjob/ledger-backup')
    const backup = await done('ledger-backup', 'by-hand')
    t.comment(`${String(backup.size)} bytes, ${String(backup.durationSeconds)} s`)
    t.match(backup.name, /^ledger-\d{8}T\d{6}Z$/)
    t.match(
      backup.location,
      new RegExp(`^s3://${cluster.s3.bucket}/${namespace}/ledger/physical/ledger-[0-9a-f]{10}/${String(backup.name)}$`),
    )
    t.match(backup, { encrypted: true, verified: false })
    folder = String(backup.location)
      .slice('s3://'.length)
      .replace(/\/[^/]*$/, '')
    first = String(backup.name)
    const files = await stored(`${folder}/${first}`)
    t.ok(
      files.includes('manifest.sealed') && files.every((name) => !name.endsWith('.gz')),
      'nothing lies there in the clear',
    )
    const grants = await askPod('ledger-0', "SHOW GRANTS FOR 'operator_hooks_backup'@'%'")
    t.equal(grants.match(/BACKUP_ADMIN/g)?.length, 1)
    t.notMatch(grants, /SELECT|ALL PRIVILEGES/, 'the account may copy, and nothing else')

    // Another one, taken once, that is opened before it counts.
    await ask('ledger', 'INSERT INTO notes VALUES (2)')
    await cluster.apply({
      apiVersion: 'example.com/v1',
      kind: 'DatabaseBackup',
      metadata: { namespace, name: 'checked' },
      spec: { databaseRef: { name: 'ledger' }, method: 'physical', verify: true, ...where },
    })
    const checked = await done('checked', 'checked-once')
    t.match(checked, { verified: true, encrypted: true })
    t.match(checked.log, /restored into a scratch server: [1-9]/)

    const before = await password('ledger')
    await cluster.delete(of('ledger'))
    await untilGone(cluster, [of('ledger')], 180)
    const began = Date.now()
    await apply('again', { bootstrap: { recovery: { source: source() } } })
    await ready('again')
    t.comment(`restored and Ready ${Math.round((Date.now() - began) / 1000)} s after apply`)
    t.equal(
      await ask('again', 'SELECT GROUP_CONCAT(id ORDER BY id) FROM notes'),
      '1,2',
      'the latest, of whichever DatabaseBackup',
    )
    t.equal(await askPod('again-0', "SHOW DATABASES LIKE 'nothing_in_it'"), 'nothing_in_it')
    t.not(await password('again'), before, 'with passwords of its own')
    const login = ['mysql', '--host=again', '--user=root', `--password=${before}`, '--execute=SELECT 1']
    await t.rejects(kubectl('exec', 'again-0', '-cdatabase', '--', ...login), { message: /Access denied/ })
    await ask('again', 'INSERT INTO notes VALUES (3)')
    t.match((await cluster.get(of('again')))?.status, { recovery: { phase: 'Recovered', backup: checked.name } })

    // What was restored stays restored when its pod begins anew.
    await kubectl('delete', 'pod', 'again-0')
    await ready('again')
    t.equal(await ask('again', 'SELECT COUNT(*) FROM notes'), '3')
    await cluster.delete(of('again'))
  })

  t.test('a recovery that fails says why, and goes on when it is corrected', async (t) => {
    // Whatever a disk or a person did to it.
    const spoil = `set -e; cd /data/${folder}; cp -r ${first} ledger-20200101T000000Z; cd ledger-20200101T000000Z; rm mysql.ibd.gz.sealed`
    await cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', spoil)
    const begin = (name: string, recovery: Record<string, unknown>) => apply(name, { bootstrap: { recovery } })
    await begin('locked', { source: source({ encryption: { secretName: 'other-phrase' } }) })
    await begin('plain', { source: source({ encryption: undefined }) })
    await begin('nothing', { source: source(), backupName: 'ledger-20000101T000000Z' })
    await begin('spoilt', { source: source(), backupName: 'ledger-20200101T000000Z' })
    await fails('locked', 'DecryptionFailed', /cannot be decrypted/)
    await fails('plain', 'BackupNotFound', /but encrypted ones: give encryption/)
    await fails('nothing', 'BackupNotFound', /there is no backup ledger-20000101T000000Z in s3:/)
    await fails('spoilt', 'BackupCorrupt', /ledger-20200101T000000Z is not whole: of its \d+ files \d+ are there/)
    for (const name of ['plain', 'nothing', 'spoilt']) await cluster.delete(of(name))

    const recovery = { source: source(), backupName: first }
    await cluster.patch(of('locked'), { spec: { bootstrap: { recovery } } })
    await ready('locked')
    t.equal(await ask('locked', 'SELECT GROUP_CONCAT(id) FROM notes'), '1', 'the one that was named, and nothing later')
    await cluster.delete(of('locked'))
  })

  t.test('MySQL comes back as it was at a certain second, whoever was primary', async (t) => {
    const spec = {
      replicas: 2,
      resources: { requests: { cpu: '50m', memory: '768Mi' } },
      deletionPolicy: 'Delete',
      backup: { enabled: true, schedule: never, method: 'physical', ...where },
    }
    await apply('instant', spec)
    await ready('instant')
    await ask('instant', 'CREATE TABLE notes (id int PRIMARY KEY)')
    await ask('instant', 'INSERT INTO notes VALUES (1)')
    await kubectl('create', 'job', 'of-instant', '--from=cronjob/instant-backup')
    await done('instant-backup', 'of-instant')
    await ask('instant', 'INSERT INTO notes VALUES (2)')
    // Another member goes on, and archives what is written from now on.
    await kubectl('exec', 'instant-0', '-cdatabase', '--', 'bash', '/scripts/client.sh', `--execute=${handOver}`)
    await cluster.until('the other takes writes', () =>
      ask('instant', 'INSERT INTO notes VALUES (3)').then(
        () => true,
        () => false,
      ),
    )
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const moment = `${new Date().toISOString().slice(0, 19)}Z`
    await new Promise((resolve) => setTimeout(resolve, 1100))
    await ask('instant', 'INSERT INTO notes VALUES (4)')
    await ask('instant', 'DELETE FROM notes WHERE id = 1')
    await untilCondition(cluster, of('instant'), 'ContinuousArchiving', 'True', undefined, 180)
    const logs = (pod: string) => kubectl('logs', pod, '-cupload-logs')
    await cluster.until(
      'all of it is archived',
      async () => {
        const executed = await askPod('instant-1', 'SELECT @@GLOBAL.gtid_executed')
        await new Promise((resolve) => setTimeout(resolve, 75_000))
        return (
          executed === (await askPod('instant-1', 'SELECT @@GLOBAL.gtid_executed')) && (await logs('instant-1')) !== ''
        )
      },
      240,
    )
    await cluster.delete(of('instant'))
    await untilGone(cluster, [of('instant')], 180)

    const from = source({ database: 'instant' })
    await apply('then', { bootstrap: { recovery: { source: from, targetTime: moment } } })
    await apply('last', { bootstrap: { recovery: { source: from } } })
    await apply('early', { bootstrap: { recovery: { source: from, targetTime: '2020-01-01T00:00:00Z' } } })
    await apply('late', { bootstrap: { recovery: { source: from, targetTime: '2099-01-01T00:00:00Z' } } })
    await fails('early', 'TargetNotCovered', /lies before the first backup was whole/)
    await fails('late', 'TargetNotCovered', /cannot be reached: what is archived ends at/)
    for (const name of ['early', 'late']) await cluster.delete(of(name))
    await ready('then')
    await ready('last')
    t.equal(await ask('then', 'SELECT GROUP_CONCAT(id ORDER BY id) FROM notes'), '1,2,3')
    t.equal(await ask('last', 'SELECT GROUP_CONCAT(id ORDER BY id) FROM notes'), '2,3,4')
    for (const name of ['then', 'last']) await cluster.delete(of(name))
  })

  t.test('a replica is copied, old ones go but for the last, and members are made of a backup', async (t) => {
    await apply('trio', {
      replicas: 2,
      resources: { requests: { cpu: '50m', memory: '768Mi' } },
      deletionPolicy: 'Delete',
      backup: { enabled: true, schedule: never, retention: '1h', method: 'physical', ...where },
    })
    await ready('trio')
    await ask('trio', 'CREATE TABLE notes (id int PRIMARY KEY)')
    await ask('trio', 'INSERT INTO notes VALUES (1)')
    await kubectl('create', 'job', 'of-two', '--from=cronjob/trio-backup')
    const one = await done('trio-backup', 'of-two')
    t.match(one.log, /copied from trio-readonly\./, 'the primary is left alone')
    const place = String(one.location)
      .slice('s3://'.length)
      .replace(/\/[^/]*$/, '')
    // As if it had been taken long ago, and one more that never came to its end.
    const age = `set -e; cd /data/${place}; mv ${String(one.name)} trio-20200101T000000Z; cp -r trio-20200101T000000Z trio-20200102T000000Z; rm trio-20200102T000000Z/manifest.sealed`
    await cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', age)
    await ask('trio', 'INSERT INTO notes VALUES (2)')
    await kubectl('create', 'job', 'of-two-more', '--from=cronjob/trio-backup')
    const two = await done('trio-backup', 'of-two-more')
    t.match(two.log, /pruned trio-20200101T000000Z/)
    t.same(
      (await stored(place)).filter((name) => name !== 'binlogs'),
      [two.name],
      'the one that is left is the new one',
    )

    await cluster.delete(of('trio'))
    await untilGone(cluster, [of('trio')], 180)
    await apply('pair', {
      replicas: 2,
      resources: { requests: { cpu: '50m', memory: '768Mi' } },
      bootstrap: { recovery: { source: source({ database: 'trio' }) } },
    })
    await ready('pair')
    for (const pod of ['pair-0', 'pair-1']) {
      await cluster.until(
        `${pod} has all rows`,
        async () => (await askPod(pod, 'SELECT COUNT(*) FROM app.notes')) === '2',
      )
    }
    await ask('pair', 'INSERT INTO notes VALUES (3)')
    await cluster.delete(of('pair'))
  })
}
