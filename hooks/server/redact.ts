// Texts that were written while Secrets were at hand, made fit for the log. An error's message may quote anything that a
// kind worked on (JSON.parse quotes its input, `new URL` the address with its password), and so may a part of a value.
import { isRecord } from '../sdk/kubernetes.ts'
import type { Story } from './story.ts'

/** The text less every word that is part of a value in the request, or of a derived credential. Field names stay. */
export function withoutValues(text: string, body: unknown, derived: readonly string[]): string {
  const values = [...derived]
  const names = new Set<string>()
  collect(body, values, names)
  return mask(text, values, names)
}

/** A story whose reason to hold quotes no observed Secret and no derived credential, whatever the kind has written. */
export function withoutSecrets(story: Story, derived: readonly string[]): Story {
  if (story.hold === undefined) return story
  const values = [...derived]
  for (const secret of Object.values(story.observed['Secret.v1'] ?? {})) collect(secret.data, values, new Set())
  return { ...story, hold: { ...story.hold, message: mask(story.hold.message, values, new Set()) } }
}

const shortest = 4

function mask(text: string, values: readonly string[], names: ReadonlySet<string>): string {
  return text.replace(/[^\s'"`()[\]{},;:]+/g, (word) => {
    const bare = word.replace(/^\.+|\.+$/g, '')
    if (bare.length < shortest || names.has(bare)) return word
    return values.some((value) => value.includes(bare)) ? '[redacted]' : word
  })
}

// Every string with what it says as base64, because a Secret's data is read decoded.
function collect(value: unknown, values: string[], names: Set<string>): void {
  if (typeof value === 'string') {
    values.push(value)
    if (/^[A-Za-z0-9+/]{4,}={0,2}$/.test(value)) values.push(Buffer.from(value, 'base64').toString())
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, values, names)
  } else if (isRecord(value)) {
    for (const field in value) {
      names.add(field)
      collect(value[field], values, names)
    }
  }
}
