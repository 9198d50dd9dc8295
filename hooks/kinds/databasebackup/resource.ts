// A DatabaseBackup as another kind emits it.
import type { KubernetesObject, ObjectMeta } from '../../sdk/kubernetes.ts'
import { resourceType } from '../../sdk/resources.ts'

/** Its spec as it is written: what is left out is filled in. */
interface WrittenBackup extends KubernetesObject {
  apiVersion: 'example.com/v1'
  kind: 'DatabaseBackup'
  metadata: ObjectMeta & { name: string }
  spec: { databaseRef: { name: string }; schedule: string; suspend: boolean; [field: string]: unknown }
}

export const DatabaseBackups = resourceType<WrittenBackup>('example.com/v1', 'DatabaseBackup', 'databasebackups')
export type DatabaseBackups = WrittenBackup
