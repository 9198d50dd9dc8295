// A kind that uses all that a schema can say, in two versions, and a decorator: what the generator is tested with.
import * as z from 'zod'
import { composite, decorator } from '../../hooks/sdk/definition.ts'
import type { ObjectMeta } from '../../hooks/sdk/kubernetes.ts'
import {
  ConfigMap,
  Deployment,
  Job,
  NetworkPolicy,
  Role,
  RoleBinding,
  resourceType,
  Secret,
  Service,
} from '../../hooks/sdk/resources.ts'
import { immutable, intOrString, listMap, passthrough, quantity, rule } from '../../hooks/sdk/schema.ts'

const spec = rule(
  z.object({
    engine: immutable(z.enum(['on', 'off', 'hybrid']), 'the engine').describe('Which engine runs.'),
    version: z
      .string()
      .max(20)
      .regex(/^[0-9]+\.[0-9]+$/)
      .describe('The version, such as 1.2.'),
    replicas: z.int().min(0).max(10).default(1).describe('How many run.'),
    bytes: z.int().optional(),
    share: z.number().gt(0).max(1).optional(),
    memory: quantity().optional().describe('Memory of each.'),
    port: intOrString().optional(),
    backup: z
      .object({
        enabled: z.boolean().default(false),
        destination: z
          .object({ bucket: z.string().min(1).max(63), region: z.string().max(63).default('local') })
          .optional(),
      })
      .prefault({})
      .describe('Copies of the data.'),
    resources: passthrough<{ limits?: Record<string, string> }>().optional(),
    ports: listMap(
      z.object({
        name: z.string().max(15),
        protocol: z.enum(['TCP', 'UDP']).default('TCP'),
        number: z.int32().min(1).max(65535),
      }),
      ['name', 'protocol'],
    )
      .max(8)
      .optional(),
    parameters: z.record(z.string(), z.string().max(100)).optional().describe('Passed on as they are.'),
    note: z.string().max(50).nullable().optional(),
    since: z.iso.datetime().optional(),
    contact: z.email().max(100).optional(),
    loose: z.looseObject({ known: z.boolean().optional() }).optional(),
    anything: z.unknown().optional(),
    old: z.string().max(10).optional().meta({ deprecated: true, description: 'Use note.' }),
    source: z
      .discriminatedUnion('type', [
        z.object({ type: z.literal('Git'), url: z.string().max(200), branch: z.string().max(50).optional() }),
        z.object({ type: z.literal('Image'), image: z.string().max(200) }),
        z.object({ type: z.literal('None') }),
      ])
      .optional(),
  }),
  {
    rule: "self.engine != 'off' || self.replicas == 0",
    message: 'must be 0 when the engine is off',
    fieldPath: '.replicas',
  },
  ({ engine, replicas }) => engine !== 'off' || replicas === 0,
)

const status = z.object({
  phase: z.enum(['Pending', 'Running']).describe('Where it is.'),
  replicas: z.int().min(0),
  selector: z.string().max(500),
})

/** What zod accepts and the CRD must too. */
export const validSpec = {
  engine: 'on',
  version: '1.2',
  memory: '1.5Gi',
  port: 'http',
  backup: { destination: { bucket: 'b' } },
  resources: { limits: { cpu: '1' } },
  ports: [
    { name: 'http', number: 80 },
    { name: 'http', protocol: 'UDP', number: 80 },
  ],
  parameters: { 'max.size': '10' },
  note: null,
  since: '2026-01-01T00:00:00Z',
  contact: 'a@example.com',
  loose: { known: true, other: 1 },
  anything: { at: ['all'] },
  source: { type: 'Git', url: 'https://example.com/x.git' },
}

export const specimen = composite({
  group: 'test.example.com',
  kind: 'Specimen',
  plural: 'specimens',
  shortNames: ['spc'],
  categories: ['all'],
  description: 'Uses all that a schema can say.',
  versions: {
    v1alpha1: {
      spec: z.looseObject({ engine: z.enum(['on', 'off', 'hybrid']).optional() }),
      status,
      deprecated: 'test.example.com/v1alpha1 Specimen is old; use v1',
    },
    v1: {
      spec,
      status,
      rules: [{ rule: 'self.metadata.name.size() <= 40', message: 'the name has at most 40 characters' }],
      scale: {
        specReplicasPath: '.spec.replicas',
        statusReplicasPath: '.status.replicas',
        labelSelectorPath: '.status.selector',
      },
      columns: [
        { name: 'Engine', type: 'string', jsonPath: '.spec.engine' },
        { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status', priority: 1 },
        { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ],
    },
  },
  storage: 'v1',
  children: [ConfigMap, Deployment, Job, Role, RoleBinding],
  relatedTypes: [Secret],
  grants: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'patch'] }],
  sync: (parent) => ({
    children: [configMap(parent.metadata.name, parent.spec.engine)],
    status: statusOf(parent.metadata.name, 'Running', parent.spec.replicas),
    conditions: [{ type: 'Ready', status: 'True', reason: 'Ready', message: '' }],
  }),
  finalize: (parent) => ({
    children: [],
    status: statusOf(parent.metadata.name, 'Pending', 0),
    conditions: [{ type: 'Ready', status: 'False', reason: 'Deleting', message: '' }],
    finalized: true,
  }),
  related: (parent) => [{ type: Secret, names: [parent.metadata.name] }],
})

function configMap(name: string, engine: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { engine } }
}

function statusOf(name: string, phase: 'Pending' | 'Running', replicas: number): z.output<typeof status> {
  return { phase, replicas, selector: `app=${name}` }
}

interface Monitor {
  apiVersion: 'monitoring.example.com/v1'
  kind: 'Monitor'
  metadata: ObjectMeta & { name: string }
  [field: string]: unknown
}
const Monitor = resourceType<Monitor>('monitoring.example.com/v1', 'Monitor', 'monitors')

export const monitored = decorator({
  name: 'monitored-services',
  description: 'A Monitor for each Service that asks for it.',
  resources: [
    { type: Service, annotationSelector: { matchExpressions: [{ key: 'example.com/monitor', operator: 'Exists' }] } },
  ],
  attachments: [Monitor, NetworkPolicy],
  clock: true,
  sync: (service) => ({ attachments: [monitor(service)] }),
})

function monitor(service: Service): Monitor {
  return { apiVersion: 'monitoring.example.com/v1', kind: 'Monitor', metadata: { name: service.metadata.name } }
}
