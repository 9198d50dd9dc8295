// From nothing to a running database, for each engine and many at once.
import assert from 'node:assert/strict'
import { crowdOf, type Scenario } from './cluster.ts'
import {
  at,
  backupReference,
  childReferences,
  conditionOf,
  database,
  databaseAt,
  phaseOf,
  present,
  running,
  statefulSetOf,
  untilGone,
  untilPhase,
  versions,
} from './database.ts'

const engines = [
  { engine: 'postgresql', repository: 'postgres', config: 'postgresql.conf', port: 5432 },
  { engine: 'mysql', repository: 'mysql', config: 'my.cnf', port: 3306 },
  // Of this one no server is to be had but as the official image.
  { engine: 'mongodb', repository: 'mongo', config: 'mongod.conf', port: 27017, lacks: ['containers'] },
] as const

export const createScenarios: Scenario[] = [
  ...engines.map(
    ({ engine, repository, config, port, ...limits }): Scenario => ({
      title: `${engine}: every child is there and the engine's own configuration and image are used`,
      ...limits,
      async run(cluster) {
        const version = versions[engine]
        const image = `${repository}:${version}`
        const namespace = await cluster.namespace(engine)
        await cluster.apply(database(namespace, 'db', { engine, version }))
        for (const reference of childReferences(namespace, 'db')) {
          const child = await cluster.until(`${reference.kind}/${reference.name} is there`, () =>
            cluster.get(reference),
          )
          assert.equal(at(child, 'metadata', 'ownerReferences', 0, 'kind'), 'Database', `owner of ${reference.name}`)
        }
        const statefulSet = await present(cluster, statefulSetOf(namespace, 'db'))
        assert.equal(at(statefulSet, 'spec', 'template', 'spec', 'containers', 0, 'image'), image)
        const template = at(statefulSet, 'spec', 'volumeClaimTemplates', 0, 'spec', 'resources', 'requests', 'storage')
        assert.equal(template, '1Gi')
        const configMap = await present(cluster, {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          namespace,
          name: 'db-config',
        })
        assert.equal(typeof at(configMap, 'data', config), 'string', `${config} is in the ConfigMap`)
        assert.equal(await cluster.get(backupReference(namespace, 'db')), undefined, 'no backup was asked for')

        const ready = await untilPhase(cluster, databaseAt(namespace, 'db'), 'Running')
        assert.match(String(at(ready, 'status', 'endpoints', 'primary')), new RegExp(`^db\\.${namespace}.*:${port}$`))
        assert.equal(at(ready, 'status', 'readyReplicas'), 1)
        assert.equal(at(ready, 'status', 'version'), version)
        const secret = await present(cluster, { apiVersion: 'v1', kind: 'Secret', namespace, name: 'db-secret' })
        for (const key of ['username', 'password', 'host', 'port', 'dbname', 'uri']) {
          const value = Buffer.from(String(at(secret, 'data', key)), 'base64').toString()
          assert.notEqual(value, '', `${key} of the Secret`)
          if (key === 'port') assert.equal(value, String(port))
        }
      },
    }),
  ),
  {
    title: 'the status goes from Creating to Running, and Ready with it',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('status')
      await cluster.behave({ kind: 'StatefulSet', namespace, name: 'test-postgres' }, 'never-ready')
      await cluster.apply(database(namespace, 'test-postgres'))
      const reference = databaseAt(namespace, 'test-postgres')
      const creating = await untilPhase(cluster, reference, 'Creating')
      assert.equal(conditionOf(creating, 'Ready')?.status, 'False')
      assert.equal(conditionOf(creating, 'Reconciling')?.status, 'True')
      await cluster.behave({ kind: 'StatefulSet', namespace, name: 'test-postgres' }, 'run')
      const ready = await untilPhase(cluster, reference, 'Running')
      assert.equal(conditionOf(ready, 'Ready')?.status, 'True')
      assert.equal(conditionOf(ready, 'Reconciling')?.status, 'False')
      assert.equal(conditionOf(ready, 'Stalled')?.status, 'False')
    },
  },
  {
    title: 'many Databases at once all run, and all go',
    lacks: ['containers'],
    seconds: 300,
    async run(cluster) {
      const namespace = await cluster.namespace('many')
      const names = Array.from({ length: crowdOf(cluster) }, (_, index) => `db-${index}`)
      await Promise.all(names.map((name) => cluster.apply(database(namespace, name))))
      await cluster.until(
        'all of them run',
        async () => {
          const all = await cluster.list({ apiVersion: 'example.com/v1', kind: 'Database' }, { namespace })
          return all.length === names.length && all.every((object) => phaseOf(object) === 'Running')
        },
        280,
      )
      await Promise.all(names.map((name) => cluster.delete(databaseAt(namespace, name))))
      await untilGone(
        cluster,
        names.map((name) => databaseAt(namespace, name)),
        120,
      )
    },
  },
  {
    title: 'a name that somebody else holds is left alone, and a condition names it',
    async run(cluster) {
      const namespace = await cluster.namespace('taken')
      const theirs = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace, name: 'db-config' },
        data: { ours: 'no' },
      }
      await cluster.create(theirs)
      await cluster.apply(database(namespace, 'db'))
      const reference = databaseAt(namespace, 'db')
      const stalled = await cluster.until('the condition names it', async () => {
        const object = await cluster.get(reference)
        return conditionOf(object, 'Applied')?.reason === 'NameTaken' ? object : undefined
      })
      assert.match(conditionOf(stalled, 'Ready')?.message ?? '', /ConfigMap\/db-config/)
      assert.equal(conditionOf(stalled, 'Ready')?.reason, 'NameTaken')
      const kept = await present(cluster, { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'db-config' })
      assert.deepEqual(kept.data, { ours: 'no' })
      assert.equal(kept.metadata.ownerReferences, undefined)
      await cluster.delete({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'db-config' })
      await untilPhase(cluster, reference, 'Running')
      await cluster.until('it is Ready', async () => {
        return conditionOf(await cluster.get(reference), 'Ready')?.status === 'True'
      })
    },
  },
  {
    title: 'an unchanged Database is never written to again',
    lacks: ['containers'],
    seconds: 180,
    async run(cluster) {
      const namespace = await cluster.namespace('quiet')
      const monitoring = { enabled: true }
      const backup = { enabled: true, schedule: '0 2 * * *', destination: { claim: { name: 'dumps' } } }
      for (const { engine } of engines) {
        const version = versions[engine]
        await running(cluster, database(namespace, engine, { engine, version, replicas: 2, backup, monitoring }))
      }
      // What settles after readiness (budgets, endpoints) has settled by then.
      await cluster.pass(5)
      const before = await everything(cluster, namespace)
      const answeredBefore = await cluster.hook.answered()
      await cluster.pass(65)
      assert.deepEqual(await everything(cluster, namespace), before)
      assert.ok((await cluster.hook.answered()) >= answeredBefore + 2 * engines.length, 'resyncs did happen')
    },
  },
]

async function everything(cluster: Parameters<Scenario['run']>[0], namespace: string) {
  const references = engines.flatMap(({ engine }) => [
    databaseAt(namespace, engine),
    ...childReferences(namespace, engine),
    backupReference(namespace, engine),
  ])
  const objects = await Promise.all(references.map((reference) => present(cluster, reference)))
  return objects.map(({ kind, metadata }) => `${kind}/${metadata.name} at ${metadata.resourceVersion}`)
}
