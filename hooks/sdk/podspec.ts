// The parts of a pod that users of any kind may set, checked field by field, so that the API server refuses a typo
// where it was made instead of a controller stumbling over it later. Shapes and bounds are those of core/v1:
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
import type * as core from 'kubernetes-types/core/v1.js'
import type { LabelSelector } from 'kubernetes-types/meta/v1.js'
import * as z from 'zod'
import { isRecord } from './kubernetes.ts'
import { canonicalQuantity, compareQuantities } from './quantity.ts'
import { quantity, rule } from './schema.ts'

const qualifiedName =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

const labelKeySchema = z
  .string()
  .min(1)
  .max(316)
  .regex(qualifiedName, 'must be a label key such as example.com/team')
  .describe('Label key.')

/** Labels for objects or pods; keys that the suite or Kubernetes itself sets are refused. */
const labelsSchema = rule(
  z.record(z.string(), z.string().max(63).regex(labelValue, 'must be a label value: at most 63 of A-Z a-z 0-9 - _ .')),
  {
    rule: `self.all(key, key.matches('${qualifiedName.source.replaceAll('\\', '\\\\')}') && key.size() <= 316)`,
    message: 'every key must be a label key such as example.com/team',
  },
  (labels) => Object.keys(labels).every((key) => qualifiedName.test(key) && key.length <= 316),
)
  .refine((labels) => Object.keys(labels).length <= 32, { message: 'must have at most 32 labels' })
  .meta({ maxProperties: 32 })

const reservedLabel =
  /^(app\.kubernetes\.io\/(name|instance|component|managed-by|version)|controller-uid|controller-revision-hash|(apps|statefulset)\.kubernetes\.io\/.*)$/

/** Labels that users add to objects of the suite: those that its selectors use cannot be overridden. */
export const extraLabelsSchema = rule(
  labelsSchema,
  {
    rule: `self.all(key, !key.matches('${reservedLabel.source.replaceAll('\\', '\\\\')}'))`,
    message: 'must not set labels that the operator sets itself (app.kubernetes.io/name, instance, component …)',
  },
  (labels) => Object.keys(labels).every((key) => !reservedLabel.test(key)),
)

/** Annotations that users add to objects of the suite. */
export const annotationsSchema = rule(
  z.record(z.string(), z.string().max(4096)),
  {
    rule: `self.all(key, key.matches('${qualifiedName.source.replaceAll('\\', '\\\\')}') && !key.startsWith('metacontroller.k8s.io/'))`,
    message: 'every key must be an annotation key such as example.com/team, and not Metacontroller’s own',
  },
  (annotations) =>
    Object.keys(annotations).every((key) => qualifiedName.test(key) && !key.startsWith('metacontroller.k8s.io/')),
)
  .refine((annotations) => Object.keys(annotations).length <= 32, { message: 'must have at most 32 annotations' })
  .meta({ maxProperties: 32 })

const resourceListSchema = rule(
  z.record(z.string(), quantity()),
  {
    rule: "self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || name.startsWith('hugepages-') || name.contains('/'))",
    message: 'the resources are cpu, memory, ephemeral-storage, hugepages-<size>, or a name with a domain',
  },
  (list) =>
    Object.keys(list).every(
      (name) => ['cpu', 'memory', 'ephemeral-storage'].includes(name) || /^hugepages-|\//.test(name),
    ),
)
  .refine((list) => Object.keys(list).length <= 8, { message: 'must name at most 8 resources' })
  .meta({ maxProperties: 8 })

/** What a container asks for and may use: core/v1 ResourceRequirements. */
export const resourcesSchema = rule(
  z
    .object({
      requests: resourceListSchema
        .optional()
        .describe('What the scheduler sets aside: cpu, memory, ephemeral-storage.'),
      limits: resourceListSchema.optional().describe('What the container may use at most.'),
    })
    // The rule's twin, which can name the resource.
    .superRefine(({ requests = {}, limits = {} }, context) => {
      for (const [name, limit] of Object.entries(limits)) {
        const request = requests[name]
        if (
          request === undefined ||
          canonicalQuantity(request) === undefined ||
          canonicalQuantity(limit) === undefined
        ) {
          continue
        }
        if (compareQuantities(request, limit) > 0) {
          const message = `must not be above the limit, ${limit}`
          context.addIssue({ code: 'custom', path: ['requests', name], message })
        }
      }
    }),
  {
    rule: '!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)',
    message: 'no request may be above its limit',
    fieldPath: '.requests',
  },
)

/** The output of `resourcesSchema`. */
export type Resources = z.output<typeof resourcesSchema>

/** `resources` in the canonical form in which the API server gives quantities back. */
export function canonicalResources(resources: Resources): core.ResourceRequirements {
  const requests = canonicalList(resources.requests)
  const limits = canonicalList(resources.limits)
  return { ...(requests && { requests }), ...(limits && { limits }) }
}

function canonicalList(list: Record<string, string> | undefined): Record<string, string> | undefined {
  const entries = Object.entries(list ?? {})
  if (entries.length === 0) return undefined
  return Object.fromEntries(entries.map(([name, value]) => [name, canonicalQuantity(value) ?? value]))
}

/** core/v1 Toleration. */
const tolerationSchema = z
  .object({
    key: z.string().max(316).optional().describe('Taint key; all of them when absent.'),
    operator: z.enum(['Exists', 'Equal']).optional().describe('Equal unless given; Exists takes no value.'),
    value: z.string().max(63).optional().describe('Taint value.'),
    effect: z
      .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
      .optional()
      .describe('Taint effect; all of them when absent.'),
    tolerationSeconds: z
      .int()
      .min(0)
      .optional()
      .describe('With NoExecute: for how many seconds the taint is tolerated; for ever when absent.'),
  })
  .describe('A taint of nodes that the pods put up with.')

const tolerationsSchema = z
  .array(tolerationSchema)
  .max(16)
  .describe('Taints of nodes that the pods put up with.')
  .meta({ 'x-kubernetes-list-type': 'atomic' })

const selectorOperator = z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])

/** metav1.LabelSelector. */
export const labelSelectorSchema = z.object({
  matchLabels: z
    .record(z.string(), z.string().max(63))
    .meta({ maxProperties: 16 })
    .optional()
    .describe('Labels with exactly these values.'),
  matchExpressions: z
    .array(
      z.object({
        key: labelKeySchema,
        operator: selectorOperator.describe('How the value of the label relates to `values`.'),
        values: z.array(z.string().max(63)).max(32).optional().describe('Values, for In and NotIn.'),
      }),
    )
    .max(16)
    .optional()
    .describe('Conditions that all must hold.'),
})

const nodeRequirementSchema = z.object({
  key: labelKeySchema,
  operator: z
    .enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'])
    .describe('How the value relates to `values`.'),
  values: z.array(z.string().max(63)).max(64).optional().describe('Values, for all but Exists and DoesNotExist.'),
})

const nodeSelectorTermSchema = z.object({
  matchExpressions: z.array(nodeRequirementSchema).max(16).optional().describe('Conditions on labels of the node.'),
  matchFields: z.array(nodeRequirementSchema).max(16).optional().describe('Conditions on fields of the node.'),
})

const podAffinityTermSchema = z.object({
  topologyKey: labelKeySchema.describe('Node label that makes a place, such as topology.kubernetes.io/zone.'),
  labelSelector: labelSelectorSchema.optional().describe('Pods that count.'),
  namespaces: z.array(z.string().max(63)).max(16).optional().describe("Their namespaces; the pod's own when absent."),
  namespaceSelector: labelSelectorSchema.optional().describe('Their namespaces, by label.'),
  matchLabelKeys: z.array(labelKeySchema).max(16).optional().describe('Labels whose values must equal the pod’s own.'),
  mismatchLabelKeys: z.array(labelKeySchema).max(16).optional().describe('Labels whose values must differ.'),
})

const weight = z.int().min(1).max(100).describe('How much it counts, 1 to 100.')

const podAffinitySchema = z.object({
  requiredDuringSchedulingIgnoredDuringExecution: z
    .array(podAffinityTermSchema)
    .max(16)
    .optional()
    .describe('Must hold.'),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(z.object({ weight, podAffinityTerm: podAffinityTermSchema.describe('What is preferred.') }))
    .max(16)
    .optional()
    .describe('Should hold.'),
})

/** core/v1 Affinity. */
const affinitySchema = z
  .object({
    nodeAffinity: z
      .object({
        requiredDuringSchedulingIgnoredDuringExecution: z
          .object({
            nodeSelectorTerms: z.array(nodeSelectorTermSchema).min(1).max(16).describe('One of them must hold.'),
          })
          .optional()
          .describe('Nodes that come into question.'),
        preferredDuringSchedulingIgnoredDuringExecution: z
          .array(z.object({ weight, preference: nodeSelectorTermSchema.describe('What is preferred.') }))
          .max(16)
          .optional()
          .describe('Nodes that are preferred.'),
      })
      .optional()
      .describe('Which nodes.'),
    podAffinity: podAffinitySchema.optional().describe('Near which pods.'),
    podAntiAffinity: podAffinitySchema.optional().describe('Away from which pods.'),
  })
  .describe('Where pods run, instead of the preference for spreading over nodes.')

/** core/v1 TopologySpreadConstraint. */
const topologySpreadSchema = z
  .array(
    z.object({
      maxSkew: z.int().min(1).describe('By how many pods places may differ.'),
      topologyKey: labelKeySchema.describe('Node label that makes a place, such as topology.kubernetes.io/zone.'),
      whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']).describe('What to do when it cannot hold.'),
      labelSelector: labelSelectorSchema.optional().describe('Pods that count; those of this resource when absent.'),
      matchLabelKeys: z.array(labelKeySchema).max(16).optional().describe('Labels whose values must equal the pod’s.'),
      minDomains: z.int().min(1).optional().describe('Least number of places, with DoNotSchedule.'),
      nodeAffinityPolicy: z.enum(['Honor', 'Ignore']).optional().describe("Whether the pod's node affinity counts."),
      nodeTaintsPolicy: z.enum(['Honor', 'Ignore']).optional().describe('Whether taints count.'),
    }),
  )
  .max(8)
  .meta({ 'x-kubernetes-list-type': 'atomic' })
  .describe('How pods spread over zones and nodes, instead of an even spread where possible.')

const secretOrConfigMapKey = z.object({
  name: z.string().min(1).max(253).describe('Name of the object, in the same namespace.'),
  key: z.string().min(1).max(253).describe('Key in it.'),
  optional: z.boolean().optional().describe('Whether it may be missing.'),
})

/** core/v1 EnvVar, as a list that is told apart by name. */
export const envSchema = z
  .array(
    z.object({
      name: z
        .string()
        .min(1)
        .max(253)
        .regex(/^[A-Za-z_.-][A-Za-z0-9_.-]*$/, 'must be the name of an environment variable')
        .describe('Name of the variable.'),
      value: z.string().max(32768).optional().describe('Its value.'),
      valueFrom: z
        .object({
          secretKeyRef: secretOrConfigMapKey.optional().describe('A key of a Secret.'),
          configMapKeyRef: secretOrConfigMapKey.optional().describe('A key of a ConfigMap.'),
          fieldRef: z
            .object({ fieldPath: z.string().max(253).describe('Path such as metadata.name.') })
            .optional()
            .describe('A field of the pod.'),
          resourceFieldRef: z
            .object({ resource: z.string().max(63).describe('Resource such as limits.memory.') })
            .optional()
            .describe('A resource of the container.'),
        })
        .optional()
        .describe('Where its value comes from.'),
    }),
  )
  .max(128)
  .refine((items) => new Set(items.map(({ name }) => name)).size === items.length, {
    message: 'no two variables may have the same name',
  })
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
  .describe('Environment variables.')

/** networking/v1 NetworkPolicyPeer. */
export const networkPeersSchema = rule(
  z
    .array(
      z.object({
        podSelector: labelSelectorSchema.optional().describe('Pods, of this namespace or of those selected.'),
        namespaceSelector: labelSelectorSchema.optional().describe('Namespaces by label.'),
        ipBlock: z
          .object({
            cidr: z.string().max(43).describe('Range such as 10.0.0.0/8.'),
            except: z.array(z.string().max(43)).max(16).optional().describe('Ranges in it that are left out.'),
          })
          .optional()
          .describe('Addresses outside the cluster.'),
      }),
    )
    .max(32),
  {
    rule: 'self.all(peer, has(peer.ipBlock) != (has(peer.podSelector) || has(peer.namespaceSelector)))',
    message: 'every peer is either an ipBlock, or has a podSelector or a namespaceSelector',
  },
  (peers) =>
    peers.every(
      ({ podSelector, namespaceSelector, ipBlock }) =>
        (ipBlock !== undefined) !== (podSelector !== undefined || namespaceSelector !== undefined),
    ),
).meta({ 'x-kubernetes-list-type': 'atomic' })

/** Metadata and placement of pods. */
export const podSchema = z.object({
  labels: extraLabelsSchema.optional().describe('Labels for the pods, beside those of the operator.'),
  annotations: annotationsSchema.optional().describe('Annotations for the pods.'),
  nodeSelector: z
    .record(z.string(), z.string().max(63))
    .meta({ maxProperties: 16 })
    .optional()
    .describe('Labels that a node must have.'),
  affinity: affinitySchema.optional(),
  tolerations: tolerationsSchema.optional(),
  topologySpreadConstraints: topologySpreadSchema.optional(),
  priorityClassName: z.string().min(1).max(253).optional().describe('PriorityClass of the pods.'),
})

/** The output of `podSchema`. */
export type PodOptions = z.output<typeof podSchema>

/**
 * What a user wrote, less what the API server drops: empty texts, lists and label maps. Inside lists they would make
 * Metacontroller write at every sync. Empty selectors stay, because they select everything.
 */
export function withoutEmpty<Value>(value: Value): Value {
  return dropEmpty(value) as Value
}

function dropEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropEmpty)
  if (!isRecord(value)) return value
  const kept = Object.entries(value).filter(
    ([name, field]) =>
      field !== '' &&
      !(Array.isArray(field) && field.length === 0) &&
      !(name === 'matchLabels' && isRecord(field) && !isFilled(field)),
  )
  return Object.fromEntries(kept.map(([name, field]) => [name, dropEmpty(field)]))
}

/**
 * Where pods with the labels `selector` run: as the user says, and where he says nothing, spread over nodes and
 * zones where possible.
 */
export function placement(
  pod: PodOptions,
  selector: Readonly<Record<string, string>>,
): Pick<core.PodSpec, 'affinity' | 'nodeSelector' | 'priorityClassName' | 'tolerations' | 'topologySpreadConstraints'> {
  const labelSelector: LabelSelector = { matchLabels: { ...selector } }
  const spread = pod.topologySpreadConstraints ?? [
    { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' as const },
  ]
  const affinity: core.Affinity = pod.affinity ?? {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 100, podAffinityTerm: { labelSelector, topologyKey: 'kubernetes.io/hostname' } },
      ],
    },
  }
  return {
    ...(isFilled(affinity) && { affinity: withoutEmpty(affinity) }),
    ...(pod.nodeSelector && isFilled(pod.nodeSelector) && { nodeSelector: pod.nodeSelector }),
    ...(pod.priorityClassName && { priorityClassName: pod.priorityClassName }),
    ...(pod.tolerations && pod.tolerations.length > 0 && { tolerations: withoutEmpty(pod.tolerations) }),
    ...(spread.length > 0 && {
      topologySpreadConstraints: spread.map((constraint) => withoutEmpty({ labelSelector, ...constraint })),
    }),
  }
}

function isFilled(value: object): boolean {
  return Object.keys(value).length > 0
}
