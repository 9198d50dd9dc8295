// What a WebApp refuses: with the field, the reason and a way on, and without touching what exists.
import t from 'tap'
import { ask, change, conditionOf, contents, createWorld, running, type Spec, settle, statusOf, step } from './world.ts'

const helper = { image: 'helper:1' }

const refused: [string, Spec, RegExp][] = [
  ['no image', { image: undefined }, /^spec\.image: /],
  ['no replica', { replicas: 0 }, /^spec\.replicas: /],
  ['too many replicas', { replicas: 101 }, /^spec\.replicas: /],
  ['no port at all', { ports: [] }, /^spec\.ports: /],
  ['a port name in capitals', { ports: [{ name: 'HTTP', port: 80 }] }, /^spec\.ports\[0\]\.name: must be a port name/],
  [
    'one number twice',
    {
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    },
    /^spec\.ports: no two ports may have the same number/,
  ],
  [
    'one container port twice',
    {
      ports: [
        { name: 'a', port: 80, containerPort: 90 },
        { name: 'b', port: 90 },
      ],
    },
    /^spec\.ports: no two ports may lead to the same containerPort/,
  ],
  [
    'ports whose canary would clash',
    {
      ports: [
        { name: 'a', port: 40000 },
        { name: 'b', port: 60000 },
      ],
      rollout: { strategy: 'canary' },
    },
    /^spec\.ports: with a canary no two ports may be 20000 apart/,
  ],
  ['metrics on no port', { monitoring: { port: 'metrics' } }, /^spec\.monitoring\.port: must be the name of one/],
  ['alerts without metrics', { monitoring: { alerting: true } }, /^spec\.monitoring\.alerting: alerts need metrics/],
  ['root', { security: { runAsUser: 0 } }, /^spec\.security\.runAsUser: must not be 0/],
  [
    'a path of the node',
    { volumes: [{ name: 'x', hostPath: { path: '/var' } }] },
    /^spec\.volumes: hostPath volumes need/,
  ],
  ['a mount of nothing', { volumeMounts: [{ name: 'x', mountPath: '/x' }] }, /^spec\.volumeMounts: every mount names/],
  [
    'a relative path',
    { configFiles: [{ path: 'etc/x', content: '' }] },
    /^spec\.configFiles\[0\]\.path: must be an absolute/,
  ],
  [
    'more at least than at most',
    { autoscaling: { minReplicas: 3, maxReplicas: 2 } },
    /^spec\.autoscaling\.minReplicas: must not be above maxReplicas/,
  ],
  [
    'a target of another kind',
    {
      autoscaling: {
        metrics: [{ type: 'Pods', pods: { metric: { name: 'x' }, target: { type: 'Value', averageValue: '1' } } }],
      },
    },
    /target: give averageUtilization for Utilization/,
  ],
  ['steps without a canary', { rollout: { steps: [{ weight: 10 }] } }, /^spec\.rollout\.steps: only strategy canary/],
  [
    'a gateway’s weights without a gateway',
    { rollout: { strategy: 'canary', traffic: 'gateway' } },
    /^spec\.rollout\.traffic: gateway needs exposure\.gateway/,
  ],
  [
    'a class and a gateway',
    { exposure: { host: 'a.example.com', ingressClassName: 'nginx', gateway: { parentRefs: [{ name: 'x' }] } } },
    /^spec\.exposure: give either gateway or ingressClassName/,
  ],
  ['a share that is none', { rollout: { maxSurge: '25' } }, /^spec\.rollout\.maxSurge: must be a count or a share/],
  [
    'more time before the end than until it',
    { preStopSeconds: 60 },
    /^spec\.preStopSeconds: must not be more than terminationGracePeriodSeconds/,
  ],
  [
    'a file where a volume is',
    {
      configFiles: [{ path: '/x', content: '' }],
      volumes: [{ name: 'x', emptyDir: {} }],
      volumeMounts: [{ name: 'x', mountPath: '/x' }],
    },
    /^spec\.configFiles: \/x is the mountPath of one of/,
  ],
  [
    'a file where a folder is',
    { configFiles: [{ path: '/x', content: '' }], security: { writablePaths: ['/x'] } },
    /^spec\.configFiles: \/x is one of spec\.security\.writablePaths/,
  ],
  ['a helper called web', { sidecars: [{ name: 'web', ...helper }] }, /^spec\.sidecars: web is the name of another/],
  [
    'two helpers of one name',
    { initContainers: [{ name: 'a', ...helper }], sidecars: [{ name: 'a', ...helper }] },
    /^spec\.sidecars: a is the name of another container/,
  ],
  [
    'a helper that mounts nothing',
    { initContainers: [{ name: 'a', ...helper, volumeMounts: [{ name: 'x', mountPath: '/x' }] }] },
    /^spec\.initContainers: a mounts x, which is none of spec\.volumes/,
  ],
  [
    'files larger than an object',
    { configFiles: ['/a', '/b'].map((path) => ({ path, content: 'x'.repeat(110_000) })) },
    /^spec\.configFiles: 220000 bytes in all/,
  ],
]

for (const [title, spec, message] of refused) {
  t.test(`refused: ${title}`, async (t) => {
    const { hold, response } = ask(createWorld(spec))
    t.match(hold?.message, message)
    t.same(response.children, [])
    t.match(response.status, { phase: 'Failed' })
  })
}

t.test('a name that no Service could have', async (t) => {
  t.match(ask(createWorld({}, 'x'.repeat(46))).hold, { reason: 'InvalidName', message: /at most 45/ })
})

t.test('a refused change leaves everything, and the next good one goes on', async (t) => {
  const world = running({ replicas: 2 })
  const before = contents(world)
  change(world, { sidecars: [{ name: 'web', ...helper }] })
  t.same(step(world).writes, [])
  t.same(contents(world), before)
  t.match(statusOf(world), { phase: 'Running', readyReplicas: 2 })
  t.match(conditionOf(world, 'Stalled'), { status: 'True', reason: 'ContainerClash' })
  change(world, { sidecars: [] })
  settle(world)
  t.match(conditionOf(world, 'Ready'), { status: 'True' })
})
