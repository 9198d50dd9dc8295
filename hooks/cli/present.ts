// Differences and trees as people read them.
import { stringify } from 'yaml'
import type { FieldDifference } from './differences.ts'
import type { Paint } from './shell.ts'

/** A difference in one line (`spec.replicas: 1 → 3`), or, of a text of several lines, in the lines that differ. */
export function describeDifference(difference: FieldDifference, paint: Paint): string[] {
  const { field, before, after } = difference
  const lines = linesOf(before === undefined ? after : before)
  if ((before === undefined || after === undefined) && lines > 8) {
    return before === undefined
      ? [`${field}: ${paint.green(`${lines} lines`)} ${paint.dim('(added)')}`]
      : [`${field}: ${paint.red(`${lines} lines`)} ${paint.dim('(removed)')}`]
  }
  if (isLong(before) || isLong(after)) {
    return [`${field}:`, ...lineDifferences(textOf(before), textOf(after), paint).map((line) => `  ${line}`)]
  }
  if (!('before' in difference)) return [`${field}: ${paint.green(brief(after))} ${paint.dim('(added)')}`]
  if (!('after' in difference)) return [`${field}: ${paint.red(brief(before))} ${paint.dim('(removed)')}`]
  return [`${field}: ${paint.red(brief(before))} → ${paint.green(brief(after))}`]
}

/** A value in one line. */
export function brief(value: unknown): string {
  return typeof value === 'string' && value !== '' && !/^[\s"]|\s$/.test(value) ? value : JSON.stringify(value)
}

/** A node of a tree: its line, and what hangs below it. */
export interface Branch {
  readonly line: string
  readonly below?: readonly Branch[]
}

/** The lines of a tree, drawn with box characters. */
export function drawTree(branches: readonly Branch[], paint: Paint): string[] {
  return branches.flatMap(({ line, below = [] }) => [line, ...drawBelow(below, '', paint)])
}

function drawBelow(branches: readonly Branch[], indent: string, paint: Paint): string[] {
  return branches.flatMap(({ line, below = [] }, index) => {
    const last = index === branches.length - 1
    return [
      `${paint.dim(`${indent}${last ? '└─' : '├─'}`)} ${line}`,
      ...drawBelow(below, `${indent}${last ? '   ' : '│  '}`, paint),
    ]
  })
}

function isLong(value: unknown): boolean {
  if (typeof value === 'string') return value.trimEnd().includes('\n')
  return typeof value === 'object' && value !== null && JSON.stringify(value).length > 80
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : stringify(value, { lineWidth: 0 })
}

function linesOf(value: unknown): number {
  return textOf(value).trimEnd().split('\n').length
}

/** Lines that went and came, with two of what stayed around them. */
function lineDifferences(before: string, after: string, paint: Paint): string[] {
  const lines = alignLines(before, after)
  const context = 2
  const shown = lines.map((_, index) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some(({ sign }) => sign !== ' '),
  )
  return lines.flatMap(({ sign, text }, index) => {
    if (!shown[index]) return shown[index - 1] ? [paint.dim('  …')] : []
    const line = `${sign} ${text}`
    return [sign === '-' ? paint.red(line) : sign === '+' ? paint.green(line) : paint.dim(line)]
  })
}

/** The longest common subsequence of lines, by dynamic programming: texts here have hundreds of lines at most. */
function alignLines(before: string, after: string): { sign: ' ' | '-' | '+'; text: string }[] {
  const split = (text: string) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))
  const [left, right] = [split(before), split(after)]
  const lengths = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0))
  const length = (row: number, column: number) => lengths[row]?.[column] ?? 0
  for (let row = left.length - 1; row >= 0; row--) {
    for (let column = right.length - 1; column >= 0; column--) {
      const cells = lengths[row]
      if (cells === undefined) continue
      cells[column] =
        left[row] === right[column]
          ? length(row + 1, column + 1) + 1
          : Math.max(length(row + 1, column), length(row, column + 1))
    }
  }
  const aligned: { sign: ' ' | '-' | '+'; text: string }[] = []
  for (let row = 0, column = 0; row < left.length || column < right.length; ) {
    const [gone, come] = [left[row], right[column]]
    if (gone !== undefined && gone === come) {
      aligned.push({ sign: ' ', text: gone })
      row++
      column++
    } else if (gone !== undefined && (come === undefined || length(row + 1, column) >= length(row, column + 1))) {
      aligned.push({ sign: '-', text: gone })
      row++
    } else if (come !== undefined) {
      aligned.push({ sign: '+', text: come })
      column++
    }
  }
  return aligned
}
