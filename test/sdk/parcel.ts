// A kind with two versions, a validator and a default: a Parcel becomes a Deployment. v1beta1 has other names, units and
// nesting than v1, and no place for notes.
import * as z from 'zod'
import { carried, carry, present } from '../../hooks/sdk/convert.ts'
import { type ConversionOf, composite, type Settings } from '../../hooks/sdk/definition.ts'
import { prefixedImage } from '../../hooks/sdk/images.ts'
import { Deployment } from '../../hooks/sdk/resources.ts'
import { quantity } from '../../hooks/sdk/schema.ts'

const status = z.object({ phase: z.string().max(20), replicas: z.int() })

const old = z.object({
  count: z.int().min(0).max(10).describe('How many.'),
  timeoutSeconds: z.int().min(1).max(3600).optional(),
  cpu: quantity().optional(),
  memory: quantity().optional(),
  fragile: z.enum(['Yes', 'No']).optional(),
})

const current = z.object({
  replicas: z.int().min(0).max(10).describe('How many.'),
  maxReplicas: z.int().min(0).max(20).optional().describe('Twice the replicas unless given.'),
  timeout: z
    .string()
    .max(10)
    .regex(/^[0-9]+s$/)
    .optional(),
  resources: z.object({ cpu: quantity().optional(), memory: quantity().optional() }).optional(),
  fragile: z.boolean().optional(),
  timeZone: z.string().max(50).optional(),
  notes: z.array(z.string().max(50)).max(10).optional(),
  image: z.string().max(200).default('nginx:1.29'),
})

const annotation = 'test.example.com/v1'

const conversion: ConversionOf<
  { spec: typeof old; status: typeof status },
  { spec: typeof current; status: typeof status }
> = {
  toStorage({ metadata, spec }) {
    const { fields, metadata: kept } = carried(metadata, annotation)
    if (spec === undefined) return { metadata: kept }
    const { count, timeoutSeconds, cpu, memory, fragile } = spec
    const { maxReplicas, timeZone, notes, image } = lost.safeParse(fields).data ?? {}
    return {
      metadata: kept,
      spec: {
        replicas: count,
        timeout: timeoutSeconds === undefined ? undefined : `${timeoutSeconds}s`,
        resources: present({ cpu, memory }),
        fragile: fragile === undefined ? undefined : fragile === 'Yes',
        ...{ maxReplicas, timeZone, notes, image },
      },
    }
  },
  fromStorage({ metadata, spec }) {
    if (spec === undefined) return {}
    const { replicas, timeout, resources, fragile, ...others } = spec
    const seconds = timeout === undefined ? undefined : Number.parseInt(timeout, 10)
    if (seconds !== undefined && !(seconds >= 1 && seconds <= 3600)) {
      const message = `${timeout} is longer than 3600s, which is all that v1beta1 can say`
      return { problems: [{ field: 'spec.timeout', message }] }
    }
    return {
      metadata: carry(metadata, annotation, others),
      spec: {
        count: replicas,
        timeoutSeconds: seconds,
        cpu: resources?.cpu,
        memory: resources?.memory,
        fragile: fragile === undefined ? undefined : yesOrNo(fragile),
      },
    }
  },
}

export const parcel = composite({
  group: 'test.example.com',
  kind: 'Parcel',
  plural: 'parcels',
  description: 'Is sent somewhere.',
  storage: 'v1',
  versions: {
    v1beta1: { spec: old, status, columns: [{ name: 'Count', type: 'integer', jsonPath: '.spec.count' }] },
    v1: {
      spec: current,
      status,
      scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
      columns: [{ name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' }],
    },
  },
  conversions: { v1beta1: conversion },
  children: [Deployment],
  validate({ spec }, { old: before }) {
    const { timeZone, replicas, maxReplicas = replicas } = spec
    return {
      problems: [
        ...(timeZone === undefined || isTimeZone(timeZone)
          ? []
          : [{ field: 'spec.timeZone', message: `${timeZone} is not a time zone that is known` }]),
        ...(maxReplicas < replicas
          ? [{ field: 'spec.maxReplicas', message: 'must not be below spec.replicas', reason: 'TooFew' }]
          : []),
      ],
      warnings: before !== undefined && replicas < before.spec.replicas ? ['spec.replicas: fewer than before'] : [],
    }
  },
  default: ({ spec }) => ({ maxReplicas: spec.replicas * 2 }),
  sync: (parent, { settings }) => ({
    children: [deployment(parent.metadata.name, parent.spec, settings)],
    status: { phase: 'Sent', replicas: parent.spec.replicas },
    conditions: [{ type: 'Ready', status: 'True', reason: 'Sent', message: '' }],
  }),
})

const lost = z.object({
  maxReplicas: z.int().optional(),
  timeZone: z.string().optional(),
  notes: z.array(z.string()).optional(),
  image: z.string().optional(),
})

function deployment(name: string, spec: z.output<typeof current>, settings: Settings): Deployment {
  const requests = present({ cpu: spec.resources?.cpu, memory: spec.resources?.memory })
  const container = {
    name: 'parcel',
    image: prefixedImage(spec.image, settings),
    ...(requests && { resources: { requests: requests as Record<string, string> } }),
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas: spec.replicas,
      selector: { matchLabels: { parcel: name } },
      template: { metadata: { labels: { parcel: name } }, spec: { containers: [container] } },
    },
  }
}

function yesOrNo(value: boolean): 'Yes' | 'No' {
  return value ? 'Yes' : 'No'
}

function isTimeZone(name: string): boolean {
  return Intl.supportedValuesOf('timeZone').includes(name) || name === 'UTC'
}
