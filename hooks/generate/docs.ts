// The API reference in Markdown: a page for each kind and decorator, and an index.

import { noticeAnnotation } from '../sdk/decorated.ts'
import { type Composite, type Decorator, type Definition, hookName, type Version } from '../sdk/definition.ts'
import type { Json } from '../sdk/kubernetes.ts'
import type { ResourceType } from '../sdk/resources.ts'
import { quantity, type ValidationRule } from '../sdk/schema.ts'
import { controllerName, defaultResyncPeriodSeconds } from './controllers.ts'
import { resourceSchema } from './crd.ts'
import type { Sample } from './samples.ts'
import { type StructuralSchema, structuralSchema } from './schema.ts'
import { generatedMark } from './yaml.ts'

/** The page of a definition; `samples` are those of all kinds. */
export function referencePage(definition: Definition, samples: readonly Sample[]): string {
  return definition.controller === 'composite' ? kindPage(definition, samples) : decoratorPage(definition)
}

/** The page that lists the others. */
export function referenceIndex(definitions: readonly Definition[]): string {
  const rows = definitions.map((definition) => [
    `[${titleOf(definition)}](${hookName(definition)}.md)`,
    definition.controller === 'composite' ? code(`${definition.group}/${definition.storage}`) : 'decorator',
    definition.description,
  ])
  return page(
    '# API reference',
    'Every kind of this suite, as its CustomResourceDefinition says it. `kubectl explain` tells the same in a cluster.',
    table(['Kind', 'API', 'What it is'], rows),
    '## For editors',
    'The same as JSON Schemas lies in [schemas/](../../schemas), by group, kind and version. An editor with the YAML language server completes and checks a file that begins with',
    `\`\`\`yaml\n# yaml-language-server: $schema=PATH/schemas/GROUP/KIND_VERSION.json\n\`\`\``,
    'and kubeconform checks files without a cluster:',
    `\`\`\`sh\nkubeconform -schema-location default -schema-location 'schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json' FILE\n\`\`\``,
  )
}

function titleOf(definition: Definition): string {
  return definition.controller === 'composite' ? definition.kind : definition.name
}

function kindPage(definition: Composite, samples: readonly Sample[]): string {
  const { group, kind, plural, shortNames = [], scope, storage, versions } = definition
  // The stored version first: it is the one to use.
  const names = [storage, ...Object.keys(versions).filter((name) => name !== storage)]
  return page(
    `# ${kind}`,
    definition.description,
    table(
      ['', ''],
      [
        ['API', names.map((name) => code(`${group}/${name}`)).join(', ')],
        ['Resource', [code(`${plural}.${group}`), ...shortNames.map(code)].join(', ')],
        ['Scope', scope],
        ['Controller', code(controllerName(definition))],
        [
          'Looked at again',
          `every ${definition.resyncPeriodSeconds ?? defaultResyncPeriodSeconds} s, and on every change`,
        ],
      ],
    ),
    ...samplePart(group, kind, samples),
    ...names.flatMap((name) => {
      const version = versions[name]
      return version === undefined ? [] : versionPart(definition, name, version, names.length > 1)
    }),
    '## Children',
    'Each belongs to its resource: a change by hand is repaired, and deleting the resource deletes it.',
    childrenTable(definition.children),
    '## Conditions',
    'In `status.conditions`, as `kubectl wait --for=condition=Ready` reads them. A kind may add its own.',
    conditionsTable,
  )
}

function decoratorPage(definition: Decorator): string {
  const { name, description, resources, attachments, parameters = {}, sets = {} } = definition
  const marks = [
    ...(sets.labels ?? []).map((key) => ['label', code(key)]),
    ...(sets.annotations ?? []).map((key) => ['annotation', code(key)]),
    ['annotation', `${code(noticeAnnotation(definition))}, while something is the matter`],
  ]
  return page(
    `# ${name}`,
    description,
    `A DecoratorController, installed by itself from \`metacontroller/decorators/${name}\` where the APIs that it names are there.`,
    '## What it looks at',
    table(
      ['API', 'Resource', 'Only with'],
      resources.map(({ type, labelSelector, annotationSelector }) => [
        code(type.apiVersion),
        code(type.kind),
        [labelSelector, annotationSelector]
          .flatMap((selector) => (selector === undefined ? [] : code(JSON.stringify(selector))))
          .join(' and ') || 'every one',
      ]),
    ),
    '## What it adds',
    childrenTable(attachments),
    'And to the object itself:',
    table(['', ''], marks),
    ...(Object.keys(parameters).length === 0
      ? []
      : [
          '## What administrators set',
          'By annotation of the DecoratorController.',
          table(
            ['Annotation', 'Default'],
            Object.entries(parameters).map(([key, value]) => [code(key), value === '' ? 'none' : code(value)]),
          ),
        ]),
  )
}

function samplePart(group: string, kind: string, samples: readonly Sample[]): string[] {
  const own = samples.filter(({ object }) => object.kind === kind && object.apiVersion.startsWith(`${group}/`))
  // The shortest is the one to begin with.
  const [first] = own.toSorted((a, b) => a.text.length - b.text.length)
  if (first === undefined) return []
  const files = [...new Set(own.map(({ file }) => file))]
  const links = files.map((file) => `[${file}](../../hooks/kinds/${file})`).join(', ')
  return ['## Example', `\`\`\`yaml\n${first.text}\`\`\``, `From ${links}.`]
}

function versionPart(definition: Composite, name: string, version: Version, several: boolean): string[] {
  const { properties: { spec = {}, status = {} } = {}, 'x-kubernetes-validations': whole = [] } = resourceSchema(
    definition,
    name,
    version,
  )
  const suffix = several ? ` (${name})` : ''
  const rules = rulesBelow({ type: 'object', properties: { spec }, 'x-kubernetes-validations': whole }, '')
  return [
    `## Spec${suffix}`,
    ...(version.deprecated === undefined ? [] : [`**Deprecated:** ${version.deprecated}`]),
    'A field in bold must be given where the object that it is part of is given.',
    fieldTable(spec),
    ...(rules.length > 0 ? [`## Rules${suffix}`, rulesIntroduction, table(['Field', 'What is refused'], rules)] : []),
    `## Status${suffix}`,
    fieldTable(withoutConditions(status)),
    ...(version.columns?.length
      ? [
          `## Columns${suffix}`,
          table(
            ['Column', 'From', ''],
            version.columns.map(({ name, jsonPath, priority }) => [
              name,
              code(jsonPath),
              priority ? 'with `-o wide`' : '',
            ]),
          ),
        ]
      : []),
    ...(version.scale
      ? [
          `## Scaling${suffix}`,
          `\`kubectl scale ${definition.kind.toLowerCase()}/NAME --replicas=N\` and a HorizontalPodAutoscaler work: they set ${code(version.scale.specReplicasPath)} and read ${code(version.scale.statusReplicasPath)}.`,
        ]
      : []),
  ]
}

const rulesIntroduction =
  'The API server refuses what breaks one of these, naming the field. Where an older CustomResourceDefinition let it through, the controller holds everything as it is and says so in the conditions.'

// A condition looks the same everywhere, and which there are has a part of its own.
function withoutConditions(status: StructuralSchema): StructuralSchema {
  const { conditions: _, ...properties } = status.properties ?? {}
  return { ...status, properties }
}

function fieldTable(schema: StructuralSchema): string {
  return table(['Field', 'Type', 'Default', 'Allowed', 'Description'], fieldRows(schema, ''))
}

function fieldRows(schema: StructuralSchema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`
    const required = schema.required?.includes(name) && field.default === undefined
    // An object's default is the sum of its fields', which are below.
    const value = field.default === undefined || field.properties !== undefined ? '' : code(textOf(field.default))
    const row = [
      required ? `**${code(path)}**` : code(path),
      typeOf(field),
      value,
      allowed(field),
      field.description ?? '',
    ]
    return [row, ...rowsBelow(field, path)]
  })
}

function textOf(value: Json): string {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value)
}

function rowsBelow(field: StructuralSchema, path: string): string[][] {
  return [
    ...fieldRows(field, path),
    ...(field.items ? rowsBelow(field.items, `${path}[]`) : []),
    ...(field.additionalProperties ? rowsBelow(field.additionalProperties, `${path}.*`) : []),
  ]
}

function typeOf(schema: StructuralSchema): string {
  if (schema.anyOf !== undefined) return schema.pattern === quantityPattern ? 'quantity' : 'integer or string'
  if (schema.type === undefined) return 'any'
  if (schema.type === 'array') return `list of ${plural(typeOf(schema.items ?? {}))}`
  if (schema.type === 'object') {
    if (schema.additionalProperties) return `map of ${plural(typeOf(schema.additionalProperties))}`
    return schema.properties === undefined ? 'any object' : 'object'
  }
  return schema.nullable ? `${schema.type} or null` : schema.type
}

const { pattern: quantityPattern } = structuralSchema(quantity(), 'quantity')

function plural(type: string): string {
  if (type.startsWith('any') || type.includes(' ')) return type
  return type === 'quantity' ? 'quantities' : `${type}s`
}

function allowed(schema: StructuralSchema): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, minProperties, maxProperties } = schema
  const keys = schema['x-kubernetes-list-map-keys']
  return [
    schema.enum?.map((value) => code(String(value))).join(', '),
    range(minimum, maximum, '', schema),
    range(minLength, maxLength, ' characters'),
    range(minItems, maxItems, ' items'),
    range(minProperties, maxProperties, ' entries'),
    schema.multipleOf === undefined ? undefined : `multiples of ${schema.multipleOf}`,
    keys === undefined ? undefined : `one for each ${keys.join(' and ')}`,
    schema['x-kubernetes-list-type'] === 'set' ? 'no two alike' : undefined,
    schema.format !== undefined && namedFormats.has(schema.format) ? schema.format : undefined,
    schema.pattern === quantityPattern ? undefined : schema.pattern && code(schema.pattern),
    ...(schema.allOf ?? []).map(({ pattern }) => code(pattern)),
  ]
    .filter((part) => part !== undefined && part !== '')
    .join('; ')
}

/** Formats that say more than the type: not int32 and its like. */
const namedFormats = new Set(['byte', 'cidr', 'date', 'date-time', 'email', 'hostname', 'ipv4', 'ipv6', 'uri', 'uuid'])

function range(
  low: number | undefined,
  high: number | undefined,
  unit: string,
  { exclusiveMinimum, exclusiveMaximum }: StructuralSchema = {},
): string | undefined {
  const from = low === undefined ? undefined : `${exclusiveMinimum ? 'more than' : 'at least'} ${low}${unit}`
  const to = high === undefined ? undefined : `${exclusiveMaximum ? 'less than' : 'at most'} ${high}${unit}`
  if (from === undefined || to === undefined) return from ?? to
  if (exclusiveMinimum || exclusiveMaximum) return `${from}, ${to}`
  return low === high ? `${low}${unit}` : `${low} to ${high}${unit}`
}

function rulesBelow(schema: StructuralSchema, path: string): string[][] {
  const own = (schema['x-kubernetes-validations'] ?? []).map((rule) => ruleRow(rule, path))
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    rulesBelow(property, path === '' ? name : `${path}.${name}`),
  )
  const items = schema.items ? rulesBelow(schema.items, `${path}[]`) : []
  const values = schema.additionalProperties ? rulesBelow(schema.additionalProperties, `${path}.*`) : []
  return [...own, ...below, ...items, ...values]
}

function ruleRow({ rule, message, fieldPath = '' }: ValidationRule, path: string): string[] {
  const field = path === '' ? fieldPath.slice(1) : `${path}${fieldPath}`
  return [field === '' ? 'the whole' : code(field), `${message}<br>${code(rule)}`]
}

function childrenTable(children: readonly ResourceType[]): string {
  return table(
    ['API', 'Kind', 'Changes'],
    children.map(({ apiVersion, kind, updateMethod }) => [code(apiVersion), code(kind), updates[updateMethod]]),
  )
}

const updates = {
  InPlace: 'in place',
  Recreate: 'by deleting it and creating it anew',
  OnDelete: 'only once somebody deletes it',
} as const

/** What the SDK says of every resource: see hooks/sdk/evaluate.ts. */
const conditionsTable = table(
  ['Condition', 'True means', 'Reasons of the suite'],
  [
    ['`Ready`', 'All is as it was asked for.', 'those of the kind'],
    ['`Reconciling`', 'It is on its way there (kstatus).', 'that of `Ready` or `Applied`; `Settled`, `Stalled`'],
    [
      '`Stalled`',
      'It will not get there without somebody acting (kstatus): the message says what is wrong.',
      '`InvalidSpec`, `InvalidChild`, `NameTaken`, those of the kind; `Progressing`',
    ],
    ['`Applied`', 'Every child is there.', '`AllPresent`; `Creating`, `NameTaken`'],
  ],
)

function page(title: string, ...parts: readonly string[]): string {
  return `${[`<!-- ${generatedMark} -->`, title, ...parts].join('\n\n')}\n`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

// A bar ends a cell even inside of a code span.
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}
