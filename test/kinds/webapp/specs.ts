// Specs of WebApps, made at random: valid ones of every field, and broken ones.
import fc from 'fast-check'
import { replaced } from '../replaced.ts'
import type { Spec } from './world.ts'

const name = fc.constantFrom('a', 'store', 'team-a')
const quantity = fc.constantFrom('100m', '0.5', '1', 2, '1e3')
const memory = fc.constantFrom('512Mi', '1024Mi', '1.5Gi', '4G')
const label = fc.dictionary(fc.constantFrom('example.com/team', 'tier'), fc.constantFrom('x', 'a-b_c.d'), {
  maxKeys: 2,
})
const file = fc.constantFrom('/etc/a.conf', '/etc/b/a.conf', '/usr/share/a', '/tmp/a')
const folder = fc.constantFrom('/var/cache/a', '/tmp', '/srv/data')

const resources = fc.record(
  {
    requests: fc.record({ cpu: quantity, 'ephemeral-storage': memory }, { requiredKeys: [] }),
    limits: fc.record({ memory, 'ephemeral-storage': fc.constant('100Gi') }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)

const env = fc.uniqueArray(
  fc.oneof(
    fc.record(
      { name: fc.constantFrom('A', 'B', 'SECRET'), value: fc.constantFrom('', 'x') },
      { requiredKeys: ['name'] },
    ),
    fc.record({
      name: fc.constantFrom('C', 'D'),
      valueFrom: fc.constantFrom<object[]>(
        { fieldRef: { fieldPath: 'metadata.name' } },
        { resourceFieldRef: { resource: 'limits.memory' } },
        { secretKeyRef: { name: 'a', key: 'b', optional: true } },
      ),
    }),
  ),
  { selector: (one) => one.name, maxLength: 4 },
)

const handler = fc.constantFrom<object[]>(
  { httpGet: { path: '/', port: 8080, httpHeaders: [{ name: 'Host', value: 'x' }] } },
  { tcpSocket: { port: 'http' } },
  { grpc: { port: 9000, service: '' } },
  { exec: { command: ['true', ''] } },
)
const probe = fc.tuple(
  handler,
  fc.record({ periodSeconds: fc.constant(7), initialDelaySeconds: fc.constant(0) }, { requiredKeys: [] }),
)
const someProbe = probe.map(([one, times]) => ({ ...one, ...times }))

const ports = fc.uniqueArray(
  fc.record(
    {
      name: fc.constantFrom('http', 'metrics', 'dns', 'x-1'),
      port: fc.constantFrom(53, 80, 8080, 9090, 60000),
      containerPort: fc.constant(undefined),
      protocol: fc.constantFrom('TCP', 'UDP'),
      appProtocol: fc.constant('http'),
    },
    { requiredKeys: ['name', 'port'] },
  ),
  { comparator: (a, b) => a.name === b.name || a.port === b.port, minLength: 1, maxLength: 3 },
)

const volumes = fc.constantFrom<object[]>(
  { emptyDir: {} },
  { emptyDir: { medium: 'Memory', sizeLimit: '1024Mi' } },
  { configMap: { name: 'x', items: [] } },
  { secret: { secretName: 'x', items: [{ key: 'a', path: 'b' }], defaultMode: 256 } },
  { persistentVolumeClaim: { claimName: 'x' } },
  { ephemeral: { size: '1024Mi' } },
  { csi: { driver: 'secrets-store.csi.k8s.io', readOnly: true, volumeAttributes: { secretProviderClass: 'x' } } },
)

const helper = fc.record(
  {
    image: fc.constantFrom('busybox:1', 'registry.internal/x:1'),
    args: fc.constantFrom([], ['a', '']),
    env,
    resources,
    ports: fc.constantFrom([], [{ name: 'admin', containerPort: 15000 }]),
    readinessProbe: someProbe,
  },
  { requiredKeys: ['image'] },
)

const target = fc.constantFrom({ type: 'AverageValue', averageValue: '1000m' }, { type: 'Value', value: '2000' })
const autoscaling = fc.record(
  {
    enabled: fc.boolean(),
    minReplicas: fc.integer({ min: 1, max: 5 }),
    maxReplicas: fc.integer({ min: 5, max: 20 }),
    targetCPUUtilization: fc.constant(70),
    targetMemoryUtilization: fc.constant(75),
    metrics: fc.array(
      fc.oneof(
        target.map((one) => ({ type: 'Pods', pods: { metric: { name: 'rps' }, target: one } })),
        target.map((one) => ({
          type: 'External',
          external: { metric: { name: 'queue', selector: { matchLabels: { a: 'b' } } }, target: one },
        })),
      ),
      { maxLength: 2 },
    ),
    behavior: fc.constantFrom({}, { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } }),
    triggers: fc.constantFrom([], [{ type: 'cron', metadata: { start: '0 8 * * *' } }]),
  },
  { requiredKeys: [] },
)

const exposure = fc.record(
  {
    host: fc.constantFrom('shop.example.com', '*.example.com'),
    path: fc.constantFrom('/', '/shop'),
    pathType: fc.constantFrom('Prefix', 'Exact'),
    ingressClassName: name,
    annotations: label,
    tls: fc.constantFrom({}, { secretName: 'x' }, { issuerRef: { name: 'x' } }),
  },
  { requiredKeys: ['host'] },
)

const peers = fc.array(
  fc.constantFrom<object[]>(
    { podSelector: {} },
    { ipBlock: { cidr: '10.0.0.0/8', except: [] } },
    { namespaceSelector: { matchLabels: {} } },
  ),
  { maxLength: 2 },
)

const security = fc.record(
  {
    networkPolicy: fc.constantFrom('none', 'baseline', 'strict'),
    podSecurityStandard: fc.constantFrom('restricted', 'baseline', 'privileged'),
    ingressPeers: peers,
    egressPeers: peers,
    ingressNamespaces: fc.constantFrom([], ['ingress']),
    monitoringNamespaces: fc.constantFrom([], ['metrics']),
    writablePaths: fc.uniqueArray(folder, { maxLength: 3 }),
    readOnlyRootFilesystem: fc.boolean(),
    runAsUser: fc.integer({ min: 1, max: 70000 }),
    fsGroup: fc.integer({ min: 0, max: 70000 }),
  },
  { requiredKeys: [] },
)

const fields = {
  image: fc.constantFrom('nginx:1.21', 'docker.io/library/httpd:2.4', 'registry.example.com/shop:1.0'),
  imagePullPolicy: fc.constantFrom('Always', 'IfNotPresent'),
  imagePullSecrets: fc.uniqueArray(fc.record({ name }), { selector: (one) => one.name, maxLength: 2 }),
  replicas: fc.integer({ min: 1, max: 100 }),
  command: fc.constantFrom([], ['/bin/x']),
  args: fc.constantFrom([], ['', 'a']),
  workingDir: fc.constant('/srv'),
  env,
  envFrom: fc.constantFrom([], [{ secretRef: { name: 'x' }, prefix: '' }]),
  resources,
  ports,
  configFiles: fc.uniqueArray(fc.record({ path: file, content: fc.constantFrom('', 'a: b\n', 'ü') }), {
    selector: (one) => one.path,
    maxLength: 3,
  }),
  probes: fc.record({ readiness: someProbe, liveness: someProbe, defaults: fc.boolean() }, { requiredKeys: [] }),
  volumes: fc.array(volumes, { maxLength: 3 }).map((list) => list.map((one, index) => ({ name: `v${index}`, ...one }))),
  initContainers: fc
    .array(helper, { maxLength: 2 })
    .map((list) => list.map((one, index) => ({ name: `i${index}`, ...one }))),
  sidecars: fc.array(helper, { maxLength: 2 }).map((list) => list.map((one, index) => ({ name: `s${index}`, ...one }))),
  service: fc.record(
    { type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'), annotations: label, labels: label },
    { requiredKeys: [] },
  ),
  exposure,
  autoscaling,
  monitoring: fc.record({ enabled: fc.boolean() }),
  security,
  rollout: fc.record(
    {
      maxUnavailable: fc.constantFrom(0, 1, '10%', '0%'),
      maxSurge: fc.constantFrom(0, 1, '50%', '0%'),
      progressDeadlineSeconds: fc.constant(90),
    },
    { requiredKeys: [] },
  ),
  pod: fc.record(
    {
      labels: label,
      annotations: label,
      nodeSelector: label,
      tolerations: fc.array(fc.record({ key: name, operator: fc.constant('Exists') }), { maxLength: 1 }),
      affinity: fc.constantFrom({}, { nodeAffinity: {} }),
    },
    { requiredKeys: [] },
  ),
  serviceAccount: fc.record({ annotations: label, automountToken: fc.boolean() }, { requiredKeys: [] }),
  terminationGracePeriodSeconds: fc.constantFrom(10, 60),
  preStopSeconds: fc.constantFrom(0, 5, 10),
  suspend: fc.boolean(),
  paused: fc.boolean(),
}

/** Valid specs of every field. */
export const specs: fc.Arbitrary<Spec> = fc
  .record(fields, { requiredKeys: ['image'] })
  .map((spec) => JSON.parse(JSON.stringify(spec)) as Spec)

/** Specs in which one place holds something else. */
export const brokenSpecs: fc.Arbitrary<Spec> = fc
  .tuple(specs, fc.nat(), fc.jsonValue())
  .map(([spec, seed, value]) => replaced(spec, seed, value) as Spec)
