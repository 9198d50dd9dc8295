// Where the demo is told: lines that stay, and, for whoever watches, a picture below them that moves.
import { stripVTControlCharacters } from 'node:util'
import type { Shell } from '../shell.ts'

export interface Screen {
  /** A line that stays. */
  tell(line: string): void
  /** A line for those who do not see the picture. */
  note(line: string): void
  /** Replaces the picture below the lines; nothing where nobody watches. */
  draw(lines: readonly string[]): void
  /** Takes the picture away and gives the cursor back. */
  end(): void
}

/** The screen of a shell. A terminal that is too low for a picture gets the top of it. */
export function createScreen(shell: Shell): Screen {
  if (!shell.interactive) return { tell: shell.out, note: shell.out, draw: () => {}, end: () => {} }
  let height = 0
  let shown = ''
  const clear = () => (height === 0 ? '' : `\u001b[${height}A\u001b[J`)
  shell.write(hideCursor)
  const screen: Screen = {
    tell(line) {
      shell.write(`${clear()}${line}\n`)
      height = 0
      shown = ''
    },
    note: () => {},
    draw(lines) {
      const room = Math.max(3, shell.rows - 2)
      const left = lines.length - room
      const kept = left > 0 ? [...lines.slice(0, room - 1), shell.paint.dim(`… ${left + 1} more`)] : lines
      const text = kept.map((line) => `${fit(line, shell.columns - 1)}\n`).join('')
      if (text === shown) return
      shell.write(`${clear()}${text}`)
      shown = text
      height = kept.length
    },
    end() {
      shell.write(`${clear()}${showCursor}`)
      height = 0
    },
  }
  return screen
}

const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'

/** A line no wider than the terminal: a wrapped one would take two of the rows that are counted. */
function fit(line: string, width: number): string {
  const plain = stripVTControlCharacters(line)
  return plain.length <= width ? line : `${plain.slice(0, Math.max(0, width - 1))}…`
}
