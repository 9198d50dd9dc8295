// Parcels of either version, whole or in part: no field is required, since server-side apply has parts converted.
import fc from 'fast-check'

const parts = { requiredKeys: [], noNullPrototype: true }
const quantity = fc.constantFrom('1', '500m', '1Gi')
const fields = {
  timeoutSeconds: fc.integer({ min: 1, max: 3600 }),
  cpu: quantity,
  memory: quantity,
  fragile: fc.constantFrom('Yes', 'No'),
}
const count = fc.integer({ min: 0, max: 10 })

/** Specs of v1beta1. */
export const oldSpecs = fc.record({ count, ...fields }, parts)

/** The same, as they can be created. */
export const wholeOldSpecs = fc.record({ count, ...fields }, { requiredKeys: ['count'], noNullPrototype: true })

/** Specs of v1, the stored version. */
export const specs = fc.record(
  {
    replicas: count,
    maxReplicas: fc.integer({ min: 0, max: 20 }),
    timeout: fields.timeoutSeconds.map((seconds) => `${seconds}s`),
    resources: fc.record({ cpu: quantity, memory: quantity }, parts).filter((one) => 'cpu' in one || 'memory' in one),
    fragile: fc.boolean(),
    timeZone: fc.constantFrom('Etc/UTC', 'Europe/Berlin'),
    notes: fc.array(fc.string({ maxLength: 10 }), { maxLength: 3 }),
    image: fc.constantFrom('nginx:1.29', 'a/b@sha256:c'),
  },
  parts,
)
