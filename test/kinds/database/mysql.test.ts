// The scripts of a MySQL Database with a real server, where there is one.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { freePort, scriptsOf, unprivileged } from './shells.ts'

// A server is set up and used; the machine may have other things to do.
t.setTimeout(180_000)

const version = /Ver (\d+\.\d+\.\d+)(?!.*MariaDB)/.exec(
  spawnSync('mysqld', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)?.[1]

t.test(
  'MySQL, from an empty folder to a restored backup',
  { skip: version === undefined && 'there is no MySQL' },
  async (t) => {
    const { root, put, lay, shell, script, start } = await stage(t)
    const spec = {
      engine: 'mysql',
      version,
      backup: { destination: { claim: { name: 'store' } } },
      parameters: { max_connections: 160, sort_buffer_size: '512K' },
      monitoring: { enabled: true },
      resources: { limits: { memory: '512Mi' } },
    }
    lay(scriptsOf(spec))
    put('app/username', 'app')
    put('app/password', `first ' \\ "secret"`)
    put('superuser/superuser-password', 'SuperSecret1')
    put('superuser/monitor-password', 'MonitorSecret1')
    const initialized = shell('mysqld', [`--defaults-file=${root}/etc/my.cnf`, '--initialize-insecure'])
    t.equal(initialized.status, 0, initialized.stderr)
    const log = await start()
    const login = (user: string, password: string, statement: string, database = 'app') =>
      shell('mysql', [
        '--no-defaults',
        '--protocol=socket',
        `--socket=${root}/run/mysqld.sock`,
        `--user=${user}`,
        `--password=${password}`,
        '--batch',
        '--skip-column-names',
        `--execute=${statement}`,
        database,
      ])
    const superuser = (statement: string, password = 'SuperSecret1') => login('root', password, statement, 'mysql')
    // What the image's entry point does before it runs accounts.sh.
    const first = `ALTER USER 'root'@'localhost' IDENTIFIED BY 'SuperSecret1'; CREATE USER 'root'@'%' IDENTIFIED BY 'SuperSecret1'; GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION`
    t.equal(superuser(first, '').status, 0)

    for (const time of ['first', 'second']) {
      const { status, stderr } = script('accounts.sh')
      t.equal(status, 0, `the ${time} time: ${stderr}`)
    }
    const app = (statement: string, password = `first ' \\ "secret"`) => login('app', password, statement)
    t.equal(
      app('CREATE TABLE sales (id INT PRIMARY KEY); INSERT INTO sales VALUES (1), (2), (3); SELECT COUNT(*) FROM sales')
        .stdout,
      '3\n',
    )
    t.not(app('SELECT 1', 'wrong').status, 0, 'not without the password')
    t.not(login('app', `first ' \\ "secret"`, 'SELECT 1', 'mysql').status, 0, 'its own database and no other')
    t.equal(login('monitor', 'MonitorSecret1', 'SHOW GLOBAL STATUS LIKE "Uptime"', 'performance_schema').status, 0)
    const variable = (name: string, password?: string) => superuser(`SELECT @@GLOBAL.${name}`, password).stdout.trim()
    t.equal(variable('max_connections'), '160', 'the configuration is in force')
    t.equal(variable('innodb_buffer_pool_size'), String(256 * 1024 ** 2))

    t.comment('a rotation, and parameters that need no restart')
    t.equal(script('reload.sh').status, 0)
    put('superuser/superuser-password-previous', 'SuperSecret1')
    put('superuser/superuser-password', 'SuperSecret2')
    put('app/password', 'SecondSecret')
    lay(scriptsOf({ ...spec, parameters: { max_connections: 170 } }))
    const rotated = script('accounts.sh')
    t.equal(rotated.status, 0, rotated.stderr)
    const reloaded = script('reload.sh')
    t.equal(reloaded.status, 0, reloaded.stderr)
    t.not(app('SELECT 1').status, 0, 'the password before is not taken any more')
    t.equal(app('SELECT COUNT(*) FROM sales', 'SecondSecret').stdout, '3\n')
    t.equal(variable('max_connections', 'SuperSecret2'), '170')
    t.equal(
      variable('sort_buffer_size', 'SuperSecret2'),
      String(256 * 1024),
      'what is not set any more is the default again',
    )

    t.comment('a backup, and what is in it')
    const dump = script('backup.sh')
    t.equal(dump.status, 0, dump.stderr)
    t.match(dump.stdout, /dumped and verified orders-\d{8}T\d{6}Z\.sql\.gz, \d+ bytes/)
    const stored = shell('sh', [join(root, 'scripts/backup-store.sh')])
    t.equal(stored.status, 0, stored.stderr)
    const [file = ''] = readdirSync(join(root, 'backup/orders'))
    t.equal(app('DROP TABLE sales', 'SecondSecret').status, 0)
    const restore = shell('bash', [
      '-c',
      `set -o pipefail; zcat ${root}/backup/orders/${file} | bash ${root}/scripts/client.sh`,
    ])
    t.equal(restore.status, 0, restore.stderr)
    t.equal(app('SELECT COUNT(*) FROM sales', 'SecondSecret').stdout, '3\n')

    t.comment('a dump that cannot be made leaves nothing')
    put('superuser/superuser-password', 'not the password')
    t.not(script('backup.sh').status, 0)
    t.not(shell('sh', [join(root, 'scripts/backup-store.sh')]).status, 0)
    t.same(readdirSync(join(root, 'backup')), ['orders'])
    t.equal(readdirSync(join(root, 'backup/orders')).length, 1)
    t.notMatch(log(), /Secret/, 'no password is in the log')
  },
)

/** Folders that stand for those of the pod, and what runs in them. */
async function stage(t: Test) {
  // Short: the path of a socket has at most 107 characters.
  const root = mkdtempSync(join(tmpdir(), 'my-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  const user = unprivileged()
  const port = await freePort()
  for (const name of ['data', 'run', 'tmp', 'scripts', 'etc', 'backup', 'app', 'superuser']) mkdirSync(join(root, name))
  for (const name of ['', 'data', 'run', 'tmp', 'backup']) {
    chownSync(join(root, name), user.uid ?? process.getuid?.() ?? 0, user.gid ?? process.getgid?.() ?? 0)
  }
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root,
    TMPDIR: join(root, 'tmp'),
    HOSTNAME: 'pod-1',
    BACKUP_PATH: join(root, 'backup'),
    DATABASE_NAME: 'orders',
    DATABASE_HOST: '127.0.0.1',
    DATABASE_PORT: String(port),
  }
  // The paths of the pod as folders of the test.
  const local = (text: string) =>
    text
      .replaceAll('/etc/credentials/', `${root}/`)
      .replaceAll('/var/run/mysqld', `${root}/run`)
      .replaceAll('/var/lib/mysql/data', `${root}/data`)
      .replaceAll('/etc/mysql/conf.d', `${root}/etc`)
      .replaceAll('/tmp/reload-applied.sql', `${root}/tmp/reload-applied.sql`)
      .replaceAll('bash /scripts/', `bash ${root}/scripts/`)
      .replaceAll('port = 3306', `port = ${port}`)
      .replaceAll('bind_address = "*"', 'bind_address = 127.0.0.1')
  const put = (name: string, text: string) => {
    writeFileSync(join(root, name), local(text))
    chmodSync(join(root, name), 0o644)
  }
  const shell = (command: string, args: string[]) =>
    spawnSync(command, args, { env, ...user, encoding: 'utf8', cwd: root })
  return {
    root,
    put,
    lay(data: Record<string, string>) {
      for (const [name, text] of Object.entries(data))
        put(name.endsWith('.sh') ? `scripts/${name}` : `etc/${name}`, text)
    },
    shell,
    script: (name: string) => shell('bash', [join(root, 'scripts', name)]),
    /** Starts the server; the answer is what it has logged so far. */
    async start() {
      const server = spawn('mysqld', [`--defaults-file=${root}/etc/my.cnf`], {
        env,
        ...user,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let log = ''
      for (const stream of [server.stdout, server.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          log += chunk.toString()
        })
      }
      const ended = new Promise((resolve) => server.once('exit', resolve))
      t.teardown(async () => {
        server.kill('SIGTERM')
        await ended
      })
      const ping = ['--no-defaults', '--protocol=tcp', '--host=127.0.0.1', `--port=${port}`, 'ping']
      for (let tries = 0; shell('mysqladmin', ping).status !== 0; tries++) {
        if (tries > 300 || server.exitCode !== null) throw new Error(log)
        await wait(100)
      }
      return () => log
    },
  }
}
