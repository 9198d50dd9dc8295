// What the children of a DatabaseUser are called, and the labels by which they know each other.
import { recommendedLabels } from '../../sdk/names.ts'
import type { DatabaseUser } from './schema.ts'

export function names({ metadata: { name } }: DatabaseUser) {
  return {
    /** The Secret for applications. */
    secret: `${name}-user`,
    /** The Secret that the Jobs read. */
    logins: `${name}-user-logins`,
    serviceAccount: `${name}-user`,
    networkPolicy: `${name}-user`,
    /** `hash` is that of all that goes into the Job. */
    job: (hash: string) => `${name}-user-${hash}`,
    dropJob: (hash: string) => `${name}-user-drop-${hash}`,
  }
}

/** Labels by which the pods of the Jobs are selected. */
export function selectorLabels({ metadata: { name } }: DatabaseUser): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'database-user',
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/component': 'user',
  }
}

/** Labels that every child carries. */
export function labels({ metadata: { name } }: DatabaseUser): Record<string, string> {
  return recommendedLabels({ name: 'database-user', instance: name, component: 'user' })
}
