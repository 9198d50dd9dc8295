// Every object that hooks answer for the samples of all kinds, as linters see it.
import { join } from 'node:path'
import { firstAnswer } from '../../hooks/cli/answer.ts'
import { readSamples } from '../../hooks/generate/samples.ts'
import { definitions } from '../../hooks/kinds/index.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'

export interface Rendered {
  /** The kind of the resource that the object is a child of. */
  parent: string
  object: KubernetesObject
}

const environment = {
  now: new Date('2026-01-01T00:00:00Z'),
  credentials: createCredentials([{ id: 'test', secret: Buffer.alloc(32, 1) }]),
  settings: { imageRegistry: '' },
}

/**
 * The children of every sample, each sample in a namespace of its own, beside Databases that take connections. Throws
 * when a sample is held.
 */
export function renderedSamples(): Rendered[] {
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  const samples = readSamples(join(import.meta.dirname, '..', '..', 'hooks', 'kinds'))
  const conditions = [{ type: 'Available', status: 'True' }]
  const databasesIn = (namespace: string) =>
    samples
      .filter(({ object }) => object.kind === 'Database')
      .map(({ object }) => ({ ...object, metadata: { ...object.metadata, namespace }, status: { conditions } }))
  return samples.flatMap(({ file, object }, index) => {
    const definition = composites.find(({ kind }) => kind === object.kind)
    if (definition === undefined) return []
    const namespace = `sample-${index}`
    const parent = { ...object, metadata: { ...object.metadata, namespace } }
    const { children, hold } = firstAnswer(definition, parent, environment, databasesIn(namespace))
    if (hold !== undefined) throw new Error(`${file}: ${hold.message}`)
    return children.map((child) => ({
      parent: object.kind,
      object: { ...child, metadata: { ...child.metadata, namespace } },
    }))
  })
}
