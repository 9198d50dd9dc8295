// What a WebApp says of itself, and how many pods it asks for, as its Deployment and autoscalers go their ways.
import t from 'tap'
import {
  change,
  child,
  conditionOf,
  createWorld,
  liveDeployment,
  running,
  runPods,
  setReplicas,
  settle,
  statusOf,
  step,
  type World,
} from './world.ts'

const replicasOf = (world: World) => (child(world, 'Deployment', 'shop').spec as { replicas: number }).replicas

t.test('from Pending over Creating to Running', async (t) => {
  const world = createWorld({ replicas: 2 })
  step(world)
  t.match(statusOf(world), { phase: 'Pending', replicas: 0, readyReplicas: 0 })
  settle(world)
  t.equal(statusOf(world).phase, 'Creating')
  runPods(world, 1)
  settle(world)
  t.match(statusOf(world), { phase: 'Creating', replicas: 2, readyReplicas: 1 })
  t.match(conditionOf(world, 'Available'), { status: 'True' })
  t.match(conditionOf(world, 'Progressing'), { status: 'True' })
  runPods(world)
  settle(world)
  const { current, stable } = statusOf(world).revision as Record<string, string>
  t.equal(current, stable)
  t.match(statusOf(world), {
    phase: 'Running',
    readyReplicas: 2,
    selector: /instance=shop/,
    traffic: [{ service: 'shop', port: 8080, weight: 100, revision: stable }],
  })
  t.match(conditionOf(world, 'Ready'), { status: 'True', reason: 'Running' })
  t.match(conditionOf(world, 'Progressing'), { status: 'False', reason: 'Complete' })
  t.match(conditionOf(world, 'PolicyApplied'), { status: 'True', message: /baseline.*restricted/ })
})

t.test('an update: Updating until the pods are of the new revision, then that is the stable one', async (t) => {
  const world = running({ replicas: 2 })
  const before = (statusOf(world).revision as { stable: string }).stable
  change(world, { image: 'registry.example.com/shop:1.1' })
  settle(world)
  const { current, stable } = statusOf(world).revision as Record<string, string>
  t.equal(stable, before)
  t.not(current, before)
  t.equal(statusOf(world).phase, 'Updating')
  runPods(world)
  settle(world)
  t.match(statusOf(world), { phase: 'Running', revision: { stable: current } })
})

t.test('what a Deployment says of its trouble reaches Ready', async (t) => {
  const trouble = (conditions: object[], spec = {}) => {
    const world = running({ replicas: 2, ...spec })
    change(world, { image: 'registry.example.com/shop:broken' })
    settle(world)
    runPods(world, 1)
    const live = liveDeployment(world)
    live.status = { ...(live.status as object), conditions }
    settle(world)
    return world
  }
  const stuck = trouble([{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }])
  t.match(statusOf(stuck), { phase: 'Failed' })
  t.match(conditionOf(stuck, 'Ready'), { reason: 'ProgressDeadlineExceeded', message: /1 of 2 pods.*600 seconds/ })
  const quota =
    'pods "shop-1" is forbidden: exceeded quota: compute, requested: limits.memory=1Gi, used: limits.memory=3Gi, limited: limits.memory=3Gi'
  const short = trouble([{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: quota }])
  t.match(conditionOf(short, 'Ready'), {
    reason: 'QuotaExceeded',
    message:
      /pods are refused: ResourceQuota\/compute refuses 1 pod of Deployment\/shop: limits\.memory: 3Gi of 3Gi is used/,
  })
  const violation = 'pods "shop-1" is forbidden: violates PodSecurity "restricted:latest": privileged'
  const insecure = trouble([{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: violation }])
  t.match(conditionOf(insecure, 'PolicyApplied'), { status: 'False', reason: 'PodSecurityViolated' })
})

t.test('pods that are lost: Degraded, then Failed; and back', async (t) => {
  const world = running({ replicas: 2 })
  runPods(world, 1)
  settle(world)
  t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'Degraded' })
  runPods(world, 0)
  settle(world)
  t.match(statusOf(world), { phase: 'Failed' })
  runPods(world)
  settle(world)
  t.match(statusOf(world), { phase: 'Running' })
})

t.test('who counts the replicas', async (t) => {
  const world = running({ replicas: 4 })
  setReplicas(world, 7)
  settle(world)
  t.equal(replicasOf(world), 4, 'written by hand: drift')
  setReplicas(world, 7, 'kubectl')
  settle(world)
  t.equal(replicasOf(world), 7, 'through the scale subresource: somebody means it')
  t.match(conditionOf(world, 'Autoscaled'), { status: 'False', reason: 'ReplicasKept', message: /7 pods/ })
  change(world, { autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 20 } })
  settle(world)
  t.equal(replicasOf(world), 7, 'switched on')
  t.match(conditionOf(world, 'Autoscaled'), { status: 'True' })
  setReplicas(world, 9, 'kube-controller-manager')
  settle(world)
  change(world, { replicas: 5 })
  settle(world)
  t.equal(replicasOf(world), 9, 'the autoscaler decides, not the spec')
  change(world, { autoscaling: { enabled: false } })
  settle(world)
  t.equal(replicasOf(world), 9, 'switched off')
  change(world, { suspend: true })
  settle(world)
  runPods(world)
  settle(world)
  t.equal(replicasOf(world), 0)
  t.match(statusOf(world), { phase: 'Suspended' })
  change(world, { suspend: false })
  settle(world)
  t.equal(replicasOf(world), 9, 'resumed')
  change(world, { replicas: 6 })
  settle(world)
  t.equal(replicasOf(world), 6, 'the spec has the last word again')
  t.match(conditionOf(world, 'Autoscaled'), { status: 'False', reason: 'Disabled' })
})

t.test('a new application starts between what the autoscaler may choose', async (t) => {
  for (const [replicas, minReplicas, maxReplicas, expected] of [
    [1, 3, 10, 3],
    [5, 3, 10, 5],
    [50, 3, 10, 10],
  ] as const) {
    const world = createWorld({ replicas, autoscaling: { enabled: true, minReplicas, maxReplicas } })
    settle(world)
    t.equal(replicasOf(world), expected)
  }
})

t.test('KEDA: to zero and back is its own affair, and whether it took over is told', async (t) => {
  const autoscaling = { enabled: true, triggers: [{ type: 'cron', metadata: {} }] }
  const world = running({ replicas: 2, autoscaling })
  t.match(conditionOf(world, 'Autoscaled'), { status: 'False', reason: 'KedaMissing' })
  const name = 'keda-hpa-shop'
  world.related['HorizontalPodAutoscaler.autoscaling/v2'] = {
    [`shop/${name}`]: {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name, namespace: 'shop', labels: { 'scaledobject.keda.sh/name': 'shop' } },
    },
  }
  setReplicas(world, 0, 'keda')
  runPods(world)
  settle(world)
  t.equal(replicasOf(world), 0)
  t.match(conditionOf(world, 'Autoscaled'), { status: 'True' })
})

t.test('paused, a change of the pods waits and says so', async (t) => {
  const world = running({ replicas: 2 })
  change(world, { paused: true, image: 'registry.example.com/shop:1.1' })
  settle(world)
  const live = liveDeployment(world)
  live.status = { observedGeneration: live.metadata.generation, replicas: 2, readyReplicas: 2 }
  settle(world)
  t.match(statusOf(world), { phase: 'Running' })
  t.match(conditionOf(world, 'Ready'), { status: 'True', reason: 'Paused' })
  t.match(conditionOf(world, 'Progressing'), { status: 'False', reason: 'Paused' })
  const unborn = createWorld({ paused: true })
  settle(unborn)
  t.match(statusOf(unborn), { phase: 'Pending' })
  t.match(conditionOf(unborn, 'Ready'), { status: 'False', reason: 'Paused' })
})
