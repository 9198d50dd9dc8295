// Faults in specs.

/** `target` with `value` in one place: where the digits of `seed` lead, down through fields and items. */
export function replaced(target: unknown, seed: number, value: unknown): unknown {
  if (typeof target !== 'object' || target === null) return value
  const entries = Object.entries(target)
  if (entries.length === 0) return value
  const index = seed % entries.length
  const rest = Math.floor(seed / entries.length)
  const next = entries.map(([key, inner], at) => [key, at === index ? replaced(inner, rest, value) : inner] as const)
  return Array.isArray(target) ? next.map(([, inner]) => inner) : Object.fromEntries(next)
}
