// What the Jobs of a DatabaseUser do in a real PostgreSQL, where there is one.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { releaseRoles } from '../../../hooks/kinds/database/engines/postgresql/restore-scripts.ts'
import { scripts } from '../../../hooks/kinds/databaseuser/scripts/index.ts'
import { variable } from '../../../hooks/kinds/databaseuser/scripts/script.ts'
import { passwords, postgresFolder, type Server, startPostgres } from '../database/server.ts'

// A server is set up and used; the machine may have other things to do.
t.setTimeout(120_000)

const { apply, drop } = scripts.postgresql

/** A DatabaseUser's Job, over and over. */
function jobOf(server: Server, { username = 'reporting', mark = 'uid-1' } = {}) {
  const run = (script: string, logins: Record<string, string>, grants: string, limit = -1) => {
    const result = join(server.root, 'tmp/result')
    rmSync(result, { force: true })
    server.put('etc/credentials/operator/operator-password', passwords.operator)
    for (const [login, password] of Object.entries(logins)) server.put(`etc/credentials/logins/${login}`, password)
    const { status, stderr, stdout } = server.bash(script, {
      [variable.host]: '127.0.0.1',
      [variable.port]: String(server.port),
      [variable.username]: username,
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
  return {
    apply: (logins: Record<string, string>, grants = 'app\tSELECT', limit?: number) =>
      run(apply, logins, grants, limit),
    drop: () => run(drop, {}, ''),
  }
}

t.test('a user of PostgreSQL', { skip: postgresFolder() === undefined && 'there is no PostgreSQL' }, async (t) => {
  const server = await startPostgres(t)
  const app = (statement: string) => server.query('app', passwords.app, statement)
  const may = (login: string, password: string, statement: string, database?: string) =>
    server.query(login, password, statement, database).status === 0
  app('CREATE TABLE sales (id serial PRIMARY KEY, amount int); INSERT INTO sales (amount) VALUES (1), (2)')
  app('CREATE SCHEMA "it\'s ""one"""; CREATE TABLE "it\'s ""one"""."a b" (x int)')
  const job = jobOf(server)
  const password = `it's "a" \\ secret & $HOME`

  await t.test('is made, may read and no more, and making it again changes nothing', async (t) => {
    const first = job.apply({ reporting: password }, 'app\tSELECT', 5)
    t.equal(first.status, 0, first.log)
    t.ok((first.changes ?? 0) > 3)
    t.ok(may('reporting', password, 'SELECT * FROM sales'))
    t.ok(may('reporting', password, `SELECT * FROM "it's ""one"""."a b"`))
    t.notOk(may('reporting', password, 'INSERT INTO sales (amount) VALUES (3)'))
    t.notOk(may('reporting', password, 'CREATE TABLE mine (x int)'))
    t.notOk(may('reporting', 'wrong', 'SELECT 1'))
    app('CREATE TABLE later (x int)')
    t.ok(may('reporting', password, 'SELECT * FROM later'), 'what the owner makes later is granted as well')
    const again = job.apply({ reporting: password }, 'app\tSELECT', 5)
    t.equal(again.status, 0, again.log)
    t.equal(again.changes, 0, again.log)
    t.equal(server.trusted(`SELECT rolconnlimit FROM pg_roles WHERE rolname = 'reporting'`), '5')
  })

  await t.test('what was changed by hand is put right', async (t) => {
    server.trusted('GRANT DELETE, TRUNCATE ON sales TO reporting; REVOKE SELECT ON later FROM reporting')
    server.trusted('GRANT UPDATE (amount) ON sales TO reporting; GRANT SELECT ON sales TO reporting WITH GRANT OPTION')
    server.trusted('ALTER ROLE reporting CREATEROLE CONNECTION LIMIT 100; GRANT CREATE ON DATABASE app TO reporting')
    server.trusted(`ALTER ROLE reporting PASSWORD 'guessed' VALID UNTIL '2000-01-01'`)
    const { status, changes, log } = job.apply({ reporting: password }, 'app\tSELECT', 5)
    t.equal(status, 0, log)
    t.ok((changes ?? 0) >= 6, log)
    t.notOk(may('reporting', password, 'DELETE FROM sales'))
    t.notOk(may('reporting', password, 'UPDATE sales SET amount = 0'))
    t.ok(may('reporting', password, 'SELECT * FROM later'))
    t.notOk(may('reporting', 'guessed', 'SELECT 1'))
    t.equal(server.trusted(`SELECT rolcreaterole FROM pg_roles WHERE rolname = 'reporting'`), 'f')
    t.equal(job.apply({ reporting: password }, 'app\tSELECT', 5).changes, 0)
  })

  await t.test('other privileges: more, and less again', async (t) => {
    t.equal(job.apply({ reporting: password }, 'app\tSELECT,INSERT,UPDATE,DELETE').status, 0)
    t.ok(may('reporting', password, 'INSERT INTO sales (amount) VALUES (3)'), 'the sequence as well')
    const owner = job.apply({ reporting: password }, 'app\tOWNER')
    t.equal(owner.status, 0, owner.log)
    t.ok(may('reporting', password, 'ALTER TABLE sales ADD COLUMN note text'))
    t.equal(job.apply({ reporting: password }, 'app\tSELECT').status, 0)
    t.notOk(may('reporting', password, 'ALTER TABLE sales DROP COLUMN note'))
    t.notOk(may('reporting', password, 'INSERT INTO sales (amount) VALUES (4)'))
    t.equal(job.apply({ reporting: password }, 'app\tSELECT').changes, 0)
  })

  await t.test('a login after the other, and nobody is cut off', async (t) => {
    const two = job.apply({ reporting: password, reporting_2603011200: 'Second1' }, 'app\tOWNER')
    t.equal(two.status, 0, two.log)
    t.ok(may('reporting', password, 'SELECT * FROM sales'))
    t.ok(may('reporting_2603011200', 'Second1', 'CREATE TABLE made_by_a_login (x int)'))
    const one = job.apply({ reporting_2603011200: 'Second1', reporting_2603020000: 'Third1' }, 'app\tOWNER')
    t.equal(one.status, 0, one.log)
    t.notOk(may('reporting', password, 'SELECT 1'), 'the first one has expired')
    t.ok(may('reporting_2603011200', 'Second1', 'SELECT * FROM sales'))
    const last = job.apply({ reporting_2603020000: 'Third1' }, 'app\tOWNER')
    t.equal(last.status, 0, last.log)
    t.notOk(may('reporting_2603011200', 'Second1', 'SELECT 1'))
    t.ok(may('reporting_2603020000', 'Third1', 'DROP TABLE made_by_a_login'), 'what the login before made is there')
    t.equal(job.apply({ reporting_2603020000: 'Third1' }, 'app\tOWNER').changes, 0)
  })

  await t.test('what it must not touch', async (t) => {
    const owner = jobOf(server, { username: 'app' }).apply({ app: 'taken' })
    t.not(owner.status, 0)
    t.match(owner.log, 'refused: the role "app" owns a database')
    const other = jobOf(server, { mark: 'uid-2' }).apply({ reporting: 'taken' })
    t.match(other.log, 'refused: there is a role "reporting" already')
    t.equal(jobOf(server, { mark: 'uid-2' }).drop().changes, 0, 'nothing is dropped of what another made')
    t.match(jobOf(server, { username: 'postgres' }).apply({ postgres: 'taken' }).log, 'refused: ')
    server.trusted('GRANT pg_read_all_data TO reporting')
    // From 16 on, only who made a grant takes it back.
    t.match(
      job.apply({ reporting_2603020000: 'Third1' }).log,
      /REVOKE pg_read_all_data|refused: reporting is a member of pg_read_all_data/,
    )
    server.trusted('REVOKE pg_read_all_data FROM reporting')
    t.match(
      job.apply({ reporting_2603020000: 'Third1' }, 'postgres\tSELECT').log,
      'there is no database "postgres" that belongs',
    )
    t.ok(may('reporting_2603020000', 'Third1', 'SELECT * FROM sales'))
  })

  await t.test('what came with a backup is taken over by the first that asks, with its logins', async (t) => {
    const [gone, next, late] = ['1', '2', '3'].map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`)
    const spec = { username: 'moved' }
    t.equal(jobOf(server, { ...spec, mark: gone }).apply({ moved_1: 'Before1', moved_2: 'Before2' }).status, 0)
    t.match(jobOf(server, { ...spec, mark: next }).apply({ moved_3: 'After3' }).log, 'refused: there is a role "moved"')
    server.trusted(releaseRoles)
    const taken = jobOf(server, { ...spec, mark: next }).apply({ moved_3: 'After3' })
    t.equal(taken.status, 0, taken.log)
    t.ok(may('moved_3', 'After3', 'SELECT * FROM sales'))
    for (const [login, before] of [
      ['moved_1', 'Before1'],
      ['moved_2', 'Before2'],
    ] as const) {
      t.notOk(may(login, before, 'SELECT 1'), `${login} has ended`)
    }
    t.match(jobOf(server, { ...spec, mark: late }).apply({ moved_4: 'Late4' }).log, 'refused: there is a role "moved"')
    t.equal(jobOf(server, { ...spec, mark: next }).drop().status, 0)
    t.equal(server.trusted("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'moved%'"), '0')
  })

  await t.test('names that want to be statements are names', async (t) => {
    const username = `a"; DROP TABLE sales; --'`
    const odd = jobOf(server, { username, mark: `it's"; $$ me` })
    const { status, log } = odd.apply({}, 'app\tSELECT')
    t.equal(status, 0, log)
    t.equal(server.trusted(`SELECT count(*) FROM pg_roles WHERE rolname = $n$${username}$n$`), '1')
    t.equal(app('SELECT count(*) >= 2 FROM sales').stdout, 't\n')
    t.equal(odd.drop().status, 0)
    t.equal(server.trusted(`SELECT count(*) FROM pg_roles WHERE rolname = $n$${username}$n$`), '0')
  })

  await t.test('is dropped, and what it made belongs to the owner', async (t) => {
    t.equal(job.apply({ reporting_2603020000: 'Third1' }, 'app\tOWNER').status, 0)
    t.ok(may('reporting_2603020000', 'Third1', 'CREATE TABLE kept AS SELECT 1 AS x'))
    const dropped = job.drop()
    t.equal(dropped.status, 0, dropped.log)
    t.equal(app('SELECT x FROM kept').stdout, '1\n')
    t.equal(server.trusted(`SELECT count(*) FROM pg_roles WHERE rolname LIKE 'reporting%'`), '0')
    t.equal(job.drop().changes, 0)
  })

  t.equal(
    server.query('monitor', passwords.monitor, 'SELECT count(*) > 0 FROM pg_stat_activity', 'postgres').stdout,
    't\n',
  )
  t.notOk(may('monitor', passwords.monitor, 'SELECT * FROM sales'))
  const log = server.log()
  for (const secret of [password, 'Second1', 'Third1', 'secret &'])
    t.notOk(log.includes(secret), 'no password is in the log')
})
