// Every child of a WebApp: what it holds, as the fields of its spec say.
import type { Container, PodSpec, PodTemplateSpec } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { child, createWorld, findChild, inventory, running, type Spec, settle, type World } from './world.ts'

function made(spec: Spec = {}): World {
  const world = createWorld(spec)
  settle(world)
  return world
}

function templateOf(world: World): PodTemplateSpec {
  return (child(world, 'Deployment', 'shop').spec as { template: PodTemplateSpec }).template
}

function podOf(world: World): PodSpec {
  const { spec } = templateOf(world)
  if (spec === undefined) throw new Error('there is no pod')
  return spec
}

function webOf(world: World): Container {
  const [web] = podOf(world).containers
  if (web === undefined) throw new Error('there is no container')
  return web
}

const specOf = (world: World, kind: string, name = 'shop') => child(world, kind, name).spec as Record<string, unknown>

t.test('the children, and no others', async (t) => {
  const usual = [
    'Deployment/shop',
    'NetworkPolicy/shop',
    'PodDisruptionBudget/shop',
    'Service/shop',
    'ServiceAccount/shop',
  ]
  t.same(inventory(made()), usual)
  const all = {
    configFiles: [{ path: '/etc/a.conf', content: '' }],
    exposure: { host: 'shop.example.com' },
    autoscaling: { enabled: true },
  }
  t.same(
    inventory(made(all)),
    ['ConfigMap/shop-config', ...usual, 'HorizontalPodAutoscaler/shop', 'Ingress/shop'].sort(),
  )
  t.notOk(inventory(made({ security: { networkPolicy: 'none' } })).includes('NetworkPolicy/shop'))
  const gateway = { host: 'shop.example.com', gateway: { parentRefs: [{ name: 'public' }] } }
  t.notOk(inventory(made({ exposure: gateway })).includes('Ingress/shop'), 'the route is the Gateway integration’s')
  const triggers = [{ type: 'cron', metadata: {} }]
  t.notOk(inventory(made({ autoscaling: { enabled: true, triggers } })).includes('HorizontalPodAutoscaler/shop'))
})

t.test('well-known images run as they are: their port, their folders, no root', async (t) => {
  for (const [image, port, folder] of [
    ['nginx:1.21', 80, '/var/cache/nginx'],
    ['docker.io/library/nginx@sha256:0', 80, '/var/run'],
    ['registry.example.com:5000/nginx', 80, '/var/run'],
    ['httpd:2.4', 80, '/usr/local/apache2/logs'],
    ['nginxinc/nginx-unprivileged:1.29', 8080, '/tmp'],
    ['ghcr.io/traefik/whoami:v1.11', 80, '/tmp'],
  ] as const) {
    const world = made({ image })
    t.equal(webOf(world).ports?.[0]?.containerPort, port, image)
    t.ok(
      webOf(world).volumeMounts?.some(({ mountPath }) => mountPath === folder),
      `${image}: ${folder}`,
    )
    const { sysctls = [], runAsUser } = podOf(world).securityContext ?? {}
    t.equal(sysctls.length, port < 1024 ? 1 : 0, `${image}: a low port without root`)
    t.equal(runAsUser, 10001)
  }
  const own = webOf(made({ image: 'team/nginx:1' }))
  t.equal(own.ports?.[0]?.containerPort, 8080, 'somebody’s own nginx may be anything')
  const overridden = made({ image: 'nginx:1.21', ports: [{ name: 'web', port: 8000 }], security: { runAsUser: 101 } })
  t.match(webOf(overridden).ports, [{ name: 'web', containerPort: 8000 }])
  t.match(podOf(overridden).securityContext, { runAsUser: 101, sysctls: undefined })
})

t.test('the Pod Security Standards differ in what they forbid', async (t) => {
  const contexts = (podSecurityStandard: string) => {
    const world = made({ security: { podSecurityStandard }, sidecars: [{ name: 'proxy', image: 'proxy:1' }] })
    const helper = podOf(world).initContainers?.[0]
    t.same(helper?.securityContext, webOf(world).securityContext, 'helpers as the application')
    return { pod: podOf(world).securityContext ?? {}, container: webOf(world).securityContext ?? {} }
  }
  const restricted = contexts('restricted')
  t.match(restricted.pod, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  t.match(restricted.container, {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
  })
  const baseline = contexts('baseline')
  t.match(baseline.pod, { runAsNonRoot: undefined, runAsUser: undefined, seccompProfile: { type: 'RuntimeDefault' } })
  t.match(baseline.container, { privileged: false, capabilities: undefined, readOnlyRootFilesystem: false })
  t.same(contexts('privileged').pod, {})
})

t.test('a user’s container is what he said, in the words of the API server', async (t) => {
  const world = made({
    command: ['/shop'],
    args: ['--greeting', ''],
    workingDir: '/srv',
    env: [
      { name: 'A', value: '' },
      { name: 'B', valueFrom: { secretKeyRef: { name: 'x', key: 'y' } } },
    ],
    envFrom: [{ secretRef: { name: 'all' }, prefix: '' }],
    resources: { requests: { cpu: '0.5' }, limits: { memory: '1024Mi' } },
    imagePullSecrets: [{ name: 'registry' }],
    volumes: [
      { name: 'own', ephemeral: { size: '1024Mi' } },
      { name: 'scratch', emptyDir: { sizeLimit: '1024Mi' } },
    ],
    volumeMounts: [{ name: 'own', mountPath: '/tmp' }],
    terminationGracePeriodSeconds: 60,
    preStopSeconds: 20,
  })
  const web = webOf(world)
  t.match(web, {
    command: ['/shop'],
    args: ['--greeting', ''],
    workingDir: '/srv',
    env: [{ name: 'A', value: undefined }, { name: 'B' }],
    envFrom: [{ secretRef: { name: 'all' }, prefix: undefined }],
    resources: { requests: { cpu: '500m', memory: '1Gi' }, limits: { memory: '1Gi', cpu: undefined } },
    lifecycle: { preStop: { sleep: { seconds: 20 } } },
  })
  t.same(web.volumeMounts, [{ name: 'own', mountPath: '/tmp' }], 'what is mounted there already needs no emptyDir')
  const pod = podOf(world)
  t.equal(pod.terminationGracePeriodSeconds, 60)
  t.same(pod.imagePullSecrets, [{ name: 'registry' }])
  t.match(pod.volumes?.[0]?.ephemeral?.volumeClaimTemplate?.spec, {
    resources: { requests: { storage: '1Gi' } },
    volumeMode: 'Filesystem',
  })
  t.equal(pod.volumes?.[1]?.emptyDir?.sizeLimit, '1Gi')
})

t.test('probes: connections by default, his own instead, none when he says so', async (t) => {
  const tcpSocket = { port: 'http' }
  t.match(webOf(made()), { readinessProbe: { tcpSocket }, startupProbe: { tcpSocket }, livenessProbe: undefined })
  const own = webOf(made({ probes: { liveness: { httpGet: { path: '/alive', port: 'http' } }, defaults: false } }))
  t.match(own, { livenessProbe: { httpGet: { path: '/alive' } }, readinessProbe: undefined, startupProbe: undefined })
  const udp = webOf(made({ ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }))
  t.equal(udp.readinessProbe, undefined, 'nothing connects by UDP')
})

t.test('files: each mounted by itself, and a change of any is another template', async (t) => {
  const files = (content: string) => ({
    configFiles: [
      { path: '/etc/a/shop.conf', content },
      { path: '/etc/b/shop.conf', content: 'other' },
    ],
  })
  const world = made(files('one'))
  const data = child(world, 'ConfigMap', 'shop-config').data as Record<string, string>
  t.same(Object.values(data).sort(), ['one', 'other'])
  for (const { mountPath, subPath = '' } of webOf(world).volumeMounts?.filter(({ readOnly }) => readOnly) ?? []) {
    t.equal(data[subPath], mountPath === '/etc/a/shop.conf' ? 'one' : 'other')
  }
  const again = made(files('two'))
  t.not(
    JSON.stringify(templateOf(again).metadata?.annotations),
    JSON.stringify(templateOf(world).metadata?.annotations),
  )
  t.not(
    templateOf(again).metadata?.labels?.['platform.example.com/revision'],
    templateOf(world).metadata?.labels?.['platform.example.com/revision'],
  )
})

t.test('helpers: before the application, or beside it from before its start to after its end', async (t) => {
  const helper = { image: 'team/helper:1' }
  const world = createWorld({
    initContainers: [{ name: 'prepare', ...helper }],
    sidecars: [{ name: 'proxy', ...helper, ports: [{ name: 'admin', containerPort: 15000 }] }],
  })
  world.imageRegistry = 'registry.internal/mirror'
  settle(world)
  t.match(podOf(world).initContainers, [
    { name: 'prepare', image: 'registry.internal/mirror/team/helper:1', restartPolicy: undefined },
    { name: 'proxy', restartPolicy: 'Always', ports: [{ containerPort: 15000, protocol: 'TCP' }] },
  ])
  t.same(
    podOf(world).containers.map(({ name }) => name),
    ['web'],
  )
})

t.test('Service, Ingress and URL lead to the port', async (t) => {
  const ports = [
    { name: 'web', port: 80, containerPort: 3000 },
    { name: 'grpc', port: 9000, appProtocol: 'grpc' },
  ]
  const world = running({
    ports,
    service: { type: 'LoadBalancer', annotations: { a: 'b' }, labels: { tier: 'front' } },
    exposure: { host: 'shop.example.com', path: '/shop', port: 'grpc', ingressClassName: 'nginx', tls: {} },
    monitoring: { enabled: true, port: 'grpc', scrapeInterval: '1m' },
  })
  t.match(specOf(world, 'Service'), {
    type: 'LoadBalancer',
    ports: [
      { name: 'web', port: 80, targetPort: 'web' },
      { name: 'grpc', port: 9000, targetPort: 'grpc', appProtocol: 'grpc' },
    ],
  })
  t.match(child(world, 'Service', 'shop').metadata, {
    labels: { tier: 'front', 'app.kubernetes.io/instance': 'shop' },
    annotations: { a: 'b', 'monitoring.example.com/port': 'grpc', 'monitoring.example.com/interval': '1m' },
  })
  t.match(specOf(world, 'Ingress'), {
    ingressClassName: 'nginx',
    rules: [
      {
        host: 'shop.example.com',
        http: { paths: [{ path: '/shop', backend: { service: { name: 'shop', port: { name: 'grpc' } } } }] },
      },
    ],
    tls: [{ hosts: ['shop.example.com'], secretName: 'shop-tls' }],
  })
  t.match(world.parent.status, { url: 'https://shop.example.com/shop' })
  t.match(running({ ports }).parent.status, { url: 'http://shop.shop.svc' })
  t.match(running().parent.status, { url: 'http://shop.shop.svc:8080' })
})

t.test('who may connect, by level', async (t) => {
  interface Rule {
    from?: object[]
    to?: object[]
    ports?: { port: number; protocol: string }[]
  }
  const policyOf = (security: Spec, rest: Spec = {}) =>
    specOf(made({ ...rest, security }), 'NetworkPolicy') as { policyTypes: string[]; ingress: Rule[]; egress?: Rule[] }
  const peer = { podSelector: { matchLabels: { app: 'front' } } }
  const baseline = policyOf({ ingressPeers: [peer] })
  t.same(baseline.policyTypes, ['Ingress'], 'what pods connect to is left alone')
  t.match(baseline.ingress[0]?.from, [{ podSelector: {} }, { namespaceSelector: {} }, peer])
  const balanced = policyOf({}, { service: { type: 'LoadBalancer' } })
  t.same(balanced.ingress, [{ ports: [{ port: 8080, protocol: 'TCP' }] }], 'who asks for a load balancer')
  const strict = policyOf(
    { networkPolicy: 'strict', ingressPeers: [peer], egressPeers: [peer], ingressNamespaces: [] },
    {
      ports: [
        { name: 'http', port: 80, containerPort: 8080 },
        { name: 'quic', port: 443, protocol: 'UDP' },
      ],
      monitoring: { enabled: true },
    },
  )
  t.same(strict.policyTypes, ['Ingress', 'Egress'])
  t.same(strict.ingress.slice(0, 2), [
    { from: [peer], ports: [{ port: 8080, protocol: 'TCP' }] },
    { from: [peer], ports: [{ port: 443, protocol: 'UDP' }] },
  ])
  t.match(strict.ingress[2], { ports: [{ port: 8080 }] }, 'monitoring, on its port alone')
  t.same(
    strict.egress?.map(({ ports = [] }) => ports),
    [[{ port: 53, protocol: 'UDP' }], [{ port: 53, protocol: 'TCP' }], []],
    'a rule for each protocol of DNS, and the declared peers',
  )
  t.same(policyOf({ networkPolicy: 'strict', ingressNamespaces: [] }).ingress, [], 'nobody, rather than everybody')
  const gateway = { host: 'a.example.com', gateway: { parentRefs: [{ name: 'x', namespace: 'edge' }] } }
  t.match(
    JSON.stringify(policyOf({ networkPolicy: 'strict' }, { exposure: gateway }).ingress),
    '"edge"',
    'the namespace of the Gateway',
  )
})

t.test('the autoscaler has the metrics of the spec, in canonical form', async (t) => {
  const hpaOf = (autoscaling: Spec) =>
    specOf(made({ autoscaling: { enabled: true, ...autoscaling } }), 'HorizontalPodAutoscaler')
  t.match(hpaOf({}), { metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 80 } } }] })
  const target = { type: 'AverageValue', averageValue: '1000m' }
  const spec = hpaOf({
    minReplicas: 2,
    maxReplicas: 4,
    targetMemoryUtilization: 75,
    metrics: [{ type: 'Pods', pods: { metric: { name: 'rps' }, target } }],
    behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
  })
  t.match(spec, {
    scaleTargetRef: { kind: 'Deployment', name: 'shop' },
    minReplicas: 2,
    maxReplicas: 4,
    metrics: [
      { resource: { name: 'memory', target: { averageUtilization: 75 } } },
      { pods: { target: { averageValue: '1' } } },
    ],
    behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
  })
})

t.test('rolling keeps what serves: none less, unless the spec allows it', async (t) => {
  const strategyOf = (rollout: Spec) => specOf(made({ rollout }), 'Deployment').strategy
  t.match(strategyOf({}), { rollingUpdate: { maxUnavailable: 0, maxSurge: '25%' } })
  t.match(strategyOf({ maxSurge: 0 }), { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }, 'both none is refused')
  t.match(strategyOf({ maxSurge: 0, maxUnavailable: '10%' }), { rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 } })
  t.equal(findChild(made({ paused: true }), 'Deployment', 'shop')?.kind, 'Deployment')
  t.match(specOf(made({ paused: true }), 'Deployment'), { paused: true })
})
