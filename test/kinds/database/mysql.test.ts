// The scripts of a MySQL Database with a real server, where there is one.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stage, mysqlVersion as version } from './mysqlserver.ts'
import { scriptsOf } from './shells.ts'

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
    put('superuser/operator-password', 'OperatorSecret1')
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
    t.equal(variable('innodb_buffer_pool_size'), String(128 * 1024 ** 2))

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

t.test(
  'a member of a group that becomes the primary changes no account that is as it should be',
  { skip: version === undefined && 'there is no MySQL' },
  async (t) => {
    const { root, put, lay, shell, script, start } = await stage(t)
    const spec = { engine: 'mysql', version, replicas: 3, resources: { limits: { memory: '1Gi' } } }
    const appPassword = `first ' \\ "secret"`
    lay(scriptsOf(spec))
    put('app/username', 'app')
    put('app/password', appPassword)
    put('superuser/superuser-password', '')
    put('superuser/monitor-password', 'MonitorSecret1')
    put('superuser/operator-password', 'OperatorSecret1')
    const initialized = shell('mysqld', [`--defaults-file=${root}/etc/my.cnf`, '--initialize-insecure'])
    t.equal(initialized.status, 0, initialized.stderr)
    await start()
    const ask = (statement: string) => shell('bash', [join(root, 'scripts/client.sh'), `--execute=${statement}`])
    const transactions = () => ask('SELECT @@GLOBAL.gtid_executed').stdout
    const accounts = () => {
      const { status, stderr } = script('accounts.sh')
      t.equal(status, 0, stderr)
      return transactions()
    }
    const grants = (account: string) => ask(`SHOW GRANTS FOR '${account}'@'%'`).stdout

    put('run/role', 'replica')
    const before = transactions()
    t.equal(accounts(), before, 'a replica has them from the primary')
    put('run/role', 'primary')
    const made = accounts()
    t.not(made, before)
    t.match(grants('app'), /GRANT ALL PRIVILEGES ON `app`/)
    t.equal(accounts(), made, 'nothing is to be done a second time')

    t.equal(ask("REVOKE DROP ON app.* FROM 'app'@'%'").status, 0)
    t.not(accounts(), made)
    t.match(grants('app'), /GRANT ALL PRIVILEGES ON `app`/, 'what was taken away by hand is there again')

    t.equal(ask("DROP USER 'monitor'@'%'").status, 0)
    accounts()
    t.match(grants('monitor'), /GRANT PROCESS/, 'and who was dropped')

    put('app/password', 'SecondSecret')
    const rotated = accounts()
    const login = ['--no-defaults', `--socket=${root}/run/mysqld.sock`, '--user=app', '--execute=DO 0']
    t.equal(shell('mysql', [...login, '--password=SecondSecret']).status, 0, 'a new password is in force')
    t.not(shell('mysql', [...login, `--password=${appPassword}`]).status, 0)
    t.equal(accounts(), rotated)
  },
)
