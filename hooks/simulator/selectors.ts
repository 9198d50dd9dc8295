// metav1.LabelSelector, as LabelSelectorAsSelector of k8s.io/apimachinery reads it.
import { at, listAt, recordAt, stringsOf, textAt } from './json.ts'

/** True when labels match. */
export type Selector = (labels: Record<string, string> | undefined) => boolean

/**
 * Reads a LabelSelector: an empty one matches everything, none matches what `absent` says.
 * Throws a sentence for an operator that does not exist or has the wrong number of values.
 */
export function selectorOf(labelSelector: unknown, absent: 'everything' | 'nothing' = 'nothing'): Selector {
  if (labelSelector === undefined || labelSelector === null) return () => absent === 'everything'
  const wanted = Object.entries(stringsOf(at(labelSelector, 'matchLabels')))
  const rules = listAt(labelSelector, 'matchExpressions').map(expressionOf)
  return (labels = {}) => wanted.every(([key, value]) => labels[key] === value) && rules.every((rule) => rule(labels))
}

/** True for a selector that has neither labels nor expressions. */
export function isEmptySelector(labelSelector: unknown): boolean {
  return (
    Object.keys(recordAt(labelSelector, 'matchLabels')).length === 0 &&
    listAt(labelSelector, 'matchExpressions').length === 0
  )
}

function expressionOf(expression: unknown): (labels: Record<string, string>) => boolean {
  const key = textAt(expression, 'key') ?? ''
  const operator = textAt(expression, 'operator')
  const values = listAt(expression, 'values')
  const held = (labels: Record<string, string>) => labels[key] !== undefined && values.includes(labels[key])
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    throw new Error(`values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty`)
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
    throw new Error(
      `values: Invalid value: ${JSON.stringify(values)}: values set must be empty for exists and does not exist`,
    )
  }
  if (operator === 'In') return held
  if (operator === 'NotIn') return (labels) => !held(labels)
  if (operator === 'Exists') return (labels) => labels[key] !== undefined
  if (operator === 'DoesNotExist') return (labels) => labels[key] === undefined
  throw new Error(`${JSON.stringify(operator)} is not a valid label selector operator`)
}
