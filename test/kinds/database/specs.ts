// Specs of Databases, made at random: valid ones of every field, and broken ones.
import fc from 'fast-check'
import { replaced } from '../replaced.ts'
import type { Spec } from './world.ts'

const name = fc.constantFrom('a', 'store', 'team-a', 'x'.repeat(40))
const quantity = fc.constantFrom('100m', '0.5', '1', 2, '768Mi', '1024Mi', '1.5Gi', '4G', '1e9')
const memory = fc.constantFrom('768Mi', '1024Mi', '1.5Gi', '4G', '64Gi')
const label = fc.dictionary(
  fc.constantFrom('example.com/team', 'tier', 'a.b/c'),
  fc.constantFrom('x', '1', 'a-b_c.d'),
  { maxKeys: 3 },
)

const resources = fc.record(
  {
    requests: fc.record({ cpu: quantity, 'ephemeral-storage': memory }, { requiredKeys: [] }),
    limits: fc.record({ memory, 'ephemeral-storage': fc.constant('100Gi') }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)

const destination = fc.oneof(
  fc.record({ claim: fc.record({ name }) }),
  fc.record({
    s3: fc.record(
      {
        bucket: fc.constant('backups'),
        region: fc.constant('eu-central-1'),
        prefix: fc.constant('a/b'),
        endpoint: fc.constantFrom('https://s3.internal', 'http://minio.store.svc:9000'),
        forcePathStyle: fc.boolean(),
        caSecret: fc.record({ name }),
        credentialsSecret: fc.record({ name }),
      },
      { requiredKeys: ['bucket'] },
    ),
  }),
)

const backup = fc.record(
  {
    enabled: fc.boolean(),
    schedule: fc.constantFrom('0 2 * * *', '@daily', '*/5 0-6 * JAN-MAR mon', '30 4 1,15 * 5'),
    timeZone: fc.constantFrom('Etc/UTC', 'Europe/Berlin'),
    retention: fc.constantFrom('7d', '12h', '4w'),
    suspend: fc.boolean(),
    destination,
    resources,
    workSize: fc.constantFrom('100Mi', '50Gi', 1000000),
    activeDeadlineSeconds: fc.integer({ min: 60, max: 604800 }),
  },
  { requiredKeys: ['destination'] },
)

const pod = fc.record(
  {
    labels: label,
    annotations: label,
    nodeSelector: label,
    tolerations: fc.array(fc.record({ key: name, operator: fc.constantFrom('Exists', 'Equal') }), { maxLength: 2 }),
    topologySpreadConstraints: fc.array(
      fc.record({
        maxSkew: fc.constant(1),
        topologyKey: fc.constant('zone'),
        whenUnsatisfiable: fc.constant('DoNotSchedule'),
      }),
      { maxLength: 2 },
    ),
    affinity: fc.constantFrom(
      {},
      { nodeAffinity: {} },
      { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } },
      {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: { matchLabels: {} } }],
        },
      },
    ),
    priorityClassName: name,
  },
  { requiredKeys: [] },
)

const common = {
  replicas: fc.integer({ min: 1, max: 7 }),
  storage: fc.record(
    { size: fc.constantFrom('1Gi', '10K', '5G', '2048Mi'), storageClass: name },
    { requiredKeys: ['size'] },
  ),
  image: fc.record(
    { registry: fc.constant('registry.internal:5000'), repository: fc.constant('team/db'), tag: fc.constant('x1') },
    { requiredKeys: [] },
  ),
  imagePullSecrets: fc.uniqueArray(fc.record({ name }), { selector: (one) => one.name, maxLength: 2 }),
  resources,
  credentials: fc.record(
    {
      username: fc.constantFrom('app', 'shop_1'),
      database: fc.constantFrom('app', 'a_b'),
      secretName: name,
      rotation: fc.nat(5),
    },
    { requiredKeys: [] },
  ),
  backup,
  deletionPolicy: fc.constantFrom('Retain', 'Delete', 'BackupAndRetain', 'BackupAndDelete'),
  monitoring: fc.record({ enabled: fc.boolean() }),
  suspend: fc.boolean(),
  tls: fc.record({ secretName: name, required: fc.boolean() }),
  service: fc.record(
    {
      type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
      annotations: label,
      labels: label,
      loadBalancerSourceRanges: fc.array(fc.constant('10.0.0.0/8'), { maxLength: 1 }),
    },
    { requiredKeys: [] },
  ),
  serviceAccount: fc.record({ annotations: label }, { requiredKeys: [] }),
  pod,
  networkPolicy: fc.record(
    {
      enabled: fc.boolean(),
      ingress: fc.array(
        fc.constantFrom<object[]>(
          { podSelector: {} },
          { ipBlock: { cidr: '10.0.0.0/8', except: [] } },
          { namespaceSelector: { matchLabels: {} } },
        ),
        { maxLength: 2 },
      ),
      egress: fc.array(fc.constant({ ipBlock: { cidr: '10.0.0.0/8' } }), { maxLength: 1 }),
    },
    { requiredKeys: [] },
  ),
}

const engines = [
  {
    engine: 'postgresql',
    versions: ['13.8', '17.2', '18.0'],
    parameters: { work_mem: '8MB', max_connections: 50, shared_buffers: '64MB' },
  },
  {
    engine: 'mysql',
    versions: ['8.0.36', '8.4', '9.1.0'],
    parameters: { 'max-connections': 50, innodb_log_file_size: '64M' },
  },
  {
    engine: 'mongodb',
    versions: ['7.0', '8.0.4'],
    parameters: { 'setParameter.logLevel': 1, 'operationProfiling.mode': 'all' },
  },
]

/** Valid specs of every field. */
export const specs: fc.Arbitrary<Spec> = fc.constantFrom(...engines).chain(({ engine, versions, parameters }) =>
  fc.record(
    {
      ...common,
      engine: fc.constant(engine),
      version: fc.constantFrom(...versions),
      parameters: fc.subarray(Object.entries(parameters)).map((entries) => Object.fromEntries(entries)),
    },
    { requiredKeys: ['engine', 'version', 'storage', 'backup'] },
  ),
)

/** Valid specs of one engine and version, with what cannot be changed left alone: changes of one resource. */
export const changes: fc.Arbitrary<Spec> = specs.map(
  ({ engine: _engine, version: _version, storage: _storage, parameters: _parameters, ...rest }) => rest,
)

/** Specs in which one place holds something else. */
export const brokenSpecs: fc.Arbitrary<Spec> = fc
  .tuple(specs, fc.nat(), fc.jsonValue())
  .map(([spec, seed, value]) => replaced(spec, seed, value) as Spec)
