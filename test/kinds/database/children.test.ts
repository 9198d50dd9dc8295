// Every child of every engine: what it holds, and the rules that linters and Kubernetes' own advice hold it to.
import type { Container, PodSpec } from 'kubernetes-types/core/v1.js'
import t, { type Test } from 'tap'
import { isRecord, type KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import {
  ask,
  child,
  conditionOf,
  createWorld,
  findChild,
  inventory,
  minimal,
  type Spec,
  settle,
  step,
} from './world.ts'

const engines = [
  { engine: 'postgresql', version: '13.8', image: 'postgres:13.8', port: 5432, file: 'postgresql.conf' },
  { engine: 'mysql', version: '8.4.3', image: 'mysql:8.4.3', port: 3306, file: 'my.cnf' },
  { engine: 'mongodb', version: '7.0', image: 'mongo:7.0', port: 27017, file: 'mongod.conf' },
]

const backup = { enabled: true, destination: { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } } }

function made(spec: Spec = {}) {
  const world = createWorld(spec)
  settle(world)
  return world
}

function podOf(object: KubernetesObject): PodSpec {
  const spec = object.spec as { template?: { spec: PodSpec }; jobTemplate?: { spec: { template: { spec: PodSpec } } } }
  const pod = spec.template?.spec ?? spec.jobTemplate?.spec.template.spec
  if (pod === undefined) throw new Error(`${object.kind} has no pod`)
  return pod
}

function decoded(secret: KubernetesObject): Record<string, string> {
  const data = secret.data as Record<string, string>
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

for (const { engine, version, image, port, file } of engines) {
  t.test(`${engine}: the children, and no others`, async (t) => {
    t.same(inventory(made({ engine, version })), [
      'ConfigMap/orders-config',
      'NetworkPolicy/orders',
      'PodDisruptionBudget/orders',
      'Secret/orders-secret',
      'Service/orders',
      'Service/orders-headless',
      'Service/orders-readonly',
      'ServiceAccount/orders',
      'StatefulSet/orders',
    ])
    const withBackup = inventory(made({ engine, version, backup }))
    t.ok(withBackup.includes('DatabaseBackup/orders-backup'))
  })

  t.test(`${engine}: the engine runs first, from its official image, with its configuration`, async (t) => {
    const world = made({ engine, version })
    const pod = podOf(child(world, 'StatefulSet', 'orders'))
    const first = pod.containers[0]
    t.equal(first?.image, image)
    t.equal(first?.ports?.[0]?.containerPort, port)
    const config = child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
    t.ok(config[file])
    const volume = pod.volumes?.find(({ name }) => name === 'configuration')
    t.equal(volume?.configMap?.name, 'orders-config')
    t.ok(volume?.configMap?.items?.some(({ key }) => key === file))
    t.ok(
      first?.volumeMounts?.some(({ name }) => name === 'configuration'),
      'the engine sees the file',
    )
  })

  t.test(`${engine}: the Secret has all that an application needs, and says it consistently`, async (t) => {
    const secret = decoded(child(made({ engine, version }), 'Secret', 'orders-secret'))
    t.match(secret, { username: 'app', host: 'orders.shop.svc', port: String(port), dbname: 'app' })
    t.match(secret.password, /^[0-9A-Za-z]{43}$/)
    const uri = new URL(secret.uri ?? '')
    t.equal(uri.username, 'app')
    t.equal(uri.password, secret.password)
    t.equal(uri.host, `orders.shop.svc:${port}`)
    t.equal(uri.pathname, '/app')
    t.match(secret['jdbc-uri'], /^jdbc:/)
    t.ok(secret['jdbc-uri']?.includes(secret.password ?? '?'))
    t.not(secret.password, secret['superuser-password'])
  })

  t.test(`${engine}: what linters ask of pods`, async (t) => {
    const world = made({ engine, version, backup })
    const accounts = inventory(world).filter((name) => name.startsWith('ServiceAccount/'))
    for (const object of [child(world, 'StatefulSet', 'orders'), finalBackup({ engine, version, backup })]) {
      const pod = podOf(object)
      const title = object.kind
      t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }, title)
      t.equal(pod.automountServiceAccountToken, false, title)
      t.ok(accounts.includes(`ServiceAccount/${pod.serviceAccountName}`), `${title}: its ServiceAccount exists`)
      const names = new Set(pod.volumes?.map(({ name }) => name))
      if (object.kind === 'StatefulSet') names.add('data')
      for (const container of [...(pod.initContainers ?? []), ...pod.containers]) lint(t, container, title, names)
      for (const volume of pod.volumes ?? []) {
        t.ok(
          Object.keys(volume).every((key) => allowedVolumes.has(key)),
          `${title}: ${volume.name} is allowed under "restricted"`,
        )
      }
    }
    const [database] = podOf(child(world, 'StatefulSet', 'orders')).containers
    t.ok(database?.startupProbe && database.readinessProbe && database.livenessProbe)
    t.notSame(database?.readinessProbe, database?.livenessProbe, 'readiness and liveness ask different questions')
    const { startupProbe } = database ?? {}
    const patience = (startupProbe?.periodSeconds ?? 0) * (startupProbe?.failureThreshold ?? 0)
    t.ok(patience >= 1800, 'recovery after a crash has time')
  })

  t.test(`${engine}: selectors find the pods they are meant for`, async (t) => {
    const world = made({ engine, version, backup })
    const labels = labelsOf(child(world, 'StatefulSet', 'orders'))
    const podName = { 'statefulset.kubernetes.io/pod-name': 'orders-0' }
    const budget = child(world, 'PodDisruptionBudget', 'orders').spec as { selector: { matchLabels: object } }
    t.match(labels, budget.selector.matchLabels)
    for (const name of ['orders', 'orders-readonly', 'orders-headless']) {
      const service = child(world, 'Service', name).spec as { selector: object; ports: { targetPort: unknown }[] }
      t.match({ ...labels, ...podName }, service.selector, name)
      t.equal(service.ports[0]?.targetPort, 'database')
    }
    const policy = child(world, 'NetworkPolicy', 'orders').spec as { podSelector: { matchLabels: object } }
    t.match(labels, policy.podSelector.matchLabels)
    const backups = labelsOf(finalBackup({ engine, version, backup }))
    const leaving = lastBackupOf({ engine, version, backup })
    const backupPolicy = child(leaving, 'NetworkPolicy', 'orders-backup').spec as {
      podSelector: { matchLabels: object }
    }
    t.match(backups, backupPolicy.podSelector.matchLabels)
    t.notMatch(backups, policy.podSelector.matchLabels, 'a backup pod is no database')
    const set = child(world, 'StatefulSet', 'orders').spec as { serviceName: string }
    t.ok(findChild(world, 'Service', set.serviceName))
  })

  t.test(`${engine}: what Metacontroller would write at every sync is not there`, async (t) => {
    for (const object of ask(createWorld({ engine, version, backup })).response.children) {
      t.same(restless(object), [], `${object.kind}/${object.metadata.name}`)
    }
  })
}

t.test('no two ports of one list share a number, which Metacontroller would take for one', async (t) => {
  const { children } = ask(createWorld({ backup })).response
  for (const list of portLists(children)) {
    const numbers = list.map((port) => (isRecord(port) ? (port.containerPort ?? port.port) : port))
    t.equal(new Set(numbers).size, numbers.length)
  }
})

t.test('name resolution is let out by UDP and by TCP', async (t) => {
  const { egress } = child(made(), 'NetworkPolicy', 'orders').spec as {
    egress: { ports: { port: number; protocol: string }[] }[]
  }
  const dns = egress.flatMap(({ ports }) => ports).filter(({ port }) => port === 53)
  t.same(dns.map(({ protocol }) => protocol).sort(), ['TCP', 'UDP'])
})

t.test('claim templates are complete, so that the API server adds nothing to them', async (t) => {
  const { volumeClaimTemplates } = child(
    made({ storage: { size: '10K', storageClass: 'fast' } }),
    'StatefulSet',
    'orders',
  ).spec as { volumeClaimTemplates: unknown }
  t.same(volumeClaimTemplates, [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '10k' } },
        storageClassName: 'fast',
        volumeMode: 'Filesystem',
      },
      status: { phase: 'Pending' },
    },
  ])
})

t.test('memory is what the configuration is sized by', async (t) => {
  const config = (spec: Spec, file: string) => {
    const data = child(made(spec), 'ConfigMap', 'orders-config').data as Record<string, string>
    return data[file] ?? ''
  }
  const resources = { limits: { memory: '8Gi' } }
  t.match(config({ resources }, 'postgresql.conf'), /shared_buffers = '2048MB'/)
  t.match(config({ resources }, 'postgresql.conf'), /effective_cache_size = '6144MB'/)
  t.match(config({ engine: 'mysql', version: '8.4', resources }, 'my.cnf'), /innodb_buffer_pool_size = 5734M/)
  t.match(config({ engine: 'mongodb', version: '7.0', resources }, 'mongod.conf'), /cacheSizeGB: 3.5/)
  const small = { limits: { memory: '512Mi' } }
  t.match(
    config({ engine: 'mysql', version: '8.4', resources: small }, 'my.cnf'),
    /innodb_buffer_pool_size = 128M/,
    'what the server takes besides has room',
  )
})

t.test('parameters reach the configuration, quoted as the engine needs it', async (t) => {
  const config = (spec: Spec, file: string) => {
    const data = child(made(spec), 'ConfigMap', 'orders-config').data as Record<string, string>
    return data[file] ?? ''
  }
  const postgresql = config({ parameters: { work_mem: '8MB', search_path: `"it's", public` } }, 'postgresql.conf')
  t.match(postgresql, "work_mem = '8MB'\n")
  t.match(postgresql, `search_path = '"it''s", public'\n`)
  const mysql = {
    engine: 'mysql',
    version: '8.4',
    parameters: { 'max-connections': 300, init_connect: 'SET @a = "#"' },
  }
  t.match(config(mysql, 'my.cnf'), 'max_connections = 300\n')
  t.match(config(mysql, 'my.cnf'), 'init_connect = "SET @a = \\"#\\""\n')
  t.match(config(mysql, 'reload.sql'), 'SET GLOBAL max_connections = 300;\n')
  const mongodb = {
    engine: 'mongodb',
    version: '7.0',
    parameters: { 'operationProfiling.mode': 'slowOp', 'setParameter.logLevel': 1 },
  }
  t.match(config(mongodb, 'mongod.conf'), 'operationProfiling:\n  mode: "slowOp"\n')
  t.match(config(mongodb, 'mongod.conf'), 'setParameter:\n  logLevel: 1\n')
  t.same(JSON.parse(config(mongodb, 'reload.json')), [{ setParameter: 1, logLevel: 1 }])
})

t.test('pods roll for what the engine cannot reload, and for nothing else', async (t) => {
  const template = (spec: Spec) => {
    const { template } = child(made(spec), 'StatefulSet', 'orders').spec as { template: unknown }
    return JSON.stringify(template)
  }
  const cases = [
    { engine: 'postgresql', version: '17.2', reload: { work_mem: '8MB' }, restart: { shared_buffers: '64MB' } },
    { engine: 'mysql', version: '8.4', reload: { max_connections: 300 }, restart: { innodb_log_file_size: '64M' } },
    {
      engine: 'mongodb',
      version: '7.0',
      before: { 'setParameter.logLevel': 0 },
      reload: { 'setParameter.logLevel': 1 },
      restart: { 'operationProfiling.mode': 'all' },
    },
  ]
  for (const { engine, version, before = {}, reload, restart } of cases) {
    const plain = template({ engine, version, parameters: before })
    t.equal(template({ engine, version, parameters: reload }), plain, `${engine} reloads ${JSON.stringify(reload)}`)
    t.not(
      template({ engine, version, parameters: restart }),
      plain,
      `${engine} restarts for ${JSON.stringify(restart)}`,
    )
  }
})

t.test('an image can come from elsewhere', async (t) => {
  const image = (spec: Spec, imageRegistry = '') => {
    const world = createWorld({ image: spec })
    world.imageRegistry = imageRegistry
    settle(world)
    return podOf(child(world, 'StatefulSet', 'orders')).containers[0]?.image
  }
  const digest = `sha256:${'0'.repeat(64)}`
  t.equal(image({}, 'registry.internal/mirror'), 'registry.internal/mirror/postgres:13.8')
  t.equal(image({ registry: 'registry.internal' }), 'registry.internal/postgres:13.8')
  t.equal(image({ registry: 'registry.internal' }, 'other'), 'registry.internal/postgres:13.8')
  t.equal(image({ repository: 'team/postgis', tag: '13-3.4', digest }), `team/postgis:13-3.4@${digest}`)
})

t.test('quantities are given as Kubernetes writes them', async (t) => {
  const resources = { requests: { cpu: '0.5', memory: '1024Mi' }, limits: { cpu: 1, memory: '2048Mi' } }
  t.match(podOf(child(made({ resources }), 'StatefulSet', 'orders')).containers[0]?.resources, {
    requests: { cpu: '500m', memory: '1Gi' },
    limits: { cpu: '1', memory: '2Gi' },
  })
})

t.test('a request alone is not above the limit that is made of it', async (t) => {
  const resources = { requests: { memory: '6Gi', 'ephemeral-storage': '8Gi' } }
  const found = podOf(child(made({ resources }), 'StatefulSet', 'orders')).containers[0]?.resources
  t.same(found, { requests: { cpu: '250m', memory: '6Gi', 'ephemeral-storage': '8Gi' }, limits: { memory: '6Gi' } })
})

t.test('a Secret of the user is used, and nothing that would need to know its password is made', async (t) => {
  const world = made({ credentials: { secretName: 'mine' } })
  const pod = podOf(child(world, 'StatefulSet', 'orders'))
  t.equal(pod.volumes?.find(({ name }) => name === 'app-credentials')?.secret?.secretName, 'mine')
  t.same(Object.keys(decoded(child(world, 'Secret', 'orders-secret'))).sort(), [
    'dbname',
    'host',
    'monitor-password',
    'operator-password',
    'port',
    'superuser-password',
    'superuser-username',
  ])
})

t.test('the service’s type, annotations and labels are the user’s; the operator’s labels stay', async (t) => {
  const world = made({
    service: {
      type: 'LoadBalancer',
      annotations: { 'example.com/a': 'b' },
      labels: { team: 'x' },
      loadBalancerSourceRanges: ['10.0.0.0/8'],
    },
  })
  for (const name of ['orders', 'orders-readonly']) {
    const service = child(world, 'Service', name)
    t.match(service.spec, { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] })
    t.match(service.metadata, {
      annotations: { 'example.com/a': 'b' },
      labels: { team: 'x', 'app.kubernetes.io/instance': 'orders' },
    })
  }
  t.match(child(world, 'Service', 'orders-headless').spec, { type: 'ClusterIP', clusterIP: 'None' })
})

t.test('TLS is mounted and told to the engine, and clients are told to use it', async (t) => {
  for (const { engine, version, file } of engines) {
    const world = made({ engine, version, tls: { secretName: 'tls', required: true } })
    const pod = podOf(child(world, 'StatefulSet', 'orders'))
    t.equal(pod.volumes?.find(({ name }) => name === 'tls')?.secret?.secretName, 'tls')
    const data = child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
    t.match(data[file], /(ssl_cert|certificateKeyFile)/, engine)
    t.match(decoded(child(world, 'Secret', 'orders-secret')).uri, /(sslmode=require|ssl-mode=REQUIRED|tls=true)/)
  }
})

t.test('suspended: no pods, no backups, all the rest', async (t) => {
  const world = made({ replicas: 3, backup })
  const before = inventory(world)
  world.parent = { ...world.parent, spec: minimal({ replicas: 3, backup, suspend: true }) }
  step(world)
  t.same(inventory(world), before)
  t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 0 })
})

t.test('pods are placed as the user says, and spread where he says nothing', async (t) => {
  const spread = podOf(child(made(), 'StatefulSet', 'orders'))
  t.ok(spread.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution)
  t.equal(spread.topologySpreadConstraints?.[0]?.whenUnsatisfiable, 'ScheduleAnyway')
  const tolerations = [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }]
  const placed = podOf(
    child(
      made({
        pod: { tolerations, nodeSelector: { disk: 'ssd' }, priorityClassName: 'high', topologySpreadConstraints: [] },
      }),
      'StatefulSet',
      'orders',
    ),
  )
  t.match(placed, { tolerations, nodeSelector: { disk: 'ssd' }, priorityClassName: 'high' })
  t.equal(placed.topologySpreadConstraints, undefined)
})

t.test('metrics: a monitor, and no change of the pods', async (t) => {
  for (const { engine, version } of engines) {
    const without = made({ engine, version })
    const world = made({ engine, version, monitoring: { enabled: true, alerting: true, image: 'exporter:1' } })
    t.same(child(world, 'DatabaseMonitor', 'orders').spec, {
      databaseRef: { name: 'orders' },
      image: 'exporter:1',
    })
    t.same(child(world, 'StatefulSet', 'orders').spec, child(without, 'StatefulSet', 'orders').spec)
    t.match(conditionOf(world, 'AlertsConfigured'), { status: 'Unknown', reason: 'Delegated' })
    t.equal(findChild(without, 'DatabaseMonitor', 'orders'), undefined)
  }
})

t.test('accounts for metrics and for making users, each with a password of its own', async (t) => {
  for (const { engine, version } of engines) {
    const world = made({ engine, version })
    const secret = decoded(child(world, 'Secret', 'orders-secret'))
    const passwords = ['password', 'superuser-password', 'monitor-password', 'operator-password'].map(
      (key) => secret[key],
    )
    t.equal(new Set(passwords).size, 4)
    const { 'accounts.sh': accounts = '' } = child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
    t.match(accounts, /monitor/)
    t.match(accounts, /operator_hooks/)
  }
})

t.test('what the API server would drop of what users wrote is dropped', async (t) => {
  const world = made({
    pod: {
      tolerations: [{ key: 'a', operator: 'Exists', value: '' }],
      affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] }, nodeAffinity: {} },
    },
    networkPolicy: {
      ingress: [{ namespaceSelector: { matchLabels: {} } }, { ipBlock: { cidr: '10.0.0.0/8', except: [] } }],
    },
  })
  const pod = podOf(child(world, 'StatefulSet', 'orders'))
  t.same(pod.tolerations, [{ key: 'a', operator: 'Exists' }])
  t.same(pod.affinity, { podAntiAffinity: {}, nodeAffinity: {} })
  const { ingress } = child(world, 'NetworkPolicy', 'orders').spec as { ingress: { from: unknown }[] }
  t.same(ingress[0]?.from, [{ podSelector: {} }, { namespaceSelector: {} }, { ipBlock: { cidr: '10.0.0.0/8' } }])
})

t.test('a backup goes to a claim, or to S3 by a client of its own', async (t) => {
  const claim = podOf(finalBackup({ backup: { destination: { claim: { name: 'store' } } } }))
  t.equal(claim.volumes?.find(({ name }) => name === 'backup')?.persistentVolumeClaim?.claimName, 'store')
  t.equal(claim.containers[0]?.image, 'postgres:13.8')
  const s3 = podOf(
    finalBackup({
      backup: {
        destination: {
          s3: {
            bucket: 'b-1',
            endpoint: 'https://s3.internal:9000',
            forcePathStyle: true,
            caSecret: { name: 'ca' },
            credentialsSecret: { name: 'keys' },
          },
        },
      },
    }),
  )
  const env = Object.fromEntries(s3.containers[0]?.env?.map(({ name, value }) => [name, value]) ?? [])
  t.match(env, {
    BACKUP_REMOTE: 'store:b-1/shop/orders',
    RCLONE_CONFIG_STORE_ENDPOINT: 'https://s3.internal:9000',
    RCLONE_CONFIG_STORE_FORCE_PATH_STYLE: 'true',
    RCLONE_CA_CERT: '/etc/s3-ca/ca.crt',
  })
  t.match(
    s3.containers[0]?.env?.find(({ name }) => name === 'AWS_ACCESS_KEY_ID'),
    {
      valueFrom: { secretKeyRef: { name: 'keys', key: 'access-key-id' } },
    },
  )
  t.notOk(s3.volumes?.find(({ name }) => name === 'backup')?.persistentVolumeClaim)
})

t.test('backups on a schedule are a DatabaseBackup’s, which is told all there is to them', async (t) => {
  const annotations = { 'example.com/role': 'backups' }
  const world = made({
    backup: { ...backup, schedule: '0 2 * * *', timeZone: 'Europe/Berlin', workSize: '5Gi' },
    serviceAccount: { annotations },
  })
  t.match(child(world, 'DatabaseBackup', 'orders-backup').spec, {
    databaseRef: { name: 'orders' },
    schedule: '0 2 * * *',
    timeZone: 'Europe/Berlin',
    retention: '7d',
    suspend: false,
    workSize: '5Gi',
    destination: backup.destination,
    serviceAccount: { annotations },
  })
})

t.test('children that were deleted come back identical, credentials too', async (t) => {
  const world = made({ backup })
  const before = structuredClone(world.children)
  for (const group of Object.values(world.children)) for (const key of Object.keys(group)) delete group[key]
  step(world)
  t.same(world.children, before)
})

// A Database on its way out, at its last backup.
function lastBackupOf(spec: Spec) {
  const world = made({ ...spec, deletionPolicy: 'BackupAndRetain' })
  step(world, true)
  return world
}

function finalBackup(spec: Spec): KubernetesObject {
  return child(lastBackupOf(spec), 'Job', 'orders-final-backup')
}

const allowedVolumes = new Set(['name', 'configMap', 'emptyDir', 'secret', 'persistentVolumeClaim'])

function lint(t: Test, container: Container, title: string, volumes: ReadonlySet<string>): void {
  const where = `${title}/${container.name}`
  t.match(
    container.securityContext,
    { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    where,
  )
  for (const name of ['cpu', 'memory', 'ephemeral-storage'])
    t.ok(container.resources?.requests?.[name], `${where} requests ${name}`)
  t.ok(container.resources?.limits?.memory, `${where} limits memory`)
  t.match(container.image, /:[^:/]+$/, `${where} names a tag`)
  t.notMatch(container.image, /:latest$/, where)
  for (const { name, value } of container.env ?? []) {
    t.notOk(
      value !== undefined && /password|secret|key/i.test(name) && !name.endsWith('_FILE'),
      `${where}: ${name} is no plain secret`,
    )
  }
  for (const mount of container.volumeMounts ?? []) t.ok(volumes.has(mount.name), `${where} mounts ${mount.name}`)
}

function labelsOf(object: KubernetesObject): Record<string, string> {
  const spec = object.spec as {
    template?: { metadata: { labels: Record<string, string> } }
    jobTemplate?: { spec: { template: { metadata: { labels: Record<string, string> } } } }
  }
  return spec.template?.metadata.labels ?? spec.jobTemplate?.spec.template.metadata.labels ?? {}
}

// Nulls, empty strings and lists, stringData, and quantities that the API server would rewrite.
function restless(value: unknown, path = ''): string[] {
  if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return [path]
  if (Array.isArray(value)) return value.flatMap((item, index) => restless(item, `${path}[${index}]`))
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = `${path}.${name}`
    if (name === 'stringData') return [here]
    // Empty selectors and emptyDirs mean something; other empty objects are dropped.
    if (isRecord(inner) && Object.keys(inner).length === 0 && !['podSelector', 'emptyDir'].includes(name)) return [here]
    return restless(inner, here)
  })
}

function portLists(value: unknown): unknown[][] {
  if (Array.isArray(value)) return value.flatMap(portLists)
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'ports' && Array.isArray(inner) ? [inner] : portLists(inner),
  )
}
