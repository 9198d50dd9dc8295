// What the containers of a backup do, one after the other, with a real PostgreSQL where there is one.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Container, PodSpec } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { databaseBackup } from '../../../hooks/kinds/databasebackup/index.ts'
import { createCredentials } from '../../../hooks/sdk/credentials.ts'
import { evaluateComposite } from '../../../hooks/sdk/evaluate.ts'
import { groupKey } from '../../../hooks/sdk/observed.ts'
import { mysqlVersion, stage } from '../database/mysqlserver.ts'
import { passwords, postgresFolder, startPostgres } from '../database/server.ts'
import { scriptsOf, unprivileged } from '../database/shells.ts'

// A server is set up and used; the machine may have other things to do.
t.setTimeout(180_000)

/** The containers of a backup, in their order. */
function stepsOf(spec: Record<string, unknown> = {}, engine: Record<string, unknown> = {}): Container[] {
  const database = {
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { name: 'orders', namespace: 'shop', uid: 'uid-db' },
    spec: { engine: 'postgresql', version: '15.4', storage: { size: '1Gi' }, ...engine },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'ReplicasReady', message: '' }] },
  }
  const children = Object.fromEntries(databaseBackup.children.map((type) => [groupKey(type), {}]))
  const { response } = evaluateComposite(
    databaseBackup,
    {
      controller: { apiVersion: 'v1', kind: 'C', metadata: {} },
      parent: {
        apiVersion: 'example.com/v1',
        kind: 'DatabaseBackup',
        metadata: { name: 'nightly', namespace: 'shop', uid: 'uid-1', generation: 1 },
        spec: {
          databaseRef: { name: 'orders' },
          schedule: '@daily',
          destination: { claim: { name: 'store' } },
          ...spec,
        },
      },
      children,
      related: { 'Database.example.com/v1': { 'shop/orders': database }, 'Job.batch/v1': {}, 'Pod.v1': {} },
      finalizing: false,
    },
    {
      now: new Date(),
      credentials: createCredentials([{ id: 'first', secret: new Uint8Array(32).fill(1) }]),
      settings: { imageRegistry: '' },
    },
  )
  const cronJob = response.children.find(({ kind }) => kind === 'CronJob')
  if (cronJob === undefined) throw new Error('there is no CronJob')
  const { jobTemplate } = cronJob.spec as { jobTemplate: { spec: { template: { spec: PodSpec } } } }
  const { initContainers = [], containers } = jobTemplate.spec.template.spec
  return [...initContainers, ...containers]
}

t.test('the containers of a backup, each a shell’s own', async (t) => {
  for (const [engine, version] of [
    ['postgresql', '15.4'],
    ['mysql', '8.4'],
    ['mongodb', '7.0'],
  ] as const) {
    for (const destination of [{ claim: { name: 'store' } }, { s3: { bucket: 'b-1' } }]) {
      for (const verify of [false, true]) {
        const steps = stepsOf({ destination, verify, encryption: { secretName: 'phrase' } }, { engine, version })
        t.same(
          steps.map(({ name }) => name),
          verify ? ['dump', 'store', 'verify', 'finish'] : ['dump', 'finish'],
        )
        for (const { command: [shell = '', , script] = [], name } of steps) {
          const { status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
          t.equal(status, 0, `${engine} ${name}: ${stderr}`)
          t.notMatch(script, /undefined|\[object/)
        }
      }
    }
  }
})

type Shell = (
  command: string,
  args: string[],
  env?: Record<string, string>,
) => Pick<SpawnSyncReturns<string>, 'status' | 'stdout' | 'stderr'>

/** Runs the steps as a pod would, until one fails. */
function podOf(root: string, shell: Shell, local: (script: string) => string, env: Record<string, string>) {
  return (steps: Container[]) => {
    rmSync(join(root, 'scratch'), { recursive: true, force: true })
    for (const name of ['backup', 'scratch']) {
      mkdirSync(join(root, name), { recursive: true })
      const { uid, gid } = unprivileged()
      if (uid !== undefined && gid !== undefined) chownSync(join(root, name), uid, gid)
    }
    let log = ''
    for (const step of steps) {
      const [command = '', ...args] = step.command ?? []
      const values = (step.env ?? []).flatMap(({ name, value }) =>
        value === undefined ? [] : [[name, value.replace(/^\/(backup|scratch|etc|tmp)\b/, `${root}/$1`)]],
      )
      const variables = { ...Object.fromEntries(values), ...env, RESULT_FILE: join(root, 'tmp/result') }
      const { status, stderr, stdout } = shell(command, args.map(local), variables)
      log += `${step.name}: ${stdout}${stderr}`
      if (status !== 0) return { failed: step.name, log }
    }
    return { log, result: JSON.parse(readFileSync(join(root, 'tmp/result'), 'utf8')) as Record<string, unknown> }
  }
}

const hasRclone = spawnSync('rclone', ['obscure', 'x']).status === 0

const day = 86400_000

// As `date -u +%Y%m%dT%H%M%SZ` writes it.
function stamp(ago: number): string {
  return new Date(Date.now() - ago).toISOString().replace(/[-:]|\.\d+/g, '')
}

/** The last container of a backup on a claim, run on files of a folder. */
function finishOn(root: string, command: string) {
  const shell: Shell = (_command, args, env) =>
    spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
  const folder = join(root, 'backup/orders')
  mkdirSync(folder, { recursive: true })
  mkdirSync(join(root, 'tmp'), { recursive: true })
  const steps = stepsOf().slice(-1)
  return {
    folder,
    put: (...names: string[]) => {
      for (const name of names) writeFileSync(join(folder, name), name)
    },
    /** Stores a dump of that name, or fails for there is none. */
    finish(name?: string) {
      const work = join(root, 'backup/.work-pod-1')
      if (name !== undefined) {
        mkdirSync(work)
        writeFileSync(join(work, name), 'a dump')
      }
      return podOf(root, shell, (script) => script, { HOSTNAME: 'pod-1' })(steps)
    },
  }
}

for (const shell of ['sh', 'bash']) {
  t.test(`${shell}: a backup is stored, and only then go those that are older than the retention`, async (t) => {
    const { folder, put, finish } = finishOn(t.testdir({}), shell)
    const old = [30, 8].map((days) => `orders_nightly-${stamp(days * day)}.tar`)
    const young = [6, 1].map((days) => `orders_nightly-${stamp(days * day)}.tar`)
    const others = [
      'orders_nightly-notes.txt',
      `orders_nightly-2-${stamp(30 * day)}.tar`,
      `orders-${stamp(30 * day)}.tar`,
    ]
    put(...old, ...young, ...others)
    t.equal(finish().failed, 'finish', 'there is no dump')
    t.same(readdirSync(folder).sort(), [...old, ...young, ...others].sort(), 'nothing is pruned')
    const today = `orders_nightly-${stamp(0)}.tar`
    const { failed, log } = finish(today)
    t.equal(failed, undefined, log)
    t.same(readdirSync(folder).sort(), [...young, ...others, today].sort())
    t.equal(readFileSync(join(folder, today), 'utf8'), 'a dump')
    for (const name of old) t.match(log, `pruned ${name}`)
    t.same(readdirSync(join(folder, '..')), ['orders'], 'nothing is left over')
  })

  t.test(`${shell}: the newest backup is never pruned, however old it is`, async (t) => {
    const { folder, put, finish } = finishOn(t.testdir({}), shell)
    const [older = '', newer = ''] = [60, 50].map((days) => `orders_nightly-${stamp(days * day)}.tar`)
    put(older)
    const { failed, log } = finish(newer)
    t.equal(failed, undefined, log)
    t.same(readdirSync(folder), [newer])
  })
}

t.test('PostgreSQL', { skip: postgresFolder() === undefined && 'there is no PostgreSQL' }, async (t) => {
  const server = await startPostgres(t)
  const { root } = server
  server.query('app', passwords.app, 'CREATE TABLE sales AS SELECT generate_series(1, 1000) AS id')
  const local = (script: string) => script.replaceAll('/etc/credentials', join(root, 'etc/credentials'))
  const run = podOf(root, server.shell, local, { DATABASE_HOST: '127.0.0.1', DATABASE_PORT: String(server.port) })

  await t.test('is dumped, stored, read back, restored into a scratch server and pruned by age', async (t) => {
    const folder = join(root, 'backup/orders')
    mkdirSync(folder, { recursive: true })
    const { uid, gid } = unprivileged()
    if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
    const others = ['orders-20200101T000000Z.tar', 'orders_other-20200101T000000Z.tar']
    for (const name of ['orders_nightly-20200101T000000Z.tar', ...others]) writeFileSync(join(folder, name), 'old')
    const { failed, log, result } = run(stepsOf({ verify: true }))
    t.equal(failed, undefined, log)
    t.match(log, /restored into a scratch server: [3-9] tables/)
    t.match(result, { name: /^orders_nightly-\d{8}T\d{6}Z\.tar$/, verified: true })
    t.ok(Number(result?.bytes) > 1000 && Number(result?.seconds) < 170)
    t.same(readdirSync(folder).sort(), [...others, String(result?.name)].sort(), 'nothing of another is pruned')
    t.same(readdirSync(join(root, 'backup')), ['orders'], 'nothing is left over')
  })

  await t.test('a backup that cannot be restored is a failure, prunes nothing, and is not verified', async (t) => {
    const [dump, store, verify, finish] = stepsOf({ verify: true })
    // What a bad disk does between the upload and the download.
    const spoil = {
      name: 'spoil',
      command: [
        'bash',
        '-c',
        'f=$(ls -1 $BACKUP_PATH/.work-$HOSTNAME/readback/*); cp $f $f.x; head -c 3000 $f.x >$f.y; rm $f $f.x; mv $f.y $f',
      ],
    }
    rmSync(join(root, 'tmp/result'))
    const steps = [dump, store, { ...spoil, env: store?.env ?? [] }, verify, finish].filter(
      (step) => step !== undefined,
    )
    const { failed, log } = run(steps)
    t.equal(failed, 'verify', log)
    t.notOk(existsSync(join(root, 'tmp/result')))
    t.same(readdirSync(join(root, 'backup')), ['orders'])
  })

  await t.test(
    'encrypted, nobody reads it without the passphrase',
    { skip: !hasRclone && 'there is no rclone' },
    async (t) => {
      server.put('etc/credentials/encryption/passphrase', `it's a "long" phrase \\ $HOME`)
      const sealed = stepsOf({ verify: true, encryption: { secretName: 'phrase' } })
      const { failed, log, result } = run(sealed)
      t.equal(failed, undefined, log)
      const file = readFileSync(join(root, `backup/orders/${result?.name}.sealed`))
      t.equal(file.subarray(0, 6).toString(), 'RCLONE')
      t.notOk(file.includes('PGDMP'))
      t.ok(Number(result?.bytes) > 1000)
    },
  )
})

t.test('MySQL', { skip: mysqlVersion === undefined && 'there is no MySQL' }, async (t) => {
  const { root, port, put, lay, local, shell, script, start } = await stage(t)
  const spec = { engine: 'mysql', version: mysqlVersion, resources: { limits: { memory: '512Mi' } } }
  lay(scriptsOf(spec))
  put('app/username', 'app')
  put('app/password', 'AppSecret1')
  for (const name of ['superuser', 'monitor', 'operator']) put(`superuser/${name}-password`, 'Secret')
  const initialized = shell('mysqld', [`--defaults-file=${root}/etc/my.cnf`, '--initialize-insecure'])
  t.equal(initialized.status, 0, initialized.stderr)
  await start()
  const first = `ALTER USER 'root'@'localhost' IDENTIFIED BY 'Secret'; CREATE USER 'root'@'%' IDENTIFIED BY 'Secret'; GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION`
  shell('mysql', ['--no-defaults', `--socket=${root}/run/mysqld.sock`, '--user=root', `--execute=${first}`])
  t.equal(script('accounts.sh').status, 0)
  const table = ['--no-defaults', `--socket=${root}/run/mysqld.sock`, '--user=root', '--password=Secret', 'app']
  t.equal(shell('mysql', [...table, '--execute=CREATE TABLE sales (id INT); INSERT INTO sales VALUES (1)']).status, 0)
  const run = podOf(root, shell, local, { DATABASE_HOST: '127.0.0.1', DATABASE_PORT: String(port) })
  const { failed, log, result } = run(stepsOf({ verify: true }, { engine: 'mysql', version: '8.4' }))
  t.equal(failed, undefined, log)
  t.match(log, 'restored into a scratch server: 2 tables')
  t.match(result, { name: /^orders_nightly-\d{8}T\d{6}Z\.sql\.gz$/, verified: true })
})
