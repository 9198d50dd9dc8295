// What a DatabaseUser answers as time goes by: logins, intervals and attempts, without a cluster.
import t from 'tap'
import { databaseUser } from '../../../hooks/kinds/databaseuser/index.ts'
import type { Condition } from '../../../hooks/sdk/conditions.ts'
import { createCredentials } from '../../../hooks/sdk/credentials.ts'
import { evaluateComposite } from '../../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../../hooks/sdk/observed.ts'
import type { ObservedGroups } from '../../../hooks/sdk/wire.ts'

const namespace = 'shop'
const start = Date.parse('2026-03-01T12:00:00Z')
const hour = 3600
const day = 24 * hour

/** One DatabaseUser in a Database that takes connections. */
function createWorld(spec: Record<string, unknown> = {}, databaseSpec: Record<string, unknown> = {}) {
  let now = start
  let parent: KubernetesObject = {
    apiVersion: 'example.com/v1',
    kind: 'DatabaseUser',
    metadata: { name: 'reporting', namespace, uid: 'uid-1', generation: 1, creationTimestamp: '2026-03-01T12:00:00Z' },
    spec: { databaseRef: { name: 'db' }, username: 'reporting', ...spec },
  }
  const database: KubernetesObject = {
    apiVersion: 'example.com/v1',
    kind: 'Database',
    metadata: { name: 'db', namespace, uid: 'uid-db' },
    spec: { engine: 'postgresql', version: '17.2', storage: { size: '1Gi' }, ...databaseSpec },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'ReplicasReady', message: '' }] },
  }
  const pods: Record<string, KubernetesObject> = {}
  let children: ObservedGroups = {}
  const related: ObservedGroups = { 'Database.example.com/v1': { 'shop/db': database }, 'Pod.v1': pods }
  const ask = (finalizing = false) => {
    const groups = Object.fromEntries(
      databaseUser.children.map((type) => [groupKey(type), children[groupKey(type)] ?? {}]),
    )
    return evaluateComposite(
      databaseUser,
      { controller: { apiVersion: 'v1', kind: 'C', metadata: {} }, parent, children: groups, related, finalizing },
      {
        now: new Date(now),
        credentials: createCredentials([{ id: 'first', secret: new Uint8Array(32).fill(1) }]),
        settings: { imageRegistry: '' },
      },
    ).response
  }
  const world = {
    database,
    related,
    /** Asks and carries the answer out, until nothing changes. */
    settle(finalizing = false) {
      for (let round = 0; round < 5; round++) {
        const answer = ask(finalizing)
        const next: ObservedGroups = {}
        for (const child of answer.children) {
          const key = `${namespace}/${child.metadata.name}`
          const live = children[groupKey(child)]?.[key]
          const metadata = {
            ...child.metadata,
            namespace,
            uid: `${child.kind} ${child.metadata.name}`,
            resourceVersion: '1',
          }
          next[groupKey(child)] = {
            ...next[groupKey(child)],
            [key]: { ...child, metadata, ...(live?.status ? { status: live.status } : {}) },
          }
        }
        children = next
        parent = { ...parent, status: answer.status }
        if (answer.finalized) return answer
      }
      return ask(finalizing)
    },
    pass(seconds: number) {
      now += seconds * 1000
      return world.settle()
    },
    change(spec: Record<string, unknown>) {
      const { generation = 0 } = parent.metadata
      parent = {
        ...parent,
        metadata: { ...parent.metadata, generation: generation + 1 },
        spec: { ...(parent.spec as object), ...spec },
      }
      return world.settle()
    },
    forget: () => {
      children['Job.batch/v1'] = {}
    },
    job: () => Object.values(children['Job.batch/v1'] ?? {})[0],
    /** Ends the Job that there is, its pod with that message. */
    end(message: string, type: 'Complete' | 'Failed' = 'Complete') {
      const job = world.job()
      if (job === undefined) throw new Error('there is no Job')
      const time = new Date(now).toISOString()
      job.status = { conditions: [{ type, status: 'True', reason: 'Over', lastTransitionTime: time }] }
      const name = `${job.metadata.name}-pod`
      pods[`${namespace}/${name}`] = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name,
          namespace,
          creationTimestamp: time,
          ownerReferences: [
            { apiVersion: 'batch/v1', kind: 'Job', name: String(job.metadata.name), uid: String(job.metadata.uid) },
          ],
        },
        status: { containerStatuses: [{ name: 'user', state: { terminated: { exitCode: 0, message } } }] },
      }
      return world.settle()
    },
    secret: (name: string): Record<string, string> | undefined => {
      const data = children['Secret.v1']?.[`${namespace}/${name}`]?.data as Record<string, string> | undefined
      return (
        data &&
        Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
      )
    },
    status: () => parent.status as Record<string, unknown>,
    condition: (type: string) =>
      (parent.status as { conditions: Condition[] }).conditions.find((condition) => condition.type === type),
  }
  world.settle()
  return world
}

t.test('every interval the engine is looked at once more, and what that took is told', async (t) => {
  const world = createWorld({ interval: '1h' })
  const first = world.job()?.metadata.name
  t.equal(world.secret('reporting-user'), undefined, 'no Secret names a user that is not there yet')
  world.end('{"changes":9}')
  t.equal(world.condition('Ready')?.status, 'True')
  t.equal(world.status().drift, undefined, 'to make it is no drift')
  t.equal(world.pass(hour - 60).children.find(({ kind }) => kind === 'Job')?.metadata.name, first)
  world.pass(60)
  const second = world.job()?.metadata.name
  t.not(second, first)
  t.equal(world.condition('Ready')?.status, 'True', 'and nothing is said before it is known')
  world.end('{"changes":2}')
  t.match(world.status().drift, { changes: 2, time: '2026-03-01T13:00:00.000Z' })
  world.pass(hour)
  world.end('{"changes":0}')
  t.match(world.status().drift, { changes: 2 }, 'the last drift is remembered')
})

t.test('a Job that is gone is not made again, unless there is something to do', async (t) => {
  const world = createWorld({ interval: '4w' })
  world.end('{"changes":1}')
  world.forget()
  world.pass(day)
  t.equal(world.job(), undefined)
  world.change({ connectionLimit: 3 })
  t.ok(world.job())
  t.match(world.condition('Ready'), { status: 'False', reason: 'Applying' })
  world.end('{"changes":1}')
  t.equal(world.condition('Ready')?.status, 'True')
})

t.test('a failed attempt is followed by another, ever later', async (t) => {
  const world = createWorld({ interval: '1d' })
  const first = world.job()?.metadata.name
  world.end('psql: error: connection refused', 'Failed')
  t.match(world.condition('Synchronized'), {
    status: 'False',
    reason: 'JobFailed',
    message: /attempt 1 .*connection refused/,
  })
  world.pass(50)
  t.equal(world.job()?.metadata.name, first)
  world.pass(15)
  const second = world.job()?.metadata.name
  t.not(second, first)
  world.end('psql: error: connection refused', 'Failed')
  world.pass(100)
  t.equal(world.job()?.metadata.name, second)
  world.pass(25)
  t.not(world.job()?.metadata.name, second)
  world.end('{"changes":1}')
  t.equal(world.status().failure, undefined)
  t.equal(world.condition('Ready')?.status, 'True')
})

t.test('a login replaces the one before, which works until its retention is over', async (t) => {
  const world = createWorld({ rotation: { interval: '30d', retention: '7d' }, interval: '52w' })
  world.end('{"changes":5}')
  const first = world.secret('reporting-user')
  t.equal(first?.username, 'reporting_2603011200')
  world.pass(30 * day)
  t.same(Object.keys(world.secret('reporting-user-logins') ?? {}), ['reporting_2603011200', 'reporting_2603311200'])
  t.equal(world.secret('reporting-user')?.username, first?.username, 'the Secret names no login that is not there yet')
  t.equal(world.condition('Ready')?.status, 'True')
  world.end('{"changes":5}')
  const second = world.secret('reporting-user')
  t.equal(second?.username, 'reporting_2603311200')
  t.not(second?.password, first?.password)
  world.pass(7 * day - 1)
  t.equal(Object.keys(world.secret('reporting-user-logins') ?? {}).length, 2)
  world.pass(2)
  t.same(Object.keys(world.secret('reporting-user-logins') ?? {}), ['reporting_2603311200'], 'it is to be dropped')
  t.equal(world.condition('Ready')?.status, 'True')
  world.end('{"changes":1}')
  t.equal(world.condition('Synchronized')?.status, 'True')
  world.change({ rotation: { interval: '30d', retention: '7d', counter: 1 } })
  t.equal(Object.keys(world.secret('reporting-user-logins') ?? {}).length, 2, 'at once, when it is asked for')
})

t.test('without an interval the counter changes the password, in the Secret once it is in the engine', async (t) => {
  const world = createWorld()
  world.end('{"changes":5}')
  const first = world.secret('reporting-user')
  world.change({ rotation: { counter: 1 } })
  t.equal(world.secret('reporting-user')?.password, first?.password)
  t.not(world.secret('reporting-user-logins')?.reporting, first?.password)
  world.end('{"changes":1}')
  t.equal(world.secret('reporting-user')?.username, 'reporting')
  t.equal(world.secret('reporting-user')?.password, world.secret('reporting-user-logins')?.reporting)
})

t.test("a password of one's own is in no Secret of ours, and no log of a Job", async (t) => {
  const world = createWorld({ passwordSecret: { name: 'own', key: 'pw' } })
  world.end('{"changes":5}')
  t.equal(world.secret('reporting-user-logins'), undefined)
  t.same(Object.keys(world.secret('reporting-user') ?? {}).sort(), ['dbname', 'host', 'port', 'username'])
  t.match(JSON.stringify(world.job()), '"secretName":"own","items":[{"key":"pw","path":"reporting"}]')
})

t.test('nothing begins while the Database takes no connections', async (t) => {
  const world = createWorld()
  world.end('{"changes":5}')
  world.database.status = {
    conditions: [{ type: 'Available', status: 'False', reason: 'NoReplicaReady', message: '' }],
  }
  world.change({ connectionLimit: 3 })
  t.equal(world.job(), undefined)
  t.match(world.condition('Synchronized'), { status: 'False', reason: 'DatabaseNotReady' })
  t.ok(world.secret('reporting-user'), 'what there is stays')
})

t.test('it goes without a word to an engine that is gone, or was never spoken to', async (t) => {
  const retained = createWorld()
  retained.end('{"changes":5}')
  t.ok(retained.settle(true).finalized, 'Retain is the default')
  const never = createWorld({ deletionPolicy: 'Delete' }, { suspend: true })
  t.ok(never.settle(true).finalized)
  const world = createWorld({ deletionPolicy: 'Delete' })
  world.end('{"changes":5}')
  t.notOk(world.settle(true).finalized)
  t.match(world.job()?.metadata.name, /^reporting-user-drop-/)
  t.equal(world.secret('reporting-user'), undefined)
  world.related['Database.example.com/v1'] = {}
  t.ok(world.settle(true).finalized)
})

t.test('what an engine does not have is refused', async (t) => {
  for (const [spec, database, reason] of [
    [{ connectionLimit: 1 }, { engine: 'mongodb', version: '7.0' }, 'NotSupported'],
    [{}, { engine: 'mysql', version: '8.0.20' }, 'NotSupported'],
    [{ databases: [{ name: 'other' }] }, { engine: 'mysql', version: '8.4' }, 'InvalidGrant'],
    [{ databases: [{ name: 'app', privileges: ['EVENT'] }] }, {}, 'InvalidGrant'],
    [{ username: 'app' }, {}, 'OwnerRefused'],
  ] as const) {
    const world = createWorld(spec, database)
    t.match(world.condition('Ready'), { status: 'False', reason }, JSON.stringify(spec))
    t.equal(world.job(), undefined)
  }
})
