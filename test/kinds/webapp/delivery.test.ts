// What a rollout makes of a WebApp's objects: Services, files, Jobs, the autoscaler, and what is asked about pods.
import t from 'tap'
import { webapp } from '../../../hooks/kinds/webapp/index.ts'
import { evaluateCustomize } from '../../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import {
  ask,
  change,
  child,
  conditionOf,
  findChild,
  inventory,
  namespace,
  running,
  runPods,
  type Spec,
  settle,
  statusOf,
  step,
  type World,
} from './world.ts'

const canary: Spec = { strategy: 'canary', steps: [{ weight: 50, pauseSeconds: 60 }] }

/** The hook answers and the pods run, until both have nothing left to do. */
function rest(world: World): void {
  for (let round = 0; round < 20; round++) {
    const { writes } = step(world)
    runPods(world)
    if (writes.length === 0 && round > 1) break
  }
  settle(world)
}

/** A canary that has its share, and whose time runs. */
function trying(spec: Spec = {}, rollout: Spec = canary): World {
  const world = running({ replicas: 4, rollout, ...spec })
  change(world, { image: 'registry.example.com/shop:2.0' })
  rest(world)
  return world
}

const rolloutOf = (world: World) => statusOf(world).rollout as Record<string, unknown>
const revisionsOf = (world: World) => statusOf(world).revision as Record<string, string | undefined>
const selectorOf = (world: World, name: string) =>
  (child(world, 'Service', name).spec as { selector: Record<string, string> }).selector['platform.example.com/track']

function wait(world: World, seconds: number): void {
  world.now = new Date(world.now.getTime() + seconds * 1000)
  rest(world)
}

t.test('at rest the answer depends on no clock, and can be cached', async (t) => {
  for (const strategy of ['rolling', 'canary', 'blueGreen']) {
    t.equal(ask(running({ rollout: { strategy } })).cacheable, true, strategy)
  }
  const world = trying()
  t.equal(ask(world).cacheable, false, 'but not while time matters')
  wait(world, 61)
  wait(world, 2)
  t.match(rolloutOf(world), { phase: 'Succeeded' })
  t.equal(ask(world).cacheable, true)
})

t.test('Services: both tracks, and the canary’s ports have numbers of their own', async (t) => {
  const ports = [
    { name: 'http', port: 80, containerPort: 8080 },
    { name: 'high', port: 60000 },
  ]
  const world = trying({ ports })
  t.equal(selectorOf(world, 'shop'), undefined)
  t.equal(selectorOf(world, 'shop-stable'), 'stable')
  t.equal(selectorOf(world, 'shop-canary'), 'canary')
  t.match(child(world, 'Service', 'shop-canary').spec, {
    ports: [
      { port: 10080, targetPort: 'http' },
      { port: 50000, targetPort: 'high' },
    ],
  })
  t.match(statusOf(world).traffic, [{ service: 'shop', port: 80, weight: 100 }], 'the pods divide the requests')
})

t.test('with a route the Services of the tracks stay as long as it may lead to them', async (t) => {
  const exposure = { host: 'shop.example.com', gateway: { parentRefs: [{ name: 'public' }] } }
  const world = running({ exposure, rollout: { strategy: 'canary', traffic: 'gateway' } })
  t.match(statusOf(world).traffic, [
    { service: 'shop-stable', weight: 100 },
    { service: 'shop-canary', weight: 0 },
  ])
  change(world, { rollout: { strategy: 'rolling' } })
  settle(world)
  t.match(statusOf(world).traffic, [{ service: 'shop', weight: 100 }])
  t.ok(findChild(world, 'Service', 'shop-stable'))
  change(world, { exposure: undefined })
  settle(world)
  t.equal(findChild(world, 'Service', 'shop-stable'), undefined)
})

t.test('every track has its files, and the stable ones come back as they were', async (t) => {
  const files = (content: string) => [{ path: '/etc/shop.conf', content }]
  const world = running({ replicas: 4, rollout: canary, configFiles: files('blue') })
  change(world, { configFiles: files('green') })
  rest(world)
  const content = (name: string) => Object.values(child(world, 'ConfigMap', name).data as Record<string, string>)
  t.same([content('shop-config'), content('shop-canary-config')], [['blue'], ['green']])
  const { data } = child(world, 'ConfigMap', 'shop-config') as unknown as { data: Record<string, string> }
  for (const key of Object.keys(data)) data[key] = 'spoilt by hand'
  rest(world)
  t.same(content('shop-config'), ['blue'])
  wait(world, 61)
  wait(world, 2)
  t.same(content('shop-config'), ['green'])
  t.equal(findChild(world, 'ConfigMap', 'shop-canary-config'), undefined)
})

t.test('pods are asked about only where restarts are analysed, and their restarts roll back', async (t) => {
  const asked = (spec: Spec) => {
    const { parent } = running(spec)
    const controller: KubernetesObject = { apiVersion: 'v1', kind: 'x', metadata: {} }
    return evaluateCustomize(webapp, { controller, parent }).relatedResources.map(({ resource }) => resource)
  }
  t.notOk(asked({ rollout: canary }).includes('pods'))
  t.ok(asked({ rollout: { ...canary, analysis: {} } }).includes('pods'))

  const world = trying({}, { ...canary, analysis: { maxRestarts: 2 } })
  const pod = (name: string, revision: string | undefined, restartCount: number): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: { 'platform.example.com/track': 'canary', 'platform.example.com/revision': revision ?? '' },
    },
    status: { containerStatuses: [{ name: 'web', restartCount }], initContainerStatuses: [{ restartCount: 1 }] },
  })
  const { canary: revision } = revisionsOf(world)
  world.related['Pod.v1'] = { 'shop/a': pod('a', revision, 1), 'shop/b': pod('b', 'another', 50) }
  rest(world)
  t.match(rolloutOf(world), { phase: 'Waiting' })
  world.related['Pod.v1'] = { 'shop/a': pod('a', revision, 2) }
  rest(world)
  t.match(rolloutOf(world), { phase: 'Failed', reason: 'ContainersRestarted', message: /restarted 3 times, and may 2/ })
  t.match(conditionOf(world, 'RolledBack'), { status: 'True', reason: 'ContainersRestarted' })
  t.match(statusOf(world), { phase: 'RolledBack', readyReplicas: 4 })
})

t.test('a Job asks each time, keeps to Pod Security "restricted", and stays as it was begun', async (t) => {
  const metrics = [
    { name: 'errors', query: 'sum(rate(errors[1m]))', max: 0.01, address: 'http://prometheus.monitoring.svc:9090' },
  ]
  const analysis = { intervalSeconds: 20, threshold: 1, metrics }
  const longest = 'a'.repeat(45)
  for (const name of ['shop', longest]) {
    const world = running({ rollout: { ...canary, analysis }, imagePullSecrets: [{ name: 'registry' }] }, name)
    change(world, { image: 'registry.example.com/shop:2.0' })
    rest(world)
    wait(world, 21)
    const [job] = Object.values(world.children['Job.batch/v1'] ?? {})
    if (job === undefined) throw new Error('there is no Job')
    t.ok(String(job.metadata.name).length <= 63, 'its name is a label of its pods')
    t.match(job.metadata.labels, { 'app.kubernetes.io/component': 'analysis', 'platform.example.com/check': '1' })
    const pod = (job.spec as { template: { spec: Record<string, unknown> } }).template.spec
    t.match(pod, {
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      imagePullSecrets: [{ name: 'registry' }],
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          args: ['analyze', '--metric', JSON.stringify(metrics[0])],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    })
    world.imageRegistry = 'registry.internal'
    t.notOk(step(world).writes.includes(`update Job/${job.metadata.name}`), 'what it is made of cannot be changed')
    world.imageRegistry = ''
    const conditions = [{ type: 'Failed', status: 'True', reason: 'PodFailurePolicy', message: 'exit code 1' }]
    job.status = { conditions }
    rest(world)
    t.match(rolloutOf(world), { phase: 'Failed', reason: 'AnalysisFailed', message: /a query was not answered/ })
    t.same(Object.keys(world.children['Job.batch/v1'] ?? {}), [])
  }
})

t.test('while a canary is there, an autoscaler does not go below what there was', async (t) => {
  const autoscaling = { enabled: true, minReplicas: 2, maxReplicas: 10 }
  const world = trying({ autoscaling, replicas: 6 })
  t.match(child(world, 'HorizontalPodAutoscaler', 'shop').spec, { minReplicas: 6, maxReplicas: 10 })
  t.match(child(world, 'Deployment', 'shop').spec, { replicas: 6 })
})

t.test('blueGreen: the Service leads to one set, and the other is scraped by its own', async (t) => {
  const world = trying({ monitoring: { enabled: true } }, { strategy: 'blueGreen', analysis: { intervalSeconds: 20 } })
  const scraped = (name: string) =>
    child(world, 'Service', name).metadata.annotations?.['monitoring.example.com/scrape']
  t.equal(selectorOf(world, 'shop'), 'stable')
  t.same([scraped('shop'), scraped('shop-stable'), scraped('shop-canary')], ['true', undefined, 'true'])
  wait(world, 21)
  t.equal(selectorOf(world, 'shop'), 'canary')
  t.same([scraped('shop'), scraped('shop-stable'), scraped('shop-canary')], ['true', 'true', undefined])
  t.match(statusOf(world).traffic, [{ service: 'shop', revision: revisionsOf(world).canary }])
})

t.test('what an older build left in the status does no harm', async (t) => {
  const world = trying()
  const before = inventory(world)
  for (const rollout of [
    undefined,
    {},
    { phase: 'Waiting' },
    { phase: 'Waiting', strategy: 'canary', stepStartedAt: 'soon' },
  ]) {
    world.parent = { ...world.parent, status: { ...statusOf(world), rollout } }
    rest(world)
    t.same(inventory(world), before)
    t.match(rolloutOf(world), { phase: 'Waiting', step: 0 })
  }
})
