// What the API server makes of a built-in object before it stores it: empty values dropped as Go's `omitempty`
// drops them, quantities in canonical form, and the defaults of pkg/apis/*/v1/defaults.go of Kubernetes 1.36.
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { canonicalQuantity } from '../sdk/quantity.ts'
import { badRequest } from './errors.ts'
import { at, ensureRecord, listAt, recordAt, textAt } from './json.ts'
import type { Resource } from './resources.ts'

/**
 * Changes `object`, a private copy, into what the API server would store for a built-in kind.
 * Throws 400 for a quantity that is none.
 */
export function defaultBuiltin(object: KubernetesObject, resource: Resource): void {
  // A CRD's schema may well describe a field called `requests`: nothing in it is a quantity.
  if (resource.crd !== undefined || resource.group === 'apiextensions.k8s.io') return
  if (resource.group === 'metacontroller.k8s.io') {
    defaultMetacontroller(object)
    return
  }
  dropEmpty(object, [])
  canonicalise(object, [])
  defaults[resource.kind]?.(object)
}

type Values = Record<string, unknown>

/** Maps of strings: their empty strings stay, and they themselves go when empty. */
const stringMaps = new Set([
  'labels',
  'annotations',
  'matchLabels',
  'nodeSelector',
  'data',
  'binaryData',
  'limits',
  'requests',
  'parameters',
])
/** Strings that are pointers in the Go types, so that empty is a value of its own. */
const emptyStrings = new Set([
  'storageClassName',
  'ingressClassName',
  'namespace.sessionAffinity',
  'appProtocol',
  'sinceTime',
])
/** Numbers and booleans that are plain values with `omitempty`, so that 0 and false are not written. */
const zeroes = new Set([
  ...['minReadySeconds', 'initialDelaySeconds', 'hostPort', 'nodePort', 'healthCheckNodePort'],
  ...[
    'hostNetwork',
    'hostPID',
    'hostIPC',
    'readOnly',
    'stdin',
    'stdinOnce',
    'tty',
    'publishNotReadyAddresses',
    'paused',
  ],
])

function dropEmpty(value: Values, path: readonly string[]): void {
  for (const [key, inner] of Object.entries(value)) {
    if (isEmpty(key, inner)) delete value[key]
    else if (Array.isArray(inner)) for (const item of inner) if (isRecord(item)) dropEmpty(item, [...path, key])
    if (isRecord(inner) && !stringMaps.has(key)) dropEmpty(inner, [...path, key])
  }
}

function isEmpty(key: string, value: unknown): boolean {
  if (value === null || value === undefined) return true
  if (Array.isArray(value)) return value.length === 0
  if (value === '') return !emptyStrings.has(key)
  if (value === 0 || value === false) return zeroes.has(key)
  return isRecord(value) && stringMaps.has(key) && Object.keys(value).length === 0
}

/** Fields that hold maps of quantities, and fields that are a quantity. */
const quantityMaps = new Set(['limits', 'requests', 'capacity', 'hard', 'allocatable', 'allocatedResources'])
const quantities = new Set(['sizeLimit', 'divisor', 'averageValue'])

function canonicalise(value: unknown, path: readonly (string | number)[]): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) canonicalise(item, [...path, index])
    return
  }
  if (!isRecord(value)) return
  for (const [key, inner] of Object.entries(value)) {
    if (quantityMaps.has(key) && isRecord(inner)) {
      for (const [name, amount] of Object.entries(inner)) inner[name] = quantityAt(amount, [...path, key, name])
    } else if (quantities.has(key)) value[key] = quantityAt(inner, [...path, key])
    else if (!stringMaps.has(key)) canonicalise(inner, [...path, key])
  }
}

function quantityAt(value: unknown, path: readonly (string | number)[]): string {
  const canonical = canonicalQuantity(value)
  if (canonical !== undefined) return canonical
  throw badRequest(
    `${path.join('.')}: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', got ${JSON.stringify(value)}`,
  )
}

/** Sets what is not there. */
function fill(target: Values, values: Values): Values {
  for (const [key, value] of Object.entries(values)) target[key] ??= value
  return target
}

const defaults: Record<string, (object: KubernetesObject) => void> = {
  Namespace(object) {
    const labels = ensureRecord(recordAt(object, 'metadata'), 'labels')
    fill(labels, { 'kubernetes.io/metadata.name': object.metadata.name })
    if (object.metadata.deletionTimestamp === undefined)
      fill(ensureRecord(object, 'spec'), { finalizers: ['kubernetes'] })
    fill(ensureRecord(object, 'status'), { phase: 'Active' })
  },
  Pod(object) {
    podSpec(ensureRecord(object, 'spec'))
    const spec = recordAt(object, 'spec')
    for (const container of containersOf(spec)) {
      const resources = recordAt(container, 'resources')
      if (isRecord(resources.limits)) fill(ensureRecord(resources, 'requests'), resources.limits)
    }
    fill(spec, { enableServiceLinks: true, serviceAccountName: 'default' })
    fill(spec, { serviceAccount: spec.serviceAccountName, preemptionPolicy: 'PreemptLowerPriority', priority: 0 })
    fill(ensureRecord(object, 'status'), { phase: 'Pending' })
  },
  Service(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { sessionAffinity: 'None', type: 'ClusterIP' })
    if (spec.sessionAffinity === 'ClientIP')
      fill(ensureRecord(ensureRecord(spec, 'sessionAffinityConfig'), 'clientIP'), { timeoutSeconds: 10800 })
    else delete spec.sessionAffinityConfig
    for (const port of listAt(spec, 'ports').filter(isRecord)) {
      fill(port, { protocol: 'TCP' })
      if (port.targetPort === undefined || port.targetPort === 0) port.targetPort = port.port
    }
    const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
    if (external || listAt(spec, 'externalIPs').length > 0) fill(spec, { externalTrafficPolicy: 'Cluster' })
    if (spec.type !== 'ExternalName') {
      fill(spec, { internalTrafficPolicy: 'Cluster', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
    }
    if (spec.type === 'LoadBalancer') fill(spec, { allocateLoadBalancerNodePorts: true })
    fill(ensureRecord(object, 'status'), { loadBalancer: {} })
  },
  Secret(object) {
    const plain = recordAt(object, 'stringData')
    delete object.stringData
    for (const [key, text] of Object.entries(plain)) {
      ensureRecord(object, 'data')[key] = Buffer.from(String(text)).toString('base64')
    }
    fill(object, { type: 'Opaque' })
  },
  PersistentVolumeClaim: persistentVolumeClaim,
  Deployment(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
    const strategy = fill(ensureRecord(spec, 'strategy'), { type: 'RollingUpdate' })
    if (strategy.type === 'RollingUpdate')
      fill(ensureRecord(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' })
    template(spec)
    ensureRecord(object, 'status')
  },
  ReplicaSet(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { replicas: 1 })
    template(spec)
    fill(ensureRecord(object, 'status'), { replicas: 0 })
  },
  StatefulSet(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { podManagementPolicy: 'OrderedReady', replicas: 1, revisionHistoryLimit: 10, serviceName: '' })
    const strategy = ensureRecord(spec, 'updateStrategy')
    if (strategy.type === undefined) fill(fill(strategy, { type: 'RollingUpdate' }), { rollingUpdate: {} })
    if (strategy.type === 'RollingUpdate' && isRecord(strategy.rollingUpdate))
      fill(strategy.rollingUpdate, { partition: 0 })
    fill(ensureRecord(spec, 'persistentVolumeClaimRetentionPolicy'), { whenDeleted: 'Retain', whenScaled: 'Retain' })
    template(spec)
    for (const claim of listAt(spec, 'volumeClaimTemplates').filter(isRecord)) {
      fill(claim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim' })
      fill(ensureRecord(claim, 'spec'), { volumeMode: 'Filesystem', resources: {} })
      fill(ensureRecord(claim, 'status'), { phase: 'Pending' })
    }
    fill(ensureRecord(object, 'status'), { replicas: 0, availableReplicas: 0 })
  },
  DaemonSet(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { revisionHistoryLimit: 10 })
    const strategy = fill(ensureRecord(spec, 'updateStrategy'), { type: 'RollingUpdate' })
    if (strategy.type === 'RollingUpdate')
      fill(ensureRecord(strategy, 'rollingUpdate'), { maxUnavailable: 1, maxSurge: 0 })
    template(spec)
    fill(ensureRecord(recordAt(object, 'metadata'), 'annotations'), { 'deprecated.daemonset.template.generation': '1' })
    const none = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }
    fill(ensureRecord(object, 'status'), none)
  },
  Job(object) {
    const spec = ensureRecord(object, 'spec')
    job(spec)
    const labels = recordAt(spec, 'template', 'metadata', 'labels')
    const metadata = recordAt(object, 'metadata')
    if (Object.keys(recordAt(metadata, 'labels')).length === 0 && Object.keys(labels).length > 0)
      metadata.labels = { ...labels }
    selectOwnPods(object)
    ensureRecord(object, 'status')
  },
  CronJob(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { concurrencyPolicy: 'Allow', suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 })
    // A job template gets the defaults of its pods, not those of a Job: these come when the Job is made.
    template(ensureRecord(ensureRecord(spec, 'jobTemplate'), 'spec'))
    fill(recordAt(spec, 'jobTemplate'), { metadata: {} })
    ensureRecord(object, 'status')
  },
  PodDisruptionBudget(object) {
    const none = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }
    fill(ensureRecord(object, 'status'), none)
  },
  NetworkPolicy(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { podSelector: {} })
    for (const rule of [...listAt(spec, 'ingress'), ...listAt(spec, 'egress')]) {
      for (const port of listAt(rule, 'ports').filter(isRecord)) fill(port, { protocol: 'TCP' })
    }
    if (spec.policyTypes === undefined)
      spec.policyTypes = spec.egress === undefined ? ['Ingress'] : ['Ingress', 'Egress']
  },
  Ingress(object) {
    fill(ensureRecord(object, 'status'), { loadBalancer: {} })
  },
  HorizontalPodAutoscaler(object) {
    const spec = ensureRecord(object, 'spec')
    fill(spec, { minReplicas: 1 })
    fill(spec, {
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ],
    })
    if (isRecord(spec.behavior)) {
      const { behavior } = spec
      if (isRecord(behavior.scaleUp))
        scalingRules(behavior.scaleUp, { stabilizationWindowSeconds: 0, selectPolicy: 'Max' }, upPolicies)
      else behavior.scaleUp = scalingRules({}, { stabilizationWindowSeconds: 0, selectPolicy: 'Max' }, upPolicies)
      behavior.scaleDown = scalingRules(recordAt(behavior, 'scaleDown'), { selectPolicy: 'Max' }, downPolicies)
    }
    fill(ensureRecord(object, 'status'), { desiredReplicas: 0, currentMetrics: null })
  },
  RoleBinding: roleBinding,
  ClusterRoleBinding: roleBinding,
  StorageClass(object) {
    fill(object, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' })
  },
}

const upPolicies = [
  { type: 'Pods', value: 4, periodSeconds: 15 },
  { type: 'Percent', value: 100, periodSeconds: 15 },
]
const downPolicies = [{ type: 'Percent', value: 100, periodSeconds: 15 }]

function scalingRules(rules: Values, values: Values, policies: readonly Values[]): Values {
  return fill(fill(rules, values), { policies: policies.map((policy) => ({ ...policy })) })
}

function roleBinding(object: KubernetesObject): void {
  fill(ensureRecord(object, 'roleRef'), { apiGroup: 'rbac.authorization.k8s.io' })
  for (const subject of listAt(object, 'subjects').filter(isRecord)) {
    if (subject.kind !== 'ServiceAccount') fill(subject, { apiGroup: 'rbac.authorization.k8s.io' })
  }
}

function persistentVolumeClaim(object: Values): void {
  fill(ensureRecord(object, 'spec'), { volumeMode: 'Filesystem', resources: {} })
  fill(ensureRecord(object, 'status'), { phase: 'Pending' })
}

function job(spec: Values): void {
  if (spec.completions === undefined && spec.parallelism === undefined) fill(spec, { completions: 1, parallelism: 1 })
  fill(spec, { parallelism: 1, backoffLimit: spec.backoffLimitPerIndex === undefined ? 6 : 2147483647 })
  fill(spec, { completionMode: 'NonIndexed', suspend: false, manualSelector: false })
  fill(spec, { podReplacementPolicy: spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed' })
  template(spec)
}

/** A Job without a selector of its own gets one from its uid, when it is created (generateSelector of batch/job). */
function selectOwnPods(object: KubernetesObject): void {
  const spec = recordAt(object, 'spec')
  if (spec.manualSelector === true || spec.selector !== undefined) return
  const { uid = '', name = '' } = object.metadata
  const metadata = recordAt(spec, 'template', 'metadata')
  const own = { 'batch.kubernetes.io/controller-uid': uid, 'batch.kubernetes.io/job-name': name }
  metadata.labels = { ...recordAt(metadata, 'labels'), ...own, 'controller-uid': uid, 'job-name': name }
  spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } }
}

function template(spec: Values): void {
  const pod = ensureRecord(spec, 'template')
  ensureRecord(pod, 'metadata')
  podSpec(ensureRecord(pod, 'spec'))
}

function containersOf(spec: Values): Values[] {
  return [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')].filter(isRecord)
}

function podSpec(spec: Values): void {
  fill(spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
  })
  if (spec.serviceAccountName !== undefined) fill(spec, { serviceAccount: spec.serviceAccountName })
  else if (spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount
  for (const container of containersOf(spec)) defaultContainer(container)
  for (const volume of listAt(spec, 'volumes').filter(isRecord)) defaultVolume(volume)
}

function defaultContainer(container: Values): void {
  fill(container, {
    imagePullPolicy: tagOf(textAt(container, 'image') ?? '') === 'latest' ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  })
  for (const port of listAt(container, 'ports').filter(isRecord)) fill(port, { protocol: 'TCP' })
  for (const variable of listAt(container, 'env')) {
    const reference = at(variable, 'valueFrom', 'fieldRef')
    if (isRecord(reference)) fill(reference, { apiVersion: 'v1' })
    const resource = at(variable, 'valueFrom', 'resourceFieldRef')
    if (isRecord(resource)) fill(resource, { divisor: '0' })
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name]
    if (!isRecord(probe)) continue
    for (const field of ['timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'])
      if (probe[field] === 0) delete probe[field]
    fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
    httpGet(probe)
    if (isRecord(probe.grpc)) fill(probe.grpc, { service: '' })
  }
  for (const name of ['postStart', 'preStop']) httpGet(recordAt(container, 'lifecycle', name))
}

function httpGet(handler: Values): void {
  if (isRecord(handler.httpGet)) fill(handler.httpGet, { path: '/', scheme: 'HTTP' })
}

function defaultVolume(volume: Values): void {
  const sources = Object.keys(volume).filter((key) => key !== 'name')
  if (sources.length === 0) volume.emptyDir = {}
  for (const source of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    if (isRecord(volume[source])) fill(volume[source], { defaultMode: 420 })
  }
  for (const source of [...listAt(volume, 'projected', 'sources')]) {
    const token = at(source, 'serviceAccountToken')
    if (isRecord(token)) fill(token, { expirationSeconds: 3600 })
    fieldRefs(at(source, 'downwardAPI'))
  }
  fieldRefs(volume.downwardAPI)
  if (isRecord(volume.hostPath)) fill(volume.hostPath, { type: '' })
  const claim = at(volume, 'ephemeral', 'volumeClaimTemplate')
  if (isRecord(claim)) {
    ensureRecord(claim, 'metadata')
    fill(ensureRecord(claim, 'spec'), { volumeMode: 'Filesystem' })
  }
}

function fieldRefs(source: unknown): void {
  for (const item of listAt(source, 'items')) {
    const reference = at(item, 'fieldRef')
    if (isRecord(reference)) fill(reference, { apiVersion: 'v1' })
  }
}

/** The tag of an image; `latest` when it has neither tag nor digest, as ParseImageName says. */
function tagOf(image: string): string {
  if (image.includes('@')) return ''
  const name = image.slice(image.lastIndexOf('/') + 1)
  const colon = name.indexOf(':')
  return colon < 0 ? 'latest' : name.slice(colon + 1)
}

/** Metacontroller's CRDs default the hook version to v1. */
function defaultMetacontroller(object: KubernetesObject): void {
  for (const hook of Object.values(recordAt(object, 'spec', 'hooks'))) if (isRecord(hook)) fill(hook, { version: 'v1' })
}
