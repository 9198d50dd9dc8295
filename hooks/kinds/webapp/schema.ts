// What a WebApp is to those who ask for one: every field, its default, and what is refused.
import * as z from 'zod'
import {
  absolutePathSchema,
  argsSchema,
  commandSchema,
  envFromSchema,
  helperContainersSchema,
  imageTextSchema,
  probeSchema,
  pullPolicySchema,
  pullSecretsSchema,
  volumeMountsSchema,
  volumesSchema,
} from '../../sdk/containers.ts'
import type { Column, Parent, Scale } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import {
  annotationsSchema,
  envSchema,
  extraLabelsSchema,
  networkPeersSchema,
  podSchema,
  resourcesSchema,
} from '../../sdk/podspec.ts'
import { listMap, rule, type ValidationRule } from '../../sdk/schema.ts'
import { autoscaling } from './schema/autoscaling.ts'
import { exposure } from './schema/exposure.ts'
import { rollout, rolloutStatus } from './schema/rollout.ts'

/** A resource of this kind, its spec checked and defaulted. */
export type WebApp = Parent<z.output<typeof spec>, WebAppStatus>

export type WebAppStatus = z.output<typeof status>
export type Phase = WebAppStatus['phase']

/** The longest name: that of the Service <name>-canary is a DNS label, and so is every pod's own name. */
export const maxNameLength = 45

const portName = z
  .string()
  .min(1)
  .max(15)
  .regex(/^([a-z0-9]+-)*[a-z0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'must be a port name such as http or grpc-web')

const portNumber = z.int().min(1).max(65535)

const ports = listMap(
  z.object({
    name: portName.describe('Name of the port.'),
    port: portNumber.describe('Number of the port of the Service.'),
    containerPort: portNumber
      .optional()
      .describe('Number of the port that the container listens on; that of the Service when absent.'),
    protocol: z.enum(['TCP', 'UDP']).default('TCP').describe('Protocol of the port.'),
    appProtocol: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe('What is spoken on it, such as http, grpc or kubernetes.io/h2c.'),
  }),
  ['name'],
  { least: 1, most: 16 },
)

// Metacontroller tells ports apart by their number alone, whatever the protocol.
const distinctPorts = rule(
  rule(
    ports,
    {
      rule: 'self.all(one, self.exists_one(other, other.port == one.port))',
      message: 'no two ports may have the same number, not even of different protocols',
    },
    (items) => new Set(items.map(({ port }) => port)).size === items.length,
  ),
  {
    rule: 'self.all(one, self.exists_one(other, (has(other.containerPort) ? other.containerPort : other.port) == (has(one.containerPort) ? one.containerPort : one.port)))',
    message: 'no two ports may lead to the same containerPort',
  },
  (items) => new Set(items.map(({ port, containerPort = port }) => containerPort)).size === items.length,
)

const configFiles = listMap(
  z.object({
    path: absolutePathSchema.describe('Where the file is in the container, such as /etc/nginx/conf.d/default.conf.'),
    content: z.string().max(131072).describe('What is in it.'),
  }),
  ['path'],
  { most: 32 },
).describe('Files that are mounted into the container. A change rolls the pods.')

const probes = z.object({
  readiness: probeSchema.optional().describe('Whether a pod can take requests; a TCP connect when absent.'),
  liveness: probeSchema.optional().describe('Whether the container has to be restarted; its end alone when absent.'),
  startup: probeSchema.optional().describe('Whether the container has started; a TCP connect when absent.'),
  defaults: z
    .boolean()
    .default(true)
    .describe('Whether readiness and startup, where they are not given, connect to the first TCP port.'),
})

const namespaceNames = z
  .array(
    z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be the name of a namespace'),
  )
  .max(32)
  .meta({ 'x-kubernetes-list-type': 'set' })

const id = z.int().min(0).max(2147483647)

const security = rule(
  z.object({
    networkPolicy: z
      .enum(['none', 'baseline', 'strict'])
      .default('baseline')
      .describe(
        'Who may connect: none leaves that open; baseline lets in this namespace, ingress controllers, monitoring and ingressPeers (everybody where service.type asks for it); strict lets in ingress controllers, monitoring and ingressPeers, and lets out to DNS and egressPeers only.',
      ),
    podSecurityStandard: z
      .enum(['restricted', 'baseline', 'privileged'])
      .default('restricted')
      .describe('Pod Security Standard that the pods keep to.'),
    ingressPeers: networkPeersSchema.optional().describe('Peers that may connect.'),
    egressPeers: networkPeersSchema.optional().describe('With strict: peers that the pods may connect to.'),
    ingressNamespaces: namespaceNames
      .optional()
      .describe('Namespaces of the ingress controllers; those that are usual when absent.'),
    monitoringNamespaces: namespaceNames
      .optional()
      .describe('Namespaces that collect metrics; those that are usual when absent.'),
    writablePaths: z
      .array(absolutePathSchema)
      .max(16)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe(
        'Folders that the container writes to: each becomes an emptyDir. /tmp and those of well-known images are there without it.',
      ),
    readOnlyRootFilesystem: z
      .boolean()
      .optional()
      .describe('Whether the rest of the file system is read-only; only with restricted when absent.'),
    runAsUser: id.optional().describe('User of the processes; 10001 with restricted when absent.'),
    runAsGroup: id.optional().describe('Group of the processes; 10001 with restricted when absent.'),
    fsGroup: id.optional().describe('Group that volumes belong to; 10001 with restricted when absent.'),
    mtls: z.boolean().default(false).describe('Whether only peers of the mesh may connect, where Istio is installed.'),
  }),
  {
    rule: "self.podSecurityStandard != 'restricted' || !has(self.runAsUser) || self.runAsUser != 0",
    message: 'must not be 0: podSecurityStandard restricted allows no root',
    fieldPath: '.runAsUser',
  },
  ({ podSecurityStandard, runAsUser }) => podSecurityStandard !== 'restricted' || runAsUser !== 0,
)

const monitoring = z.object({
  enabled: z.boolean().default(false).describe('Whether metrics are collected.'),
  scrapeInterval: z
    .string()
    .max(8)
    .regex(/^[1-9][0-9]{0,4}(s|m|h)$/, 'must be a period such as 30s or 1m')
    .default('30s')
    .describe('How often.'),
  path: z
    .string()
    .max(512)
    .regex(/^\/[^\s]*$/, 'must be a path such as /metrics')
    .default('/metrics')
    .describe('Path of the metrics.'),
  port: portName.optional().describe('Name of the port that serves them; the first when absent.'),
  alerting: z.boolean().default(false).describe('Whether alerts are set up, where the Prometheus operator is.'),
})

const base = z.object({
  image: imageTextSchema.describe('Image of the application, such as nginx:1.21.'),
  imagePullPolicy: pullPolicySchema.optional(),
  imagePullSecrets: pullSecretsSchema.optional(),
  replicas: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .describe('Number of pods, 1 to 100. With autoscaling it is only where a new application starts.'),
  command: commandSchema.optional(),
  args: argsSchema.optional(),
  workingDir: absolutePathSchema.optional().describe("Working folder, instead of the image's own."),
  env: envSchema.optional(),
  envFrom: envFromSchema.optional(),
  resources: resourcesSchema.prefault({}).describe('What the container asks for and may use.'),
  ports: distinctPorts
    .optional()
    .describe('Ports of the application; when absent, one called http: that of a well-known image, or 8080.'),
  configFiles: configFiles.optional(),
  probes: probes.prefault({}).describe('How Kubernetes knows whether the application is well.'),
  volumes: volumesSchema.optional(),
  volumeMounts: volumeMountsSchema.optional(),
  initContainers: helperContainersSchema
    .optional()
    .describe('Containers that run to their end before the application.'),
  sidecars: helperContainersSchema
    .optional()
    .describe('Containers beside the application: they start before it and stop after it.'),
  service: z
    .object({
      type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP').describe('How it is reached.'),
      annotations: annotationsSchema.optional().describe('Annotations for the Service.'),
      labels: extraLabelsSchema.optional().describe('Labels for the Service.'),
    })
    .prefault({})
    .describe('The Service that users of the application call.'),
  exposure: exposure.optional().describe('How the application is reached from outside.'),
  autoscaling: autoscaling.prefault({}).describe('A number of pods that follows the load.'),
  monitoring: monitoring.prefault({}).describe('Metrics and alerts.'),
  security: security.prefault({}).describe('Who may connect, and what the pods may do.'),
  rollout: rollout.prefault({}).describe('How a change of the pods comes about.'),
  pod: podSchema.prefault({}).describe('Metadata and placement of the pods.'),
  serviceAccount: z
    .object({
      annotations: annotationsSchema.optional().describe('Annotations, such as those of a cloud identity.'),
      automountToken: z.boolean().default(false).describe('Whether the pods get a token for the Kubernetes API.'),
    })
    .prefault({})
    .describe('ServiceAccount of the pods.'),
  terminationGracePeriodSeconds: z
    .int()
    .min(0)
    .max(3600)
    .default(30)
    .describe('Seconds that a pod has to end, preStopSeconds included.'),
  preStopSeconds: z
    .int()
    .min(0)
    .max(600)
    .default(5)
    .describe('Seconds that a pod goes on serving after it was told to end, until nobody sends it requests any more.'),
  suspend: z.boolean().default(false).describe('Whether the application is stopped: no pod runs, the rest stays.'),
  paused: z.boolean().default(false).describe('Whether changes of the pods wait; the number of pods still follows.'),
})

/** The ports of a Service for the canary have numbers of their own: see canaryPort. */
const canaryNumber = '(port.port > 55535 ? port.port - 10000 : port.port + 10000)'

export const spec = [
  {
    when: {
      rule: "!has(self.volumes) || self.security.podSecurityStandard == 'privileged' || self.volumes.all(volume, !has(volume.hostPath))",
      fieldPath: '.volumes',
    },
    message: 'hostPath volumes need security.podSecurityStandard privileged',
    check: ({ volumes = [], security }: z.output<typeof base>) =>
      security.podSecurityStandard === 'privileged' || volumes.every(({ hostPath }) => hostPath === undefined),
  },
  {
    when: {
      rule: '!has(self.volumeMounts) || self.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))',
      fieldPath: '.volumeMounts',
    },
    message: 'every mount names one of spec.volumes',
    check: ({ volumes = [], volumeMounts = [] }: z.output<typeof base>) =>
      volumeMounts.every((mount) => volumes.some(({ name }) => name === mount.name)),
  },
  {
    when: {
      rule: "!has(self.monitoring.port) || (has(self.ports) ? self.ports.exists(port, port.name == self.monitoring.port) : self.monitoring.port == 'http')",
      fieldPath: '.monitoring.port',
    },
    message: 'must be the name of one of spec.ports',
    check: ({ ports, monitoring: { port } }: z.output<typeof base>) =>
      port === undefined || (ports === undefined ? port === 'http' : ports.some(({ name }) => name === port)),
  },
  {
    when: {
      rule: "!has(self.exposure) || !has(self.exposure.port) || (has(self.ports) ? self.ports.exists(port, port.name == self.exposure.port) : self.exposure.port == 'http')",
      fieldPath: '.exposure',
    },
    message: 'exposure.port must be the name of one of spec.ports',
    check: ({ ports, exposure }: z.output<typeof base>) =>
      exposure?.port === undefined ||
      (ports === undefined ? exposure.port === 'http' : ports.some(({ name }) => name === exposure.port)),
  },
  {
    when: { rule: '!self.monitoring.alerting || self.monitoring.enabled', fieldPath: '.monitoring.alerting' },
    message: 'alerts need metrics: set monitoring.enabled',
    check: ({ monitoring }: z.output<typeof base>) => !monitoring.alerting || monitoring.enabled,
  },
  {
    when: {
      rule: '!has(self.exposure) || !has(self.exposure.gateway) || !has(self.exposure.ingressClassName)',
      fieldPath: '.exposure',
    },
    message: 'give either gateway or ingressClassName: with gateway there is no Ingress',
    check: ({ exposure }: z.output<typeof base>) =>
      exposure?.gateway === undefined || exposure.ingressClassName === undefined,
  },
  {
    when: {
      rule: "self.rollout.traffic != 'gateway' || (has(self.exposure) && has(self.exposure.gateway))",
      fieldPath: '.rollout.traffic',
    },
    message: 'gateway needs exposure.gateway: without a route nothing splits the requests',
    check: ({ rollout, exposure }: z.output<typeof base>) =>
      rollout.traffic !== 'gateway' || exposure?.gateway !== undefined,
  },
  {
    when: {
      rule: `self.rollout.strategy == 'rolling' || !has(self.ports) || self.ports.map(port, ${canaryNumber}).all(number, self.ports.exists_one(port, ${canaryNumber} == number))`,
      fieldPath: '.ports',
    },
    message:
      'with a canary no two ports may be 20000 apart: its Service adds 10000 to each, or subtracts it above 55535',
    check: ({ ports = [], rollout }: z.output<typeof base>) =>
      rollout.strategy === 'rolling' || new Set(ports.map(({ port }) => canaryPort(port))).size === ports.length,
  },
  {
    when: { rule: 'self.preStopSeconds <= self.terminationGracePeriodSeconds', fieldPath: '.preStopSeconds' },
    message: 'must not be more than terminationGracePeriodSeconds, which includes them',
    check: (value: z.output<typeof base>) => value.preStopSeconds <= value.terminationGracePeriodSeconds,
  },
].reduce((schema, { when, message, check }) => rule(schema, { ...when, message }, check), base)

/** The number of a port in the canary's Service: lists of ports in a route must not share one. */
export function canaryPort(port: number): number {
  return port > 55535 ? port - 10000 : port + 10000
}

export const status = z.object({
  phase: z
    .enum(['Pending', 'Creating', 'Running', 'Scaling', 'Updating', 'Suspended', 'RolledBack', 'Failed'])
    .describe('Where the application is, in a word.'),
  replicas: z.int().min(0).describe('Pods that exist.'),
  readyReplicas: z.int().min(0).describe('Pods that are ready.'),
  selector: z.string().max(1024).describe('Selector of the pods, for the scale subresource.'),
  url: z.string().max(2048).optional().describe('Where the application is reached.'),
  ...rolloutStatus,
})

export const rules: readonly ValidationRule[] = [
  {
    rule: `self.metadata.name.size() <= ${maxNameLength} && self.metadata.name.matches('${dnsLabelPattern.source}')`,
    message: `metadata.name must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Services are named after it`,
  },
]

export const columns: readonly Column[] = [
  { name: 'Image', type: 'string', jsonPath: '.spec.image', description: 'Image that is asked for.', priority: 1 },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where it is, in a word.' },
  { name: 'Pods', type: 'integer', jsonPath: '.status.replicas', description: 'Pods that exist.' },
  { name: 'Running', type: 'integer', jsonPath: '.status.readyReplicas', description: 'Pods that are ready.' },
  {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].status',
    description: 'Whether all is as it was asked for.',
  },
  {
    name: 'Reason',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    description: 'Why, in a word.',
    priority: 1,
  },
  {
    name: 'Revision',
    type: 'string',
    jsonPath: '.status.revision.current',
    description: 'What is asked for.',
    priority: 1,
  },
  {
    name: 'Weight',
    type: 'integer',
    jsonPath: '.status.rollout.weight',
    description: 'Share of the canary.',
    priority: 1,
  },
  { name: 'URL', type: 'string', jsonPath: '.status.url', description: 'Where it is reached.' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

export const scale: Scale = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.status.selector',
}
