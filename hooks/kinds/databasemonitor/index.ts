// DatabaseMonitor: metrics of a Database for Prometheus.
import { composite } from '../../sdk/definition.ts'
import { Databases } from '../database/reference.ts'
import { columns, rules, spec, status } from './schema.ts'
import { children, sync } from './sync.ts'

export const databaseMonitor = composite({
  group: 'example.com',
  kind: 'DatabaseMonitor',
  plural: 'databasemonitors',
  shortNames: ['dbmon'],
  categories: ['all'],
  description:
    'Metrics of a Database: an exporter for each of its replicas, which logs in as a user that reads statistics and nothing else, and the Service that Prometheus finds them by.',
  versions: { v1: { spec, status, rules, columns } },
  storage: 'v1',
  children,
  sync,
  relatedTypes: [Databases],
  related: ({ spec: { databaseRef } }) => [{ type: Databases, names: [databaseRef.name] }],
})
