// A WebApp, from its sample to its deletion.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { KubernetesObject, ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import { type Cluster, crowdOf, type Scenario } from './cluster.ts'
import { at, conditionOf, phaseOf, present, untilCondition, untilGone, untilPhase } from './database.ts'
import { driftRepaired } from './drift.ts'
import { refused } from './refuse.ts'

const type = { apiVersion: 'platform.example.com/v1', kind: 'WebApp' }

/** A WebApp of one pod with the least that a spec needs; `spec` is laid over it. */
export function webapp(namespace: string, name: string, spec: Record<string, unknown> = {}): KubernetesObject {
  return { ...type, metadata: { namespace, name }, spec: { image: 'registry.example.com/shop:1.0', ...spec } }
}

export const webappAt = (namespace: string, name: string): ObjectReference => ({ ...type, namespace, name })

export const deploymentOf = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  namespace,
  name,
})

/** Applies it and waits until it runs. */
export async function running(cluster: Cluster, object: KubernetesObject): Promise<ObjectReference> {
  await cluster.apply(object)
  const reference = webappAt(String(object.metadata.namespace), String(object.metadata.name))
  await untilPhase(cluster, reference, 'Running')
  await untilCondition(cluster, reference, 'Ready', 'True')
  return reference
}

/** The children of every WebApp. */
function usualChildren(namespace: string, name: string): ObjectReference[] {
  return [
    deploymentOf(namespace, name),
    { apiVersion: 'v1', kind: 'Service', namespace, name },
    { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name },
    { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', namespace, name },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name },
  ]
}

const autoscalerOf = (namespace: string, name: string): ObjectReference => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  namespace,
  name,
})

/** With everything on, these are there too. */
const further = (namespace: string, name: string): ObjectReference[] => [
  autoscalerOf(namespace, name),
  { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: `${name}-config` },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace, name },
]

/** A spec with all features on. */
export const everything = {
  ports: [
    { name: 'http', port: 80, containerPort: 8080, appProtocol: 'http' },
    { name: 'metrics', port: 9090 },
    { name: 'events', port: 5353, protocol: 'UDP' },
  ],
  command: ['/shop'],
  args: ['--verbose', ''],
  env: [
    { name: 'GREETING', value: 'hello' },
    { name: 'EMPTY', value: '' },
    { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
  ],
  envFrom: [{ configMapRef: { name: 'settings', optional: true }, prefix: '' }],
  resources: { requests: { cpu: '0.1', memory: '128Mi' }, limits: { cpu: 1, memory: '1024Mi' } },
  configFiles: [
    { path: '/etc/shop/shop.conf', content: 'color=blue\n' },
    { path: '/etc/shop/conf.d/shop.conf', content: '' },
  ],
  probes: { readiness: { httpGet: { path: '/ready', port: 'http', httpHeaders: [{ name: 'Host', value: 'probe' }] } } },
  volumes: [
    { name: 'scratch', emptyDir: { sizeLimit: '1024Mi' } },
    { name: 'certificates', secret: { secretName: 'certificates', optional: true, items: [] } },
    { name: 'own', ephemeral: { size: '1Gi' } },
  ],
  volumeMounts: [
    { name: 'scratch', mountPath: '/scratch' },
    { name: 'certificates', mountPath: '/etc/certificates', readOnly: true },
  ],
  initContainers: [{ name: 'prepare', image: 'registry.example.com/prepare:1.0', args: ['all'] }],
  sidecars: [
    {
      name: 'proxy',
      image: 'registry.example.com/proxy:1.0',
      ports: [{ name: 'admin', containerPort: 15000 }],
      volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
    },
  ],
  service: { annotations: { 'example.com/team': 'shop' } },
  exposure: { host: 'shop.example.com', ingressClassName: 'nginx', tls: {} },
  autoscaling: {
    enabled: true,
    minReplicas: 2,
    maxReplicas: 5,
    targetCPUUtilization: 70,
    metrics: [
      { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '1000m' } } },
    ],
    behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
  },
  monitoring: { enabled: true, port: 'metrics' },
  security: {
    networkPolicy: 'strict',
    writablePaths: ['/var/cache/shop'],
    ingressPeers: [{ podSelector: { matchLabels: { app: 'front' } } }],
    egressPeers: [{ ipBlock: { cidr: '10.0.0.0/8', except: [] } }],
  },
  pod: { labels: { 'example.com/team': 'shop' }, tolerations: [{ key: 'spot', operator: 'Exists' }] },
}

export const webappScenarios: Scenario[] = [
  {
    title: 'WebApp: the sample of the manual works as it is',
    async run(cluster) {
      const path = new URL('../../hooks/kinds/webapp/samples/sample-app.yaml', import.meta.url)
      const sample = parse(readFileSync(path, 'utf8')) as KubernetesObject
      const { namespace = '', name = '' } = sample.metadata
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } })
      const reference = await running(cluster, sample)
      const [deployment, service, account, budget, policy] = await Promise.all(
        usualChildren(namespace, name).map((child) => present(cluster, child)),
      )
      for (const child of [deployment, service, account, budget, policy]) {
        assert.equal(at(child, 'metadata', 'ownerReferences', 0, 'kind'), 'WebApp', `owner of ${child?.kind}`)
      }
      assert.equal(at(deployment, 'spec', 'replicas'), 3)
      const pod = at(deployment, 'spec', 'template', 'spec')
      assert.equal(at(pod, 'containers', 0, 'image'), 'nginx:1.21')
      assert.equal(at(pod, 'containers', 0, 'ports', 0, 'containerPort'), 80)
      assert.equal(at(pod, 'containers', 0, 'resources', 'requests', 'cpu'), '100m')
      assert.equal(at(pod, 'containers', 0, 'resources', 'limits', 'memory'), '512Mi')
      assert.equal(at(pod, 'containers', 0, 'securityContext', 'readOnlyRootFilesystem'), true)
      assert.equal(at(pod, 'securityContext', 'runAsNonRoot'), true)
      assert.equal(at(pod, 'securityContext', 'sysctls', 0, 'name'), 'net.ipv4.ip_unprivileged_port_start')
      assert.equal(at(deployment, 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable'), 0)
      assert.equal(at(service, 'spec', 'ports', 0, 'port'), 80)
      assert.equal(at(service, 'metadata', 'annotations', 'monitoring.example.com/interval'), '30s')
      const autoscaler = await present(cluster, autoscalerOf(namespace, name))
      assert.equal(at(autoscaler, 'spec', 'minReplicas'), 2)
      assert.equal(at(autoscaler, 'spec', 'maxReplicas'), 10)
      assert.equal(at(autoscaler, 'spec', 'metrics', 0, 'resource', 'target', 'averageUtilization'), 70)
      const egress = at(policy, 'spec', 'egress')
      const names = Array.isArray(egress) ? egress.map((rule) => at(rule, 'ports', 0, 'protocol')) : []
      assert.deepEqual(names, ['UDP', 'TCP'], 'DNS by both protocols and nothing else')
      const object = await present(cluster, reference)
      assert.equal(at(object, 'status', 'url'), `http://sample-app.${namespace}.svc`)
      assert.equal(at(object, 'status', 'readyReplicas'), 3)
      assert.equal(at(object, 'status', 'revision', 'stable'), at(object, 'status', 'revision', 'current'))
      assert.equal(at(object, 'status', 'traffic', 0, 'weight'), 100)
      assert.equal(conditionOf(object, 'PolicyApplied')?.status, 'True')
      await cluster.delete(reference)
      await untilGone(cluster, [reference, ...usualChildren(namespace, name), autoscalerOf(namespace, name)])
    },
  },
  {
    title: 'WebApp: with all features on, what was not changed is never written to again, and drift is repaired',
    seconds: 300,
    async run(cluster) {
      const namespace = await cluster.namespace('webapp')
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
      await cluster.patch({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, { metadata: { labels } })
      const reference = await running(cluster, webapp(namespace, 'shop', everything))
      const children = [...usualChildren(namespace, 'shop'), ...further(namespace, 'shop')]
      // What settles after readiness (budgets, autoscalers) has settled by then.
      await cluster.pass(20)
      const before = await written(cluster, [reference, ...children])
      const answered = await cluster.hook.answered()
      await cluster.pass(65)
      assert.deepEqual(await written(cluster, [reference, ...children]), before)
      assert.ok((await cluster.hook.answered()) >= answered + 2, 'resyncs did happen')
      for (const child of children) await driftRepaired(cluster, child)
      await untilCondition(cluster, reference, 'Ready', 'True')
    },
  },
  {
    title: 'WebApp: scales by the spec and by the scale subresource; a number written by hand is drift',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-scale')
      const reference = await running(cluster, webapp(namespace, 'shop'))
      await cluster.patch(reference, { spec: { replicas: 3 } })
      await untilPods(cluster, reference, 3)
      await cluster.patch(reference, { spec: { replicas: 2 } }, 'scale')
      const scaled = await untilPods(cluster, reference, 2)
      assert.match(String(at(scaled, 'status', 'selector')), /app\.kubernetes\.io\/instance=shop/)
      await cluster.patch(deploymentOf(namespace, 'shop'), { spec: { replicas: 5 } })
      await untilPods(cluster, reference, 2)
    },
  },
  {
    title: 'WebApp: autoscaling on, at work and off again never causes a jump',
    seconds: 180,
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-autoscaling')
      const deployment = deploymentOf(namespace, 'shop')
      const reference = await running(cluster, webapp(namespace, 'shop', { replicas: 4 }))
      const counts = watchReplicas(cluster, deployment)
      await cluster.patch(reference, { spec: { autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 8 } } })
      await cluster.until('the autoscaler is there', () => cluster.get(autoscalerOf(namespace, 'shop')))
      await settle(cluster, reference)
      assert.deepEqual(await counts(), [4])
      // As the autoscaler does it.
      await cluster.patch(deployment, { spec: { replicas: 6 } }, 'scale')
      await untilPods(cluster, reference, 6)
      await settle(cluster, reference)
      assert.deepEqual(await counts(), [4, 6])
      await cluster.patch(reference, { spec: { autoscaling: { enabled: false } } })
      await untilGone(cluster, [autoscalerOf(namespace, 'shop')])
      const kept = await untilCondition(cluster, reference, 'Autoscaled', 'False', 'ReplicasKept')
      assert.match(conditionOf(kept, 'Autoscaled')?.message ?? '', /6 pods/)
      await settle(cluster, reference)
      assert.deepEqual(await counts(), [4, 6])
      await cluster.patch(reference, { spec: { replicas: 3 } }, 'scale')
      await untilPods(cluster, reference, 3)
      await untilCondition(cluster, reference, 'Autoscaled', 'False', 'Disabled')
      assert.deepEqual(await counts(), [4, 6, 3])
    },
  },
  {
    title: "WebApp: an autoscaler of somebody's own, on the Deployment or on the WebApp, is not fought",
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-foreign')
      const deployment = deploymentOf(namespace, 'shop')
      const reference = await running(cluster, webapp(namespace, 'shop', { replicas: 2 }))
      await cluster.patch(deployment, { spec: { replicas: 5 } }, 'scale')
      await untilPods(cluster, reference, 5)
      await settle(cluster, reference)
      await untilPods(cluster, reference, 5)
      await cluster.patch(reference, { spec: { replicas: 3 } }, 'scale')
      await untilPods(cluster, reference, 3)
    },
  },
  {
    title: 'WebApp: a changed file rolls the pods, one after the other; a paused one waits',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-config')
      const file = (content: string) => [{ path: '/etc/shop.conf', content }]
      const reference = await running(
        cluster,
        webapp(namespace, 'shop', { replicas: 3, configFiles: file('color=blue') }),
      )
      const before = String(at(await present(cluster, reference), 'status', 'revision', 'stable'))
      await cluster.patch(reference, { spec: { configFiles: file('color=green'), paused: true } })
      const paused = await cluster.until('the new revision waits', async () => {
        const object = await cluster.get(reference)
        const { current, stable } = (at(object, 'status', 'revision') ?? {}) as Record<string, string>
        return current !== before && stable === before ? object : undefined
      })
      assert.notEqual(conditionOf(paused, 'Progressing')?.status, 'True')
      await cluster.pass(5)
      assert.deepEqual(await revisions(cluster, namespace), [before])
      await cluster.patch(reference, { spec: { paused: false } })
      await cluster.until('all pods are of the new revision', async () => {
        const found = await revisions(cluster, namespace)
        const ready = Number(at(await cluster.get(deploymentOf(namespace, 'shop')), 'status', 'readyReplicas') ?? 0)
        assert.ok(ready >= 3, 'no pod goes before another is ready')
        return found.length === 1 && found[0] !== before
      })
      await untilPhase(cluster, reference, 'Running')
    },
  },
  {
    title: 'WebApp: suspended, no pod runs; resumed, as many as before',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-suspend')
      const deployment = deploymentOf(namespace, 'shop')
      const autoscaling = { enabled: true, minReplicas: 1, maxReplicas: 8 }
      const reference = await running(cluster, webapp(namespace, 'shop', { replicas: 2, autoscaling }))
      await cluster.patch(deployment, { spec: { replicas: 4 } }, 'scale')
      await untilPods(cluster, reference, 4)
      await cluster.patch(reference, { spec: { suspend: true } })
      const suspended = await untilPhase(cluster, reference, 'Suspended')
      assert.equal(conditionOf(suspended, 'Reconciling')?.status, 'False')
      assert.equal(at(await present(cluster, deployment), 'spec', 'replicas'), 0)
      for (const child of usualChildren(namespace, 'shop')) await present(cluster, child)
      await cluster.patch(reference, { spec: { suspend: false } })
      await untilPods(cluster, reference, 4)
    },
  },
  {
    title: 'WebApp: pods that never become ready are Failed after the deadline, and what follows goes on from there',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-bad')
      const reference = await running(
        cluster,
        webapp(namespace, 'shop', { replicas: 2, rollout: { progressDeadlineSeconds: 30 } }),
      )
      await cluster.behave({ kind: 'Deployment', namespace, name: 'shop' }, 'never-ready')
      await cluster.patch(reference, { spec: { image: 'registry.example.com/shop:broken' } })
      await untilPhase(cluster, reference, 'Updating')
      const failed = await untilPhase(cluster, reference, 'Failed')
      assert.equal(conditionOf(failed, 'Ready')?.reason, 'ProgressDeadlineExceeded')
      assert.equal(conditionOf(failed, 'Progressing')?.status, 'False')
      await cluster.behave({ kind: 'Deployment', namespace, name: 'shop' }, 'run')
      await untilPhase(cluster, reference, 'Running')
    },
  },
  {
    title: 'WebApp: refused specs are refused with the field and what is allowed',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-refused')
      for (const { title, spec, field, message } of refusals) {
        await refused(title, field, message, () => cluster.create(webapp(namespace, 'shop', spec)))
      }
      await refused('a name too long for its Services', '<nil>', /metadata\.name must be at most 45/, () =>
        cluster.create(webapp(namespace, `w${'b'.repeat(45)}`)),
      )
    },
  },
  {
    title: 'WebApp: what the API server cannot see holds what is there, and says what to do',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-hold')
      const reference = await running(cluster, webapp(namespace, 'shop'))
      const before = await present(cluster, deploymentOf(namespace, 'shop'))
      const sidecars = [{ name: 'web', image: 'registry.example.com/proxy:1.0' }]
      await cluster.patch(reference, { spec: { sidecars } })
      const held = await untilCondition(cluster, reference, 'Stalled', 'True', 'ContainerClash')
      assert.match(conditionOf(held, 'Ready')?.message ?? '', /spec\.sidecars.*web/)
      assert.deepEqual((await present(cluster, deploymentOf(namespace, 'shop'))).spec, before.spec)
      for (const child of usualChildren(namespace, 'shop')) await present(cluster, child)
      await cluster.patch(reference, { spec: { sidecars: null } })
      await untilCondition(cluster, reference, 'Ready', 'True')
    },
  },
  {
    title: 'WebApp: features that are switched off leave nothing, and neither does deletion',
    async run(cluster) {
      const namespace = await cluster.namespace('webapp-deleted')
      const reference = await running(cluster, webapp(namespace, 'shop', everything))
      const off = { autoscaling: null, exposure: null, configFiles: null, security: { networkPolicy: 'none' } }
      await cluster.patch(reference, { spec: off })
      const policy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name: 'shop' }
      await untilGone(cluster, [...further(namespace, 'shop'), policy])
      await cluster.delete(reference)
      await untilGone(cluster, [reference, ...usualChildren(namespace, 'shop')])
      await cluster.until('no pod is left', async () => {
        return (await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace })).length === 0
      })
    },
  },
  {
    title: 'many WebApps at once all run, and all go',
    seconds: 300,
    async run(cluster) {
      const namespace = await cluster.namespace('webapps')
      const names = Array.from({ length: crowdOf(cluster) }, (_, index) => `app-${index}`)
      await Promise.all(names.map((name) => cluster.apply(webapp(namespace, name))))
      await cluster.until(
        'all of them run',
        async () => {
          const all = await cluster.list(type, { namespace })
          return all.length === names.length && all.every((object) => phaseOf(object) === 'Running')
        },
        280,
      )
      await Promise.all(names.map((name) => cluster.delete(webappAt(namespace, name))))
      await untilGone(
        cluster,
        names.flatMap((name) => [webappAt(namespace, name), deploymentOf(namespace, name)]),
        120,
      )
    },
  },
]

const refusals: { title: string; spec: Record<string, unknown>; field: string; message: RegExp }[] = [
  { title: 'no image', spec: { image: undefined }, field: 'spec.image', message: /Required/ },
  { title: 'no replica', spec: { replicas: 0 }, field: 'spec.replicas', message: /greater than or equal to 1/ },
  { title: '101 replicas', spec: { replicas: 101 }, field: 'spec.replicas', message: /less than or equal to 100/ },
  {
    title: 'two protocols on one number',
    spec: {
      ports: [
        { name: 'dns', port: 53 },
        { name: 'dns-udp', port: 53, protocol: 'UDP' },
      ],
    },
    field: 'spec.ports',
    message: /no two ports may have the same number/,
  },
  {
    title: 'more pods at least than at most',
    spec: { autoscaling: { enabled: true, minReplicas: 5, maxReplicas: 2 } },
    field: 'spec.autoscaling.minReplicas',
    message: /must not be above maxReplicas/,
  },
  {
    title: 'root where none is allowed',
    spec: { security: { runAsUser: 0 } },
    field: 'spec.security.runAsUser',
    message: /restricted allows no root/,
  },
  {
    title: 'a path of the node where none is allowed',
    spec: { volumes: [{ name: 'host', hostPath: { path: '/var/log' } }] },
    field: 'spec.volumes',
    message: /podSecurityStandard privileged/,
  },
  {
    title: 'a volume of two kinds',
    spec: { volumes: [{ name: 'both', emptyDir: {}, configMap: { name: 'x' } }] },
    field: 'spec.volumes',
    message: /every volume has one of/,
  },
  {
    title: 'a mount of no volume',
    spec: { volumeMounts: [{ name: 'missing', mountPath: '/x' }] },
    field: 'spec.volumeMounts',
    message: /every mount names one of spec\.volumes/,
  },
  {
    title: 'a probe of two kinds',
    spec: { probes: { readiness: { tcpSocket: { port: 'http' }, grpc: { port: 9000 } } } },
    field: 'spec.probes.readiness',
    message: /give one of httpGet/,
  },
  {
    title: 'analysis without a canary',
    spec: { rollout: { analysis: {} } },
    field: 'spec.rollout.analysis',
    message: /choose canary or blueGreen/,
  },
  {
    title: 'a share of more than all',
    spec: { rollout: { strategy: 'canary', steps: [{ weight: 100 }] } },
    field: 'spec.rollout.steps[0].weight',
    message: /less than or equal to 99/,
  },
  {
    title: 'a metric without a target that fits',
    spec: {
      autoscaling: {
        enabled: true,
        metrics: [{ type: 'Pods', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 5 } } }],
      },
    },
    field: 'spec.autoscaling.metrics[0]',
    message: /give the field that goes with the type/,
  },
]

/** Waits until so many pods are asked for, exist and are ready, and gives the WebApp. */
export function untilPods(cluster: Cluster, reference: ObjectReference, count: number): Promise<KubernetesObject> {
  return cluster.until(`${count} pods are ready`, async () => {
    const object = await cluster.get(reference)
    const deployment = await cluster.get(deploymentOf(String(reference.namespace), reference.name))
    const right =
      at(deployment, 'spec', 'replicas') === count &&
      at(object, 'status', 'replicas') === count &&
      at(object, 'status', 'readyReplicas') === count
    return right ? object : undefined
  })
}

/** Waits until all pods are of the revision that is asked for, and nothing is left to do. */
export function untilRevision(cluster: Cluster, reference: ObjectReference): Promise<KubernetesObject> {
  return cluster.until('the revision is the stable one', async () => {
    const object = await untilPhase(cluster, reference, 'Running')
    const { current, stable } = (at(object, 'status', 'revision') ?? {}) as Record<string, string>
    return current === stable && conditionOf(object, 'Ready')?.status === 'True' ? object : undefined
  })
}

/** Has the WebApp looked at again, and waits until that has come to an end. */
async function settle(cluster: Cluster, reference: ObjectReference): Promise<void> {
  const before = await cluster.hook.answered()
  const annotations = { 'example.com/looked-at': String(before) }
  await cluster.patch(reference, { metadata: { annotations } })
  await cluster.until('the hook was asked', async () => (await cluster.hook.answered()) > before)
  await cluster.pass(2)
}

/** Gives the numbers of pods that a Deployment was asked for, each time they changed. */
function watchReplicas(cluster: Cluster, reference: ObjectReference): () => Promise<unknown[]> {
  const seen: unknown[] = []
  return async () => {
    const count = at(await present(cluster, reference), 'spec', 'replicas')
    if (seen.at(-1) !== count) seen.push(count)
    return seen
  }
}

async function written(cluster: Cluster, references: readonly ObjectReference[]): Promise<unknown[]> {
  const objects = await Promise.all(references.map((reference) => present(cluster, reference)))
  // An autoscaler's status is written by its own controller, whatever the hook does.
  return objects.map(({ kind, metadata, spec, status: _status, ...rest }) => {
    const { annotations, labels, generation } = metadata
    return kind === 'HorizontalPodAutoscaler'
      ? { kind, annotations, labels, generation, spec, rest }
      : `${kind}/${metadata.name} at ${metadata.resourceVersion}`
  })
}

/** The revisions of the pods that are there, each once. */
async function revisions(cluster: Cluster, namespace: string): Promise<string[]> {
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace })
  return [...new Set(pods.map((pod) => pod.metadata.labels?.['platform.example.com/revision'] ?? ''))]
}
