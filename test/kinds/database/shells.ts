// What it takes to run the scripts of a Database's ConfigMap on the machine of the tests.
import { createServer } from 'node:net'
import { child, createWorld, type Spec, settle } from './world.ts'

/** The ConfigMap of a Database: scripts and configuration by their names. */
export function scriptsOf(spec: Spec): Record<string, string> {
  const world = createWorld(spec)
  settle(world)
  return child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
}

/** Database servers refuse to run as root; nobody is on every system. */
export function unprivileged(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
