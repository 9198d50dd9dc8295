// JSON Schemas (draft-07) for editors and kubeconform: the CRD's schema in the words that those tools know.
import { isRecord, type Json } from '../sdk/kubernetes.ts'
import type { StructuralSchema } from './schema.ts'
import { generatedMark } from './yaml.ts'

type JsonSchema = Record<string, unknown>

/**
 * The schema of a whole resource: `resource` is that of the CRD. Fields that the API server would prune are refused,
 * so that an editor shows a misspelt one.
 */
export function editorSchema(resource: StructuralSchema, apiVersion: string, kind: string): JsonSchema {
  const { properties, ...rest } = convert(resource)
  const { spec, status } = isRecord(properties) ? properties : {}
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: generatedMark,
    title: `${kind} (${apiVersion})`,
    ...rest,
    required: ['apiVersion', 'kind', 'metadata', ...(resource.required ?? [])],
    properties: {
      apiVersion: { type: 'string', enum: [apiVersion] },
      kind: { type: 'string', enum: [kind] },
      metadata,
      spec,
      status,
    },
  }
}

const strings = { type: 'object', additionalProperties: { type: 'string' } }

const metadata: JsonSchema = {
  type: 'object',
  description: 'https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/',
  properties: {
    name: { type: 'string', maxLength: 253, description: 'Unique among the resources of its kind in the namespace.' },
    generateName: { type: 'string' },
    namespace: { type: 'string', maxLength: 63 },
    labels: { ...strings, description: 'For selecting.' },
    annotations: { ...strings, description: 'For everything else.' },
  },
}

function convert(schema: StructuralSchema): JsonSchema {
  const {
    properties,
    additionalProperties,
    items,
    type,
    nullable,
    anyOf,
    exclusiveMinimum,
    exclusiveMaximum,
    ...rest
  } = schema
  const plain = Object.fromEntries(Object.entries(rest).filter(([keyword]) => !keyword.startsWith('x-kubernetes-')))
  const converted: JsonSchema = { ...plain }
  if (anyOf !== undefined) converted.type = ['integer', 'string']
  else if (type !== undefined) converted.type = nullable ? [type, 'null'] : type
  // draft-07 has the bound itself where OpenAPI 3.0 has a flag beside it.
  if (exclusiveMinimum) moveBound(converted, 'minimum', 'exclusiveMinimum')
  if (exclusiveMaximum) moveBound(converted, 'maximum', 'exclusiveMaximum')
  if (properties !== undefined) {
    converted.properties = Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, convert(property)]),
    )
    converted.additionalProperties = schema['x-kubernetes-preserve-unknown-fields'] === true
  }
  if (additionalProperties !== undefined) converted.additionalProperties = convert(additionalProperties)
  if (items !== undefined) converted.items = convert(items)
  return converted
}

function moveBound(schema: JsonSchema, from: string, to: string): void {
  schema[to] = schema[from] as Json
  delete schema[from]
}
