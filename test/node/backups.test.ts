// What was backed up comes back: dumps of each engine, and a PostgreSQL as it was at a certain second; of a Database that
// is gone as well. And what goes wrong on the way is told, with nothing touched.
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
import { obstacleToOwnNodes } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  t.test('backups in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  const s3 = (fields: Record<string, unknown> = {}) => ({
    bucket: cluster.s3.bucket,
    endpoint: cluster.s3.endpoint,
    forcePathStyle: true,
    caSecret: { name: 's3' },
    credentialsSecret: { name: 's3' },
    ...fields,
  })

  /** A namespace with all that backups need, and what is asked of it. */
  async function place(hint: string) {
    const namespace = await cluster.namespace(hint)
    const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
    const secret = (name: string, stringData: Record<string, string>): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name },
      stringData,
    })
    const { ca, accessKeyId, secretAccessKey } = cluster.s3
    const keys = { 'access-key-id': accessKeyId, 'secret-access-key': secretAccessKey, 'ca.crt': ca }
    await cluster.create(secret('s3', keys))
    await cluster.create(secret('other-keys', { ...keys, 'secret-access-key': 'wrong' }))
    await cluster.create(secret('phrase', { passphrase: `a "long" phrase \\ of mine` }))
    await cluster.create(secret('other-phrase', { passphrase: 'another' }))
    await cluster.patch(
      { apiVersion: 'v1', kind: 'Namespace', name: namespace },
      { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    )
    return {
      namespace,
      kubectl,
      at: (name: string) => databaseAt(namespace, name),
      /** Applies it, and waits until it is Ready. */
      async run(name: string, spec: Record<string, unknown>) {
        await cluster.apply(database(namespace, name, { resources, ...spec }))
        await untilPhase(cluster, databaseAt(namespace, name), 'Running', 240)
        await untilCondition(cluster, databaseAt(namespace, name), 'Ready', 'True')
      },
      /** Runs a statement as the application does, with what the Secret says. */
      async ask(name: string, statement: string, engine = 'postgresql') {
        const command = ['bash', '-c', clients[engine] ?? '', name, statement]
        const deadline = Date.now() + 30_000
        while (true) {
          try {
            return (await kubectl('exec', `${name}-0`, '--container=database', '--', ...command)).trim()
          } catch (error) {
            // Nodes learn of a Service's pods a moment after the API server, and what was refused was not done.
            if (Date.now() > deadline || !/Connection refused|Can't connect/.test(String(error))) throw error
            await new Promise((resolve) => setTimeout(resolve, 1000))
          }
        }
      },
      /** The same as a DatabaseUser, with what its Secret says. */
      async askAs(user: string, name: string, statement: string, engine = 'postgresql') {
        const of = async (key: string) =>
          Buffer.from(await kubectl('get', 'secret', `${user}-user`, `-ojsonpath={.data.${key}}`), 'base64').toString()
        const env = [`USERNAME=${await of('username')}`, `PASSWORD=${await of('password')}`]
        const command = ['bash', '-c', userClients[engine] ?? '', name, statement]
        return (await kubectl('exec', `${name}-0`, '--container=database', '--', 'env', ...env, ...command)).trim()
      },
      /** Takes a backup now, by the schedule's CronJob. */
      async backUp(name: string, job: string) {
        await kubectl('create', 'job', job, `--from=cronjob/${name}-backup`)
        return cluster.until(
          `${job} is done`,
          async () => {
            const failed = await kubectl('get', 'job', job, '-ojsonpath={.status.failed}').catch(() => '')
            if (/[1-9]/.test(failed)) throw new Error(await kubectl('logs', `job/${job}`, '--all-containers'))
            const last = at(await cluster.get(databaseBackupAt(namespace, `${name}-backup`)), 'status', 'lastBackup')
            return at(last, 'job') === job ? (last as Record<string, unknown>) : undefined
          },
          180,
        )
      },
      async recovers(name: string, recovery: Record<string, unknown>) {
        await cluster.patch(databaseAt(namespace, name), { spec: { bootstrap: { recovery } } })
      },
      async fails(name: string, reason: string, message: RegExp, seconds = 120) {
        const object = await cluster.until(
          `${name} says ${reason} and ${message}`,
          async () => {
            const found = await cluster.get(databaseAt(namespace, name))
            const condition = conditionOf(found, 'Recovered')
            if (condition?.reason === reason && message.test(condition.message)) return found
            throw new Error(`${condition?.reason}: ${condition?.message}`)
          },
          seconds,
        )
        t.equal(conditionOf(object, 'Recovered')?.status, 'False')
        t.equal(conditionOf(object, 'Ready')?.status, 'False')
      },
    }
  }

  for (const engine of ['postgresql', 'mysql'] as const) {
    t.test(
      `${engine}: a deleted Database comes back from its last backup, encrypted, without any object`,
      async (t) => {
        const { run, ask, askAs, at: of, backUp, namespace } = await place(engine)
        const name = `${engine}-kept`
        const spec = {
          engine,
          version: cluster.versions[engine],
          deletionPolicy: 'BackupAndDelete',
          backup: { enabled: true, schedule: never, encryption: { secretName: 'phrase' }, destination: { s3: s3() } },
        }
        await run(name, spec)
        await ask(name, 'CREATE TABLE notes (id int PRIMARY KEY)', engine)
        await ask(name, 'INSERT INTO notes VALUES (1)', engine)
        const user = { apiVersion: 'example.com/v1', kind: 'DatabaseUser', namespace, name: 'reporting' }
        await cluster.apply({
          apiVersion: 'example.com/v1',
          kind: 'DatabaseUser',
          metadata: { namespace, name: 'reporting' },
          spec: { databaseRef: { name }, username: 'reporting', databases: [{ name: 'app', access: 'read' }] },
        })
        await untilCondition(cluster, user, 'Ready', 'True', 'Applied', 120)
        t.equal(await askAs('reporting', name, 'SELECT count(*) FROM notes', engine), '1')
        const backup = await backUp(name, 'by-hand')
        t.match(backup.location, `s3://${cluster.s3.bucket}/${namespace}/${name}/${backup.name}.sealed`)
        await ask(name, 'INSERT INTO notes VALUES (2)', engine)
        await cluster.delete(of(name))
        await untilGone(cluster, [of(name)], 180)

        const source = {
          backup: { database: name, destination: { s3: s3() }, encryption: { secretName: 'phrase' } },
        }
        await run(name, { ...spec, bootstrap: { recovery: { source } } })
        t.equal(await ask(name, 'SELECT count(*) FROM notes', engine), '2', 'the last backup has what came later, too')
        await ask(name, 'INSERT INTO notes VALUES (3)', engine)
        // Whether a dump has users of the engine or none: each DatabaseUser is there again by itself, with its password.
        const again = () => askAs('reporting', name, 'SELECT count(*) FROM notes', engine).catch(() => undefined)
        t.equal(await cluster.until('the user logs in again', again, 120), '3')
        await untilCondition(cluster, user, 'Synchronized', 'True', 'Applied', 60)
        await cluster.delete(user)

        // One that is named, into a Database beside it.
        const earlier = `${engine}-earlier`
        const { deletionPolicy: _policy, backup: _backup, ...plain } = spec
        await run(earlier, { ...plain, bootstrap: { recovery: { source, backupName: backup.name } } })
        t.equal(await ask(earlier, 'SELECT count(*) FROM notes', engine), '1')
        const recovered = (await cluster.get(of(earlier)))?.status as Record<string, unknown>
        t.equal(at(recovered, 'recovery', 'backup'), backup.name)
        // A role of this name came with the backup, made by a resource that is not there any more.
        const copied = { ...user, name: 'copied' }
        const { kind, apiVersion } = user
        await cluster.apply({
          apiVersion,
          kind,
          metadata: { namespace, name: 'copied' },
          spec: { databaseRef: { name: earlier }, username: 'reporting', databases: [{ name: 'app', access: 'read' }] },
        })
        await untilCondition(cluster, copied, 'Ready', 'True', 'Applied', 120)
        t.equal(await askAs('copied', earlier, 'SELECT count(*) FROM notes', engine), '1')
        await cluster.delete(copied)
        await cluster.delete(of(name))
        await cluster.delete(of(earlier))
      },
    )
  }

  t.test('a recovery that fails says why and touches nothing, and goes on when it is corrected', async (t) => {
    const { run, ask, at: of, backUp, recovers, fails, namespace, kubectl } = await place('mends')
    const { postgresql: version } = cluster.versions
    const backup = { enabled: true, schedule: never, encryption: { secretName: 'phrase' }, destination: { s3: s3() } }
    await run('first', { version, backup })
    await ask('first', 'CREATE TABLE notes AS SELECT 1 AS id')
    const last = await backUp('first', 'by-hand')
    const source = (fields: Record<string, unknown> = {}) => ({
      backupRef: null,
      backup: { database: 'first', destination: { s3: s3() }, encryption: { secretName: 'phrase' }, ...fields },
    })
    await cluster.apply(
      database(namespace, 'second', {
        version,
        resources,
        bootstrap: { recovery: { source: { backupRef: { name: 'nobody' } } } },
      }),
    )
    await fails('second', 'BackupNotFound', /there is no DatabaseBackup "nobody"/)
    await recovers('second', { source: source(), backupName: 'first-20000101T000000Z.tar' })
    await fails('second', 'BackupNotFound', /there is no backup first-20000101T000000Z\.tar in s3:/)
    await recovers('second', { source: source({ encryption: { secretName: 'other-phrase' } }), backupName: null })
    await fails('second', 'DecryptionFailed', /cannot be decrypted/)
    await recovers('second', {
      source: source({ destination: { s3: s3({ credentialsSecret: { name: 'other-keys' } }) } }),
    })
    await fails('second', 'SourceUnavailable', /cannot be listed: .*Signature/)
    // Whatever a disk or a person did to it.
    const folder = '/data/backups/spoilt'
    const spoil = `mkdir -p ${folder} && head -c 4096 /dev/zero >${folder}/first-20260101T000000Z.tar`
    await cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', spoil)
    await recovers('second', { source: source({ destination: { s3: s3({ prefix: 'spoilt' }) }, encryption: null }) })
    await fails('second', 'BackupCorrupt', /first-20260101T000000Z\.tar cannot be read to its end/)
    const relations = `psql -U postgres -d app -Atc "SELECT count(*) FROM pg_stat_user_tables"`
    const count = await kubectl('exec', 'second-0', '--container=database', '--', 'bash', '-c', relations)
    t.equal(count.trim(), '0', 'nothing was touched')

    // The store is away for a while.
    await storeAway(true)
    await recovers('second', { source: { backup: null, backupRef: { name: 'first-backup' } }, backupName: last.name })
    await fails('second', 'SourceUnavailable', /cannot be listed/, 180)
    await storeAway(false)
    await untilCondition(cluster, of('second'), 'Ready', 'True', undefined, 240)
    t.equal(await ask('second', 'SELECT id FROM notes'), '1')
    await t.rejects(recovers('second', { backupName: 'x' }), { message: /what a new database begins with/ })
    await cluster.delete(of('first'))
    await cluster.delete(of('second'))
  })

  t.test('PostgreSQL comes back as it was at a certain second', async (t) => {
    const { run, ask, at: of, backUp, recovers, fails, namespace, kubectl } = await place('instant')
    const { postgresql: version } = cluster.versions
    const where = { destination: { s3: s3() }, encryption: { secretName: 'phrase' } }
    await run('ledger', { version, backup: { enabled: true, schedule: never, method: 'physical', ...where } })
    await untilCondition(cluster, of('ledger'), 'ContinuousArchiving', 'True', undefined, 180)
    await ask('ledger', 'CREATE TABLE notes (id int PRIMARY KEY, written timestamptz DEFAULT clock_timestamp())')
    await ask('ledger', 'INSERT INTO notes VALUES (1)')
    const backup = await backUp('ledger', 'by-hand')
    t.match(backup.location, /^s3:\/\/backups\/instant.*\/ledger\/physical\/backup\/ledger-[0-9a-f]{10}\/\d{8}-\d{6}F$/)
    const flush = `psql -U postgres -Atc 'SELECT pg_switch_wal()'`

    // The store is away for a while: what is written meanwhile is archived later, and that it is not is told.
    await storeAway(true)
    await ask('ledger', 'INSERT INTO notes VALUES (2)')
    await kubectl('exec', 'ledger-0', '--container=database', '--', 'bash', '-c', flush)
    await untilCondition(cluster, of('ledger'), 'ContinuousArchiving', 'False', 'ArchivingFails', 240)
    await storeAway(false)
    await untilCondition(cluster, of('ledger'), 'ContinuousArchiving', 'True', undefined, 240)

    await new Promise((resolve) => setTimeout(resolve, 1100))
    const instant = `${new Date().toISOString().slice(0, 19)}Z`
    await new Promise((resolve) => setTimeout(resolve, 1100))
    await ask('ledger', 'INSERT INTO notes VALUES (3)')
    await ask('ledger', 'DELETE FROM notes WHERE id = 1')
    const more = await backUp('ledger', 'another')
    t.match(more.name, /F_\d{8}-\d{6}I$/, 'what changed since the full one')
    await kubectl('exec', 'ledger-0', '--container=database', '--', 'bash', '-c', flush)
    await cluster.until('the log is archived', async () => {
      const text = `psql -U postgres -Atc "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"`
      return (await kubectl('exec', 'ledger-0', '--container=database', '--', 'bash', '-c', text)).trim() === '0'
    })
    await cluster.delete(of('ledger'))
    await untilGone(cluster, [of('ledger')], 120)

    const source = { backup: { database: 'ledger', method: 'physical', ...where } }
    const began = Date.now()
    await Promise.all([
      run('then', { version, bootstrap: { recovery: { source, targetTime: instant } } }),
      // Two that replicate, and archive to a place of their own.
      run('last', {
        version,
        replicas: 2,
        bootstrap: { recovery: { source } },
        backup: { enabled: true, schedule: never, method: 'physical', ...where },
      }),
    ])
    t.comment(
      `restored to ${instant} and replicated, both Ready ${Math.round((Date.now() - began) / 1000)} s after apply`,
    )
    // The node's rules for a Service follow its endpoints after a moment.
    await cluster.until('it is served', () => ask('then', 'SELECT 1').catch(() => undefined), 30)
    t.equal(await ask('then', 'SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM notes'), '1 2')
    t.equal(await ask('last', 'SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM notes'), '2 3')
    const next = await backUp('last', 'of-last')
    t.match(next.location, /\/last\/physical\/backup\/last-/)
    await cluster.delete(of('then'))
    await cluster.delete(of('last'))

    const early = '2020-01-01T00:00:00Z'
    const late = '2099-01-01T00:00:00Z'
    const without = (name: string, recovery: Record<string, unknown>) =>
      cluster.apply(database(namespace, name, { version, resources, bootstrap: { recovery } }))
    await without('early', { source, targetTime: early })
    await without('late', { source, targetTime: late })
    await without('locked', { source: { backup: { ...source.backup, encryption: { secretName: 'other-phrase' } } } })
    await without('nothing', { source: { backup: { ...source.backup, database: 'nobody' } } })
    await fails('early', 'TargetNotCovered', /lies before .*, when the first backup was whole/)
    await fails('late', 'TargetNotCovered', /lies after .*, when the last of the log was archived/)
    await fails('locked', 'DecryptionFailed', /the archive of ledger cannot be read/)
    await fails('nothing', 'BackupNotFound', /there is no physical backup of nobody/)
    await without('keyless', { source: { backup: { ...source.backup, encryption: { secretName: 'nobody' } } } })
    await fails('keyless', 'SourceUnavailable', /there is no passphrase in the Secret/)
    for (const name of ['early', 'late', 'nothing']) await cluster.delete(of(name))
    // Nothing was begun with the wrong passphrase: with the right one it is as the others.
    for (const name of ['locked', 'keyless']) {
      await recovers(name, { source })
      await untilCondition(cluster, of(name), 'Ready', 'True', undefined, 240)
      t.equal(await ask(name, 'SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM notes'), '2 3')
      await cluster.delete(of(name))
    }

    // Whatever a disk did to the files of the backup.
    const label = String(backup.name)
    const files = `/data/${cluster.s3.bucket}/${namespace}/ledger/physical/backup/ledger-*/${label}/bundle/*`
    const spoil = `for file in ${files}; do dd if=/dev/zero of="$file" bs=1 seek=2000 count=64 conv=notrunc 2>/dev/null; done`
    await cluster.kubectl('--namespace=s3', 'exec', 'deployment/s3', '--', 'sh', '-c', spoil)
    await without('spoilt', { source, backupName: label })
    await fails(
      'spoilt',
      'BackupCorrupt',
      new RegExp(`${label} cannot be restored: .* does not match expected checksum`),
      180,
    )
    await cluster.delete(of('spoilt'))
  })

  /** Takes the S3 server out of its Service, or puts it back. */
  async function storeAway(away: boolean): Promise<void> {
    const service = { apiVersion: 'v1', kind: 'Service', namespace: 's3', name: 's3' }
    await cluster.patch(service, { spec: { selector: { app: away ? 'away' : 's3' } } })
    const slices = ['--namespace=s3', 'get', 'endpoints', 's3', '-ojsonpath={.subsets[*].addresses[*].ip}']
    await cluster.until('the Service follows', async () => ((await cluster.kubectl(...slices)).trim() === '') === away)
  }
}

const resources = { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '1Gi' } }
/** A schedule that comes round when nobody tests. */
const never = '0 0 1 1 *'

/** Bash: runs the statement in $1 as USERNAME with PASSWORD, against the Service $0. */
const userClients: Record<string, string> = {
  postgresql:
    'PGPASSWORD="$PASSWORD" psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --tuples-only --no-align --host="$0" --username="$USERNAME" --dbname=app --command="$1"',
  mysql: 'MYSQL_PWD="$PASSWORD" mysql --host="$0" --user="$USERNAME" --batch --skip-column-names --execute="$1" app',
}

/** Bash: runs the statement in $1 as the application does, against the Service $0. */
const clients: Record<string, string> = {
  postgresql:
    'PGPASSWORD=$(cat /etc/credentials/app/password) psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --tuples-only --no-align --host="$0" --username=app --dbname=app --command="$1"',
  mysql:
    'MYSQL_PWD=$(cat /etc/credentials/app/password) mysql --host="$0" --user=app --batch --skip-column-names --execute="$1" app',
}
