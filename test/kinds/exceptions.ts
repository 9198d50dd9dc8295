// What linters object to and stays as it is: the table of docs/security.md is the list that the tests go by.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'security.md'), 'utf8')

/** `WebApp: container-resources` and its like, of one linter; each is listed with its reason. */
export function exceptionsOf(linter: string): string[] {
  const [, table = ''] = page.split(/<!-- \/?exceptions -->/)
  return table
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, name, , , reason = '']) => name === linter && reason !== '')
    .flatMap(([, , check = '', kinds = '']) => kinds.split(', ').map((kind) => `${kind}: ${check.replaceAll('`', '')}`))
    .sort()
}
