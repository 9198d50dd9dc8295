// The DatabaseMonitor <name>, where spec.monitoring asks for one.
import type { DatabaseMonitors } from '../databasemonitor/resource.ts'
import { labels, names } from './names.ts'
import type { Database } from './schema.ts'

export function monitor(db: Database): DatabaseMonitors | undefined {
  const { enabled, image } = db.spec.monitoring
  if (!enabled) return undefined
  return {
    apiVersion: 'example.com/v1',
    kind: 'DatabaseMonitor',
    metadata: { name: names(db).monitor, labels: labels(db) },
    spec: { databaseRef: { name: db.metadata.name }, ...(image && { image }) },
  }
}
