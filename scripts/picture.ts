// Makes docs/demo.svg, the README's picture, out of what `npm run demo` really prints:
// `node scripts/run.mjs scripts/picture.ts`.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const columns = 112

const colours = { plain: '#e6edf3', dim: '#8b949e' }

/** What a code does to what follows it. */
const effects: Record<number, { colour?: string; bold?: boolean; dim?: boolean }> = {
  0: { colour: colours.plain, bold: false, dim: false },
  1: { bold: true },
  2: { dim: true },
  22: { bold: false, dim: false },
  31: { colour: '#ff7b72' },
  32: { colour: '#7ee787' },
  33: { colour: '#e3b341' },
  36: { colour: '#79c0ff' },
  39: { colour: colours.plain },
}

/** An SGR code of ECMA-48, or one letter. */
const sgr = new RegExp(`${String.fromCharCode(27)}\\[(\\d+)m|(.)`, 'gu')

const demo = spawnSync(process.execPath, [join('hooks', 'main.ts'), 'demo'], {
  cwd: root,
  encoding: 'utf8',
  env: { ...process.env, FORCE_COLOR: '1', NO_COLOR: undefined, NODE_NO_WARNINGS: '1' },
})
if (demo.status !== 0) {
  process.stderr.write(demo.stderr)
  process.exit(demo.status ?? 1)
}
const text = `\u001b[2m$\u001b[22m npm run demo\n${demo.stdout.trimEnd()}`
writeFileSync(join(root, 'docs', 'demo.svg'), drawTerminal(text.split('\n').flatMap(readLine)))
process.stdout.write('docs/demo.svg is drawn\n')

/** Letters of one look. */
interface Run {
  text: string
  colour: string
  bold: boolean
}

/** A line with SGR codes (ECMA-48), as one or more lines that fit. */
function readLine(line: string): Run[][] {
  const look = { colour: colours.plain, bold: false, dim: false }
  const letters: Run[] = []
  for (const [, code, letter] of line.matchAll(sgr)) {
    if (letter !== undefined)
      letters.push({ text: letter, colour: look.dim ? colours.dim : look.colour, bold: look.bold })
    else Object.assign(look, effects[Number(code)] ?? {})
  }
  return wrap(letters).map(joined)
}

function wrap(letters: Run[]): Run[][] {
  if (letters.length <= columns) return [letters]
  const space = letters.slice(0, columns).findLastIndex(({ text }) => text === ' ')
  const cut = space > columns / 2 ? space : columns
  const indent = [{ text: '  ', colour: colours.plain, bold: false }]
  const rest = letters.slice(space === cut ? cut + 1 : cut)
  return [letters.slice(0, cut), ...wrap([...indent, ...rest])]
}

function joined(letters: Run[]): Run[] {
  const runs: Run[] = []
  for (const letter of letters) {
    const last = runs.at(-1)
    if (last !== undefined && last.colour === letter.colour && last.bold === letter.bold) last.text += letter.text
    else runs.push({ ...letter })
  }
  return runs
}

function drawTerminal(lines: readonly Run[][]): string {
  const [letterWidth, lineHeight, margin, bar] = [8.2, 19, 18, 34]
  const width = Math.round(columns * letterWidth + 2 * margin)
  const height = lines.length * lineHeight + bar + margin
  const texts = lines.map((runs, index) => {
    const y = bar + (index + 1) * lineHeight - 5
    let column = 0
    // Each run has its own place, so that letters stay in their columns whatever font there is.
    const spans = runs.map(({ text, colour, bold }) => {
      const x = (margin + column * letterWidth).toFixed(1)
      const length = [...text].length
      column += length
      const weight = bold ? ' font-weight="700"' : ''
      return text.trim() === ''
        ? ''
        : `<text x="${x}" y="${y}" fill="${colour}"${weight} textLength="${(length * letterWidth).toFixed(1)}">${escaped(text)}</text>`
    })
    return spans.join('')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="What npm run demo prints">
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="#0d1117" stroke="#3d444d"/>
<circle cx="22" cy="18" r="6" fill="#ff5f57"/><circle cx="42" cy="18" r="6" fill="#febc2e"/><circle cx="62" cy="18" r="6" fill="#28c840"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace" font-size="13.5" xml:space="preserve">
${texts.filter((line) => line !== '').join('\n')}
</g>
</svg>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
