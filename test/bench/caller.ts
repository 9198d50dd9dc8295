// Calls hooks as Metacontroller does: POST with keep-alive, the whole body each time, If-None-Match when it has an ETag.
import { Agent, request } from 'node:http'
import { token } from './service.ts'

interface Answered {
  readonly status: number
  readonly etag: string | undefined
  readonly body: string
}

export interface Caller {
  /** Throws when the answer is neither 200 nor 304. */
  post(url: string, body: Buffer, etag?: string): Promise<Answered>
  close(): void
}

export function createCaller(connections = 1): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    post: (url, body, etag) =>
      new Promise((resolve, reject) => {
        const outgoing = request(url, { agent, method: 'POST' }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            const status = response.statusCode ?? 0
            if (status === 200 || status === 304) resolve({ status, etag: response.headers.etag, body: text })
            else reject(new Error(`${url} answered ${status}: ${text}`))
          })
        })
        outgoing.on('error', reject)
        outgoing.setHeader('authorization', `Bearer ${token}`)
        outgoing.setHeader('content-type', 'application/json')
        outgoing.setHeader('content-length', body.length)
        if (etag !== undefined) outgoing.setHeader('if-none-match', etag)
        outgoing.end(body)
      }),
    close: () => agent.destroy(),
  }
}
