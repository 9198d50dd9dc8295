// Containers and volumes that users bring themselves, checked field by field like the rest of a pod (podspec.ts), and
// written the way the API server gives them back where Metacontroller compares whole lists.
import type * as core from 'kubernetes-types/core/v1.js'
import * as z from 'zod'
import { type ResourceDefaults, resourcesWithDefaults } from './containerresources.ts'
import { dnsSubdomainPattern } from './names.ts'
import { envSchema, resourcesSchema, withoutEmpty } from './podspec.ts'
import { canonicalQuantity } from './quantity.ts'
import { intOrString, listMap, quantity, rule } from './schema.ts'

/** The name of an object in the same namespace. */
export const objectNameSchema = z
  .string()
  .min(1)
  .max(253)
  .regex(dnsSubdomainPattern, 'must be the name of an object: lower case letters, digits, - and .')

/** A whole image reference in one text, such as registry.example.com/team/shop:1.4. */
export const imageTextSchema = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[a-zA-Z0-9./:@_-]+$/, 'must be an image reference')

/** When nodes pull an image. */
export const pullPolicySchema = z
  .enum(['Always', 'IfNotPresent', 'Never'])
  .describe('When nodes pull the image; Kubernetes decides by the tag when this is not given.')

/** Secrets with which nodes pull images. */
export const pullSecretsSchema = listMap(
  z.object({ name: objectNameSchema.describe('Name of the Secret.') }),
  ['name'],
  { most: 16 },
).describe('Secrets with which nodes pull the images.')

/** The part of a pod that names them. */
export function pullSecrets(
  imagePullSecrets: core.LocalObjectReference[] = [],
): Pick<core.PodSpec, 'imagePullSecrets'> {
  return imagePullSecrets.length === 0 ? {} : { imagePullSecrets }
}

/** A path inside a container. Kubernetes forbids the colon. */
export const absolutePathSchema = z
  .string()
  .min(2)
  .max(512)
  .regex(/^\/[^:\n\r\0]*[^:\n\r\0/]$/, 'must be an absolute path without a colon, such as /var/cache/app')

/** A DNS label: the name of a container, a volume or a port. */
function labelName(what: string, max = 63) {
  return z
    .string()
    .min(1)
    .max(max)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, `must be the name of ${what}: lower case letters, digits and -`)
}

/** CEL: one of the fields is there, and no other. */
function exactlyOne(value: string, fields: readonly string[]): string {
  return `${fields.map((field) => `(has(${value}.${field}) ? 1 : 0)`).join(' + ')} == 1`
}

const words = z.array(z.string().max(32768)).max(128).meta({ 'x-kubernetes-list-type': 'atomic' })

/** The words of a container's entry point. */
export const commandSchema = words.describe("Entry point, instead of the image's own.")

/** The words behind the entry point. */
export const argsSchema = words.describe('Arguments of the entry point.')

/** core/v1 EnvFromSource. */
export const envFromSchema = z
  .array(
    rule(
      z.object({
        prefix: z.string().max(253).optional().describe('What every name of a variable starts with.'),
        configMapRef: z
          .object({
            name: objectNameSchema.describe('Name of the ConfigMap.'),
            optional: z.boolean().optional().describe('Whether it may be missing.'),
          })
          .optional()
          .describe('A ConfigMap, each key a variable.'),
        secretRef: z
          .object({
            name: objectNameSchema.describe('Name of the Secret.'),
            optional: z.boolean().optional().describe('Whether it may be missing.'),
          })
          .optional()
          .describe('A Secret, each key a variable.'),
      }),
      { rule: 'has(self.configMapRef) != has(self.secretRef)', message: 'give either configMapRef or secretRef' },
      (source) => (source.configMapRef === undefined) !== (source.secretRef === undefined),
    ),
  )
  .max(32)
  .meta({ 'x-kubernetes-list-type': 'atomic' })
  .describe('ConfigMaps and Secrets whose keys all become environment variables.')

const times = {
  initialDelaySeconds: z.int().min(0).max(3600).optional().describe('Seconds before the first try.'),
  periodSeconds: z.int().min(1).max(3600).optional().describe('Seconds between tries; 10 when absent.'),
  timeoutSeconds: z.int().min(1).max(600).optional().describe('Seconds until a try has failed; 1 when absent.'),
  failureThreshold: z.int().min(1).max(1000).optional().describe('Failures in a row that count; 3 when absent.'),
  successThreshold: z.int().min(1).max(100).optional().describe('Successes in a row that count; 1 when absent.'),
}

/** core/v1 Probe. `host` is not offered: the Pod Security Standards forbid it. */
export const probeSchema = rule(
  z.object({
    httpGet: z
      .object({
        path: z.string().min(1).max(1024).optional().describe('Path; / when absent.'),
        port: intOrString().describe('Port by name or number.'),
        scheme: z.enum(['HTTP', 'HTTPS']).optional().describe('HTTP when absent.'),
        httpHeaders: z
          .array(
            z.object({
              name: z.string().min(1).max(256).describe('Name of the header.'),
              value: z.string().min(1).max(4096).describe('Its value.'),
            }),
          )
          .max(16)
          .optional()
          .meta({ 'x-kubernetes-list-type': 'atomic' })
          .describe('Headers of the request.'),
      })
      .optional()
      .describe('A request that answers with a status from 200 to 399.'),
    tcpSocket: z
      .object({ port: intOrString().describe('Port by name or number.') })
      .optional()
      .describe('A port that takes connections.'),
    grpc: z
      .object({
        port: z.int().min(1).max(65535).describe('Port by number.'),
        service: z.string().max(253).optional().describe('Name of the service that is asked for.'),
      })
      .optional()
      .describe('The gRPC health service.'),
    exec: z
      .object({ command: words.min(1).describe('Command and arguments, without a shell.') })
      .optional()
      .describe('A command that ends with 0.'),
    ...times,
  }),
  {
    rule: exactlyOne('self', ['httpGet', 'tcpSocket', 'grpc', 'exec']),
    message: 'give one of httpGet, tcpSocket, grpc and exec',
  },
  ({ httpGet, tcpSocket, grpc, exec }) =>
    [httpGet, tcpSocket, grpc, exec].filter((handler) => handler !== undefined).length === 1,
)

/** core/v1 VolumeMount. */
export const volumeMountsSchema = z
  .array(
    z.object({
      name: labelName('a volume').describe('Volume that is mounted.'),
      mountPath: absolutePathSchema.describe('Where.'),
      subPath: z.string().min(1).max(512).optional().describe('Path in the volume, instead of all of it.'),
      readOnly: z.boolean().optional().describe('Whether nothing can be written to it.'),
    }),
  )
  .max(32)
  .refine((mounts) => new Set(mounts.map(({ mountPath }) => mountPath)).size === mounts.length, {
    message: 'no two mounts may have the same mountPath',
  })
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['mountPath'] })
  .describe('Where volumes are mounted.')

const keyItems = z
  .array(
    z.object({
      key: z.string().min(1).max(253).describe('Key.'),
      path: z.string().min(1).max(512).describe('File, relative to the mount.'),
      mode: z.int().min(0).max(511).optional().describe('Permissions as a decimal number: 292 is 0444.'),
    }),
  )
  .max(64)
  .optional()
  .meta({ 'x-kubernetes-list-type': 'atomic' })
  .describe('Keys that become files; all of them when absent.')

const defaultMode = z
  .int()
  .min(0)
  .max(511)
  .optional()
  .describe('Permissions of the files as a decimal number; 420, which is 0644, when absent.')
const optional = z.boolean().optional().describe('Whether it may be missing.')

const volumeSource = {
  configMap: z
    .object({ name: objectNameSchema.describe('Name of the ConfigMap.'), items: keyItems, defaultMode, optional })
    .optional()
    .describe('A ConfigMap.'),
  secret: z
    .object({ secretName: objectNameSchema.describe('Name of the Secret.'), items: keyItems, defaultMode, optional })
    .optional()
    .describe('A Secret.'),
  emptyDir: z
    .object({
      medium: z.literal('Memory').optional().describe('Memory instead of disk.'),
      sizeLimit: quantity().optional().describe('Most that fits into it.'),
    })
    .optional()
    .describe('A folder that goes with the pod.'),
  persistentVolumeClaim: z
    .object({
      claimName: objectNameSchema.describe('Name of the claim.'),
      readOnly: z.boolean().optional().describe('Whether nothing can be written to it.'),
    })
    .optional()
    .describe('A claim that exists already. All pods share it: it has to allow that.'),
  ephemeral: z
    .object({
      size: quantity().describe('Size of the volume.'),
      storageClassName: objectNameSchema
        .optional()
        .describe("StorageClass of the volume; the cluster's default when absent."),
      accessModes: z
        .array(z.enum(['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod']))
        .min(1)
        .max(4)
        .default(['ReadWriteOnce'])
        .meta({ 'x-kubernetes-list-type': 'atomic' })
        .describe('Access modes of the volume.'),
    })
    .optional()
    .describe('A volume of its own for each pod, which goes with it.'),
  csi: z
    .object({
      driver: z.string().min(1).max(63).describe('Name of the CSI driver.'),
      readOnly: z.boolean().optional().describe('Whether nothing can be written to it.'),
      volumeAttributes: z
        .record(z.string(), z.string().max(4096))
        .meta({ maxProperties: 32 })
        .optional()
        .describe('What the driver is told.'),
    })
    .optional()
    .describe('A volume of a CSI driver, such as the Secrets Store.'),
  hostPath: z
    .object({
      path: absolutePathSchema.describe('Path on the node.'),
      type: z
        .enum(['DirectoryOrCreate', 'Directory', 'FileOrCreate', 'File', 'Socket', 'CharDevice', 'BlockDevice'])
        .optional()
        .describe('What has to be there; nothing is checked when absent.'),
    })
    .optional()
    .describe('A path of the node: only podSecurityStandard privileged allows it.'),
} as const

const sources = Object.keys(volumeSource) as (keyof typeof volumeSource)[]

/** The volumes of a pod that its user brings. */
export const volumesSchema = rule(
  listMap(z.object({ name: labelName('a volume').describe('Name of the volume.'), ...volumeSource }), ['name'], {
    most: 32,
  }),
  {
    rule: `self.all(volume, ${exactlyOne('volume', sources)})`,
    message: `every volume has one of ${sources.join(', ')}`,
  },
  (volumes) => volumes.every((volume) => sources.filter((source) => volume[source] !== undefined).length === 1),
).describe('Volumes of the pods.')

/** A container beside the main one: before it, or along with it. */
export const helperContainersSchema = listMap(
  z.object({
    name: labelName('a container').describe('Name of the container.'),
    image: imageTextSchema.describe('Image of the container.'),
    imagePullPolicy: pullPolicySchema.optional(),
    command: commandSchema.optional(),
    args: argsSchema.optional(),
    workingDir: absolutePathSchema.optional().describe("Working folder, instead of the image's own."),
    env: envSchema.optional(),
    envFrom: envFromSchema.optional(),
    resources: resourcesSchema.prefault({}).describe('What the container asks for and may use.'),
    ports: listMap(
      z.object({
        name: labelName('a port', 15).describe('Name of the port.'),
        containerPort: z.int().min(1).max(65535).describe('Number of the port.'),
        protocol: z.enum(['TCP', 'UDP']).default('TCP').describe('Protocol of the port.'),
      }),
      ['containerPort'],
      { most: 16 },
    )
      .optional()
      .describe('Ports that the container listens on.'),
    volumeMounts: volumeMountsSchema.optional(),
    readinessProbe: probeSchema.optional().describe('Whether it is ready; for sidecars.'),
    livenessProbe: probeSchema.optional().describe('Whether it has to be restarted; for sidecars.'),
    startupProbe: probeSchema.optional().describe('Whether it has started; for sidecars.'),
  }),
  ['name'],
  { most: 8 },
)

export type EnvFrom = z.output<typeof envFromSchema>
export type Env = z.output<typeof envSchema>
export type Volumes = z.output<typeof volumesSchema>
export type HelperContainer = z.output<typeof helperContainersSchema>[number]

/** Volumes as the API server has them. */
export function podVolumes(volumes: Volumes): core.Volume[] {
  return withoutEmpty(volumes).map(({ ephemeral, emptyDir, ...volume }) => ({
    ...volume,
    ...(emptyDir && { emptyDir: emptyDirOf(emptyDir) }),
    ...(ephemeral && {
      ephemeral: {
        volumeClaimTemplate: {
          spec: {
            accessModes: ephemeral.accessModes,
            resources: { requests: { storage: canonicalQuantity(ephemeral.size) ?? ephemeral.size } },
            ...(ephemeral.storageClassName && { storageClassName: ephemeral.storageClassName }),
            volumeMode: 'Filesystem',
          },
        },
      },
    }),
  }))
}

function emptyDirOf({ medium, sizeLimit }: { medium?: 'Memory'; sizeLimit?: string }): core.EmptyDirVolumeSource {
  return {
    ...(medium && { medium }),
    ...(sizeLimit && { sizeLimit: canonicalQuantity(sizeLimit) ?? sizeLimit }),
  }
}

/** The parts of a container that are written as users give them. */
export function containerOptions(options: {
  command?: string[] | undefined
  args?: string[] | undefined
  workingDir?: string | undefined
  env?: Env | undefined
  envFrom?: EnvFrom | undefined
  imagePullPolicy?: core.Container['imagePullPolicy'] | undefined
}): Partial<core.Container> {
  const { command, args, workingDir, env = [], envFrom = [], imagePullPolicy } = options
  return {
    ...(imagePullPolicy && { imagePullPolicy }),
    // Words may be empty: an argument of nothing is an argument.
    ...(command && command.length > 0 && { command }),
    ...(args && args.length > 0 && { args }),
    ...(workingDir && { workingDir }),
    ...(env.length > 0 && { env: withoutEmpty(env) }),
    ...(envFrom.length > 0 && { envFrom: withoutEmpty(envFrom) }),
  }
}

/** A helper as a container, less its image, which may get a prefix, and its security context. */
export function helperContainer(helper: HelperContainer, defaults: ResourceDefaults): core.Container {
  const { name, ports = [], volumeMounts = [], readinessProbe, livenessProbe, startupProbe } = helper
  return {
    name,
    ...containerOptions(helper),
    ...(ports.length > 0 && { ports }),
    resources: resourcesWithDefaults(helper.resources, defaults),
    ...(volumeMounts.length > 0 && { volumeMounts: withoutEmpty(volumeMounts) }),
    ...(readinessProbe && { readinessProbe: withoutEmpty(readinessProbe) }),
    ...(livenessProbe && { livenessProbe: withoutEmpty(livenessProbe) }),
    ...(startupProbe && { startupProbe: withoutEmpty(startupProbe) }),
  }
}
