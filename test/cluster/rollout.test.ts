// Rollouts of a WebApp by the command line, on a real API server.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { at, present } from '../scenarios/database.ts'
import { deploymentOf, running, webapp } from '../scenarios/webapp.ts'
import { createControlPlaneCluster } from './cluster.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = `${root}hooks/main.ts`
const cluster = await createControlPlaneCluster({
  hook: { command: process.execPath, args: [main, 'serve', '--auth=none', '--ephemeral-credential-keys'] },
  manifests: [`${root}crds`, `${root}metacontroller`, `${root}deploy/generated/rbac`],
})
t.teardown(() => cluster.stop())

/** Runs a command as a person would. */
function run(...args: string[]): Promise<{ code: number; output: string }> {
  const { kubeconfig } = cluster.controlPlane
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args, '--kubeconfig', kubeconfig], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr })
    })
  })
}

t.test('a revision waits without a write, is promoted, and another is aborted', { timeout: 240_000 }, async (t) => {
  const namespace = await cluster.namespace('by-hand')
  const rollout = {
    strategy: 'canary',
    promotion: 'manual',
    steps: [{ weight: 50, pauseSeconds: 1 }],
    analysis: { intervalSeconds: 1 },
  }
  const reference = await running(cluster, webapp(namespace, 'shop', { replicas: 2, rollout }))
  const here = ['shop', '-n', namespace]
  const waiting = () =>
    cluster.until('it waits for a person', async () => {
      const app = await present(cluster, reference)
      return at(app, 'status', 'rollout', 'phase') === 'WaitingPromotion' ? app : undefined
    })
  t.match(await run('promote', ...here), { code: 1, output: /no revision is being tried/ })
  t.match(await run('abort', 'nobody', '-n', namespace), { code: 1, output: /there is no WebApp .*\/nobody/ })

  await cluster.patch(reference, { spec: { image: 'registry.example.com/shop:2' } })
  const app = await waiting()
  const versions = async () => {
    const all = [reference, deploymentOf(namespace, 'shop'), deploymentOf(namespace, 'shop-canary')]
    return (await Promise.all(all.map((one) => present(cluster, one)))).map(({ metadata }) => metadata.resourceVersion)
  }
  // What Deployments count last has been told by then.
  await cluster.pass(5)
  const before = await versions()
  const answered = await cluster.hook.answered()
  await cluster.until('it was asked again', async () => (await cluster.hook.answered()) > answered, 60)
  await cluster.pass(1)
  t.same(await versions(), before, 'a look that finds nothing new writes nothing')

  const revision = String(at(app, 'status', 'revision', 'canary'))
  t.match(await run('promote', ...here), { code: 0, output: `revision ${revision} goes on` })
  await cluster.until('it is everywhere', async () => {
    const { status } = await present(cluster, reference)
    return at(status, 'rollout', 'phase') === 'Succeeded' && at(status, 'revision', 'stable') === revision
  })
  await cluster.patch(reference, { spec: { image: 'registry.example.com/shop:3' } })
  await waiting()
  t.match(await run('abort', ...here), { code: 0, output: /is rolled back/ })
  await cluster.until('it is rolled back', async () => {
    const { status } = await present(cluster, reference)
    const canary = await cluster.get(deploymentOf(namespace, 'shop-canary'))
    return at(status, 'rollout', 'reason') === 'Aborted' && canary === undefined
  })
  const stable = await present(cluster, deploymentOf(namespace, 'shop'))
  t.equal(at(stable, 'spec', 'template', 'spec', 'containers', 0, 'image'), 'registry.example.com/shop:2')
})
