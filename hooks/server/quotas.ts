// temporary
import type { Composite } from '../sdk/definition.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'

export interface Quotas {
  of(namespace: string): readonly KubernetesObject[]
  close(): Promise<void>
}

export function foresee(
  _definition: Composite,
  _resource: {
    namespace: string | undefined
    children: readonly KubernetesObject[] | undefined
    before: readonly KubernetesObject[] | undefined
  },
  _quotas: Quotas | undefined,
): string[] {
  return []
}
