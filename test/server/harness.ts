// A server around the test kinds, and its log.
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import { createServer, type ServerOptions } from '../../hooks/server/index.ts'
import { definitions } from './kinds.ts'

export const credentials = createCredentials([{ id: 'k1', secret: new Uint8Array(32).fill(7) }])

/** A server that anybody may call unless `options` says otherwise, and the lines it has logged so far. */
export async function testServer(options: Partial<ServerOptions> = {}) {
  const lines: string[] = []
  const app = await createServer({
    definitions,
    environment: { credentials, settings: { imageRegistry: '' } },
    authentication: 'none',
    build: { version: '1.2.3', id: 'test' },
    logger: { write: (line) => void lines.push(line) },
    ...options,
  })
  return { app, lines, logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}
