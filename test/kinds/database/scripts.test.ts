// The scripts of the ConfigMap, run by real shells; those of PostgreSQL with a real server, where there is one.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Script } from 'node:vm'
import type { PodSpec } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { parse } from 'yaml'
import { freePort, scriptsOf, unprivileged } from './shells.ts'
import { child, createWorld, settle } from './world.ts'

const engines = [
  { engine: 'postgresql', version: '15.4' },
  { engine: 'mysql', version: '8.4' },
  { engine: 'mongodb', version: '7.0' },
]
const claim = { destination: { claim: { name: 'store' } } }
const s3 = { destination: { s3: { bucket: 'backups' } } }

function run(shell: string, script: string, env: Record<string, string>): SpawnSyncReturns<string> {
  return spawnSync(shell, [script], { env: { PATH: process.env.PATH ?? '', ...env }, encoding: 'utf8' })
}

for (const { engine, version } of engines) {
  t.test(`${engine}: every script is one to its shell`, async (t) => {
    for (const backup of [claim, s3]) {
      const scripts = scriptsOf({
        engine,
        version,
        backup,
        tls: { secretName: 'tls', required: true },
        monitoring: { enabled: true },
      })
      const names = Object.keys(scripts).filter((name) => name.endsWith('.sh'))
      t.ok(names.length >= 5)
      for (const name of names) {
        const shells = name === 'backup-store.sh' ? ['sh', 'bash'] : ['bash']
        for (const shell of shells) {
          const { status, stderr } = spawnSync(shell, ['-n'], { input: scripts[name], encoding: 'utf8' })
          t.equal(status, 0, `${shell} -n ${name}: ${stderr}`)
        }
        t.notMatch(scripts[name], /undefined|\[object/, name)
      }
    }
  })
}

const day = 86400_000

for (const { engine, version } of engines) {
  t.test(
    `${engine}: a dump that fails leaves nothing behind, nor what one left that was killed days ago`,
    async (t) => {
      const root = t.testdir({ scripts: {}, backup: { '.work-killed': {}, '.work-running': {}, orders: {} } })
      const script = join(root, 'scripts/backup.sh')
      writeFileSync(script, scriptsOf({ engine, version, backup: claim })['backup.sh'] ?? '')
      const longAgo = new Date(Date.now() - 9 * day)
      utimesSync(join(root, 'backup/.work-killed'), longAgo, longAgo)
      const { status } = run('bash', script, {
        HOSTNAME: 'pod-1',
        BACKUP_PATH: join(root, 'backup'),
        DATABASE_NAME: 'orders',
        DATABASE_HOST: '127.0.0.1',
        DATABASE_PORT: '9',
        ANSWER_SECONDS: '0',
      })
      t.not(status, 0)
      t.same(readdirSync(join(root, 'backup')).sort(), ['.work-running', 'orders'])
    },
  )
}

// As `date -u +%Y%m%dT%H%M%SZ` writes it.
function stamp(ago: number): string {
  return new Date(Date.now() - ago).toISOString().replace(/[-:]|\.\d+/g, '')
}

for (const shell of ['sh', 'bash']) {
  t.test(`${shell}: a last backup is stored beside the others, however old they are`, async (t) => {
    const root = t.testdir({ scripts: {}, backup: {} })
    const script = join(root, 'scripts/backup-store.sh')
    writeFileSync(script, scriptsOf({ backup: claim })['backup-store.sh'] ?? '')
    const store = () =>
      run(shell, script, { HOSTNAME: 'pod-1', BACKUP_PATH: join(root, 'backup'), DATABASE_NAME: 'orders' })
    const old = `orders-${stamp(60 * day)}.tar`
    mkdirSync(join(root, 'backup/orders'))
    writeFileSync(join(root, 'backup/orders', old), 'old')
    t.not(store().status, 0, 'there is no dump')
    const today = `orders-${stamp(0)}.tar`
    dumped(root, today)
    const { status, stderr } = store()
    t.equal(status, 0, stderr)
    t.same(readdirSync(join(root, 'backup/orders')).sort(), [old, today])
    t.equal(readFileSync(join(root, 'backup/orders', today), 'utf8'), 'a dump')
    t.notOk(existsSync(join(root, 'backup/.work-pod-1')), 'nothing is left over')
  })
}

const hasRclone = spawnSync('rclone', ['version']).status === 0

t.test(
  'the same with rclone, on a remote that is a folder',
  { skip: hasRclone ? false : 'there is no rclone' },
  async (t) => {
    const root = t.testdir({ scripts: {}, backup: {}, bucket: {} })
    const script = join(root, 'scripts/backup-store.sh')
    writeFileSync(script, scriptsOf({ backup: s3 })['backup-store.sh'] ?? '')
    const env = {
      HOSTNAME: 'pod-1',
      HOME: root,
      BACKUP_PATH: join(root, 'backup'),
      DATABASE_NAME: 'orders',
      RCLONE_CONFIG: join(root, 'rclone.conf'),
      RCLONE_CONFIG_STORE_TYPE: 'alias',
      RCLONE_CONFIG_STORE_REMOTE: root,
      BACKUP_REMOTE: 'store:bucket/shop/orders',
    }
    const old = `orders-${stamp(8 * day)}.tar`
    mkdirSync(join(root, 'bucket/shop/orders'), { recursive: true })
    writeFileSync(join(root, 'bucket/shop/orders', old), 'old')
    const today = `orders-${stamp(0)}.tar`
    dumped(root, today)
    const { status, stderr } = run('sh', script, env)
    t.equal(status, 0, stderr)
    t.same(readdirSync(join(root, 'bucket/shop/orders')).sort(), [old, today])
  },
)

t.test('what mongosh is given is JavaScript, and mongod.conf is YAML', async (t) => {
  const parameters = {
    'operationProfiling.mode': 'all',
    'setParameter.logLevel': 1,
    'net.maxIncomingConnections': '500',
  }
  const world = createWorld({
    engine: 'mongodb',
    version: '7.0',
    parameters,
    monitoring: { enabled: true },
    tls: { secretName: 'tls', required: true },
  })
  settle(world)
  const config = child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
  for (const name of ['accounts.sh', 'reload.sh']) {
    const programs = [...(config[name] ?? '').matchAll(/--eval '([^']*)'/g)].map(([, program = '']) => program)
    t.equal(programs.length, 2, name)
    for (const program of programs) t.doesNotThrow(() => new Script(program), program)
  }
  const { template } = child(world, 'StatefulSet', 'orders').spec as { template: { spec: PodSpec } }
  const [database] = template.spec.containers
  for (const probe of [database?.livenessProbe, database?.readinessProbe]) {
    t.doesNotThrow(() => new Script(probe?.exec?.command?.at(-1) ?? '?'))
  }
  t.match(parse(config['mongod.conf'] ?? ''), {
    net: {
      port: 27017,
      bindIpAll: true,
      maxIncomingConnections: 500,
      tls: { mode: 'requireTLS', certificateKeyFile: '/tmp/tls.pem' },
    },
    operationProfiling: { mode: 'all' },
    security: { authorization: 'enabled' },
    setParameter: { logLevel: 1 },
    storage: { dbPath: '/data/db', wiredTiger: { engineConfig: { cacheSizeGB: 0.25 } } },
  })
})

t.test('texts of SQL are escaped by the script of MySQL', async (t) => {
  const accounts = scriptsOf({ engine: 'mysql', version: '8.4' })['accounts.sh'] ?? ''
  const literal = /^literal\(\) \{[\s\S]*?^\}/m.exec(accounts)?.[0] ?? ''
  t.ok(literal)
  const root = t.testdir({ password: `it's a \\ "test" & more $HOME` })
  const { stdout, stderr } = spawnSync(
    'bash',
    ['-c', `set -Eeuo pipefail\n${literal}\nliteral ${join(root, 'password')}`],
    { encoding: 'utf8' },
  )
  t.equal(stdout, `'it''s a \\\\ "test" & more $HOME'`, stderr)
})

t.test(
  'PostgreSQL, from an empty folder to a backup',
  { skip: postgresFolder() === undefined && 'there is no PostgreSQL' },
  async (t) => {
    const folder = postgresFolder() ?? ''
    // Short: the path of a socket has at most 107 characters.
    const root = mkdtempSync(join(tmpdir(), 'pg-'))
    t.teardown(() => rmSync(root, { recursive: true }))
    for (const name of ['data', 'run', 'scripts', 'etc', 'backup', 'app', 'superuser']) mkdirSync(join(root, name))
    const port = await freePort()
    const user = unprivileged()
    const env = {
      PATH: `${folder}${delimiter}${process.env.PATH ?? ''}`,
      HOME: root,
      LC_ALL: 'C.UTF-8',
      HOSTNAME: 'pod-1',
      BACKUP_PATH: join(root, 'backup'),
      DATABASE_NAME: 'orders',
      DATABASE_HOST: '127.0.0.1',
      DATABASE_PORT: String(port),
    }
    const put = (name: string, text: string) => {
      writeFileSync(join(root, name), local(text, root, port))
      chmodSync(join(root, name), 0o644)
    }
    const shell = (command: string, args: string[]) =>
      spawnSync(command, args, { env, ...user, encoding: 'utf8', cwd: root })
    const script = (name: string) => shell('bash', [join(root, 'scripts', name)])
    const query = (sql: string, login: Record<string, string> = {}) =>
      spawnSync('psql', ['-XAtc', sql, '-h', '127.0.0.1', '-p', String(port)], {
        env: { ...env, ...login },
        ...user,
        encoding: 'utf8',
      })

    const spec = {
      version: '15.4',
      backup: claim,
      parameters: { work_mem: '3MB' },
      monitoring: { enabled: true },
      resources: { limits: { memory: '256Mi' } },
    }
    const lay = (data: Record<string, string>) => {
      for (const [name, text] of Object.entries(data))
        put(name.endsWith('.sh') ? `scripts/${name}` : `etc/${name}`, text)
    }
    lay(scriptsOf(spec))
    put('app/username', 'app')
    put('app/password', `first ' \\ "secret"`)
    put('superuser/superuser-password', 'SuperSecret1')
    put('superuser/monitor-password', 'MonitorSecret1')
    put('superuser/operator-password', 'OperatorSecret1')
    for (const name of ['', 'data', 'run', 'backup'])
      chownSync(join(root, name), user.uid ?? process.getuid?.() ?? 0, user.gid ?? process.getgid?.() ?? 0)
    chmodSync(join(root, 'data'), 0o700)

    const initdb = shell('initdb', [
      '--pgdata',
      join(root, 'data'),
      '--username=postgres',
      '--encoding=UTF8',
      '--data-checksums',
      '--auth-local=trust',
      '--auth-host=scram-sha-256',
      `--pwfile=${join(root, 'superuser/superuser-password')}`,
    ])
    t.equal(initdb.status, 0, initdb.stderr)
    const server = spawn(
      'postgres',
      ['-D', join(root, 'data'), '-c', `config_file=${join(root, 'etc/postgresql.conf')}`],
      { env, ...user, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let log = ''
    server.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    const ended = new Promise((resolve) => server.once('exit', resolve))
    t.teardown(async () => {
      server.kill('SIGINT')
      await ended
    })
    for (let tries = 0; shell('pg_isready', ['-q', '-h', '127.0.0.1', '-p', String(port)]).status !== 0; tries++) {
      if (tries > 100) throw new Error(log)
      await wait(100)
    }
    const trusted = (sql: string) =>
      shell('psql', ['-XAtc', sql, '-h', join(root, 'run'), '-p', String(port), '-U', 'postgres'])

    for (const time of ['first', 'second']) {
      const accounts = script('accounts.sh')
      t.equal(accounts.status, 0, `the ${time} time: ${accounts.stderr}`)
    }
    const app = { PGUSER: 'app', PGDATABASE: 'app', PGPASSWORD: `first ' \\ "secret"` }
    t.equal(
      query('CREATE TABLE sales AS SELECT generate_series(1, 1000) AS id; SELECT count(*) FROM sales', app).stdout,
      'SELECT 1000\n1000\n',
    )
    t.not(query('SELECT 1', { ...app, PGPASSWORD: 'wrong' }).status, 0, 'not without the password')
    t.equal(trusted('SHOW work_mem').stdout, '3MB\n', 'the configuration is in force')
    t.equal(trusted('SHOW shared_buffers').stdout, '64MB\n')
    t.notMatch(log, 'secret', 'no password is in the log')
    const statistics = shell('psql', [
      '-XAtc',
      'SELECT count(*) > 0 FROM pg_stat_activity WHERE query IS NOT NULL',
      '-d',
      'postgres',
      '-h',
      join(root, 'run'),
      '-p',
      String(port),
      '-U',
      'monitor',
    ])
    t.equal(statistics.stdout, 't\n', 'the exporter reads statistics')

    // A rotation, and a parameter that needs no restart.
    put('app/password', 'SecondSecret')
    put('superuser/superuser-password', 'SuperSecret2')
    lay(scriptsOf({ ...spec, parameters: { work_mem: '5MB' } }))
    t.equal(script('accounts.sh').status, 0)
    t.equal(script('reload.sh').status, 0)
    t.not(query('SELECT 1', app).status, 0, 'the password before is not taken any more')
    t.equal(query('SELECT count(*) FROM sales', { ...app, PGPASSWORD: 'SecondSecret' }).stdout, '1000\n')
    await wait(200)
    t.equal(trusted('SHOW work_mem').stdout, '5MB\n')

    // The sidecar does both by itself, as soon as a mounted file changes, and ends at once when it is asked to.
    const watch = spawn('bash', [join(root, 'scripts/watch.sh')], {
      env,
      ...user,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => watch.kill('SIGKILL'))
    let told = ''
    watch.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    const applied = async (times: number) => {
      for (let tries = 0; told.split('in force').length <= times; tries++) {
        if (tries > 300) throw new Error(`the sidecar said: ${told}`)
        await wait(100)
      }
    }
    await applied(1)
    put('app/password', 'ThirdSecret')
    lay(scriptsOf({ ...spec, parameters: { work_mem: '6MB' } }))
    await applied(2)
    await wait(200)
    t.equal(trusted('SHOW work_mem').stdout, '6MB\n')
    t.equal(query('SELECT 1', { ...app, PGPASSWORD: 'ThirdSecret' }).stdout, '1\n')
    const stopped = new Promise((resolve) => watch.once('exit', (code) => resolve(code)))
    watch.kill('SIGTERM')
    t.equal(await Promise.race([stopped, wait(3000, 'late')]), 0)
    put('app/password', 'SecondSecret')
    t.equal(script('accounts.sh').status, 0)

    // A backup, and what is in it.
    t.equal(trusted(`CREATE DATABASE "it's ""one"" \\ more"`).status, 0)
    const dump = script('backup.sh')
    t.equal(dump.status, 0, dump.stderr)
    t.match(dump.stdout, /dumped and verified orders-\d{8}T\d{6}Z\.tar, \d+ bytes/)
    const stored = shell('sh', [join(root, 'scripts/backup-store.sh')])
    t.equal(stored.status, 0, stored.stderr)
    const [file = ''] = readdirSync(join(root, 'backup/orders'))
    mkdirSync(join(root, 'restore'))
    t.equal(spawnSync('tar', ['-xf', join(root, 'backup/orders', file), '-C', join(root, 'restore')]).status, 0)
    const list = readFileSync(join(root, 'restore/databases.tsv'), 'utf8')
    t.match(list, /\tapp\n/)
    t.match(list, `\tit's "one" \\ more\n`)
    t.match(readFileSync(join(root, 'restore/globals.sql'), 'utf8'), 'CREATE ROLE app')
    const oid = /^(\d+)\tapp$/m.exec(list)?.[1]
    t.equal(query('DROP TABLE sales', { ...app, PGPASSWORD: 'SecondSecret' }).status, 0)
    const restore = shell('pg_restore', [
      '-h',
      join(root, 'run'),
      '-p',
      String(port),
      '-U',
      'postgres',
      '-d',
      'app',
      join(root, `restore/${oid}.dump`),
    ])
    t.equal(restore.status, 0, restore.stderr)
    t.equal(query('SELECT count(*) FROM sales', { ...app, PGPASSWORD: 'SecondSecret' }).stdout, '1000\n')

    // A dump that cannot be made leaves nothing that could be taken for one.
    put('superuser/superuser-password', 'not the password')
    t.not(script('backup.sh').status, 0)
    t.not(shell('sh', [join(root, 'scripts/backup-store.sh')]).status, 0)
    t.equal(readdirSync(join(root, 'backup/orders')).length, 1)
  },
)

t.test(
  'every parameter of PostgreSQL that needs a restart is known to need one',
  { skip: postgresFolder() === undefined && 'there is no PostgreSQL' },
  async (t) => {
    const template = (parameters: Record<string, string>) => {
      const world = createWorld({ version: '15.4', parameters })
      settle(world)
      const { template } = child(world, 'StatefulSet', 'orders').spec as { template: unknown }
      return JSON.stringify(template)
    }
    const plain = template({})
    // `postgres --describe-config` prints name, context and more of every parameter, without a server.
    const { stdout } = spawnSync(join(postgresFolder() ?? '', 'postgres'), ['--describe-config'], {
      encoding: 'utf8',
      ...unprivileged(),
    })
    const lines = stdout.split('\n').map((line) => line.split('\t'))
    t.ok(lines.length > 200)
    const owned =
      /^(listen_addresses|port|unix_socket|bonjour|data_directory|config_file|hba_file|ident_file|external_pid_file|ssl|logging_collector|log_d|log_f)/
    for (const [name = '', context] of lines) {
      if (name === '' || owned.test(name) || context === 'internal') continue
      const restarts = template({ [name]: 'some value' }) !== plain
      if (restarts !== (context === 'postmaster'))
        t.fail(`${name}: ${context}, but ${restarts ? 'rolls' : 'does not roll'}`)
    }
  },
)

// The store script with everything it needs, in a folder.
function dumped(root: string, name: string): void {
  mkdirSync(join(root, 'backup/.work-pod-1'), { recursive: true })
  writeFileSync(join(root, 'backup/.work-pod-1', name), 'a dump')
}

// The paths of the pod as folders of the test.
function local(text: string, root: string, port: number): string {
  return text
    .replaceAll('/etc/credentials/app', join(root, 'app'))
    .replaceAll('/etc/credentials/superuser', join(root, 'superuser'))
    .replaceAll('/var/run/postgresql', join(root, 'run'))
    .replaceAll('/etc/postgresql', join(root, 'etc'))
    .replaceAll("listen_addresses = '*'", "listen_addresses = '127.0.0.1'")
    .replaceAll(' /scripts/', ` ${root}/scripts/`)
    .replaceAll('--port=5432', `--port=${port}`)
    .replaceAll("port = '5432'", `port = '${port}'`)
    .replaceAll('--username=postgres', `--username=postgres --port=${port}`)
}

function postgresFolder(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []
  return [...versions, ...(process.env.PATH ?? '').split(delimiter)].find((folder) =>
    existsSync(join(folder, 'initdb')),
  )
}
