// The demo's world: the real hook service on a port of this machine, and a simulated cluster that calls it.
import { createCredentials } from '../../sdk/credentials.ts'
import type { Definition } from '../../sdk/definition.ts'
import { ephemeralKeys } from '../../server/keys.ts'
import { createServer } from '../../server/server.ts'
import { createClock, createSimulator, type Simulator, serveApi } from '../../simulator/index.ts'
import { installationOf } from '../installation.ts'
import { portTaken } from './port.ts'

export interface World {
  readonly cluster: Simulator
  /** The hook service. */
  readonly url: string
  /** The API server of the simulated cluster, for kubectl. */
  readonly api: string
  /** Ends all of it. */
  stop(): Promise<void>
}

/** Starts service and cluster. Throws an input error when the port is taken. */
export async function startWorld(definitions: readonly Definition[], port: number): Promise<World> {
  const app = await createServer({
    definitions,
    environment: { credentials: createCredentials(ephemeralKeys()), settings: { imageRegistry: '' } },
    authentication: 'none',
    now: () => new Date(simulator.clock.now()),
  })
  const url = await app.listen({ port, host: '127.0.0.1' }).catch(async (error: NodeJS.ErrnoException) => {
    await app.close()
    if (error.code !== 'EADDRINUSE') throw error
    throw portTaken(port)
  })
  // A little behind, because its time runs faster than ours during the tour: kubectl reckons ages with ours.
  const simulator: Simulator = createSimulator({ clock: createClock(new Date(Date.now() - 30_000).toISOString()) })
  for (const object of installationOf(definitions, url)) await simulator.apply(object)
  await simulator.pass(1)
  const api = await serveApi(simulator)
  return {
    cluster: simulator,
    url,
    api: api.url,
    async stop() {
      simulator.stop()
      app.server.closeAllConnections()
      await Promise.all([api.close(), app.close()])
    },
  }
}
