// Rollouts on the simulator: the scenarios, and what only its clocks can tell.
import t from 'tap'
import { webapp } from '../../hooks/kinds/webapp/index.ts'
import { at, present } from '../scenarios/database.ts'
import { rolloutScenarios } from '../scenarios/rollout.ts'
import { deploymentOf, running, webapp as webappOf } from '../scenarios/webapp.ts'
import { createSimulatedCluster } from './cluster.ts'
import { manifestsOf, serviceOf } from './service.ts'

let ahead = 0
const start = serviceOf([webapp])
const cluster = await createSimulatedCluster({
  hook: (given) => start({ ...given, now: () => new Date(given.now().getTime() + ahead * 1000) }),
  manifests: manifestsOf([webapp]),
})
t.teardown(cluster.close)

for (const { title, run } of rolloutScenarios) t.test(title, () => run(cluster))

for (const [title, leap] of [
  ['a day ahead', 86400],
  ['a day back', -86400],
] as const) {
  t.test(`the hook service’s clock is set ${title} in the middle of a step, and while pods are coming`, async (t) => {
    ahead = 0
    const namespace = await cluster.namespace('clock')
    const rollout = { strategy: 'canary', steps: [{ weight: 50, pauseSeconds: 60 }], progressDeadlineSeconds: 300 }
    const reference = await running(cluster, webappOf(namespace, 'shop', { replicas: 4, rollout }))
    const rolloutOf = async () => at(await present(cluster, reference), 'status', 'rollout') as Record<string, unknown>
    const reached = (phase: string, seconds = 120) =>
      cluster.until(phase, async () => (await rolloutOf()).phase === phase, seconds)
    const canary = { kind: 'Deployment', namespace, name: 'shop-canary' }

    await cluster.behave(canary, 'never-ready')
    await cluster.patch(reference, { spec: { image: 'registry.example.com/shop:2' } })
    await cluster.pass(30)
    ahead = leap
    await cluster.pass(100)
    t.match(await rolloutOf(), { phase: 'Progressing', weight: 0 }, 'the deadline has not passed')
    await cluster.behave(canary, 'run')
    await reached('Waiting')
    ahead = 0
    await cluster.pass(40)
    ahead = leap
    await cluster.pass(45)
    t.match(await rolloutOf(), { phase: 'Waiting', step: 0, failedChecks: 0 }, 'the step is not over')
    await reached('Succeeded')
    const stable = await present(cluster, deploymentOf(namespace, 'shop'))
    t.equal(at(stable, 'spec', 'template', 'spec', 'containers', 0, 'image'), 'registry.example.com/shop:2')
  })
}
