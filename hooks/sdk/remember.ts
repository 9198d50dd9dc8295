// For the few pure functions that take long for a short text, such as looking up a time zone: an operator is asked
// about the same few over and over.

/** The same function, remembering its latest results: at most `size` of them, so that memory stays flat. */
export function remembering<Result>(of: (text: string) => Result, size = 500): (text: string) => Result {
  const results = new Map<string, { result: Result }>()
  return (text) => {
    const known = results.get(text)
    if (known !== undefined) return known.result
    const result = of(text)
    if (results.size >= size) results.clear()
    results.set(text, { result })
    return result
  }
}
