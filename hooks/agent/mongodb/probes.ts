// What the kubelet asks of a member, answered by its agent: a shell of MongoDB's own takes a second of CPU for each question.
import { createServer } from 'node:http'
import type { Server } from './decide.ts'

export interface Probes {
  /** Tells what the member was found to be just now. */
  saw(own: Server): void
  close(): Promise<void>
}

/** Milliseconds for which an answer of the member counts. */
const fresh = { ready: 5000, alive: 10_000 }

/**
 * Serves on all addresses of the pod: /ready while the member serves clients, /alive while it answers, /agent always.
 * Anything but 200 is a no. `now` gives milliseconds of a clock that only goes forward.
 */
export function serveProbes(port: number, now: () => number = () => performance.now()): Probes {
  let last: { own: Server; at: number } | undefined
  const within = (milliseconds: number) => last !== undefined && now() - last.at < milliseconds
  const serving = () => last?.own.is === 'member' && last.own.state !== 'syncing'
  const answers: Record<string, () => boolean> = {
    '/ready': () => within(fresh.ready) && serving(),
    '/alive': () => within(fresh.alive),
    '/agent': () => true,
  }
  const server = createServer((request, response) => {
    const ask = answers[request.url ?? '']
    response.writeHead(ask === undefined ? 404 : ask() ? 200 : 503).end()
  })
  server.listen(port)
  return {
    saw(own) {
      last = { own, at: now() }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
