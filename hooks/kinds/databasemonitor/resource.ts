// A DatabaseMonitor as another kind emits it.
import type { KubernetesObject, ObjectMeta } from '../../sdk/kubernetes.ts'
import { resourceType } from '../../sdk/resources.ts'

/** Its spec as it is written: what is left out is filled in. */
interface WrittenMonitor extends KubernetesObject {
  apiVersion: 'example.com/v1'
  kind: 'DatabaseMonitor'
  metadata: ObjectMeta & { name: string }
  spec: { databaseRef: { name: string }; image?: string }
}

export const DatabaseMonitors = resourceType<WrittenMonitor>('example.com/v1', 'DatabaseMonitor', 'databasemonitors')
export type DatabaseMonitors = WrittenMonitor
