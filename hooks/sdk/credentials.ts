// Passwords are derived, never generated: a deleted Secret comes back identical, two copies of the service
// agree, a replayed request has the same answer, and nothing has to be remembered.
import { createSecretKey, hkdfSync } from 'node:crypto'

/** One key of the suite. `id` is public (it is kept in statuses), `secret` is not. */
export interface CredentialKey {
  readonly id: string
  readonly secret: Uint8Array
}

/** What a password is derived from, besides the key. */
interface CredentialInput {
  /** metadata.uid of the parent: a recreated parent of the same name gets another password. */
  uid: string
  /** What it is for, such as `superuser`: two purposes never share a password. */
  purpose: string
  /** The spec's rotation counter; 0 at first. */
  rotation: number
  /** The key it was derived with before (from the parent's status); the current key when absent. */
  keyId?: string | undefined
}

export interface Credentials {
  /** The id of the key that new credentials are derived with. */
  readonly currentKeyId: string
  /** Whether a key of that id is still configured. */
  hasKey(id: string): boolean
  /** 43 characters of [0-9A-Za-z] (256 bits). Throws when `keyId` names a key that is not configured. */
  derive(input: CredentialInput): string
}

/** The first key is the current one; the others still answer for what was derived with them. */
export function createCredentials(keys: readonly [CredentialKey, ...CredentialKey[]]): Credentials {
  // Given bytes, hkdfSync would make a key object of them each time, which takes longer than the derivation.
  const byId = new Map(keys.map((key) => [key.id, createSecretKey(key.secret)]))
  const currentKeyId = keys[0].id
  return {
    currentKeyId,
    hasKey: (id) => byId.has(id),
    derive({ uid, purpose, rotation, keyId = currentKeyId }) {
      const secret = byId.get(keyId)
      if (secret === undefined) throw new Error(`the credential key "${keyId}" is not configured`)
      // HKDF (RFC 5869): the UID salts, the info separates purposes and rotations.
      const derived = hkdfSync('sha256', secret, uid, `operator-hooks/1 ${rotation} ${purpose}`, 32)
      return base62(new Uint8Array(derived))
    },
  }
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

// Letters and digits only: such a password needs no quoting in a URI, an option file, a shell or SQL.
function base62(bytes: Uint8Array): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (let i = 0; i < 43; i++) {
    text += digits[Number(number % 62n)]
    number /= 62n
  }
  return text
}
