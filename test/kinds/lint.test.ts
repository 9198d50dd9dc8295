// The checks that kube-linter makes by default, after their descriptions in its manual (docs/generated/checks.md of
// stackrox/kube-linter), over every object that hooks answer for the samples of all kinds. The program itself is no Go module
// that a proxy serves, and these run wherever the tests do. kube-score itself runs in test/cluster/lint.test.ts.
import type { Container, PodSpec, Probe } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { at, listAt, recordAt, stringsOf } from '../../hooks/simulator/json.ts'
import { exceptionsOf } from './exceptions.ts'
import { renderedSamples } from './rendered.ts'

/** An object with pods, and the others of its namespace. */
interface Workload {
  object: KubernetesObject
  pod: PodSpec
  labels: Record<string, string>
  containers: Container[]
  others: readonly KubernetesObject[]
}

const objects = renderedSamples()
const workloads = objects.flatMap(({ parent, object }) => {
  const template = templateOf(object)
  if (template === undefined) return []
  const pod = recordAt(template, 'spec') as unknown as PodSpec
  const { namespace } = object.metadata
  const others = objects.map((one) => one.object).filter((one) => one.metadata.namespace === namespace)
  const labels = stringsOf(at(template, 'metadata', 'labels'))
  const containers = [...(pod.initContainers ?? []), ...pod.containers]
  return [{ parent, workload: { object, pod, labels, containers, others } }]
})

/** What is wrong, of each container of every workload; nothing when all is well. */
const ofContainers: Record<string, (container: Container, workload: Workload) => boolean> = {
  'docker-sock': ({ volumeMounts = [] }) => volumeMounts.some(({ mountPath }) => mountPath.endsWith('docker.sock')),
  'drop-net-raw-capability': ({ securityContext }) =>
    !['ALL', 'NET_RAW'].some((one) => securityContext?.capabilities?.drop?.includes(one)),
  'duplicate-env-var': ({ env = [] }) => new Set(env.map(({ name }) => name)).size < env.length,
  'env-var-secret': ({ env = [] }) => env.some(({ name, value }) => /secret/i.test(name) && Boolean(value)),
  'latest-tag': ({ image = '' }) => !/:[^/:@]+$|@sha256:/.test(image) || image.endsWith(':latest'),
  'liveness-port': ({ livenessProbe, ports }) => missesPort(livenessProbe, ports),
  'readiness-port': ({ readinessProbe, ports }) => missesPort(readinessProbe, ports),
  'startup-port': ({ startupProbe, ports }) => missesPort(startupProbe, ports),
  'no-read-only-root-fs': ({ securityContext }) => securityContext?.readOnlyRootFilesystem !== true,
  'privilege-escalation-container': ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
  'privileged-container': ({ securityContext }) => securityContext?.privileged === true,
  'run-as-non-root': ({ securityContext }, { pod }) =>
    (securityContext?.runAsNonRoot ?? pod.securityContext?.runAsNonRoot) !== true ||
    (securityContext?.runAsUser ?? pod.securityContext?.runAsUser) === 0,
  'ssh-port': ({ ports = [] }) =>
    ports.some(({ containerPort, protocol }) => containerPort === 22 && protocol === 'TCP'),
  'unset-cpu-requirements': ({ resources }) =>
    resources?.requests?.cpu === undefined || resources.limits?.cpu === undefined,
  'unset-memory-requirements': ({ resources }) =>
    resources?.requests?.memory === undefined || resources.limits?.memory === undefined,
}

const ofWorkloads: Record<string, (workload: Workload) => boolean> = {
  'deprecated-service-account-field': ({ pod }) => pod.serviceAccount !== undefined,
  'host-ipc': ({ pod }) => pod.hostIPC === true,
  'host-network': ({ pod }) => pod.hostNetwork === true,
  'host-pid': ({ pod }) => pod.hostPID === true,
  'job-ttl-seconds-after-finished': ({ object }) =>
    (object.kind === 'Job' && at(object, 'spec', 'ttlSecondsAfterFinished') === undefined) ||
    // Of a CronJob's Jobs the histories' limits tell how many stay, and a time would contradict them.
    (object.kind === 'CronJob' && at(object, 'spec', 'jobTemplate', 'spec', 'ttlSecondsAfterFinished') !== undefined),
  'mismatching-selector': ({ object, labels }) => !matches(labels, recordAt(object, 'spec', 'selector', 'matchLabels')),
  'no-anti-affinity': ({ object, pod }) =>
    Number(at(object, 'spec', 'replicas') ?? 0) > 1 && pod.affinity?.podAntiAffinity === undefined,
  'non-existent-service-account': ({ pod, others }) =>
    !others.some(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === pod.serviceAccountName),
  'sensitive-host-mounts': ({ pod }) => (pod.volumes ?? []).some(({ hostPath }) => hostPath !== undefined),
  'unsafe-sysctls': ({ pod }) =>
    (pod.securityContext?.sysctls ?? []).some(({ name }) =>
      ['kernel.msg', 'kernel.sem', 'kernel.shm', 'fs.mqueue.', 'net.'].some((unsafe) => name.startsWith(unsafe)),
    ),
}

const ofObjects: Record<string, (object: KubernetesObject) => boolean> = {
  'dangling-service': (object) => {
    if (object.kind !== 'Service') return false
    const selector = recordAt(object, 'spec', 'selector')
    return !inNamespaceOf(object).some(({ labels }) => matches(labels, selector))
  },
  'invalid-target-ports': (object) =>
    object.kind === 'Service' &&
    listAt(object, 'spec', 'ports').some(
      (port) => typeof at(port, 'targetPort') === 'string' && !/^[a-z0-9-]{1,15}$/.test(String(at(port, 'targetPort'))),
    ),
  'no-extensions-v1beta': ({ apiVersion }) => apiVersion.startsWith('extensions/v1beta'),
  'pdb-max-unavailable': (object) =>
    object.kind === 'PodDisruptionBudget' && ['0', '0%'].includes(String(at(object, 'spec', 'maxUnavailable'))),
  'pdb-min-available': (object) =>
    object.kind === 'PodDisruptionBudget' && at(object, 'spec', 'minAvailable') === '100%',
  'pdb-unhealthy-pod-eviction-policy': (object) =>
    object.kind === 'PodDisruptionBudget' && at(object, 'spec', 'unhealthyPodEvictionPolicy') === undefined,
}

t.test('nothing but what docs/security.md lists with its reason', async (t) => {
  t.ok(workloads.length > 2)
  const found = new Map<string, string>()
  const note = (parent: string, check: string, { kind, metadata }: KubernetesObject) =>
    found.set(`${parent}: ${check}`, `${kind}/${metadata.name} in ${metadata.namespace}`)
  for (const { parent, object } of objects) {
    for (const [check, faulty] of Object.entries(ofObjects)) if (faulty(object)) note(parent, check, object)
  }
  for (const { parent, workload } of workloads) {
    for (const [check, faulty] of Object.entries(ofWorkloads)) {
      if (faulty(workload)) note(parent, check, workload.object)
    }
    for (const [check, faulty] of Object.entries(ofContainers)) {
      if (workload.containers.some((container) => faulty(container, workload))) note(parent, check, workload.object)
    }
  }
  const listed = exceptionsOf('kube-linter')
  for (const [finding, where] of found) t.ok(listed.includes(finding), `${finding} (${where})`)
  for (const exception of listed) t.ok(found.has(exception), `${exception} still is one`)
})

function inNamespaceOf({ metadata }: KubernetesObject): Workload[] {
  return workloads
    .map(({ workload }) => workload)
    .filter(({ object }) => object.metadata.namespace === metadata.namespace)
}

function templateOf(object: KubernetesObject): unknown {
  const template = at(object, 'spec', 'jobTemplate', 'spec', 'template') ?? at(object, 'spec', 'template')
  return isRecord(at(template, 'spec')) ? template : undefined
}

function matches(labels: Record<string, string>, selector: Record<string, unknown>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}

function missesPort(probe: Probe | undefined, ports: Container['ports'] = []): boolean {
  const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port ?? probe?.grpc?.port
  if (port === undefined) return false
  return !ports.some(({ name, containerPort }) => name === port || containerPort === port)
}
