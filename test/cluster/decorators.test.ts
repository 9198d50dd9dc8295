// The DecoratorControllers for optional APIs on a real API server with the CRDs of each project: at first without them,
// then with them.
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { controllers } from '../../hooks/cli/controllers.ts'
import { decorators } from '../../hooks/decorators/index.ts'
import { optionalTypes } from '../../hooks/generate/apis.ts'
import { suite } from '../../hooks/kinds/index.ts'
import { isRecord, type KubernetesObject, type ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import { shortHash } from '../../hooks/sdk/names.ts'
import { timesAround } from '../../hooks/sdk/schedule.ts'
import { recordingShell } from '../cli/shell.ts'
import { ensureCrds } from './build.ts'
import { createControlPlaneCluster } from './cluster.ts'
import { documents, untilKindServed } from './manifests.ts'

const allDecorators = suite.filter((one) => one.controller === 'decorator')
const root = fileURLToPath(new URL('../..', import.meta.url))
const keys = join(t.testdir({ keys: `test:${Buffer.alloc(32, 7).toString('base64')}\n` }), 'keys')
const crds = await ensureCrds()
const cluster = await createControlPlaneCluster({
  hook: {
    command: process.execPath,
    args: [`${root}hooks/main.ts`, 'serve', '--auth=none', `--credential-keys-file=${keys}`, '--events'],
  },
  manifests: [
    `${root}crds`,
    `${root}metacontroller`,
    `${root}deploy/generated/rbac`,
    `${root}deploy/generated/events`,
    ...decorators.flatMap(({ name }) => documentsOf(`${root}metacontroller/decorators/${name}`)).map(resyncedOften),
  ],
})
t.teardown(() => cluster.stop())
const { client, kubectl, kubeconfig, metacontroller } = cluster.controlPlane
const namespace = await cluster.namespace('optional')
const startedAt = Date.now()

const at = (apiVersion: string, kind: string, name: string, within = namespace): ObjectReference => ({
  apiVersion,
  kind,
  name,
  namespace: within,
})
const database = at('example.com/v1', 'Database', 'orders')
const claim = at('v1', 'PersistentVolumeClaim', 'data-orders-0')
const schedule = '0 3 * * *'
const webApp = at('platform.example.com/v1', 'WebApp', 'shop')

t.test('without its API a decorator does nothing, and nothing else suffers', { timeout: 120_000 }, async (t) => {
  await cluster.apply({
    ...objectAt(database),
    spec: {
      engine: 'postgresql',
      version: '17.2',
      storage: { size: '1Gi' },
      monitoring: { enabled: true, alerting: true },
      tls: { secretName: 'orders-tls', issuerRef: { name: 'internal' } },
      credentials: {
        secretName: 'orders-login',
        external: { secretStoreRef: { name: 'vault' }, key: 'databases/orders' },
      },
      backup: { enabled: true, destination: { claim: { name: 'backups' } } },
    },
  })
  await cluster.apply({
    ...objectAt(webApp),
    spec: {
      image: 'nginx:1.21',
      monitoring: { enabled: true, alerting: true },
      security: { networkPolicy: 'strict', mtls: true },
      autoscaling: {
        enabled: true,
        maxReplicas: 3,
        targetCPUUtilization: 70,
        triggers: [
          { type: 'cron', metadata: { timezone: 'UTC', start: '0 8 * * *', end: '0 18 * * *', desiredReplicas: '3' } },
        ],
      },
      exposure: {
        host: 'shop.example.com',
        tls: { issuerRef: { name: 'public', kind: 'ClusterIssuer' } },
        gateway: {
          parentRefs: [
            { name: 'gateway', namespace: 'infra' },
            { name: 'gateway', namespace: 'infra', sectionName: 'plain' },
          ],
        },
      },
    },
  })
  await cluster.until('the Database is ready', async () => isTrue(await client.get(database), 'Ready'))
  await client.patch(claim, { metadata: { annotations: { 'backup.example.com/schedule': schedule } } })
  await cluster.until('the WebApp has its Service', async () => client.get(at('v1', 'Service', 'shop')))
  t.ok(metacontroller.running())
  const { output, errors } = await forCluster()
  const everywhere = allDecorators.filter((one) => optionalTypes(one, suite).length === 0).map(({ name }) => name)
  t.ok(everywhere.includes('grafana-dashboards'))
  t.same(namesIn(output).sort(), everywhere.sort(), 'those that need no such API')
  t.match(errors, /keda is left out: .* serves no ScaledObject \(keda\.sh\/v1alpha1\)/)
})

t.test('its API comes later, and it goes to work by itself', { timeout: 300_000 }, async (t) => {
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'velero' } })
  const objects = Object.values(crds)
    .flat()
    .flatMap((file) => documents(file))
    .filter(({ kind, spec }) => kind === 'CustomResourceDefinition' && isWanted(spec))
  await Promise.all(objects.map((crd) => client.create(crd)))
  await Promise.all(objects.map((crd) => untilKindServed(client, crd)))
  const arrivedAt = Date.now()
  await Promise.all(attachments.map(({ title, reference }) => cluster.until(title, () => client.get(reference), 240)))
  const seconds = (from: number, to: number) => `${((to - from) / 1000).toFixed(1)} s`
  t.comment(
    `APIs missing for ${seconds(startedAt, arrivedAt)}, all decorators at work ${seconds(arrivedAt, Date.now())} later`,
  )
  t.same(namesIn((await forCluster()).output).sort(), allDecorators.map(({ name }) => name).sort())
})

t.test('every attachment is taken as it is by the real schema', { timeout: 60_000 }, async (t) => {
  for (const { title, reference } of attachments) {
    const live = await client.get(reference)
    const applied = JSON.parse(
      live?.metadata.annotations?.['metacontroller.k8s.io/last-applied-configuration'] ?? '{}',
    ) as KubernetesObject
    t.match(live?.spec ?? live?.data, applied.spec ?? applied.data, `${title}: nothing was dropped or changed`)
    const copy = { ...applied, metadata: { name: `${reference.name}-copy`, namespace: reference.namespace ?? '' } }
    await t.resolves(client.create(copy, '?fieldValidation=Strict&dryRun=All'), title)
  }
})

t.test('nothing is written while nothing changes', { timeout: 120_000 }, async (t) => {
  await cluster.until(
    'all is quiet',
    async () => {
      const written = await writesWithin(3)
      if (written.length > 0) throw new Error(written.join(', '))
      return true
    },
    30,
  )
  const before = await cluster.hook.answered()
  t.same(await writesWithin(8), [], 'no write of an optional kind, and none of a decorated object')
  t.ok((await cluster.hook.answered()) - before >= decorators.length * 3, 'though each was asked several times')
})

t.test('what somebody changes or deletes comes back', { timeout: 120_000 }, async (t) => {
  for (const { title, reference, drift, path } of attachments) {
    const before = valueAt(await client.get(reference), path)
    await client.patch(reference, drift)
    await cluster.until(`${title} is put back`, async () => same(valueAt(await client.get(reference), path), before))
  }
  for (const { title, reference } of attachments.filter(({ reference }) => reference.kind !== 'VolumeSnapshot')) {
    const uid = (await client.get(reference))?.metadata.uid
    await client.delete(reference)
    const back = await cluster.until(`${title} is made again`, async () => {
      const now = await client.get(reference)
      return now !== undefined && now.metadata.uid !== uid && now
    })
    t.ok(back)
  }
})

t.test(
  'a Service that asks to be scraped gets a ServiceMonitor, until it asks no more',
  { timeout: 60_000 },
  async (t) => {
    const service = at('v1', 'Service', 'legacy')
    const monitor = at('monitoring.coreos.com/v1', 'ServiceMonitor', 'legacy')
    const scrape = 'monitoring.example.com/scrape'
    await client.create({
      ...objectAt(service),
      metadata: {
        ...objectAt(service).metadata,
        annotations: { [scrape]: 'true', 'monitoring.example.com/port': 'admin' },
      },
      spec: { selector: { app: 'legacy' }, ports: [{ name: 'web', port: 80 }] },
    })
    const notice = 'decorators.example.com/prometheus-operator'
    await cluster.until('the Service says what is wrong', async () =>
      (await client.get(service))?.metadata.annotations?.[notice]?.includes('"admin" is not the name of one of'),
    )
    t.equal(await client.get(monitor), undefined)
    await client.patch(service, {
      spec: {
        ports: [
          { name: 'web', port: 80 },
          { name: 'admin', port: 9000 },
        ],
      },
    })
    await cluster.until('the ServiceMonitor', () => client.get(monitor))
    t.match((await client.get(monitor))?.spec, {
      selector: { matchLabels: { 'monitoring.example.com/service': 'legacy' } },
      endpoints: [{ port: 'admin', path: '/metrics' }],
    })
    const decorated = await client.get(service)
    t.equal(decorated?.metadata.annotations?.[notice], undefined, 'it has nothing to complain of any more')
    t.equal(decorated?.metadata.labels?.['monitoring.example.com/service'], 'legacy')
    await client.patch(service, { metadata: { annotations: { [scrape]: null } } })
    await cluster.until('it is gone', async () => (await client.get(monitor)) === undefined)
    await cluster.until('so is the label', async () => (await client.get(service))?.metadata.labels === undefined)
    t.equal((await client.get(service))?.metadata.finalizers, undefined, 'and no finalizer was ever needed')
  },
)

t.test("a name that somebody else's object has is told", { timeout: 90_000 }, async (t) => {
  const monitor = at('monitoring.coreos.com/v1', 'ServiceMonitor', 'taken')
  const service = at('v1', 'Service', 'taken')
  await client.create({
    ...objectAt(monitor),
    spec: { selector: { matchLabels: { mine: 'yes' } }, endpoints: [{ port: 'web' }] },
  })
  await client.create({
    ...objectAt(service),
    metadata: { ...objectAt(service).metadata, annotations: { 'monitoring.example.com/scrape': 'true' } },
    spec: { selector: { app: 'taken' }, ports: [{ name: 'web', port: 80 }] },
  })
  await cluster.until(
    'the Service says so',
    async () =>
      (await client.get(service))?.metadata.annotations?.['decorators.example.com/prometheus-operator']?.startsWith(
        'NameTaken: ServiceMonitor/taken cannot be created',
      ),
    75,
  )
  t.match((await client.get(monitor))?.spec, { selector: { matchLabels: { mine: 'yes' } } }, 'it is left alone')
  await client.delete(monitor)
  await cluster.until('it takes its place', async () => {
    const { selector } = ((await client.get(monitor))?.spec ?? {}) as { selector?: { matchLabels: object } }
    return JSON.stringify(selector ?? '').includes('monitoring.example.com/service')
  })
})

t.test('a route tells which weight its Gateways have accepted', { timeout: 60_000 }, async (t) => {
  const annotation = async () => (await client.get(webApp))?.metadata.annotations?.['platform.example.com/route-weight']
  t.equal(await annotation(), undefined, 'none has yet')
  await accept('shop', undefined)
  t.equal(await annotation(), undefined, 'one of two routes is not enough')
  await accept('shop-2', 'plain')
  await cluster.until('it is told', async () => (await annotation()) === '0')
  t.match((await client.get(at('gateway.networking.k8s.io/v1', 'HTTPRoute', 'shop')))?.spec, {
    hostnames: ['shop.example.com'],
    rules: [{ backendRefs: [{ name: 'shop', weight: 100 }] }],
  })
})

t.test('KEDA or the autoscaler, never both', { timeout: 90_000 }, async (t) => {
  const scaled = at('keda.sh/v1alpha1', 'ScaledObject', 'shop')
  const autoscaler = at('autoscaling/v2', 'HorizontalPodAutoscaler', 'shop')
  t.equal(await client.get(autoscaler), undefined)
  const triggers = (await client.get(webApp))?.spec as { autoscaling: { triggers: object[] } }
  await client.patch(webApp, { spec: { autoscaling: { triggers: null } } })
  await cluster.until(
    'the autoscaler instead',
    async () => (await client.get(scaled)) === undefined && (await client.get(autoscaler)) !== undefined,
  )
  let both = false
  const watching = setInterval(async () => {
    const [one, other] = await Promise.all([client.get(scaled), client.get(autoscaler)])
    both ||= one !== undefined && other !== undefined && other.metadata.deletionTimestamp === undefined
  }, 20)
  await client.patch(webApp, { spec: { autoscaling: { triggers: triggers.autoscaling.triggers } } })
  await cluster.until('KEDA again', async () => (await client.get(scaled)) !== undefined)
  clearInterval(watching)
  t.equal(await client.get(autoscaler), undefined)
  t.notOk(both, 'the ScaledObject came when the autoscaler had gone')
})

t.test('claims are backed up on schedule, and a backup outlives its claim', { timeout: 90_000 }, async (t) => {
  const snapshots = () =>
    client.list({ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot' }, { namespace })
  await client.patch(claim, { metadata: { annotations: { 'backup.example.com/schedule': 'often' } } })
  const told = async () =>
    (await client.get({ apiVersion: 'v1', kind: 'Namespace', name: namespace }))?.metadata.annotations
  await cluster.until('a schedule that is none is told', async () =>
    (await told())?.['decorators.example.com/volume-snapshots']?.startsWith('InvalidAnnotation: claim data-orders-0'),
  )
  const taken = await snapshots()
  t.ok(taken.length > 0, 'what there is stays')
  await client.patch(claim, { metadata: { annotations: { 'backup.example.com/schedule': null } } })
  await cluster.until(
    'nothing is wrong any more',
    async () => (await told())?.['decorators.example.com/volume-snapshots'] === undefined,
  )
  await cluster.until(
    'no Velero Schedule',
    async () => (await client.list({ apiVersion: 'velero.io/v1', kind: 'Schedule' })).length === 0,
  )
  t.same(
    (await snapshots()).map(({ metadata }) => metadata.name),
    taken.map(({ metadata }) => metadata.name),
  )
  t.same(
    taken[0]?.metadata.ownerReferences?.map(({ kind }) => kind),
    ['Namespace'],
  )
})

t.test('switched off, each takes away what it made', { timeout: 90_000 }, async (t) => {
  await client.patch(database, {
    spec: {
      monitoring: { enabled: false, alerting: false },
      tls: { issuerRef: null },
      credentials: { external: null },
    },
  })
  await client.patch(webApp, {
    spec: {
      monitoring: { enabled: false, alerting: false },
      security: { mtls: false },
      autoscaling: { triggers: null },
      exposure: { gateway: null, tls: null },
    },
  })
  for (const { title, reference } of attachments.filter(({ reference }) => reference.kind !== 'VolumeSnapshot')) {
    await cluster.until(`${title} is gone`, async () => (await client.get(reference)) === undefined)
  }
  const { annotations = {} } = (await client.get(webApp))?.metadata ?? {}
  t.equal(annotations['platform.example.com/route-weight'], undefined)
  t.ok(isTrue(await client.get(database), 'Ready') !== undefined)
})

t.test('they can be installed with kubectl, over http and https, and show a token', { timeout: 120_000 }, async (t) => {
  const names = allDecorators.map(({ name }) => name).sort()
  const variants = {
    'metacontroller/decorators': ['decorators'],
    'deploy/generated/https/decorators': ['decorators', 'decorators-tls'],
  }
  for (const [folder, components] of Object.entries(variants)) {
    t.same(readdirSync(join(root, folder)).sort(), names)
    // As an administrator's own, in a folder of its own.
    const overlay = t.testdir()
    const kustomization = {
      resources: names.map((name) => relative(overlay, join(root, folder, name))),
      components: components.map((name) => relative(overlay, join(root, 'deploy/kustomize/components', name))),
    }
    writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify(kustomization))
    const rendered = spawnSync(kubectl, ['kustomize', overlay], { encoding: 'utf8' })
    t.same(namesIn(rendered.stdout).sort(), names, rendered.stderr)
    t.equal(rendered.stdout.match(/name: operator-hooks-tokens/g)?.length, names.length)
    t.equal(rendered.stdout.match(/key: ca\.crt/g)?.length ?? 0, components.length > 1 ? names.length : 0)
    // Metacontroller 1.5 does not know all fields, and prunes them.
    const args = ['apply', '-k', overlay, '--dry-run=server', '--validate=false']
    const { status, stderr } = spawnSync(kubectl, args, { encoding: 'utf8' })
    t.equal(status, 0, `${folder}: ${stderr}`)
  }
})

interface Attachment {
  title: string
  reference: ObjectReference
  /** A change by hand, and where it is to be seen that it was put back. */
  drift: object
  path: readonly string[]
}

/** One of each kind that decorators make, of the Database, the WebApp and the claim above. */
const attachments: Attachment[] = [
  attached(
    'snapshot.storage.k8s.io/v1',
    'VolumeSnapshot',
    `data-orders-0-${lastTime()}`,
    { metadata: { labels: { 'backup.example.com/claim': 'x' } } },
    ['metadata', 'labels'],
  ),
  attached(
    'velero.io/v1',
    'Schedule',
    `${namespace}-${shortHash(`${schedule} 7d`)}`,
    { spec: { schedule: '1 1 1 1 1' } },
    ['spec'],
    'velero',
  ),
  attached('monitoring.coreos.com/v1', 'ServiceMonitor', 'orders-metrics', {
    spec: { selector: { matchLabels: { 'monitoring.example.com/service': 'other' } } },
  }),
  attached('monitoring.coreos.com/v1', 'PrometheusRule', 'orders-database', { spec: { groups: [] } }),
  attached('monitoring.coreos.com/v1', 'PrometheusRule', 'shop-webapp', { spec: { groups: [] } }),
  attached('v1', 'ConfigMap', 'orders-database-dashboard', { metadata: { labels: { grafana_dashboard: '0' } } }, [
    'metadata',
    'labels',
  ]),
  attached('v1', 'ConfigMap', 'shop-webapp-dashboard', { metadata: { labels: { grafana_dashboard: '0' } } }, [
    'metadata',
    'labels',
  ]),
  attached('monitoring.coreos.com/v1', 'ServiceMonitor', 'shop', {
    spec: { selector: { matchLabels: { 'monitoring.example.com/service': 'other' } } },
  }),
  attached('gateway.networking.k8s.io/v1', 'HTTPRoute', 'shop', { spec: { hostnames: ['other.example.com'] } }),
  attached('gateway.networking.k8s.io/v1', 'HTTPRoute', 'shop-2', {
    spec: { rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/other' } }] }] },
  }),
  attached('cert-manager.io/v1', 'Certificate', 'orders-tls', { spec: { dnsNames: ['other'] } }),
  attached('cert-manager.io/v1', 'Certificate', 'shop-tls', { spec: { issuerRef: { name: 'other' } } }),
  attached('keda.sh/v1alpha1', 'ScaledObject', 'shop', { spec: { maxReplicaCount: 9 } }),
  attached('security.istio.io/v1', 'PeerAuthentication', 'shop', { spec: { mtls: { mode: 'PERMISSIVE' } } }),
  attached('security.istio.io/v1', 'AuthorizationPolicy', 'shop', { spec: { rules: [] } }),
  attached('networking.istio.io/v1', 'DestinationRule', 'shop', {
    spec: { trafficPolicy: { tls: { mode: 'DISABLE' } } },
  }),
  attached('external-secrets.io/v1', 'ExternalSecret', 'orders-login', { spec: { data: [] } }),
]

function attached(
  apiVersion: string,
  kind: string,
  name: string,
  drift: object,
  path: readonly string[] = ['spec'],
  within = namespace,
): Attachment {
  return { title: `${kind} ${name}`, reference: at(apiVersion, kind, name, within), drift, path }
}

/** When the schedule last came round, as the name of a snapshot has it. */
function lastTime(): string {
  const { last } = timesAround(schedule, new Date())
  return String(last?.toISOString()).replace(/[-T:]/g, '').slice(0, 12)
}

/** What a Gateway's controller writes when it has taken a route over. */
async function accept(name: string, sectionName: string | undefined): Promise<void> {
  const route = at('gateway.networking.k8s.io/v1', 'HTTPRoute', name)
  const { generation } = (await client.get(route))?.metadata ?? {}
  const condition = {
    status: 'True',
    reason: 'Accepted',
    message: '',
    observedGeneration: generation,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }
  await client.patch(
    route,
    {
      status: {
        parents: [
          {
            controllerName: 'example.com/gateway',
            parentRef: {
              group: 'gateway.networking.k8s.io',
              kind: 'Gateway',
              name: 'gateway',
              namespace: 'infra',
              ...(sectionName && { sectionName }),
            },
            conditions: [
              { type: 'Accepted', ...condition },
              { type: 'ResolvedRefs', ...condition, reason: 'ResolvedRefs' },
            ],
          },
        ],
      },
    },
    'status',
  )
}

/** The requests that wrote optional kinds or what is decorated in so many seconds: `PUT services 3`. */
async function writesWithin(seconds: number): Promise<string[]> {
  const before = await writes()
  await cluster.pass(seconds)
  const after = await writes()
  return [...after].flatMap(([what, count]) => {
    const more = count - (before.get(what) ?? 0)
    return more > 0 ? [`${what} ${more}`] : []
  })
}

async function writes(): Promise<Map<string, number>> {
  const text = String(await client.request('GET', '/metrics'))
  const counts = new Map<string, number>()
  for (const line of text.split('\n').filter((line) => line.startsWith('apiserver_request_total{'))) {
    const label = (name: string) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? ''
    const [verb, group, resource] = ['verb', 'group', 'resource'].map(label) as [string, string, string]
    // What a resource says of itself is its own controller's.
    if (label('subresource') === 'status') continue
    if (!['POST', 'PUT', 'PATCH', 'APPLY', 'DELETE'].includes(verb)) continue
    if (group === '' ? !decoratedResources.includes(resource) : !watchedGroups.test(group)) continue
    const what = `${verb} ${resource}`
    counts.set(what, (counts.get(what) ?? 0) + Number(line.slice(line.lastIndexOf(' '))))
  }
  return counts
}

const decoratedResources = ['services', 'configmaps', 'namespaces', 'persistentvolumeclaims']
const watchedGroups =
  /^(monitoring\.coreos\.com|gateway\.networking\.k8s\.io|cert-manager\.io|keda\.sh|snapshot\.storage\.k8s\.io|velero\.io|.*\.istio\.io|external-secrets\.io|(platform\.)?example\.com)$/

async function forCluster(): Promise<{ output: string; errors: string }> {
  const shell = { ...recordingShell(), definitions: suite }
  await controllers(['--for-cluster', '--kubeconfig', kubeconfig], shell)
  return { output: shell.output(), errors: shell.errors() }
}

function namesIn(manifests: string): string[] {
  return parseAllDocuments(manifests)
    .map((document) => document.toJS() as KubernetesObject)
    .filter(({ kind }) => kind === 'DecoratorController')
    .map(({ metadata }) => String(metadata.name))
}

function isWanted(spec: unknown): boolean {
  const { group, names } = spec as { group: string; names: { kind: string } }
  const kinds = decorators.flatMap(({ attachments }) =>
    attachments.map(({ apiVersion, kind }) => `${kind} ${apiVersion.split('/')[0]}`),
  )
  return kinds.includes(`${names.kind} ${group}`)
}

function documentsOf(folder: string): KubernetesObject[] {
  return ['rbac.yaml', 'controller.yaml'].flatMap((file) => documents(join(folder, file)))
}

/** So that "several resyncs" are a matter of seconds. */
function resyncedOften(object: KubernetesObject): KubernetesObject {
  if (object.kind !== 'DecoratorController' || !isRecord(object.spec)) return object
  return { ...object, spec: { ...object.spec, resyncPeriodSeconds: 2 } }
}

function objectAt({ apiVersion, kind, name, namespace }: ObjectReference): KubernetesObject {
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }
}

function isTrue(object: KubernetesObject | undefined, type: string): boolean {
  const { conditions = [] } = (object?.status ?? {}) as { conditions?: { type: string; status: string }[] }
  return conditions.some((condition) => condition.type === type && condition.status === 'True')
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), object)
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
