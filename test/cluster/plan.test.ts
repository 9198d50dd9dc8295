// A plan against the real API server, and what the real Metacontroller then does: they have to be the same.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Forecast } from '../../hooks/cli/forecast.ts'
import { database as kind } from '../../hooks/kinds/database/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { at, database, running, statefulSetOf, untilPhase } from '../scenarios/database.ts'
import { createControlPlaneCluster } from './cluster.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = t.testdir()
const main = join(root, 'hooks', 'main.ts')
const cluster = await createControlPlaneCluster({
  hook: { command: process.execPath, args: [main, 'serve', '--auth=none', '--ephemeral-credential-keys'] },
  manifests: [join(root, 'crds'), join(root, 'metacontroller')],
  faults: false,
})
t.teardown(() => cluster.stop())

/** Plans with the keys unknown, as those who use a cluster do. */
async function plan(object: KubernetesObject): Promise<{ code: number; plan: Forecast; text: string }> {
  const file = join(folder, 'db.json')
  writeFileSync(file, JSON.stringify(object))
  const { kubeconfig } = cluster.controlPlane
  const args = [main, 'plan', '-f', file, '--kubeconfig', kubeconfig, '--detailed-exitcode', '-o', 'json']
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code)
      if (stdout === '') reject(new Error(stderr))
      else resolve({ code, plan: JSON.parse(stdout).plans[0], text: stdout })
    })
  })
}

t.test('nothing to do is nothing to do, and a change does what was planned', async (t) => {
  const namespace = await cluster.namespace('plan')
  const reference = await running(cluster, database(namespace, 'db'))
  t.match(await plan(database(namespace, 'db')), { code: 0, plan: { action: 'none', children: [], unchanged: 9 } })

  const backup = { enabled: true, schedule: '0 3 * * *', destination: { claim: { name: 'dumps' } } }
  const changed = database(namespace, 'db', { version: '13.9', parameters: { work_mem: '16MB' }, backup })
  const planned = await plan(changed)
  t.equal(planned.code, 2)
  const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', namespace, name: 'db-secret' })
  for (const value of Object.values(at(secret, 'data') as Record<string, string>).filter(({ length }) => length > 20)) {
    t.notMatch(planned.text, value, 'no secret in a plan')
  }
  t.ok(planned.plan.children.find(({ kind }) => kind === 'StatefulSet')?.restartsPods)
  const before = await childrenOf(namespace)
  await cluster.apply(changed)
  await cluster.until('the new version', async () => {
    return at(await cluster.get(statefulSetOf(namespace, 'db')), 'metadata', 'generation') !== 1
  })
  await untilPhase(cluster, reference, 'Running')
  const after = await childrenOf(namespace)

  const created = [...after.keys()].filter((name) => !before.has(name)).sort()
  t.same(created, namesOf(planned.plan, 'create'), 'what was created')
  const specs = [...before].filter(([name, text]) => after.get(name) !== text).map(([name]) => name)
  t.same(specs.sort(), namesOf(planned.plan, 'change'), 'what was changed')
  t.match(await plan(changed), { code: 0, plan: { action: 'none', children: [] } }, 'and then nothing is left to do')
})

t.test('what the API server refuses is refused by the plan in the same words', async (t) => {
  const namespace = await cluster.namespace('refused')
  await running(cluster, database(namespace, 'db', { storage: { size: '2Gi' } }))
  const smaller = database(namespace, 'db', { storage: { size: '1Gi' } })
  const { code, plan: planned } = await plan(smaller)
  t.equal(code, 1)
  const refusal = await cluster.apply(smaller).then(
    () => undefined,
    (error: { causes: object[] }) => error.causes,
  )
  t.same(planned.refused?.causes, refusal)
})

/** The parts of a Database's children that Metacontroller writes, as text by kind and name. */
async function childrenOf(namespace: string): Promise<Map<string, string>> {
  const lists = await Promise.all(kind.children.map((type) => cluster.list(type, { namespace })))
  const owned = lists.flat().filter(({ metadata }) => metadata.ownerReferences?.some(({ kind }) => kind === 'Database'))
  return new Map(
    owned.map(({ kind, metadata, spec, data }) => {
      const { name = '', labels, annotations } = metadata
      const { 'metacontroller.k8s.io/last-applied-configuration': _applied, ...others } = annotations ?? {}
      return [`${kind}/${name}`, JSON.stringify({ labels, others, spec, data })]
    }),
  )
}

function namesOf({ children }: Forecast, action: string): string[] {
  return children
    .filter((child) => child.action === action)
    .map(({ kind, name }) => `${kind}/${name}`)
    .sort()
}
