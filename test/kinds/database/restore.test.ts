// What the containers of a recovery do, one after the other, with a real PostgreSQL where there is one.
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import type { Container } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { passwords, postgresFolder, startPostgres } from './server.ts'
import { scriptsOf, unprivileged } from './shells.ts'
import { createWorld, runPods, type Spec, settle } from './world.ts'

// A server is set up and used; the machine may have other things to do.
t.setTimeout(180_000)

/** The containers of a recovery, in their order. */
function stepsOf(recovery: Spec, spec: Spec = {}): Container[] {
  const world = createWorld({ version: '15.4', bootstrap: { recovery }, ...spec })
  settle(world)
  runPods(world)
  settle(world)
  const [job] = Object.values(world.children['Job.batch/v1'] ?? {})
  if (job === undefined) throw new Error('there is no Job')
  const { initContainers = [], containers } = (job.spec as JobSpec).template.spec ?? { containers: [] }
  return [...initContainers, ...containers]
}

const claim = { database: 'orders', destination: { claim: { name: 'dumps' } } }

t.test('the containers of a recovery, each a shell’s own', async (t) => {
  for (const [engine, version] of [
    ['postgresql', '15.4'],
    ['mysql', '8.4'],
    ['mongodb', '7.0'],
  ] as const) {
    for (const destination of [claim.destination, { s3: { bucket: 'b-1' } }]) {
      for (const encryption of [undefined, { secretName: 'phrase' }]) {
        const source = { backup: { database: 'orders', destination, ...(encryption && { encryption }) } }
        for (const { command: [shell = '', , script] = [], name } of stepsOf({ source }, { engine, version })) {
          const { status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
          t.equal(status, 0, `${engine} ${name}: ${stderr}`)
          t.notMatch(script, /undefined|\[object/)
        }
      }
    }
  }
})

const hasRclone = spawnSync('rclone', ['obscure', 'x']).status === 0

t.test('PostgreSQL', { skip: postgresFolder() === undefined && 'there is no PostgreSQL' }, async (t) => {
  const server = await startPostgres(t)
  const { root } = server
  const own = (path: string) => {
    const { uid, gid } = unprivileged()
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
  }
  const local = (text: string) =>
    text.replace(/(^|[\s"'=])\/(backup|work|etc\/credentials|scripts|tmp)\b/gm, `$1${root}/$2`)
  for (const [name, text] of Object.entries(scriptsOf({ version: '15.4' }))) server.put(`scripts/${name}`, text)

  /** Runs the steps as a pod would, until one fails. */
  function run(steps: Container[], more: Record<string, string> = {}) {
    rmSync(join(root, 'work'), { recursive: true, force: true })
    mkdirSync(join(root, 'work'))
    own(join(root, 'work'))
    const result = join(root, 'tmp/result')
    rmSync(result, { force: true })
    let log = ''
    for (const step of steps) {
      const [command = '', ...args] = step.command ?? []
      const values = (step.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, local(value)]]))
      const env = {
        ...Object.fromEntries(values),
        ...(step.name === 'restore' ? { DATABASE_HOST: '127.0.0.1', DATABASE_PORT: String(server.port) } : {}),
        PGPORT: String(server.port),
        RESULT_FILE: result,
        ...more,
      }
      const { status, stdout, stderr } = server.shell(command, args.map(local), env)
      log += `${step.name}: ${stdout}${stderr}`
      const said = existsSync(result) ? readFileSync(result, 'utf8') : ''
      if (status !== 0) return { failed: step.name, status, said, log }
    }
    return { log, said: existsSync(result) ? readFileSync(result, 'utf8') : '' }
  }

  // As DatabaseBackups lay them down.
  const folder = join(root, 'backup/orders')
  mkdirSync(folder, { recursive: true })
  server.query('app', passwords.app, 'CREATE TABLE sales AS SELECT generate_series(1, 1000) AS id')
  server.trusted('CREATE ROLE "odd Role" LOGIN')
  server.trusted(`CREATE DATABASE "odd ' \\ db" OWNER "odd Role"`)
  const dump = scriptsOf({ version: '15.4', backup: { destination: { claim: { name: 'dumps' } } } })['backup.sh'] ?? ''
  own(join(root, 'backup'))
  const dumped = server.bash(dump, {
    BACKUP_PATH: join(root, 'backup'),
    DATABASE_NAME: 'orders',
    DATABASE_HOST: '127.0.0.1',
    DATABASE_PORT: String(server.port),
  })
  t.equal(dumped.status, 0, dumped.stderr)
  const name = 'orders_nightly-20260301T013000Z.tar'
  const made = server.shell('bash', ['-c', `cat ${root}/backup/.work-*/orders-*.tar`], {})
  t.equal(made.status, 0)
  spawnSync('bash', ['-c', `mv ${root}/backup/.work-*/orders-*.tar ${folder}/${name}`])
  for (const other of [
    'orders-20200101T000000Z.tar',
    'orders_x-20260301T013001Z.sql.gz',
    'orders-x-20990101T000000Z.tar',
  ])
    writeFileSync(join(folder, other), 'another')

  await t.test('a database that holds something is left as it is', async (t) => {
    const { failed, status, said, log } = run(stepsOf({ source: { backup: claim } }))
    t.equal(failed, 'restore', log)
    t.equal(status, 42, 'another attempt would not mend it')
    t.match(said, /^NotEmpty: the database app holds 1 tables/)
    t.equal(server.query('app', passwords.app, 'SELECT count(*) FROM sales').stdout, '1000\n')
  })

  server.trusted('DROP DATABASE app', 'postgres')
  server.trusted(`DROP DATABASE "odd ' \\ db"`, 'postgres')
  server.trusted('REVOKE app FROM operator_hooks', 'postgres')
  server.trusted('DROP ROLE app; ', 'postgres')
  server.trusted('DROP ROLE "odd Role"', 'postgres')
  // What the entry point of a new Database makes while it is closed.
  server.put('etc/credentials/app/password', 'NewSecret1')
  server.bash(
    scriptsOf({ version: '15.4', bootstrap: { recovery: { source: { backup: claim } } } })['accounts.sh'] ?? '',
  )
  t.match(server.query('app', 'NewSecret1', 'SELECT 1').stderr, /not permitted to log in/)

  await t.test('what cannot be fetched or read is told, and touches nothing', async (t) => {
    const cases: [Spec, string, RegExp, number][] = [
      [
        { backup: { ...claim, database: 'nobody' } },
        'fetch',
        /^BackupNotFound: there is no backup of nobody in claim dumps: nobody/,
        42,
      ],
      [
        { backup: claim, name: 'orders-20200101T000000Z.tar' },
        'check',
        /^BackupCorrupt: orders-20200101T000000Z\.tar cannot be read to its end: /,
        42,
      ],
      [{ backup: claim, name: 'orders-1.tar' }, 'fetch', /^BackupNotFound: there is no backup orders-1\.tar/, 42],
    ]
    for (const [{ name: backupName, ...source }, step, message, code] of cases) {
      const { failed, said, status, log } = run(stepsOf({ source, ...(backupName ? { backupName } : {}) }))
      t.equal(failed, step, log)
      t.match(said, message)
      t.equal(status, code)
    }
    const cut = join(folder, 'orders-20210101T000000Z.tar')
    writeFileSync(cut, readFileSync(join(folder, name)).subarray(0, 6000))
    const { said } = run(stepsOf({ source: { backup: claim }, backupName: 'orders-20210101T000000Z.tar' }))
    t.match(said, /^BackupCorrupt: /)
    t.equal(server.trusted('SELECT count(*) FROM pg_stat_user_tables'), '0')
  })

  await t.test('the latest backup goes in, and its owner has the new password', async (t) => {
    const { failed, log, said } = run(stepsOf({ source: { backup: claim } }))
    t.equal(failed, undefined, log)
    t.match(JSON.parse(said), { name })
    t.equal(server.query('app', 'NewSecret1', 'SELECT count(*) FROM sales').stdout, '1000\n')
    t.not(server.query('app', passwords.app, 'SELECT 1').status, 0, 'the password in the dump is not taken')
    t.equal(server.query('monitor', passwords.monitor, 'SELECT 1', 'postgres').stdout, '1\n')
    t.equal(server.trusted(`SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname LIKE 'odd%'`), 'odd Role')
    t.notMatch(server.log(), /SuperSecret1|NewSecret1/)
  })

  await t.test('an attempt that broke off is begun anew', async (t) => {
    const steps = stepsOf({ source: { backup: claim } })
    const id = steps.at(-1)?.env?.find(({ name }) => name === 'RECOVERY_ID')?.value
    server.trusted(`COMMENT ON DATABASE postgres IS 'recovery ${id}'`, 'postgres')
    server.trusted('DELETE FROM sales')
    const { failed, log } = run(steps)
    t.equal(failed, undefined, log)
    t.equal(server.query('app', 'NewSecret1', 'SELECT count(*) FROM sales').stdout, '1000\n')
    t.equal(run(steps).said.split(':')[0], 'NotEmpty', 'but what is done is not')
  })

  await t.test('an encrypted one, and a wrong passphrase', { skip: !hasRclone && 'there is no rclone' }, async (t) => {
    server.put('etc/credentials/encryption/passphrase', 'the right one')
    const sealed = { backup: { ...claim, encryption: { secretName: 'phrase' } } }
    const env = { RCLONE_CONFIG: join(root, 'tmp/rclone.conf') }
    const script = `
export RCLONE_CONFIG_SEALED_PASSWORD=$(rclone obscure - </etc/credentials/encryption/passphrase)
export RCLONE_CONFIG_SEALED_TYPE=crypt RCLONE_CONFIG_SEALED_REMOTE=${folder} RCLONE_CONFIG_SEALED_SUFFIX=.sealed
export RCLONE_CONFIG_SEALED_FILENAME_ENCRYPTION=off RCLONE_CONFIG_SEALED_DIRECTORY_NAME_ENCRYPTION=false
rclone copyto ${folder}/${name} sealed:orders-20260302T013000Z.tar`
    own(folder)
    const stored = server.bash(script, env)
    t.equal(stored.status, 0, stored.stderr)
    const [fetch, check] = stepsOf({ source: sealed })
    const steps = [fetch, check].filter((step) => step !== undefined)
    const good = run(steps.slice(0, 1))
    t.match(good.log, 'fetched orders-20260302T013000Z.tar')
    server.put('etc/credentials/encryption/passphrase', 'a wrong one')
    const { failed, said, status } = run(steps)
    t.equal(failed, 'fetch')
    t.match(said, /^DecryptionFailed: orders-20260302T013000Z\.tar cannot be decrypted/)
    t.equal(status, 42)
  })
})
