// The suite's credential keys, as they lie in a file (a mounted Secret) or in a variable.
import { randomBytes } from 'node:crypto'
import type { CredentialKey } from '../sdk/credentials.ts'
import { configurationError } from './configuration.ts'

type Keys = readonly [CredentialKey, ...CredentialKey[]]

/**
 * Reads lines of `id:base64`; empty lines and lines that start with # are skipped. The first key is the current one.
 * `from` names where the text came from. Throws a ConfigurationError that names the line, never what is in it.
 */
export function parseKeys(text: string, from: string): Keys {
  const keys: CredentialKey[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) continue
    const problem = (what: string) => configurationError([`${from}, line ${index + 1}: ${what}`])
    const [, id, encoded] = /^([A-Za-z0-9._-]{1,63}):([A-Za-z0-9+/_-]+={0,2})$/.exec(content) ?? []
    if (id === undefined || encoded === undefined) {
      throw problem('is not id:base64 (an id has up to 63 letters, digits, dots, dashes and underscores)')
    }
    const secret = Buffer.from(encoded, 'base64')
    if (secret.length < 32) throw problem(`the key "${id}" has ${secret.length} bytes; 32 or more are needed`)
    if (keys.some((key) => key.id === id)) throw problem(`the id "${id}" is there twice`)
    keys.push({ id, secret })
  }
  const [first, ...rest] = keys
  if (first === undefined) throw configurationError([`${from}: has no key; write one as id:base64 (32 random bytes)`])
  return [first, ...rest]
}

/** A key that is forgotten with the process. */
export function ephemeralKeys(): Keys {
  return [{ id: 'ephemeral', secret: randomBytes(32) }]
}
