// Rollouts on the simulator: the scenarios, and what only its clocks can tell.
import t from 'tap'
import { gatewayApi } from '../../hooks/decorators/gateway-api/index.ts'
import { HTTPRoute } from '../../hooks/decorators/gateway-api/types.ts'
import { webapp } from '../../hooks/kinds/webapp/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
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

t.test(
  'with the integration of the Gateway API requests are divided step by step, and never lead nowhere',
  async (t) => {
    const both = [webapp, gatewayApi]
    const routed = await createSimulatedCluster({
      hook: serviceOf(both),
      manifests: [...manifestsOf(both), routes],
    })
    t.teardown(routed.close)
    const namespace = await routed.namespace('routed')
    const exposure = { host: 'shop.example.com', gateway: { parentRefs: [{ name: 'public' }] } }
    const steps = [20, 60].map((weight) => ({ weight, pauseSeconds: 30 }))
    const rollout = { strategy: 'canary', traffic: 'gateway', steps }
    const route = { ...HTTPRoute, namespace, name: 'shop' }
    const seen: string[] = []
    // A Gateway that takes every route over a moment later, and its requests.
    const gateway = async () => {
      const live = await routed.get(route)
      if (live === undefined) return
      const { generation: observedGeneration } = live.metadata
      const [parentRef] = (live.spec as { parentRefs: object[] }).parentRefs
      const conditions = ['Accepted', 'ResolvedRefs'].map((type) => ({ type, status: 'True', observedGeneration }))
      await routed.patch(route, { status: { parents: [{ parentRef, conditions }] } }, 'status')
      const backends = at(live, 'spec', 'rules', 0, 'backendRefs') as { name: string; weight: number }[]
      const weights = backends.map(({ name, weight }) => `${name} ${weight}`).join(', ')
      if (seen.at(-1) !== weights) seen.push(weights)
      for (const { name } of backends.filter(({ weight }) => weight > 0)) {
        const deployment = await routed.get(deploymentOf(namespace, name === 'shop-canary' ? name : 'shop'))
        if (Number(at(deployment, 'status', 'availableReplicas') ?? 0) < 1) t.fail(`${name} has no pod: ${weights}`)
      }
    }
    const reached = (phase: string) =>
      routed.until(
        phase,
        async () => {
          await gateway()
          const app = await present(routed, reference)
          return at(app, 'status', 'rollout', 'phase') === phase
        },
        300,
      )
    const reference = await running(routed, webappOf(namespace, 'shop', { replicas: 5, exposure, rollout }))
    await routed.pass(5)
    await routed.patch(reference, { spec: { image: 'registry.example.com/shop:2' } })
    await reached('Waiting')
    await reached('Promoting')
    await reached('Succeeded')
    await routed.behave({ kind: 'Deployment', namespace, name: 'shop-canary' }, 'run')
    await routed.patch(reference, { spec: { image: 'registry.example.com/shop:3' } })
    await reached('Waiting')
    await routed.behave({ kind: 'Deployment', namespace, name: 'shop-canary' }, 'stay-pending')
    const revision = at(await present(routed, reference), 'status', 'revision', 'canary')
    await routed.patch(reference, { metadata: { annotations: { 'platform.example.com/abort': revision } } })
    await reached('Failed')
    await routed.until('the canary is gone', async () => {
      await gateway()
      return (await routed.get(deploymentOf(namespace, 'shop-canary'))) === undefined
    })
    const split = (weight: number) => `shop-stable ${100 - weight}, shop-canary ${weight}`
    t.same(seen, [0, 20, 60, 0, 20, 0].map(split))
  },
)

/** A CRD that takes anything: the real one is for the control plane, see test/cluster/decorators.test.ts. */
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const routes: KubernetesObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'httproutes.gateway.networking.k8s.io' },
  spec: {
    group: 'gateway.networking.k8s.io',
    scope: 'Namespaced',
    names: { kind: 'HTTPRoute', plural: 'httproutes', singular: 'httproute' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } },
        subresources: { status: {} },
      },
    ],
  },
}
