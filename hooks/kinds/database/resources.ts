// What the containers ask for and may use.
import type { ResourceRequirements } from 'kubernetes-types/core/v1.js'
import { canonicalResources, type Resources } from '../../sdk/podspec.ts'
import { compareQuantities } from '../../sdk/quantity.ts'
import type { Database } from './schema.ts'

/** The engine's: as the user says, and where he says nothing, enough for a small database. */
export function engineResources(db: Database): ResourceRequirements {
  return withDefaults(db.spec.resources, { cpu: '250m', memory: '1Gi', ephemeralStorage: ['256Mi', '2Gi'] })
}

/** A backup's. What is written before the upload counts as ephemeral storage. */
export function backupResources(db: Database): ResourceRequirements {
  const limit = db.spec.backup.workSize
  return withDefaults(db.spec.backup.resources, {
    cpu: '100m',
    memory: '512Mi',
    ephemeralStorage: limit === undefined ? ['256Mi'] : ['256Mi', limit],
  })
}

/** Of small helpers beside the engine. */
export const helperResources: ResourceRequirements = canonicalResources({
  requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '16Mi' },
  limits: { memory: '256Mi', 'ephemeral-storage': '128Mi' },
})

interface Defaults {
  cpu: string
  memory: string
  /** Request, and limit if there is one. */
  ephemeralStorage: [string, string?]
}

// Memory that is asked for is memory that is there: a database that the kernel kills recovers for minutes. The CPU
// has no limit unless the user sets one: throttled, a database answers late while the node idles.
function withDefaults(wanted: Resources, { cpu, memory, ephemeralStorage }: Defaults): ResourceRequirements {
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
