// Who may call the hooks. What a hook answers holds Secrets, so nobody else may ask.
import { createHash, timingSafeEqual } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import bearerAuth from '@fastify/bearer-auth'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { configurationError } from './configuration.ts'

/** What a caller must show: a bearer token, a client certificate, both, or nothing. */
export type Authentication = 'token' | 'mtls' | 'token+mtls' | 'none'

/** The tokens that are accepted, several at a time so that they can be exchanged: Metacontroller reads its own only at its start. */
export interface Tokens {
  accepts(token: string): boolean
  /** From now on these are the ones. */
  replace(tokens: readonly string[]): void
}

export function createTokens(tokens: readonly string[]): Tokens {
  let digests = tokens.map(digest)
  return {
    accepts(token) {
      const given = digest(token)
      // Equal lengths, and no early end: the time tells nothing of the tokens, not even how alike two are.
      return digests.reduce((found, one) => timingSafeEqual(one, given) || found, false)
    },
    replace(next) {
      digests = next.map(digest)
    },
  }
}

/**
 * Reads tokens, one a line; empty lines and lines that start with # are skipped. Throws a ConfigurationError that names
 * the line, never the token.
 */
export function parseTokens(text: string, from: string): string[] {
  const lines = text.split('\n').map((line) => line.trim())
  const tokens = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (tokens.length === 0) throw configurationError([`${from}: has no token; write one a line`])
  for (const [index, line] of lines.entries()) {
    if (tokens.includes(line) && !/^[\x21-\x7e]{16,}$/.test(line)) {
      throw configurationError([
        `${from}, line ${index + 1}: a token is 16 or more printable characters without spaces`,
      ])
    }
  }
  return tokens
}

/** An onRequest hook that lets only those through who show what is asked for; others are answered 401. */
export async function authenticator(
  app: FastifyInstance,
  authentication: Authentication,
  tokens: Tokens,
): Promise<((request: FastifyRequest, reply: FastifyReply) => Promise<void>)[]> {
  const checks = []
  if (authentication.includes('mtls')) checks.push(certificateCheck(app))
  if (authentication.includes('token')) {
    await app.register(bearerAuth, {
      addHook: false,
      verifyErrorLogLevel: 'debug',
      keys: new Set<string>(),
      // The plugin's own keys are fixed once registered; these can be exchanged.
      auth: (token) => tokens.accepts(token),
    })
    const verify = app.verifyBearerAuth
    if (verify === undefined) throw new Error('@fastify/bearer-auth did not decorate the server')
    checks.push(
      (request: FastifyRequest, reply: FastifyReply) =>
        new Promise<void>((resolve, reject) => {
          verify(request, reply, (error) => {
            if (!error) return resolve()
            reply.header('www-authenticate', 'Bearer')
            reject(app.httpErrors.unauthorized(tokenNeeded))
          })
        }),
    )
  }
  return checks
}

/** An onRequest hook that answers 401 to those who have shown no certificate of an authority that is trusted. */
export function certificateCheck(app: FastifyInstance): (request: FastifyRequest) => Promise<void> {
  // The handshake itself lets callers without a certificate in, because a kubelet that probes has none.
  return async ({ raw: { socket } }) => {
    if (!(socket instanceof TLSSocket) || !socket.authorized) throw app.httpErrors.unauthorized(certificateNeeded)
  }
}

const tokenNeeded = 'a bearer token that this service knows is needed: Authorization: Bearer …'
const certificateNeeded = 'a client certificate of an authority that this service trusts is needed'

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
