// Passwords for commands that do not have the service's keys: stand-ins, and what a cluster's Secrets tell of the real ones.
import { createHash } from 'node:crypto'
import type { Credentials } from '../sdk/credentials.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { isSecret } from './mask.ts'
import { find, placed } from './references.ts'

/** Credentials that derive what stands for a password, and remember it. */
export interface StandInCredentials extends Credentials {
  /** What was derived so far, by what it was derived from. */
  readonly derived: ReadonlySet<string>
  /** From now on `standIn` is answered as `value`. */
  replace(standIn: string, value: string): void
}

/**
 * Credentials without a key: every id is known, and what is derived is only as long as a real password and
 * different for each input. Only good where no one will ever use it.
 */
export function standInCredentials(): StandInCredentials {
  const derived = new Set<string>()
  const known = new Map<string, string>()
  return {
    currentKeyId: 'none',
    derived,
    hasKey: () => true,
    derive({ uid, purpose, rotation }) {
      const standIn = createHash('sha512').update(`${uid} ${purpose} ${rotation}`).digest('hex').slice(0, 43)
      derived.add(standIn)
      return known.get(standIn) ?? standIn
    },
    replace: (standIn, value) => void known.set(standIn, value),
  }
}

/** Finds, in Secrets that exist, what the stand-ins stand for. True when it found anything. */
export function recoverPasswords(
  answers: Iterable<{ children: readonly KubernetesObject[]; parent: KubernetesObject }>,
  observed: readonly KubernetesObject[],
  credentials: StandInCredentials,
): boolean {
  let found = false
  for (const { children, parent } of answers) {
    for (const secret of children.filter(isSecret)) {
      const live = find(observed, placed(secret, parent.metadata.namespace))
      if (live === undefined || !isRecord(secret.data) || !isRecord(live.data)) continue
      for (const [key, value] of Object.entries(secret.data)) {
        const [desired, actual] = [decoded(value), decoded(live.data[key])]
        const standIn = [...credentials.derived].find((text) => desired?.includes(text))
        if (standIn === undefined || desired === undefined || actual === undefined) continue
        const password = between(actual, desired.split(standIn))
        if (password === undefined) continue
        credentials.replace(standIn, password)
        found = true
      }
    }
  }
  return found
}

/** What stands in `text` where `parts` were taken apart; undefined when the rest of the text is another. */
function between(text: string, [before = '', after = '', ...more]: readonly string[]): string | undefined {
  if (more.length > 0 || !text.startsWith(before) || !text.endsWith(after)) return undefined
  const found = text.slice(before.length, text.length - after.length)
  return /^[0-9A-Za-z]{43}$/.test(found) ? found : undefined
}

function decoded(value: unknown): string | undefined {
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : undefined
}
