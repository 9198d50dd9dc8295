// What a DatabaseMonitor is to those who ask for one.
import * as z from 'zod'
import { imageTextSchema } from '../../sdk/containers.ts'
import type { Column, Parent } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { resourcesSchema } from '../../sdk/podspec.ts'
import type { ValidationRule } from '../../sdk/schema.ts'
import { databaseRefSchema } from '../database/reference.ts'

/** A resource of this kind, its spec checked and defaulted. */
export type DatabaseMonitor = Parent<z.output<typeof spec>, DatabaseMonitorStatus>

export type DatabaseMonitorStatus = z.output<typeof status>

/** The longest name: pods are named <name>-metrics-<number>, and their revision's hash is a label. */
export const maxNameLength = 45

export const spec = z.object({
  databaseRef: databaseRefSchema,
  image: imageTextSchema.optional().describe('Image of the exporter, instead of the official one of the engine.'),
  scrapeInterval: z
    .string()
    .max(6)
    .regex(/^[1-9][0-9]{0,3}[sm]$/, 'must be a time such as 30s or 1m')
    .default('30s')
    .describe('How often Prometheus asks for the metrics.'),
  resources: resourcesSchema.prefault({}).describe('What an exporter asks for and may use.'),
})

export const status = z.object({
  phase: z.enum(['Pending', 'Running', 'Updating', 'Failed']).describe('Where the monitor is, in a word.'),
  replicas: z.int().min(0).describe('Exporters there should be: one for each replica of the database.'),
  readyReplicas: z.int().min(0).describe('Exporters that answer.'),
  service: z.string().max(253).optional().describe('Service with the metrics.'),
})

export const rules: readonly ValidationRule[] = [
  {
    rule: `self.metadata.name.size() <= ${maxNameLength} && self.metadata.name.matches('${dnsLabelPattern.source}')`,
    message: `metadata.name must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: pods and a Service are named after it`,
  },
]

export const columns: readonly Column[] = [
  { name: 'Database', type: 'string', jsonPath: '.spec.databaseRef.name', description: 'The Database.' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the monitor is, in a word.' },
  { name: 'Ready', type: 'integer', jsonPath: '.status.readyReplicas', description: 'Exporters that answer.' },
  {
    name: 'Service',
    type: 'string',
    jsonPath: '.status.service',
    description: 'Service with the metrics.',
    priority: 1,
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Since when it exists.' },
]
