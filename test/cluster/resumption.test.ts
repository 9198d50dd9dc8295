// After an outage of the hook service, on the real Metacontroller, with the periods that are generated: what would wait
// out its back-off is looked at at once.
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { present } from '../scenarios/database.ts'
import { running, webapp } from '../scenarios/webapp.ts'
import { createControlPlaneCluster } from './cluster.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cluster = await createControlPlaneCluster({
  hook: {
    command: process.execPath,
    args: [`${root}hooks/main.ts`, 'serve', '--auth=none', '--ephemeral-credential-keys', '--drain-seconds=0'],
  },
  manifests: [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'operator-hooks' } },
    `${root}crds`,
    `${root}metacontroller`,
    `${root}metacontroller/decorators/resumption`,
    `${root}deploy/generated/rbac`,
  ],
  longestResyncSeconds: Number.POSITIVE_INFINITY,
})
t.teardown(() => cluster.stop())

t.test('what was deleted while the service was away is back within seconds', { timeout: 300_000 }, async (t) => {
  const namespace = await cluster.namespace('away')
  const names = ['one', 'two', 'three']
  for (const name of names) await running(cluster, webapp(namespace, name, { replicas: 1 }))
  const service = (name: string) => ({ apiVersion: 'v1', kind: 'Service', namespace, name })
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'operator-hooks', name: 'resumption' }
  const before = (await present(cluster, lease)).spec
  await cluster.hook.stop()
  for (const name of names) await cluster.delete(service(name))
  // Metacontroller has tried for the last time after 82 s, and would again after 164.
  await wait(95_000)
  await cluster.hook.start()
  const back = performance.now()
  for (const name of names) await cluster.until(`${name} is back`, () => cluster.get(service(name)), 60)
  t.ok(performance.now() - back < 40_000, `after ${Math.round((performance.now() - back) / 1000)} s`)
  const after = (await present(cluster, lease)).spec
  t.not((after as { acquireTime?: string }).acquireTime, (before as { acquireTime?: string }).acquireTime)
})
