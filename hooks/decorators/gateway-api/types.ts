// HTTPRoute, as far as it is made and read here: https://gateway-api.sigs.k8s.io/reference/spec/#httproute
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { resourceType } from '../../sdk/resources.ts'

export interface ParentReference {
  group?: string
  kind?: string
  name: string
  namespace?: string
  sectionName?: string
}

export type HTTPRoute = {
  apiVersion: 'gateway.networking.k8s.io/v1'
  kind: 'HTTPRoute'
  metadata: ObjectMeta & { name: string }
  spec: {
    parentRefs: ParentReference[]
    hostnames?: string[]
    rules: {
      matches: { path: { type: 'PathPrefix' | 'Exact'; value: string } }[]
      backendRefs?: { group: string; kind: string; name: string; port: number; weight: number }[]
    }[]
  }
  readonly status?: {
    parents?: {
      parentRef: ParentReference
      conditions?: { type: string; status: string; reason: string; observedGeneration?: number }[]
    }[]
  }
}

export const HTTPRoute = resourceType<HTTPRoute>('gateway.networking.k8s.io/v1', 'HTTPRoute', 'httproutes')
