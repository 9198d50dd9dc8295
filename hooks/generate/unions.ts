// A structural schema has no unions of types. A discriminated union of objects becomes one object with all the
// fields, and CEL rules that say which of them go with which value of the discriminator.
import { isRecord } from '../sdk/kubernetes.ts'
import type { ValidationRule } from '../sdk/schema.ts'

type Node = Record<string, unknown>

/** The node without its oneOf or anyOf; `refuse` makes the error for a union that cannot be flattened. */
export function flattenUnion(node: Node, refuse: (problem: string) => Error): Node {
  const { oneOf, anyOf, ...own } = node
  const branches = [oneOf, anyOf].flatMap((list) => (Array.isArray(list) ? list.filter(isRecord) : []))
  const [only, ...others] = branches
  if (only !== undefined && others.length === 0) return { ...only, ...own }
  if (branches.every(isEnum)) {
    return { ...own, type: 'string', enum: [...new Set(branches.flatMap((branch) => branch.enum))] }
  }
  const variants = branches.filter(isObject)
  if (variants.length !== branches.length) {
    throw refuse('a union of types is not structural: use intOrString(), z.enum(), or one object with optional fields')
  }
  const tag = discriminatorOf(variants)
  if (tag === undefined) {
    throw refuse('a union of objects needs a discriminator: one required field, a different literal in each of them')
  }
  return flatten(own, variants, tag, refuse)
}

interface ObjectNode extends Node {
  properties: Record<string, Node>
  required?: string[]
}

function flatten(own: Node, variants: readonly ObjectNode[], tag: string, refuse: (problem: string) => Error): Node {
  const properties: Record<string, Node> = {}
  const owners = new Map<string, string[]>()
  const rules: ValidationRule[] = []
  for (const variant of variants) {
    const value = tagOf(variant, tag)
    for (const [name, property] of Object.entries(variant.properties)) {
      if (name === tag) continue
      const before = properties[name]
      if (before !== undefined && JSON.stringify(before) !== JSON.stringify(property)) {
        throw refuse(`"${name}" is not the same in every variant that has it: give it another name in one of them`)
      }
      if (property.default !== undefined) {
        throw refuse(`"${name}" has a default, which would be set in every variant: make it optional`)
      }
      properties[name] = property
      owners.set(name, [...(owners.get(name) ?? []), value])
    }
    for (const name of variant.required ?? []) {
      if (name === tag) continue
      const message = `${name} is required when ${tag} is ${value}`
      rules.push({ rule: `self.${tag} != '${value}' || has(self.${name})`, message })
    }
    const inner = variant['x-kubernetes-validations']
    if (inner !== undefined) throw refuse('a rule inside a variant: put it on the union')
  }
  for (const [name, values] of owners) {
    if (values.length === variants.length) continue
    const list = values.map((value) => `'${value}'`).join(', ')
    const message = `${name} goes with ${tag} ${values.join(' or ')} only`
    rules.push({ rule: `!has(self.${name}) || self.${tag} in [${list}]`, message })
  }
  const stated = Array.isArray(own['x-kubernetes-validations']) ? own['x-kubernetes-validations'] : []
  return {
    ...own,
    type: 'object',
    properties: { [tag]: { type: 'string', enum: variants.map((variant) => tagOf(variant, tag)) }, ...properties },
    required: [tag],
    'x-kubernetes-validations': [...stated, ...rules],
  }
}

function discriminatorOf(variants: readonly ObjectNode[]): string | undefined {
  const [first] = variants
  return Object.keys(first?.properties ?? {}).find((name) => {
    const literals = variants.map((variant) => variant.properties[name]?.enum)
    const single = literals.every((values) => Array.isArray(values) && values.length === 1)
    const required = variants.every((variant) => variant.required?.includes(name))
    return single && required && new Set(literals.map(String)).size === variants.length
  })
}

function tagOf(variant: ObjectNode, tag: string): string {
  const values = variant.properties[tag]?.enum
  return Array.isArray(values) ? String(values[0]) : ''
}

function isEnum(branch: Node): boolean {
  return branch.type === 'string' && Array.isArray(branch.enum)
}

function isObject(branch: Node): branch is ObjectNode {
  return branch.type === 'object' && isRecord(branch.properties)
}
