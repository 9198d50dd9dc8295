// A plain HTTP proxy on loopback that counts requests and can strike at a chosen one: after the server has answered
// it and before the client hears of it. That is the instant at which a crash is hardest to survive.
import {
  createServer,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface CountingProxy {
  /** http://127.0.0.1:<port> */
  readonly url: string
  /** How many counted requests were answered since the last reset. */
  answered(): number
  reset(): void
  /**
   * Calls `strike` once the server has answered the counted request number `n` from now (1 = the next); the client's
   * connection is cut instead of answered. A later call takes the place of an earlier one; undefined takes it back.
   */
  strikeAt(n: number | undefined, strike?: () => void): void
  close(): Promise<void>
}

export interface ProxyOptions {
  /** Certificates to trust (PEM), where the target is https. */
  readonly ca?: string
  /** Headers set on every request: client-go sends no token over plain HTTP. */
  readonly headers?: Record<string, string>
}

/** Stands before `target` (http or https). Only requests that `counts` says yes to are counted. */
export async function startProxy(
  target: string,
  counts: (request: IncomingMessage) => boolean,
  { ca, headers = {} }: ProxyOptions = {},
): Promise<CountingProxy> {
  const secure = target.startsWith('https:')
  const agent = secure ? new HttpsAgent({ keepAlive: true, ...(ca ? { ca } : {}) }) : new HttpAgent({ keepAlive: true })
  const open = secure ? httpsRequest : httpRequest
  let answered = 0
  let left: number | undefined
  let strike: (() => void) | undefined

  const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
    const counted = counts(request)
    const upstream = open(`${target}${request.url}`, {
      agent,
      method: request.method,
      headers: { ...request.headers, ...headers },
    })
    // Whichever side goes, the other is cut, so that a watch ends where it should and a crash looks like one.
    upstream.on('error', () => response.destroy())
    response.on('close', () => response.writableFinished || upstream.destroy())
    upstream.on('response', (answer) => {
      if (counted && struck()) {
        response.destroy()
        strike?.()
        return
      }
      if (counted) answered++
      forward(answer, response)
    })
    request.pipe(upstream)
  })
  const struck = () => {
    if (left === undefined) return false
    left--
    if (left > 0) return false
    left = undefined
    return true
  }

  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    answered: () => answered,
    reset: () => {
      answered = 0
    },
    strikeAt(n, what) {
      if (n !== undefined && !(Number.isInteger(n) && n >= 1)) throw new Error(`n is ${n}; it counts from 1`)
      left = n
      strike = what
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        agent.destroy()
      }),
  }
}

function forward(answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers)
  // A watch may stay silent for long: its head must not wait for the first event.
  response.flushHeaders()
  answer.pipe(response)
  answer.on('error', () => response.destroy())
}
