// "Did you mean …?": the known word that a mistyped one is nearest to.

/** The word of `known` that is one or two slips away from `word` (fewer for short words), if there is one. */
function suggest(word: string, known: readonly string[]): string | undefined {
  const limit = word.length <= 3 ? 1 : word.length <= 6 ? 2 : 3
  let best: { word: string; distance: number } | undefined
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { word: candidate, distance }
  }
  return best?.word ?? known.find((candidate) => word.length >= 3 && candidate.startsWith(word))
}

/** ` (did you mean "x"?)`, or nothing when no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const found = suggest(word, known)
  return found === undefined ? '' : ` (did you mean "${found}"?)`
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    const cell = (up: number, column: number) => rows[row - up]?.[column] ?? 0
    rows.push(current)
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      let distance = Math.min(cell(1, column) + 1, cell(0, column - 1) + 1, cell(1, column - 1) + (same ? 0 : 1))
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (swapped) distance = Math.min(distance, cell(2, column - 2) + 1)
      current.push(distance)
    }
  }
  return rows[left.length]?.[right.length] ?? 0
}
