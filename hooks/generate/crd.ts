// One CustomResourceDefinition for each kind.
// https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/
import * as z from 'zod'
import { conditionsSchema } from '../sdk/conditions.ts'
import { type Column, type Composite, hookName, type Scale, type Version } from '../sdk/definition.ts'
import type { ValidationRule } from '../sdk/schema.ts'
import { clientConfig, type WebhookClientConfig, type WebhookOptions } from './admission.ts'
import { completed, ordered, type StructuralSchema, structuralSchema } from './schema.ts'

export interface CustomResourceDefinition {
  apiVersion: 'apiextensions.k8s.io/v1'
  kind: 'CustomResourceDefinition'
  metadata: { name: string; labels: Record<string, string> }
  spec: {
    group: string
    scope: 'Namespaced' | 'Cluster'
    names: {
      kind: string
      listKind: string
      plural: string
      singular: string
      shortNames?: string[]
      categories?: string[]
    }
    conversion?: Conversion
    versions: CrdVersion[]
  }
}

interface CrdVersion {
  name: string
  served: boolean
  storage: boolean
  deprecated?: true
  deprecationWarning?: string
  additionalPrinterColumns?: Column[]
  subresources: { status: Record<string, never>; scale?: Scale }
  schema: { openAPIV3Schema: StructuralSchema }
}

/** How the API server turns one version into another; without it only apiVersion changes. */
interface Conversion {
  strategy: 'Webhook'
  webhook: { conversionReviewVersions: ['v1']; clientConfig: WebhookClientConfig }
}

/**
 * The CRD of a kind; `options` say where the API server finds the service that converts its versions. Throws an Error naming the field when a schema cannot be held by a CRD, or when a column or the
 * scale subresource points at a field that is not there.
 */
export function customResourceDefinition(
  definition: Composite,
  options: WebhookOptions = {},
): CustomResourceDefinition {
  const { group, kind, plural, shortNames, categories, scope, versions } = definition
  refuseMisnamed(definition)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { 'app.kubernetes.io/part-of': 'operator-hooks' } },
    spec: {
      group,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames?.length ? { shortNames: [...shortNames] } : {}),
        ...(categories?.length ? { categories: [...categories] } : {}),
      },
      ...conversionOf(definition, options),
      versions: Object.entries(versions).map(([name, version]) => crdVersion(definition, name, version)),
    },
  }
}

// Without conversions the versions differ by their apiVersion alone, which the API server changes by itself.
function conversionOf(definition: Composite, options: WebhookOptions): { conversion?: Conversion } {
  const { conversions = {}, versions, storage } = definition
  for (const name of Object.keys(conversions)) {
    if (versions[name] === undefined || name === storage) {
      throw new Error(`${definition.kind}: conversions has "${name}", and must have versions other than the stored one`)
    }
  }
  if (Object.keys(conversions).length === 0) return {}
  const webhook = {
    conversionReviewVersions: ['v1'] as ['v1'],
    clientConfig: clientConfig(`/conversion/${hookName(definition)}`, options),
  }
  return { conversion: { strategy: 'Webhook', webhook } }
}

// The API server would say it too, but only where there is one.
function refuseMisnamed({ group, kind, plural, shortNames = [], versions, storage }: Composite): void {
  const label = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/
  const faults: [string, string, boolean, string][] = [
    ['kind', kind, /^[A-Z][A-Za-z0-9]{0,62}$/.test(kind), 'CamelCase, such as Database'],
    ['plural', plural, label.test(plural), 'lower case, such as databases'],
    ['group', group, group.includes('.') && group.split('.').every((part) => label.test(part)), 'a domain of yours'],
    ...shortNames.map((name): [string, string, boolean, string] => [
      'shortNames',
      name,
      label.test(name),
      'lower case',
    ]),
    ...Object.keys(versions).map((name): [string, string, boolean, string] => [
      'versions',
      name,
      /^v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?$/.test(name),
      'such as v1, v1beta1 or v2alpha1',
    ]),
    ['storage', storage, versions[storage] !== undefined, `one of ${Object.keys(versions).join(', ')}`],
    // Metacontroller watches the stored version.
    ['storage', storage, versions[storage]?.served !== false, 'a version that is served'],
  ]
  for (const [field, value, right, allowed] of faults) {
    if (!right) throw new Error(`${kind}: ${field} is "${value}", and must be ${allowed}`)
  }
}

/** The schema of a whole resource of that version: what the CRD, the API reference and the editors' schema share. */
export function resourceSchema(definition: Composite, name: string, version: Version): StructuralSchema {
  const what = `${definition.kind} (${name})`
  const spec = structuralSchema(version.spec, `${what} spec`)
  // Nobody has to write `spec: {}` where every field of it has a default.
  const optional = version.spec.safeParse({}).success
  if (optional) spec.default ??= completed({}, spec)
  return {
    description: definition.description,
    type: 'object',
    ...(optional ? {} : { required: ['spec'] }),
    properties: {
      apiVersion: { type: 'string', description: `${definition.group}/${name}` },
      kind: { type: 'string', description: definition.kind },
      metadata: { type: 'object' },
      spec: ordered({ ...spec, description: spec.description ?? `What is wanted of the ${definition.kind}.` }),
      status: statusSchema(version, what, definition.kind),
    },
    ...(version.rules?.length ? { 'x-kubernetes-validations': version.rules.map(copyRule) } : {}),
  }
}

function crdVersion(definition: Composite, name: string, version: Version): CrdVersion {
  const schema = resourceSchema(definition, name, version)
  for (const { name: column, jsonPath } of version.columns ?? []) {
    refuseMissing(schema, jsonPath, `${definition.kind} (${name}): the column "${column}"`)
  }
  for (const [path, value] of Object.entries(version.scale ?? {})) {
    refuseMissing(schema, value, `${definition.kind} (${name}): the scale subresource's ${path}`)
  }
  return {
    name,
    served: version.served ?? true,
    storage: name === definition.storage,
    ...(version.deprecated === undefined ? {} : { deprecated: true, deprecationWarning: version.deprecated }),
    ...(version.columns?.length ? { additionalPrinterColumns: version.columns.map((column) => ({ ...column })) } : {}),
    subresources: { status: {}, ...(version.scale ? { scale: { ...version.scale } } : {}) },
    schema: { openAPIV3Schema: schema },
  }
}

// Every field is optional: an older build may have written the status, and a new resource has none.
function statusSchema(version: Version, what: string, kind: string): StructuralSchema {
  const shared = z.object({
    observedGeneration: z
      .int()
      .min(0)
      .describe('The metadata.generation that the rest of the status is about.')
      .meta({ format: 'int64' }),
    conditions: conditionsSchema,
  })
  const { required: _, ...own } = structuralSchema(version.status, `${what} status`)
  const { properties } = structuralSchema(shared, `${what} status`)
  return {
    description: `What is known of the ${kind}; written by its controller only.`,
    ...own,
    properties: { ...own.properties, ...properties },
  }
}

function copyRule({ rule, message, fieldPath, reason, optionalOldSelf }: ValidationRule): ValidationRule {
  return {
    rule,
    message,
    ...(fieldPath === undefined ? {} : { fieldPath }),
    ...(reason === undefined ? {} : { reason }),
    ...(optionalOldSelf === undefined ? {} : { optionalOldSelf }),
  }
}

// Only plain paths are followed; one with a filter such as conditions[?(@.type=="Ready")] is up to its first bracket.
function refuseMissing(schema: StructuralSchema, jsonPath: string, what: string): void {
  if (!jsonPath.startsWith('.')) throw new Error(`${what}: the path "${jsonPath}" must start with a dot`)
  const [plain = ''] = jsonPath.split('[')
  let node: StructuralSchema | undefined = schema
  for (const part of plain.split('.').slice(1)) {
    // Of metadata and of passthrough objects nothing is known here.
    if (node === schema.properties?.metadata || node?.['x-kubernetes-preserve-unknown-fields'] === true) return
    const next: StructuralSchema | undefined = node?.properties?.[part] ?? node?.additionalProperties
    if (next === undefined) throw new Error(`${what}: "${jsonPath}" points at no field, "${part}" is not there`)
    node = next
  }
}
