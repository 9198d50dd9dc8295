// Deletion: what goes, what stays, and what waits.
import assert from 'node:assert/strict'
import type { Cluster, Scenario } from './cluster.ts'
import { childReferences, conditionOf, database, databaseAt, running, untilGone } from './database.ts'

const backup = { enabled: true, schedule: '0 2 * * *', destination: { claim: { name: 'dumps' } } }

export const removeScenarios: Scenario[] = [
  {
    title: 'a deleted Database leaves nothing but, by default, its claims',
    async run(cluster) {
      const namespace = await cluster.namespace('deleted')
      const reference = await running(cluster, database(namespace, 'db', { replicas: 2, backup }))
      await cluster.delete(reference)
      await untilGone(cluster, [reference, ...childReferences(namespace, 'db')])
      assert.equal((await claims(cluster, namespace)).length, 2, 'the data is retained')
      await untilGone(cluster, (await pods(cluster, namespace)).map(podReference))
    },
  },
  {
    title: 'with deletionPolicy Delete the claims go too',
    async run(cluster) {
      const namespace = await cluster.namespace('wiped')
      const reference = await running(cluster, database(namespace, 'db', { replicas: 2, deletionPolicy: 'Delete' }))
      assert.equal((await claims(cluster, namespace)).length, 2)
      await cluster.delete(reference)
      await untilGone(cluster, [reference, ...childReferences(namespace, 'db')])
      await cluster.until('the claims are gone', async () => (await claims(cluster, namespace)).length === 0)
    },
  },
  {
    title: 'deletion in the foreground loses no data',
    async run(cluster) {
      const namespace = await cluster.namespace('foreground')
      const reference = await running(cluster, database(namespace, 'db'))
      await cluster.delete(reference, 'Foreground')
      await untilGone(cluster, [reference, ...childReferences(namespace, 'db')])
      assert.equal((await claims(cluster, namespace)).length, 1)
    },
  },
  {
    title: 'a last backup that succeeds lets the Database and its claims go',
    async run(cluster) {
      const namespace = await cluster.namespace('last-backup')
      await cluster.create(claimForDumps(namespace))
      const reference = await running(cluster, database(namespace, 'db', { backup, deletionPolicy: 'BackupAndDelete' }))
      // A container that runs does so by itself.
      if (!cluster.capabilities.containers) {
        await cluster.behave({ kind: 'Job', namespace, name: 'db-*' }, 'succeed')
      }
      await cluster.delete(reference)
      await untilGone(cluster, [reference, ...childReferences(namespace, 'db')], 180)
      await cluster.until('the claims are gone', async () => (await claims(cluster, namespace)).length === 0)
    },
  },
  {
    title: 'a last backup that fails loses nothing: it says so and waits',
    lacks: ['containers'],
    seconds: 300,
    async run(cluster) {
      const namespace = await cluster.namespace('failed-backup')
      await cluster.create(claimForDumps(namespace))
      const reference = await running(cluster, database(namespace, 'db', { backup, deletionPolicy: 'BackupAndDelete' }))
      await cluster.behave({ kind: 'Job', namespace, name: 'db-*' }, 'fail')
      await cluster.delete(reference)
      const waiting = await cluster.until(
        'it says that the last backup failed',
        async () => {
          const object = await cluster.get(reference)
          return conditionOf(object, 'FinalBackupSucceeded')?.status === 'False' ? object : undefined
        },
        240,
      )
      assert.equal(waiting.metadata.name, 'db')
      assert.equal((await claims(cluster, namespace)).length, 1, 'the data is there')
      // Somebody decides that the data may stay without a backup.
      await cluster.patch(reference, { spec: { deletionPolicy: 'Retain' } })
      await untilGone(cluster, [databaseAt(namespace, 'db'), ...childReferences(namespace, 'db')])
      assert.equal((await claims(cluster, namespace)).length, 1)
    },
  },
]

const claimType = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' }

/** The claims that hold data of a database. */
const claims = async (cluster: Cluster, namespace: string) =>
  (await cluster.list(claimType, { namespace })).filter(({ metadata }) => metadata.name?.startsWith('data-'))

/** The claim that backups go to: without it no pod that mounts it is ever scheduled. */
const claimForDumps = (namespace: string) => ({
  ...claimType,
  metadata: { namespace, name: 'dumps' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
})

const pods = (cluster: Cluster, namespace: string) => cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace })

const podReference = ({ metadata }: { metadata: { name?: string; namespace?: string } }) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  name: String(metadata.name),
  namespace: String(metadata.namespace),
})
