// What containers ask for and may use, where a user leaves something out.
import type { ResourceRequirements } from 'kubernetes-types/core/v1.js'
import { canonicalResources, type Resources } from './podspec.ts'
import { compareQuantities } from './quantity.ts'

export interface ResourceDefaults {
  cpu: string
  memory: string
  /** Request, and limit if there is one. */
  ephemeralStorage: [string, string?]
}

/**
 * `wanted`, and what it leaves out. Memory that is asked for is memory that is there: what the kernel kills for want of
 * memory was promised it. The CPU has no limit unless the user sets one: throttled, a process answers late while the
 * node idles.
 */
export function resourcesWithDefaults(
  wanted: Resources,
  { cpu, memory, ephemeralStorage }: ResourceDefaults,
): ResourceRequirements {
  const memoryLimit = wanted.limits?.memory ?? wanted.requests?.memory ?? memory
  const storageRequest = wanted.requests?.['ephemeral-storage']
  const storageLimit =
    wanted.limits?.['ephemeral-storage'] ?? (storageRequest === undefined ? ephemeralStorage[1] : undefined)
  return canonicalResources({
    requests: {
      cpu: wanted.limits?.cpu ?? cpu,
      memory: memoryLimit,
      'ephemeral-storage': smaller(ephemeralStorage[0], storageLimit),
      ...wanted.requests,
    },
    limits: {
      ...wanted.limits,
      memory: memoryLimit,
      ...(storageLimit === undefined ? {} : { 'ephemeral-storage': storageLimit }),
    },
  })
}

function smaller(quantity: string, limit: string | undefined): string {
  return limit === undefined || compareQuantities(quantity, limit) <= 0 ? quantity : limit
}
