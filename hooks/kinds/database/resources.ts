// What the containers ask for and may use.
import type { ResourceRequirements } from 'kubernetes-types/core/v1.js'
import { resourcesWithDefaults } from '../../sdk/containerresources.ts'
import { canonicalResources } from '../../sdk/podspec.ts'
import type { Database } from './schema.ts'

/** The engine's: as the user says, and where he says nothing, enough for a small database. */
export function engineResources(db: Database): ResourceRequirements {
  return resourcesWithDefaults(db.spec.resources, { cpu: '250m', memory: '1Gi', ephemeralStorage: ['256Mi', '2Gi'] })
}

/** A backup's. What is written before the upload counts as ephemeral storage. */
export function backupResources(db: Database): ResourceRequirements {
  const limit = db.spec.backup.workSize
  return resourcesWithDefaults(db.spec.backup.resources, {
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

/** The size of each replica's volume that is asked for, as a quantity: of the decimal kilo Kubernetes knows "k" only. */
export function volumeSize(db: Database): string {
  return db.spec.storage.size.replace(/K$/, 'k')
}
