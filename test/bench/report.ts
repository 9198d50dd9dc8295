// What a benchmark hands back, and how it is shown: as Markdown tables, which people can read too, or as JSON.
import { availableParallelism } from 'node:os'

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
}

/** What is wanted of a figure. */
interface Goal {
  readonly what: string
  readonly value: number
  readonly limit: number
  /** Empty for a number of things. */
  readonly unit: '' | '×' | '%' | 'MiB' | 'ms' | 's' | 'children/s'
  /** Whether the value is to stay below the limit or to reach it. */
  readonly sense: 'at most' | 'at least'
}

export interface Section {
  readonly name: string
  /** What was run and how it was measured, in a sentence or two. */
  readonly about: string
  readonly tables: readonly Table[]
  readonly goals: readonly Goal[]
}

/** Whether a goal is reached. */
function isReached({ value, limit, sense }: Goal): boolean {
  return sense === 'at most' ? value <= limit : value >= limit
}

/** One section as Markdown. */
export function asMarkdown({ name, about, tables, goals }: Section): string {
  const wanted = goals.map(
    (goal) =>
      `- ${isReached(goal) ? 'reached' : 'MISSED'}: ${goal.what}: ${withUnit(goal.value, goal.unit)} (goal: ${goal.sense} ${withUnit(goal.limit, goal.unit)})`,
  )
  return [`## ${name}`, about, ...tables.map(tableAsMarkdown), wanted.join('\n')].filter(Boolean).join('\n\n')
}

/** All sections as one JSON document. */
export function asJson(sections: readonly Section[]): string {
  const machine = {
    cpus: availableParallelism(),
    platform: process.platform,
    arch: process.arch,
    node: process.version,
  }
  const parts = sections.map((section) => ({
    ...section,
    goals: section.goals.map((goal) => ({ ...goal, reached: isReached(goal) })),
  }))
  return JSON.stringify({ machine, parts }, null, 2)
}

/** A number with as many digits as mean something. */
export function rounded(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

function withUnit(value: number, unit: Goal['unit']): string {
  if (unit === '') return String(value)
  return unit === '×' || unit === '%' ? `${rounded(value)}${unit}` : `${rounded(value)} ${unit}`
}

function tableAsMarkdown({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows].map((row) => row.map((cell) => (typeof cell === 'number' ? rounded(cell) : cell)))
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)))
  // The first column names things, the others are figures.
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))).join(' | ')} |`
  const ruler = `|${widths.map((width, index) => (index === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  const [head = [], ...body] = cells
  return [`${title}:`, '', line(head), ruler, ...body.map(line)].join('\n')
}
