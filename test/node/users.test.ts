// DatabaseUsers in real pods: who logs in with what the Secret says may do what was granted and nothing else, through a
// rotation, after somebody revoked a privilege by hand, and until the resource is deleted.
import t from 'tap'
import { at, database, databaseAt, present, untilCondition, untilGone, untilPhase } from '../scenarios/database.ts'
import { databaseKindScenarios } from '../scenarios/databasekinds.ts'
import { scenariosFor } from '../scenarios/index.ts'
import { untilServed } from './client.ts'
import { obstacle } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

interface Engine {
  name: string
  version: string
  image: string
  /** Bash: runs the statement in $1 as USERNAME with PASSWORD. */
  client: string
  /** Bash in the database's own pod: runs the statement in $1 as its administrator. */
  administrator: string
  revoke(login: string): string
  refusedStatement: RegExp
  refusedLogin: RegExp
}

const reason = obstacle()
if (reason !== undefined) {
  t.test('users in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  const { versions } = cluster
  const engines: Engine[] = [
    {
      name: 'postgresql',
      version: versions.postgresql,
      image: `postgres:${versions.postgresql}`,
      client:
        'PGPASSWORD="$PASSWORD" psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --tuples-only --no-align --host=db --username="$USERNAME" --dbname=app --command="$1"',
      administrator: 'psql --quiet --host=/var/run/postgresql --username=postgres --dbname=app --command="$1"',
      // What logins may do, the role has that they all belong to.
      revoke: () => 'REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM reporting',
      refusedStatement: /permission denied/,
      refusedLogin: /password authentication failed|does not exist/,
    },
    {
      name: 'mysql',
      version: versions.mysql,
      image: `mysql:${versions.mysql}`,
      client: 'MYSQL_PWD="$PASSWORD" mysql --host=db --user="$USERNAME" --batch --skip-column-names --execute="$1" app',
      administrator:
        'MYSQL_PWD=$(cat /etc/credentials/superuser/superuser-password) mysql --user=root --execute="$1" app',
      revoke: (login) => `REVOKE SELECT ON app.* FROM '${login}'@'%'`,
      // Who has no privilege left in a database does not get in there at all.
      refusedStatement: /denied (to|for) user/,
      refusedLogin: /Access denied/,
    },
  ]

  for (const engine of engines) {
    t.test(`${engine.name}: a user that reads`, { timeout: 900_000 }, async (t) => {
      const namespace = await cluster.namespace(`user-${engine.name}`)
      const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
      const user = { apiVersion: 'example.com/v1', kind: 'DatabaseUser', namespace, name: 'reporting' }
      const secret = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'reporting-user' }
      const administrator = (statement: string) =>
        kubectl('exec', 'db-0', '--container=database', '--', 'bash', '-c', engine.administrator, 'bash', statement)

      /** As somebody who knows of the user what the Secret says now. */
      const login = async () => {
        const { data } = (await cluster.get(secret)) as unknown as { data: Record<string, string> }
        const of = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString()
        return { USERNAME: of('username'), PASSWORD: of('password') }
      }
      const as = ({ USERNAME, PASSWORD }: Awaited<ReturnType<typeof login>>, statement: string) => {
        const env = [`USERNAME=${USERNAME}`, `PASSWORD=${PASSWORD}`]
        return kubectl('exec', 'client', '--', 'env', ...env, 'bash', '-c', engine.client, 'bash', statement)
      }

      await t.test('logs in over the Service, and may read and nothing else', async (t) => {
        await cluster.create({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { namespace, name: 'client' },
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [{ name: 'client', image: engine.image, command: ['sleep', 'infinity'] }],
          },
        })
        await cluster.apply(
          database(namespace, 'db', {
            engine: engine.name,
            version: engine.version,
            resources: { requests: { cpu: '100m', memory: '512Mi' } },
          }),
        )
        await untilPhase(cluster, databaseAt(namespace, 'db'), 'Running', 180)
        await administrator(
          "CREATE TABLE notes (id int PRIMARY KEY, text varchar(40)); INSERT INTO notes VALUES (1, 'first')",
        )
        // The owner's tables are what a user may read.
        if (engine.name === 'postgresql') await administrator('ALTER TABLE notes OWNER TO app')
        await cluster.apply({
          apiVersion: 'example.com/v1',
          kind: 'DatabaseUser',
          metadata: { namespace, name: 'reporting' },
          spec: {
            databaseRef: { name: 'db' },
            username: 'reporting',
            databases: [{ name: 'app', access: 'read' }],
            rotation: { interval: '30d', retention: '1h' },
            deletionPolicy: 'Delete',
          },
        })
        await untilCondition(cluster, user, 'Ready', 'True', 'Applied', 120)
        await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=120s')
        await untilServed(cluster, async () => as(await login(), 'SELECT 1'))
        t.equal(await as(await login(), 'SELECT text FROM notes'), 'first\n')
        await t.rejects(as(await login(), "INSERT INTO notes VALUES (2, 'second')"), {
          message: engine.refusedStatement,
        })
        await t.rejects(as(await login(), 'DROP TABLE notes'))
      })

      await t.test('a rotation brings a second login, and the first works until its retention is over', async (t) => {
        const first = await login()
        await cluster.patch(user, { spec: { rotation: { counter: 1 } } })
        // Logins are named by the minute.
        await cluster.until(
          'the Secret names another login',
          async () => (await login()).USERNAME !== first.USERNAME,
          180,
        )
        const second = await login()
        t.equal(await as(second, 'SELECT text FROM notes'), 'first\n')
        t.equal(await as(first, 'SELECT text FROM notes'), 'first\n', 'nobody is cut off')
        // An hour later:
        const { logins } = (await present(cluster, user)).status as { logins: { username: string; expires?: string }[] }
        const expired = logins.map((one) => (one.expires ? { ...one, expires: '2026-01-01T00:00:00Z' } : one))
        await cluster.patch(user, { status: { logins: expired } }, 'status')
        await cluster.until(
          'the first is dropped',
          () =>
            as(first, 'SELECT 1').then(
              () => false,
              (error: Error) => engine.refusedLogin.test(error.message),
            ),
          120,
        )
        t.equal(await as(second, 'SELECT text FROM notes'), 'first\n')
        await untilCondition(cluster, user, 'Ready', 'True', 'Applied', 60)
      })

      await t.test('a privilege that was revoked by hand comes back', async (t) => {
        // The Job that dropped the first login may still be on its way, and would repair what is revoked now unseen.
        await untilCondition(cluster, user, 'Synchronized', 'True', 'Applied', 60)
        const now = await login()
        await administrator(engine.revoke(now.USERNAME))
        await t.rejects(as(now, 'SELECT text FROM notes'), { message: engine.refusedStatement })
        // The next time that the interval comes round: its Job is not there, and was not recorded.
        const job = String(at(await cluster.get(user), 'status', 'applied', 'job'))
        await kubectl('delete', 'job', job, '--ignore-not-found', '--wait')
        await cluster.until(
          'it may read again',
          async () => {
            const answer = await as(now, 'SELECT text FROM notes').catch(() => undefined)
            // Once more where a sync that was under way wrote down what it had read before.
            if (answer === undefined && at(await cluster.get(user), 'status', 'applied', 'job') === job) {
              await cluster.patch(user, { status: { applied: { job: 'of-the-interval-before' } } }, 'status')
            }
            return answer
          },
          180,
        )
        await cluster.until(
          'the status tells',
          async () => Number(at(await cluster.get(user), 'status', 'drift', 'changes')) > 0,
        )
      })

      await t.test('goes with its resource', async (t) => {
        const last = await login()
        await cluster.delete(user)
        await untilGone(cluster, [user, secret])
        await t.rejects(as(last, 'SELECT 1'), { message: engine.refusedLogin })
      })
      await cluster.kubectl('delete', 'namespace', namespace, '--timeout=120s')
    })
  }

  const { carried } = scenariosFor(cluster, databaseKindScenarios)
  for (const { title, seconds = 120, run } of carried) {
    t.test(title, { timeout: seconds * 3000 }, async () => run(cluster))
  }
}
