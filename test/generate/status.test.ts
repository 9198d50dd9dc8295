// The status of every answer must be one that the CRD takes whole: what it refuses is never stored, and what it prunes
// is written again at every sync.
import { join } from 'node:path'
import t from 'tap'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { readSamples } from '../../hooks/generate/samples.ts'
import { definitions } from '../../hooks/kinds/index.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import { type Composite, parentType } from '../../hooks/sdk/definition.ts'
import { evaluateComposite } from '../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../hooks/sdk/observed.ts'
import type { CompositeRequest, CompositeResponse } from '../../hooks/sdk/wire.ts'
import { compileSchema } from '../../hooks/simulator/schema.ts'
import { specimen, validSpec } from './specimen.ts'

const environment = {
  now: new Date('2026-01-01T00:00:00Z'),
  credentials: createCredentials([{ id: 'test', secret: new Uint8Array(32) }]),
  settings: { imageRegistry: '' },
}

const samples = readSamples(join(import.meta.dirname, '..', '..', 'hooks', 'kinds')).map(({ object }) => object)
const own = { apiVersion: 'test.example.com/v1', kind: 'Specimen', metadata: { name: 'own' }, spec: validSpec }

for (const definition of [...definitions, specimen]) {
  if (definition.controller !== 'composite') continue
  const { apiVersion, kind } = parentType(definition)
  const crd = JSON.parse(JSON.stringify(customResourceDefinition(definition))) as KubernetesObject
  const { prepare, check } = compileSchema(crd, apiVersion)
  const objects = [...samples, own].filter((object) => object.apiVersion === apiVersion && object.kind === kind)

  t.test(`${kind}: from creation to deletion, and when it is held`, async (t) => {
    t.ok(objects.length > 0)
    for (const object of objects) {
      const parent: KubernetesObject = {
        ...object,
        metadata: { ...object.metadata, namespace: 'shop', uid: 'uid', generation: 1 },
      }
      const created = answer(definition, parent, [], false)
      const settled = answer(definition, { ...parent, status: created.status }, created.children, false)
      const stages = {
        created,
        settled,
        invalid: answer(definition, { ...parent, spec: {} }, [], false),
        held: answer(definition, { ...parent, spec: {}, status: settled.status }, created.children, false),
        deleted: answer(definition, { ...parent, status: settled.status }, created.children, true),
      }
      for (const [stage, { status }] of Object.entries(stages)) {
        const stored = { ...structuredClone(parent), status: structuredClone(status) }
        prepare(stored)
        t.strictSame(stored.status, status, `${object.metadata.name}, ${stage}: nothing is pruned`)
        t.strictSame(check(stored), [], `${object.metadata.name}, ${stage}: nothing is refused`)
      }
    }
  })
}

/** The answer as it travels. */
function answer(
  definition: Composite,
  parent: KubernetesObject,
  existing: readonly KubernetesObject[],
  finalizing: boolean,
): CompositeResponse {
  const children: CompositeRequest['children'] = {}
  for (const type of definition.children) children[groupKey(type)] = {}
  for (const child of existing) {
    const group = children[groupKey(child)]
    if (group) group[`shop/${child.metadata.name}`] = child
  }
  const controller = { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController', metadata: {} }
  const request = { controller, parent, children, related: {}, finalizing }
  return JSON.parse(JSON.stringify(evaluateComposite(definition, request, environment).response)) as CompositeResponse
}
