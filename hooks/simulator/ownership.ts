// The one part of metadata.managedFields that hooks look at: who set `spec.replicas` through the scale subresource
// (ScaleHandler of k8s.io/apimachinery/pkg/util/managedfields). Who owns all other fields is not kept.

import { equal } from '../sdk/equal.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { at } from './json.ts'

/** What `after.metadata.managedFields` becomes when `by` writes `after` over `before` at `time`. */
export function managedFieldsAfter(
  before: KubernetesObject,
  after: KubernetesObject,
  write: { by: string; scale: boolean; time: string },
): unknown[] | undefined {
  // Whoever writes what is there already does not come to own it.
  if (equal(at(before, 'spec', 'replicas'), at(after, 'spec', 'replicas'))) return before.metadata.managedFields
  if (!write.scale) return undefined
  return [
    {
      manager: write.by,
      operation: 'Update',
      apiVersion: after.apiVersion,
      time: write.time,
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:replicas': {} } },
      subresource: 'scale',
    },
  ]
}
