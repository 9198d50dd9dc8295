// The service's keys, for commands that answer in its place.
import { readFile } from 'node:fs/promises'
import { type Credentials, createCredentials } from '../sdk/credentials.ts'
import { isConfigurationError } from '../server/configuration.ts'
import { parseKeys } from '../server/keys.ts'
import { inputError } from './command.ts'

/** The credentials of a keys file. Throws an input error, with the line, when it cannot be used. */
export async function credentialsFromFile(file: string): Promise<Credentials> {
  const refuse = (error: unknown) => inputError(error instanceof Error ? error.message : String(error))
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw refuse(error)
  })
  try {
    return createCredentials(parseKeys(text, file))
  } catch (error) {
    throw isConfigurationError(error) ? refuse(error) : error
  }
}
