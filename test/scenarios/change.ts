// What happens when somebody changes something: the spec, the scale, or a child behind the hook's back.
import assert from 'node:assert/strict'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster, Scenario } from './cluster.ts'
import {
  at,
  backupReference,
  childReferences,
  conditionOf,
  database,
  databaseAt,
  databaseBackupAt,
  present,
  running,
  statefulSetOf,
  untilCondition,
  untilGone,
  untilPhase,
  versions,
} from './database.ts'
import { driftRepaired } from './drift.ts'

export const changeScenarios: Scenario[] = [
  {
    title: 'scales 1→3→2 by the spec and by the scale subresource',
    async run(cluster) {
      const namespace = await cluster.namespace('scale')
      const reference = await running(cluster, database(namespace, 'db'))
      await cluster.patch(reference, { spec: { replicas: 3 } })
      await untilReplicas(cluster, reference, 3)
      await cluster.patch(reference, { spec: { replicas: 2 } }, 'scale')
      const scaled = await untilReplicas(cluster, reference, 2)
      assert.equal(at(scaled, 'spec', 'replicas'), 2)
      assert.notEqual(at(scaled, 'status', 'selector') ?? '', '', 'an HPA finds the pods by the selector')
      assert.equal(at(scaled, 'status', 'endpoints', 'readonly', 'length') === 0, false)
    },
  },
  {
    title: 'scales a MongoDB replica set 1→3→1: members leave it before their pods go',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('replicaset')
      const mongodb = { engine: 'mongodb', version: versions.mongodb }
      const reference = await running(cluster, database(namespace, 'db', mongodb))
      await cluster.patch(reference, { spec: { replicas: 3 } })
      await untilReplicas(cluster, reference, 3)
      const topology = async () => at(await present(cluster, reference), 'status', 'topology')
      await cluster.until('all are members', async () => at(await topology(), 'members', 2, 'name') === 'db-2')
      await cluster.patch(reference, { spec: { replicas: 1 } })
      await untilReplicas(cluster, reference, 1)
      await cluster.until('the first is left', async () => at(await topology(), 'primary') === 'db-0')
    },
  },
  {
    title: 'scales a PostgreSQL cluster in: a primary that goes hands over to a member that stays',
    async run(cluster) {
      const namespace = await cluster.namespace('handover')
      const reference = await running(cluster, database(namespace, 'db', { replicas: 3 }))
      const primary = async () => at(await present(cluster, reference), 'status', 'topology', 'primary')
      const pod = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'db-0' }
      await cluster.delete(pod)
      await cluster.until('another takes writes', async () => {
        if (/^db-[12]$/.test(String(await primary()))) return true
        // Who is back before anybody else asked may go on.
        const back = (await cluster.get(pod))?.metadata
        if (back?.labels?.['example.com/role'] === 'primary' && back.deletionTimestamp === undefined) {
          await cluster.delete(pod)
        }
        return false
      })
      await untilCondition(cluster, reference, 'Replicated', 'True')
      await cluster.patch(reference, { spec: { replicas: 1 } })
      await untilReplicas(cluster, reference, 1)
      await cluster.until('the one that is left does', async () => (await primary()) === 'db-0')
      await untilCondition(cluster, reference, 'Ready', 'True')
    },
  },
  {
    title: 'drift of every child is repaired: deleted, changed, a label taken off',
    seconds: 240,
    async run(cluster) {
      const namespace = await cluster.namespace('drift')
      const backup = { enabled: true, schedule: '0 2 * * *', destination: { claim: { name: 'dumps' } } }
      await running(cluster, database(namespace, 'db', { replicas: 2, backup }))
      const references = [...childReferences(namespace, 'db'), databaseBackupAt(namespace, 'db-backup')]
      for (const reference of references) {
        await driftRepaired(cluster, reference)
      }
      const metrics = await cluster.hook.metrics()
      const kinds = [...new Set(references.map(({ kind }) => kind))]
      for (const kind of kinds) {
        assert.match(metrics, new RegExp(`^operator_hooks_drift_\\w+\\{[^}]*"${kind}"[^}]*\\} [1-9]`, 'm'), kind)
      }
      await cluster.until('an event tells of the drift of each kind, and names the field', async () => {
        const all = await cluster.events(databaseAt(namespace, 'db'))
        const notes = all.filter(({ reason }) => reason === 'DriftRepaired').map(({ note }) => note)
        return kinds.every((kind) => notes.some((note) => note.startsWith(`${kind}/`) && /metadata\.labels/.test(note)))
      })
    },
  },
  {
    title: 'a deleted Secret comes back with the same password',
    async run(cluster) {
      const namespace = await cluster.namespace('secret')
      await running(cluster, database(namespace, 'db'))
      const reference = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'db-secret' }
      const before = await present(cluster, reference)
      await cluster.delete(reference)
      const after = await cluster.until('the Secret is back', async () => {
        const object = await cluster.get(reference)
        return object !== undefined && object.metadata.uid !== before.metadata.uid ? object : undefined
      })
      assert.deepEqual(after.data, before.data)
    },
  },
  {
    title: 'an invalid change holds everything, and the next valid one goes on from there',
    async run(cluster) {
      const namespace = await cluster.namespace('hold')
      const reference = await running(cluster, database(namespace, 'db'))
      const before = await present(cluster, statefulSetOf(namespace, 'db'))
      // The API server knows what a cron expression looks like, not that 30 February never comes.
      await cluster.patch(reference, {
        spec: { backup: { enabled: true, schedule: '0 0 30 2 *', destination: { claim: { name: 'dumps' } } } },
      })
      const held = await untilCondition(cluster, reference, 'Stalled', 'True', 'InvalidSpec')
      assert.match(conditionOf(held, 'Ready')?.message ?? '', /spec\.backup\.schedule/)
      assert.equal(conditionOf(held, 'Ready')?.status, 'False')
      const after = await present(cluster, statefulSetOf(namespace, 'db'))
      assert.deepEqual(after.spec, before.spec)
      for (const child of childReferences(namespace, 'db')) await present(cluster, child)
      await cluster.patch(reference, { spec: { backup: { schedule: '0 0 28 2 *' } } })
      await untilCondition(cluster, reference, 'Stalled', 'False')
      await cluster.until('the backup is scheduled', () => cluster.get(backupReference(namespace, 'db')))
      await untilPhase(cluster, reference, 'Running')
    },
  },
  {
    title: 'backups go on, to another hour, and off',
    async run(cluster) {
      const namespace = await cluster.namespace('backup')
      const backup = { enabled: true, schedule: '0 2 * * *', destination: { claim: { name: 'dumps' } } }
      const reference = await running(cluster, database(namespace, 'e2e-test-db', { backup }))
      const cronJob = backupReference(namespace, 'e2e-test-db')
      const scheduled = (schedule: string) =>
        cluster.until(`the CronJob runs at ${schedule}`, async () => {
          return at(await cluster.get(cronJob), 'spec', 'schedule') === schedule
        })
      await scheduled('0 2 * * *')
      await cluster.patch(reference, { spec: { backup: { schedule: '30 4 * * 0' } } })
      await scheduled('30 4 * * 0')
      await cluster.patch(reference, { spec: { backup: { enabled: false } } })
      await untilGone(cluster, [cronJob])
      await untilPhase(cluster, reference, 'Running')
    },
  },
  {
    title: 'a version change within a major rolls the pods; to another series it is refused with what to do',
    lacks: ['containers'],
    async run(cluster) {
      const namespace = await cluster.namespace('version')
      const reference = await running(cluster, database(namespace, 'db', { version: '13.8' }))
      await cluster.patch(reference, { spec: { version: '13.9' } })
      await cluster.until('13.9 runs', async () => {
        const object = await cluster.get(reference)
        return at(object, 'status', 'version') === '13.9' && at(object, 'status', 'phase') === 'Running'
      })
      const refusal = await cluster.patch(reference, { spec: { version: '14.2' } }).then(
        () => untilCondition(cluster, reference, 'Stalled', 'True').then((object) => conditionOf(object, 'Stalled')),
        (error: Error) => error,
      )
      assert.match(refusal?.message ?? '', /another release series in place: create a new Database/)
      const statefulSet = await present(cluster, statefulSetOf(namespace, 'db'))
      assert.equal(at(statefulSet, 'spec', 'template', 'spec', 'containers', 0, 'image'), 'postgres:13.9')
    },
  },
]

async function untilReplicas(cluster: Cluster, reference: ObjectReference, count: number): Promise<KubernetesObject> {
  return await cluster.until(`${count} replicas are ready`, async () => {
    const object = await untilPhase(cluster, reference, 'Running')
    const statefulSet = await present(cluster, statefulSetOf(String(reference.namespace), reference.name))
    const right =
      at(statefulSet, 'spec', 'replicas') === count &&
      at(object, 'status', 'replicas') === count &&
      at(object, 'status', 'readyReplicas') === count
    return right ? object : undefined
  })
}
