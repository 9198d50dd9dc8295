// Processes die at the worst moments; the end must be the same as if they had not.
import assert from 'node:assert/strict'
import type { Cluster, Scenario } from './cluster.ts'
import { childReferences, database, databaseAt, present, running, untilCondition, untilPhase } from './database.ts'
import { endState } from './state.ts'

export const faultScenarios: Scenario[] = [
  {
    title: 'a hook service that is away delays changes and loses none',
    seconds: 240,
    async run(cluster) {
      const namespace = await cluster.namespace('away')
      const reference = await running(cluster, database(namespace, 'db'))
      await cluster.hook.stop()
      await cluster.patch(reference, { spec: { replicas: 2 } })
      await cluster.delete({ apiVersion: 'v1', kind: 'Service', namespace, name: 'db' })
      await cluster.pass(20)
      await present(cluster, { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: 'db' })
      await cluster.hook.start()
      await cluster.until('the Service is back', () =>
        cluster.get({ apiVersion: 'v1', kind: 'Service', namespace, name: 'db' }),
      )
      // Until the hook is asked again the status is still that of before, Running with one replica.
      await cluster.until('both replicas are ready', async () => {
        const { readyReplicas } = (await present(cluster, reference)).status as { readyReplicas?: number }
        return readyReplicas === 2
      })
      await untilPhase(cluster, reference, 'Running')
    },
  },
  {
    title: 'the hook service killed before each of its answers leads to the same end',
    needs: ['faults'],
    // More databases at once than a machine carries whose databases really run.
    lacks: ['containers'],
    seconds: 600,
    async run(cluster) {
      const expected = await undisturbed(cluster)
      for (const n of [1, 2, 3, 4, 5]) {
        const namespace = await cluster.namespace(`hook-killed-${n}`)
        // The hooks are asked about a new namespace too.
        await cluster.pass(1)
        cluster.hook.killBeforeAnswer(n)
        await cluster.apply(database(namespace, 'db', spec))
        await cluster.until('it was killed', async () => !cluster.hook.running(), 180)
        await cluster.hook.start()
        await arrived(cluster, namespace, expected, `hook killed before answer ${n}`)
      }
    },
  },
  {
    title: 'Metacontroller killed after each of its writes leads to the same end',
    needs: ['faults'],
    // More databases at once than a machine carries whose databases really run.
    lacks: ['containers'],
    seconds: 900,
    async run(cluster) {
      const expected = await undisturbed(cluster)
      // The finalizer, the children, among them the members' Role and its binding, and the first status: every write of
      // a creation.
      for (let n = 1; n <= childReferences('', '').length + 5; n++) {
        const namespace = await cluster.namespace(`metacontroller-killed-${n}`)
        cluster.metacontroller.killAfterWrite(n)
        await cluster.apply(database(namespace, 'db', spec))
        await cluster.until('it was killed', async () => !cluster.metacontroller.running(), 180)
        await cluster.metacontroller.start()
        await arrived(cluster, namespace, expected, `Metacontroller killed after write ${n}`)
      }
    },
  },
  {
    title: 'a restarted service changes no child',
    seconds: 180,
    async run(cluster) {
      const namespace = await cluster.namespace('restart')
      await running(cluster, database(namespace, 'db', spec))
      await cluster.pass(5)
      const versions = async () => {
        const children = childReferences(namespace, 'db').map((child) => present(cluster, child))
        return (await Promise.all(children)).map(({ metadata }) => metadata.resourceVersion)
      }
      const before = await versions()
      await cluster.hook.stop()
      await cluster.hook.start()
      const answered = await cluster.hook.answered()
      await cluster.until('it was asked again', async () => (await cluster.hook.answered()) > answered)
      await cluster.pass(3)
      assert.deepEqual(await versions(), before)
    },
  },
]

const spec = { replicas: 2 }

async function undisturbed(cluster: Cluster): Promise<Record<string, unknown>> {
  const namespace = await cluster.namespace('undisturbed')
  await running(cluster, database(namespace, 'db', spec))
  await untilCondition(cluster, databaseAt(namespace, 'db'), 'Replicated', 'True')
  await untilCondition(cluster, databaseAt(namespace, 'db'), 'Reconciling', 'False')
  return portable(await endState(cluster, namespace), namespace)
}

async function arrived(
  cluster: Cluster,
  namespace: string,
  expected: Record<string, unknown>,
  what: string,
): Promise<void> {
  await untilPhase(cluster, databaseAt(namespace, 'db'), 'Running')
  await untilCondition(cluster, databaseAt(namespace, 'db'), 'Ready', 'True')
  // Children and roles that came late are in the status with the next sync.
  await untilCondition(cluster, databaseAt(namespace, 'db'), 'Replicated', 'True')
  await untilCondition(cluster, databaseAt(namespace, 'db'), 'Reconciling', 'False')
  assert.deepEqual(portable(await endState(cluster, namespace), namespace), expected, what)
}

/** An end state that names neither its namespace nor a UID, such as that of the owner in a configuration. */
function portable(state: Record<string, unknown>, namespace: string): Record<string, unknown> {
  const uid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
  return JSON.parse(JSON.stringify(state).replaceAll(namespace, 'NAMESPACE').replaceAll(uid, 'UID'))
}
