// What the children of a Database are called, and the labels by which they know each other.
import { recommendedLabels } from '../../sdk/names.ts'
import type { Database } from './schema.ts'

/** Names of the children, and of the objects that Kubernetes makes after them. */
export function names({ metadata: { name } }: Pick<Database, 'metadata'>) {
  return {
    statefulSet: name,
    primary: name,
    readonly: `${name}-readonly`,
    headless: `${name}-headless`,
    configuration: `${name}-config`,
    secret: `${name}-secret`,
    backup: `${name}-backup`,
    finalBackup: `${name}-final-backup`,
    growth: `${name}-grow`,
    restore: `${name}-restore`,
    archiving: `${name}-archiving`,
    monitor: name,
    serviceAccount: name,
    disruptionBudget: name,
    networkPolicy: name,
    /** The claim of a pod, as the StatefulSet controller names it. */
    claim: (ordinal: number) => `${dataVolume}-${name}-${ordinal}`,
    pod: (ordinal: number) => `${name}-${ordinal}`,
  }
}

/** The volume, and the claim template, that holds the data. */
export const dataVolume = 'data'

/** A Database has at most so many replicas, and so many claims. */
export const maxReplicas = 10

type Component = 'database' | 'backup' | 'maintenance' | 'restore' | 'archiving'

/** Labels by which the pods of a component are selected: they never change. */
export function selectorLabels(db: Database, component: Component = 'database'): Record<string, string> {
  return {
    'app.kubernetes.io/name': db.spec.engine,
    'app.kubernetes.io/instance': db.metadata.name,
    'app.kubernetes.io/component': component,
  }
}

/** Labels by which the claims of a Database of this name are found, and whatever else there is of a component. */
export function claimLabels(db: Database, component: Component = 'database'): Record<string, string> {
  const { 'app.kubernetes.io/name': _engine, ...byName } = selectorLabels(db, component)
  return byName
}

/** Labels that every child carries. */
export function labels(db: Database, component: Component = 'database'): Record<string, string> {
  return recommendedLabels({ name: db.spec.engine, instance: db.metadata.name, component })
}

/** Host name of one of the Services, as every pod of the cluster resolves it. */
export function host(db: Database, service: string): string {
  return `${service}.${db.metadata.namespace}.svc`
}
