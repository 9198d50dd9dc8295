// How new revisions of a WebApp come about, with canaries and with two whole sets of pods.
import assert from 'node:assert/strict'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster, Scenario } from './cluster.ts'
import { at, conditionOf, present, untilCondition } from './database.ts'
import { deploymentOf, running, webapp, webappAt } from './webapp.ts'

const image = (version: string) => `registry.example.com/shop:${version}`

// Short enough for real time.
const quick = {
  strategy: 'canary',
  steps: [
    { weight: 25, pauseSeconds: 2 },
    { weight: 50, pauseSeconds: 2 },
  ],
  analysis: { intervalSeconds: 1, threshold: 2, maxRestarts: 2 },
  progressDeadlineSeconds: 30,
}

/** Applies a WebApp with a canary and waits until its first revision runs. */
async function begun(cluster: Cluster, hint: string, spec: Record<string, unknown> = {}, rollout: object = quick) {
  const namespace = await cluster.namespace(hint)
  const reference = await running(
    cluster,
    webapp(namespace, 'shop', { image: image('1'), replicas: 4, rollout, ...spec }),
  )
  const app = await untilRollout(cluster, reference, 'Succeeded')
  return { namespace, reference, first: revisionOf(app, 'stable') }
}

/** Waits until the rollout of the spec as it is now has come to a phase. */
function untilRollout(cluster: Cluster, reference: ObjectReference, phase: string, seconds = 120, reason?: string) {
  return cluster.until(
    `the rollout of ${reference.name} is ${phase}${reason === undefined ? '' : ` (${reason})`}`,
    async () => {
      const app = await cluster.get(reference)
      const current = at(app, 'status', 'observedGeneration') === app?.metadata.generation
      const there = at(app, 'status', 'rollout', 'phase') === phase
      const why = reason === undefined || at(app, 'status', 'rollout', 'reason') === reason
      if (current && there && why) return app
      throw new Error(JSON.stringify(at(app, 'status', 'rollout')))
    },
    seconds,
  )
}

const revisionOf = (app: KubernetesObject | undefined, which: string) => at(app, 'status', 'revision', which)

const imageIn = (deployment: KubernetesObject | undefined) =>
  at(deployment, 'spec', 'template', 'spec', 'containers', 0, 'image')

/** What there is of both Deployments: image and replicas, undefined for one that is not there. */
async function deployments(cluster: Cluster, namespace: string) {
  const both = await Promise.all(['shop', 'shop-canary'].map((name) => cluster.get(deploymentOf(namespace, name))))
  return both.map((deployment) => deployment && [imageIn(deployment), at(deployment, 'spec', 'replicas')])
}

/** All of the stable revision, nothing of a canary. */
async function onlyStable(cluster: Cluster, namespace: string, version: string, replicas: number) {
  await cluster.until('only the stable Deployment is left', async () => {
    const [stable, canary] = await deployments(cluster, namespace)
    assert.deepEqual(stable, [image(version), replicas])
    return canary === undefined
  })
}

/** Ready pods of the WebApp, by whatever its Service leads to. */
async function ready(cluster: Cluster, namespace: string): Promise<number> {
  const service = await present(cluster, { apiVersion: 'v1', kind: 'Service', namespace, name: 'shop' })
  const labels = at(service, 'spec', 'selector') as Record<string, string>
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels })
  return pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined &&
      (at(pod, 'status', 'conditions') as { type: string; status: string }[] | undefined)?.some(
        ({ type, status }) => type === 'Ready' && status === 'True',
      ),
  ).length
}

const canaryOf = (namespace: string) => ({ kind: 'Deployment', namespace, name: 'shop-canary' })
const stableOf = (namespace: string) => ({ kind: 'Deployment', namespace, name: 'shop' })

const scenarios: Scenario[] = [
  {
    title: 'canary: a good revision gets its share step by step, and then all',
    async run(cluster) {
      const { namespace, reference, first } = await begun(cluster, 'canary-good')
      await cluster.patch(reference, { spec: { image: image('2') } })
      const waiting = await untilRollout(cluster, reference, 'Waiting')
      assert.equal(revisionOf(waiting, 'stable'), first)
      assert.equal(conditionOf(waiting, 'Ready')?.status, 'False')
      assert.equal(conditionOf(waiting, 'Available')?.status, 'True')
      assert.deepEqual(await deployments(cluster, namespace), [
        [image('1'), 3],
        [image('2'), 1],
      ])
      await cluster.until(
        'it gets half',
        async () => at(await cluster.get(reference), 'status', 'rollout', 'weight') === 50,
      )
      const app = await untilRollout(cluster, reference, 'Succeeded')
      assert.notEqual(revisionOf(app, 'stable'), first)
      assert.equal(revisionOf(app, 'stable'), revisionOf(app, 'current'))
      await onlyStable(cluster, namespace, '2', 4)
      await untilCondition(cluster, reference, 'Ready', 'True')
    },
  },
  {
    title: 'canary: a bad image rolls itself back, and is not tried again',
    async run(cluster) {
      const { namespace, reference, first } = await begun(cluster, 'canary-bad')
      await cluster.behave(canaryOf(namespace), 'crash')
      await cluster.patch(reference, { spec: { image: image('broken') } })
      const app = await untilRollout(cluster, reference, 'Failed')
      assert.equal(at(app, 'status', 'phase'), 'RolledBack')
      assert.equal(revisionOf(app, 'stable'), first)
      assert.equal(revisionOf(app, 'failed'), revisionOf(app, 'current'))
      const condition = conditionOf(app, 'RolledBack')
      assert.equal(condition?.status, 'True')
      assert.match(condition?.message ?? '', /is not tried again/)
      assert.equal(conditionOf(app, 'Stalled')?.status, 'True')
      assert.equal(conditionOf(app, 'Available')?.status, 'True')
      await cluster.until('an event tells of it', async () => {
        const events = await cluster.events(reference)
        return events.some(
          ({ reason, type, note }) => reason === 'Stalled' && type === 'Warning' && /RolledBack/.test(note),
        )
      })
      await onlyStable(cluster, namespace, '1', 4)
      assert.equal(await ready(cluster, namespace), 4)
      await cluster.patch(reference, { spec: { terminationGracePeriodSeconds: 30, replicas: 5 } })
      await cluster.pass(10)
      await untilRollout(cluster, reference, 'Failed')
      await onlyStable(cluster, namespace, '1', 5)
    },
  },
  {
    title: 'canary: pods that never become ready fail at the deadline, while all stable ones go on serving',
    seconds: 180,
    async run(cluster) {
      const { namespace, reference } = await begun(cluster, 'canary-deadline', {}, { ...quick, analysis: undefined })
      await cluster.behave(canaryOf(namespace), 'never-ready')
      await cluster.patch(reference, { spec: { image: image('2') } })
      const trying = await untilRollout(cluster, reference, 'Progressing', 20, 'CanaryNotReady')
      assert.equal(at(trying, 'status', 'rollout', 'weight'), 0)
      for (let look = 0; look < 5; look++) {
        await cluster.pass(2)
        assert.equal(await ready(cluster, namespace), 4)
      }
      await untilRollout(cluster, reference, 'Failed', 90, 'ProgressDeadlineExceeded')
      await onlyStable(cluster, namespace, '1', 4)
    },
  },
  {
    title: 'canary: good, bad, good; bad after bad; and back to the stable revision',
    seconds: 240,
    async run(cluster) {
      const { namespace, reference, first } = await begun(cluster, 'canary-series')
      await cluster.behave(canaryOf(namespace), 'crash')
      for (const version of ['bad', 'worse']) {
        await cluster.patch(reference, { spec: { image: image(version) } })
        const app = await untilRollout(cluster, reference, 'Failed')
        assert.equal(revisionOf(app, 'stable'), first)
        assert.equal(revisionOf(app, 'failed'), revisionOf(app, 'current'))
      }
      await cluster.patch(reference, { spec: { image: image('1') } })
      const back = await untilRollout(cluster, reference, 'Succeeded')
      assert.equal(revisionOf(back, 'stable'), first)
      assert.equal(revisionOf(back, 'failed'), undefined)
      await untilCondition(cluster, reference, 'Ready', 'True')
      await cluster.behave(canaryOf(namespace), 'run')
      await cluster.patch(reference, { spec: { image: image('2') } })
      await untilRollout(cluster, reference, 'Succeeded')
      await onlyStable(cluster, namespace, '2', 4)
    },
  },
  {
    title: 'canary: one replica, and files alone that change',
    async run(cluster) {
      const file = (content: string) => [{ path: '/etc/shop/shop.conf', content }]
      const { namespace, reference } = await begun(cluster, 'canary-one', { replicas: 1, configFiles: file('blue') })
      await cluster.patch(reference, { spec: { configFiles: file('green') } })
      await untilRollout(cluster, reference, 'Waiting')
      const contents = async (name: string) => {
        const object = await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })
        return object && Object.values(at(object, 'data') as Record<string, string>)
      }
      assert.deepEqual(await deployments(cluster, namespace), [
        [image('1'), 1],
        [image('1'), 1],
      ])
      assert.deepEqual(await contents('shop-config'), ['blue'])
      assert.deepEqual(await contents('shop-canary-config'), ['green'])
      await untilRollout(cluster, reference, 'Succeeded')
      await onlyStable(cluster, namespace, '1', 1)
      assert.deepEqual(await contents('shop-config'), ['green'])
      await cluster.until(
        'the files of the canary are gone',
        async () => (await contents('shop-canary-config')) === undefined,
      )
    },
  },
  {
    title: 'canary: a new revision and another number of replicas in the middle',
    needs: ['clock'],
    async run(cluster) {
      const slow = { ...quick, steps: [{ weight: 50, pauseSeconds: 60 }] }
      const { namespace, reference } = await begun(cluster, 'canary-middle', {}, slow)
      await cluster.patch(reference, { spec: { image: image('2') } })
      await untilRollout(cluster, reference, 'Waiting')
      await cluster.patch(reference, { spec: { replicas: 8 } })
      await cluster.until('both follow', async () => {
        assert.deepEqual(await deployments(cluster, namespace), [
          [image('1'), 4],
          [image('2'), 4],
        ])
        return (await ready(cluster, namespace)) === 8
      })
      await cluster.patch(reference, { spec: { replicas: 6, image: image('3') } })
      let least = Number.POSITIVE_INFINITY
      for (let look = 0; look < 30; look++) {
        await cluster.pass(0.5)
        least = Math.min(least, await ready(cluster, namespace))
      }
      assert.ok(least >= 6, `${least} pods served at the worst moment`)
      const app = await untilRollout(cluster, reference, 'Waiting')
      assert.equal(at(app, 'status', 'rollout', 'step'), 0)
      assert.deepEqual(await deployments(cluster, namespace), [
        [image('1'), 3],
        [image('3'), 3],
      ])
      await untilRollout(cluster, reference, 'Succeeded', 600)
      await onlyStable(cluster, namespace, '3', 6)
    },
  },
  {
    title: 'canary: stable pods that are not well halt a promotion, and nothing is rolled back',
    needs: ['clock'],
    async run(cluster) {
      const { namespace, reference } = await begun(cluster, 'canary-halt')
      await cluster.patch(reference, { spec: { image: image('2') } })
      await untilRollout(cluster, reference, 'Promoting')
      await cluster.behave(stableOf(namespace), 'never-ready')
      await cluster.pass(100)
      const app = await present(cluster, reference)
      assert.equal(at(app, 'status', 'rollout', 'phase'), 'Promoting')
      assert.equal(at(app, 'status', 'rollout', 'reason'), 'StableNotReady')
      assert.equal(at(app, 'status', 'revision', 'failed'), undefined)
      assert.deepEqual((await deployments(cluster, namespace))[1], [image('2'), 2])
      await cluster.patch(reference, { spec: { image: image('3') } })
      await cluster.until('a fix goes to the stable pods at once', async () => {
        return imageIn(await cluster.get(deploymentOf(namespace, 'shop'))) === image('3')
      })
      assert.equal((await deployments(cluster, namespace))[1]?.[1], 2, 'the canary goes on serving')
      await cluster.behave(stableOf(namespace), 'run')
      await untilRollout(cluster, reference, 'Succeeded')
      await onlyStable(cluster, namespace, '3', 4)
    },
  },
  {
    title: 'canary: promoted and aborted by hand',
    needs: ['clock'],
    async run(cluster) {
      const { namespace, reference, first } = await begun(
        cluster,
        'canary-manual',
        {},
        { ...quick, promotion: 'manual' },
      )
      await cluster.patch(reference, { spec: { image: image('2') } })
      const waiting = await untilRollout(cluster, reference, 'WaitingPromotion')
      const { resourceVersion } = waiting.metadata
      await cluster.pass(120)
      assert.equal(
        (await present(cluster, reference)).metadata.resourceVersion,
        resourceVersion,
        'waiting writes nothing',
      )
      const revision = revisionOf(waiting, 'canary')
      await cluster.patch(reference, { metadata: { annotations: { 'platform.example.com/promote': revision } } })
      await untilRollout(cluster, reference, 'Succeeded')
      await cluster.patch(reference, { spec: { image: image('3') } })
      const trying = await untilRollout(cluster, reference, 'WaitingPromotion')
      assert.notEqual(revisionOf(trying, 'stable'), first)
      const abort = revisionOf(trying, 'canary')
      await cluster.patch(reference, { metadata: { annotations: { 'platform.example.com/abort': abort } } })
      await untilRollout(cluster, reference, 'Failed', 60, 'Aborted')
      await onlyStable(cluster, namespace, '2', 4)
    },
  },
  {
    title: 'canary: queries are asked by Jobs, which decide',
    async run(cluster) {
      const metrics = [
        { name: 'errors', query: 'vector(0)', max: 0.01, address: 'http://prometheus.monitoring.svc:9090' },
      ]
      const analysis = { intervalSeconds: 5, threshold: 1, maxRestarts: 0, metrics }
      const rollout = { ...quick, steps: [{ weight: 50, pauseSeconds: 6 }], analysis }
      const { namespace, reference } = await begun(cluster, 'canary-queries', {}, rollout)
      const jobs = () => cluster.list({ apiVersion: 'batch/v1', kind: 'Job' }, { namespace })
      const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' }
      await cluster.patch(
        { apiVersion: 'v1', kind: 'Namespace', name: namespace },
        { metadata: { labels: restricted } },
      )
      await cluster.behave({ kind: 'Job', namespace, name: 'shop-analysis-*' }, 'succeed')
      await cluster.patch(reference, { spec: { image: image('2') } })
      const [job] = await cluster.until('a Job asks', async () => {
        const all = await jobs()
        return all.length > 0 && all
      })
      assert.equal(at(job, 'spec', 'template', 'spec', 'containers', 0, 'args', 0), 'analyze')
      await untilRollout(cluster, reference, 'Succeeded')
      await cluster.until('no Job is left', async () => (await jobs()).length === 0)
      await cluster.behave({ kind: 'Job', namespace, name: 'shop-analysis-*' }, 'fail')
      await cluster.patch(reference, { spec: { image: image('3') } })
      const app = await untilRollout(cluster, reference, 'Failed', 120, 'AnalysisFailed')
      assert.match(String(at(app, 'status', 'rollout', 'message')), /see the log of Job shop-analysis-/)
      await onlyStable(cluster, namespace, '2', 4)
    },
  },
  {
    title: 'canary: a route divides the requests, and time begins when it does',
    needs: ['clock'],
    async run(cluster) {
      const exposure = { host: 'shop.example.com', gateway: { parentRefs: [{ name: 'public' }] } }
      const { namespace, reference } = await begun(
        cluster,
        'canary-route',
        { exposure },
        { ...quick, traffic: 'gateway' },
      )
      const routed = (weight: number) =>
        cluster.patch(reference, { metadata: { annotations: { 'platform.example.com/route-weight': String(weight) } } })
      await cluster.patch(reference, { spec: { image: image('2') } })
      const app = await untilRollout(cluster, reference, 'Progressing', 60, 'RouteNotReady')
      assert.deepEqual(
        (at(app, 'status', 'traffic') as { service: string; port: number; weight: number }[]).map(
          ({ service, port, weight }) => [service, port, weight],
        ),
        [
          ['shop-stable', 8080, 75],
          ['shop-canary', 18080, 25],
        ],
      )
      await cluster.pass(100)
      await untilRollout(cluster, reference, 'Progressing', 1, 'RouteNotReady')
      await routed(25)
      await cluster.until(
        'the next share',
        async () => at(await cluster.get(reference), 'status', 'rollout', 'weight') === 50,
      )
      await routed(50)
      await untilRollout(cluster, reference, 'Finalising')
      assert.deepEqual(await deployments(cluster, namespace), [
        [image('2'), 4],
        [image('2'), 2],
      ])
      await routed(0)
      await untilRollout(cluster, reference, 'Succeeded')
      await onlyStable(cluster, namespace, '2', 4)
    },
  },
  {
    title: 'canary: the number of pods is the autoscaler’s',
    needs: ['clock'],
    async run(cluster) {
      const autoscaling = { enabled: true, minReplicas: 2, maxReplicas: 10 }
      const { namespace, reference } = await begun(cluster, 'canary-autoscaled', { autoscaling })
      const autoscaler = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', namespace, name: 'shop' }
      await cluster.patch(deploymentOf(namespace, 'shop'), { spec: { replicas: 6 } }, 'scale')
      await cluster.patch(reference, { spec: { image: image('2') } })
      await untilRollout(cluster, reference, 'Waiting')
      assert.deepEqual(await deployments(cluster, namespace), [
        [image('1'), 6],
        [image('2'), 2],
      ])
      assert.equal(at(await present(cluster, autoscaler), 'spec', 'minReplicas'), 6)
      await untilRollout(cluster, reference, 'Succeeded')
      await onlyStable(cluster, namespace, '2', 6)
      await cluster.until(
        'it may go lower again',
        async () => at(await cluster.get(autoscaler), 'spec', 'minReplicas') === 2,
      )
    },
  },
  {
    title: 'blueGreen: a whole set comes up beside, all requests change over at once, and the old set goes later',
    async run(cluster) {
      const rollout = { strategy: 'blueGreen', analysis: { intervalSeconds: 2 }, scaleDownDelaySeconds: 3 }
      const { namespace, reference } = await begun(cluster, 'blue-green', { replicas: 2 }, rollout)
      const service = { apiVersion: 'v1', kind: 'Service', namespace, name: 'shop' }
      const track = async () => at(await present(cluster, service), 'spec', 'selector', 'platform.example.com/track')
      assert.equal(await track(), 'stable')
      await cluster.patch(reference, { spec: { image: image('2') } })
      await cluster.until('the requests change over', async () => {
        assert.ok((await ready(cluster, namespace)) >= 2)
        return (await track()) === 'canary'
      })
      assert.deepEqual(await deployments(cluster, namespace), [
        [image('1'), 2],
        [image('2'), 2],
      ])
      await untilRollout(cluster, reference, 'Succeeded')
      assert.equal(await track(), 'stable')
      await onlyStable(cluster, namespace, '2', 2)
    },
  },
  {
    title: 'canary: Metacontroller and the hook service die in the middle, and the end is the same',
    needs: ['clock', 'faults'],
    async run(cluster) {
      for (const n of [4, 9]) {
        const { namespace, reference } = await begun(cluster, `canary-dying-${n}`, { replicas: 2 })
        if (n % 2 === 0) cluster.metacontroller.killAfterWrite(n)
        else cluster.hook.killBeforeAnswer(n)
        await cluster.patch(reference, { spec: { image: image('2') } })
        await cluster.until('it was killed', async () => !cluster.metacontroller.running() || !cluster.hook.running())
        if (cluster.metacontroller.running()) await cluster.hook.start()
        else await cluster.metacontroller.start()
        await untilRollout(cluster, reference, 'Succeeded')
        await onlyStable(cluster, namespace, '2', 2)
      }
    },
  },
  {
    title: 'from canary to rolling and to blueGreen in the middle: no pod that serves is lost',
    needs: ['clock'],
    async run(cluster) {
      const slow = { ...quick, steps: [{ weight: 75, pauseSeconds: 600 }] }
      const { namespace, reference } = await begun(cluster, 'switching', {}, slow)
      const serving = async (what: string) => {
        for (let look = 0; look < 30; look++) {
          await cluster.pass(0.5)
          const count = await ready(cluster, namespace)
          assert.ok(count >= 4, `${what}: ${count} pods serve`)
        }
      }
      await cluster.patch(reference, { spec: { image: image('2') } })
      await untilRollout(cluster, reference, 'Waiting')
      await cluster.patch(reference, { spec: { rollout: { strategy: 'rolling', steps: null, analysis: null } } })
      await serving('to rolling')
      await onlyStable(cluster, namespace, '2', 4)
      await untilCondition(cluster, reference, 'Ready', 'True')
      await cluster.patch(reference, { spec: { rollout: slow } })
      await cluster.patch(reference, { spec: { image: image('3') } })
      await untilRollout(cluster, reference, 'Waiting')
      await cluster.patch(reference, { spec: { rollout: { strategy: 'blueGreen', steps: null } } })
      await serving('to blueGreen')
      await untilRollout(cluster, reference, 'Succeeded', 600)
      await onlyStable(cluster, namespace, '3', 4)
    },
  },
]

/** Each leaves no WebApp behind: what is left goes on being looked at, and slows the next ones down. */
export const rolloutScenarios: Scenario[] = scenarios.map((scenario) => ({
  ...scenario,
  async run(cluster) {
    await scenario.run(cluster)
    const left = await cluster.list({ apiVersion: 'platform.example.com/v1', kind: 'WebApp' })
    for (const { metadata } of left) await cluster.delete(webappAt(String(metadata.namespace), String(metadata.name)))
  },
}))
