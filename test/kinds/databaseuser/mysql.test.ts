// What the Jobs of a DatabaseUser do in a real MySQL, where there is one.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { releasingUsers } from '../../../hooks/kinds/database/engines/mysql/restore-scripts.ts'
import { scripts } from '../../../hooks/kinds/databaseuser/scripts/index.ts'
import { variable } from '../../../hooks/kinds/databaseuser/scripts/script.ts'
import { stage, mysqlVersion as version } from '../database/mysqlserver.ts'
import { scriptsOf } from '../database/shells.ts'

// A server is set up and used; the machine may have other things to do.
t.setTimeout(180_000)

t.test('a user of MySQL', { skip: version === undefined && 'there is no MySQL' }, async (t) => {
  const { root, port, put, lay, local, shell, script, start } = await stage(t)
  lay(
    scriptsOf({
      engine: 'mysql',
      version,
      credentials: { database: 'app_1' },
      resources: { limits: { memory: '512Mi' } },
    }),
  )
  put('app/username', 'app')
  put('app/password', 'AppSecret1')
  for (const name of ['superuser', 'monitor', 'operator']) put(`superuser/${name}-password`, `Secret of ${name}`)
  put('operator/operator-password', 'Secret of operator')
  const initialized = shell('mysqld', [`--defaults-file=${root}/etc/my.cnf`, '--initialize-insecure'])
  t.equal(initialized.status, 0, initialized.stderr)
  const log = await start()
  const login = (user: string, password: string, statement: string, database = 'app_1') =>
    shell('mysql', [
      ...['--no-defaults', '--protocol=tcp', '--host=127.0.0.1', `--port=${port}`, `--user=${user}`],
      ...[`--password=${password}`, '--batch', '--skip-column-names', `--execute=${statement}`, database],
    ])
  const administrator = (statement: string) => {
    const args = ['--no-defaults', `--socket=${root}/run/mysqld.sock`, '--user=root', '--batch', '--skip-column-names']
    const result = shell('mysql', [...args, '--password=Secret of superuser', `--execute=${statement}`])
    if (result.status !== 0) throw new Error(result.stderr)
    return result.stdout.trim()
  }
  const first = `ALTER USER 'root'@'localhost' IDENTIFIED BY 'Secret of superuser'`
  t.equal(
    shell('mysql', ['--no-defaults', `--socket=${root}/run/mysqld.sock`, '--user=root', `--execute=${first}`]).status,
    0,
  )
  const accounts = script('accounts.sh')
  t.equal(accounts.status, 0, accounts.stderr)
  const result = join(root, 'tmp/result')
  const run = (text: string, logins: Record<string, string>, grants: string, { limit = -1, mark = 'uid-1' } = {}) => {
    rmSync(result, { force: true })
    for (const [name, password] of Object.entries(logins)) put(`logins/${name}`, password)
    const { status, stderr, stdout } = shell('bash', ['-c', local(text)], {
      [variable.host]: '127.0.0.1',
      [variable.port]: String(port),
      [variable.username]: 'reporting',
      [variable.logins]: Object.keys(logins).join(' '),
      [variable.mark]: mark,
      [variable.grants]: grants,
      [variable.limit]: String(limit),
      [variable.result]: result,
    })
    const changes = existsSync(result)
      ? (JSON.parse(readFileSync(result, 'utf8')) as { changes: number }).changes
      : undefined
    return { status, changes, log: stderr + stdout }
  }
  const { apply, drop } = scripts.mysql
  const may = (user: string, password: string, statement: string) => login(user, password, statement).status === 0
  t.ok(may('app', 'AppSecret1', 'CREATE TABLE sales (id INT PRIMARY KEY); INSERT INTO sales VALUES (1)'))
  const password = `it's "a" \\ secret & $HOME`

  const made = run(apply, { reporting: password }, 'app_1\tSELECT', { limit: 5 })
  t.equal(made.status, 0, made.log)
  t.ok(may('reporting', password, 'SELECT * FROM sales'))
  t.notOk(may('reporting', password, 'INSERT INTO sales VALUES (2)'))
  const again = run(apply, { reporting: password }, 'app_1\tSELECT', { limit: 5 })
  t.equal(again.changes, 0, again.log)

  t.comment('what was changed by hand is put right')
  administrator(`GRANT DELETE ON \`app\\_1\`.* TO reporting; ALTER USER reporting WITH MAX_USER_CONNECTIONS 9`)
  const one = run(apply, { reporting: password }, 'app_1\tSELECT', { limit: 5 })
  t.equal(one.status, 0, one.log)
  t.notMatch(one.log, 'REVOKE ALL', 'nobody is without his privileges for a moment')
  t.notOk(may('reporting', password, 'DELETE FROM sales'))
  administrator(
    `GRANT SELECT ON *.* TO reporting WITH GRANT OPTION; GRANT UPDATE (id) ON app_1.sales TO reporting; ALTER USER reporting IDENTIFIED BY 'guessed'`,
  )
  const more = run(apply, { reporting: password }, 'app_1\tSELECT', { limit: 5 })
  t.equal(more.status, 0, more.log)
  t.notOk(may('reporting', 'guessed', 'SELECT 1'))
  t.notOk(may('reporting', password, 'SELECT * FROM mysql.user'))
  t.notOk(may('reporting', password, 'UPDATE sales SET id = 7'))
  t.ok(may('reporting', password, 'SELECT * FROM sales'))
  t.equal(run(apply, { reporting: password }, 'app_1\tSELECT', { limit: 5 }).changes, 0)

  t.comment('a login after the other')
  const two = run(apply, { reporting: password, reporting_2603011200: 'Second1' }, 'app_1\tOWNER')
  t.equal(two.status, 0, two.log)
  t.ok(may('reporting', password, 'INSERT INTO sales VALUES (3)'))
  t.ok(may('reporting_2603011200', 'Second1', 'ALTER TABLE sales ADD COLUMN note TEXT'))
  const last = run(apply, { reporting_2603011200: 'Second1' }, 'app_1\tOWNER')
  t.equal(last.status, 0, last.log)
  t.notOk(may('reporting', password, 'SELECT 1'))
  t.equal(run(apply, { reporting_2603011200: 'Second1' }, 'app_1\tOWNER').changes, 0)

  t.comment('what it must not touch')
  for (const [name, mark] of [
    ['app', 'uid-1'],
    ['root', 'uid-1'],
    ['reporting_2603011200', 'uid-2'],
  ] as const) {
    t.match(
      run(apply, { [name]: 'taken' }, 'app_1\tSELECT', { mark }).log,
      `refused: there is a user "${name}" already`,
    )
  }
  t.ok(may('app', 'AppSecret1', 'SELECT 1'))

  t.comment('what came with a backup is taken over by the first that asks, with its logins')
  const [gone, next, late] = ['1', '2', '3'].map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`)
  const of = (mark: string | undefined, logins: Record<string, string>) =>
    run(apply, logins, 'app_1\tSELECT', mark === undefined ? {} : { mark })
  t.equal(run(drop, {}, '').status, 0)
  t.equal(of(gone, { reporting_2603011200: 'Before1', reporting_2603021200: 'Before2' }).status, 0)
  t.match(of(next, { reporting_2603021200: 'After2' }).log, 'refused: there is a user "reporting_2603021200" already')
  const options = `--no-defaults --socket=${root}/run/mysqld.sock --user=root --batch --skip-column-names --raw`
  const client = `MYSQL_PWD='Secret of superuser' mysql ${options}`
  const released = shell('bash', ['-c', `${client} --execute="${releasingUsers}" | ${client}`])
  t.equal(released.status, 0, released.stderr)
  const taken = of(next, { reporting_2603021200: 'After2' })
  t.equal(taken.status, 0, taken.log)
  t.ok(may('reporting_2603021200', 'After2', 'SELECT * FROM sales'))
  t.notOk(may('reporting_2603011200', 'Before1', 'SELECT 1'), 'a login before has ended')
  t.match(of(late, { reporting_2603021200: 'Late' }).log, 'refused: there is a user "reporting_2603021200" already')
  t.equal(of(next, { reporting_2603021200: 'After2' }).changes, 0)
  t.equal(run(drop, {}, '', next === undefined ? {} : { mark: next }).status, 0)
  t.equal(run(apply, { reporting: password }, 'app_1\tOWNER').status, 0)

  const dropped = run(drop, {}, '')
  t.equal(dropped.status, 0, dropped.log)
  t.equal(administrator(`SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'reporting%'`), '0')
  t.equal(run(drop, {}, '').changes, 0)
  t.notMatch(log(), /secret &|Second1/, 'no password is in the log')
})
