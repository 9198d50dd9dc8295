// An answer follows from the request's bytes, the build and the configuration. So a hash of these names the answer, and
// a request whose answer Metacontroller still has is answered 304 before anything is parsed.
import { createHash } from 'node:crypto'
import type { Credentials } from '../sdk/credentials.ts'
import type { Settings } from '../sdk/definition.ts'
import type { Body } from './body.ts'

/** Names the answer to a body. */
export type Tagger = (body: Body) => string

/**
 * The salt of all ETags: whatever else an answer depends on.
 * @param identity the build, and what the caller knows of the configuration beside the settings
 */
export function etagSalt(identity: readonly string[], settings: Settings, credentials: Credentials): string {
  // A derived value stands for the current key, so that a key exchanged under its old id is noticed.
  const key = credentials.derive({ uid: 'etag', purpose: 'etag', rotation: 0 })
  return createHash('sha256')
    .update(JSON.stringify([identity, Object.entries(settings).sort(), credentials.currentKeyId, key]))
    .digest('hex')
}

/** Tags the bodies of one route: the same body has another answer elsewhere. */
export function tagger(salt: string, route: string): Tagger {
  const prefix = Buffer.from(`${salt} ${route}\n`)
  return (body) => {
    const hash = createHash('sha256').update(prefix)
    for (const piece of body) hash.update(piece)
    return `"${hash.digest('base64url')}"`
  }
}

/**
 * Whether an If-None-Match header holds the tag (RFC 9110, 13.1.2: weak comparison). `*` does not count: it would
 * vouch for an answer that the caller may not have.
 */
export function matches(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch === tag || ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === tag)
}
