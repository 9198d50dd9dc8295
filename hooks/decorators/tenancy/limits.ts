// The ResourceQuota and the LimitRange of a plan.
import { canonicalQuantity } from '../../sdk/quantity.ts'
import type { LimitRange, ResourceQuota } from '../../sdk/resources.ts'
import { labels, names } from './names.ts'
import type { Plan } from './plan.ts'

/** What all of a namespace may use together. There is no limit of the CPU: throttled pods answer late while nodes idle. */
export function resourceQuota(tenant: string, namespace: string, plan: Plan): ResourceQuota {
  return {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: names.quota, namespace, labels: labels(tenant) },
    spec: {
      hard: {
        'requests.cpu': quantity(`${Math.round(plan.cpu * 1000)}m`),
        'requests.memory': gibibytes(plan.memoryGi),
        // As much as is asked for, so that the memory of a node is never promised twice.
        'limits.memory': gibibytes(plan.memoryGi),
        'requests.storage': gibibytes(plan.storageGi),
        pods: String(plan.pods),
        services: String(plan.services),
        'services.loadbalancers': String(plan.loadBalancers),
        persistentvolumeclaims: String(plan.claims),
      },
    },
  }
}

/**
 * What a container gets that asks for nothing: with the quota above it would be refused otherwise. Every field that the
 * API server would fill in is written out, since Metacontroller compares a list without merge keys as a whole.
 */
export function limitRange(tenant: string, namespace: string, plan: Plan): LimitRange {
  return {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: names.limits, namespace, labels: labels(tenant) },
    spec: {
      limits: [
        { type: 'Container', default: { memory: '512Mi' }, defaultRequest: { cpu: '100m', memory: '128Mi' } },
        { type: 'PersistentVolumeClaim', max: { storage: gibibytes(plan.storageGi) } },
      ],
    },
  }
}

function gibibytes(amount: number): string {
  return quantity(`${Math.round(amount * 1024)}Mi`)
}

function quantity(text: string): string {
  return canonicalQuantity(text) ?? text
}
