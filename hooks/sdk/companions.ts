// Objects that look the same beside every kind's pods.
import type { PodDisruptionBudget, ServiceAccount } from './resources.ts'

interface Companion {
  name: string
  labels: Record<string, string>
}

/** A budget with which nodes are drained of one of the selected pods at a time. */
export function oneAtATime({
  name,
  labels,
  selector,
}: Companion & { selector: Record<string, string> }): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, labels },
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selector },
      // A pod that does not run anyway must not hold up a drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  }
}

/** An identity without a token, unless a pod asks for one itself or a cloud's annotation brings one. */
export function tokenlessAccount({
  name,
  labels,
  annotations = {},
}: Companion & { annotations?: Record<string, string> | undefined }): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, labels, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    automountServiceAccountToken: false,
  }
}
