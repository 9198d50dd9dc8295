// One world for all faults, as long as it stays well and has the volumes that a fault asks for.
import type { NodeCluster } from '../cluster.ts'
import type { Fault } from './scenarios.ts'
import { openWorld, type World, type WorldOptions } from './world.ts'

export interface Worlds {
  /** The world that is there, or a new one. */
  suiting(fault: Fault): Promise<World>
  /** Ends it: what one fault has broken is not to be the next one's. */
  end(): Promise<void>
}

export function worldsOn(
  cluster: NodeCluster,
  options: Pick<WorldOptions, 'engine' | 'members' | 'synchronous'>,
): Worlds {
  let world: World | undefined
  let size: number | undefined
  const end = async () => {
    const last = world
    world = undefined
    await last?.close()
  }
  return {
    async suiting({ volumes }) {
      const wanted = volumes?.[options.engine]
      if (wanted !== size) await end()
      size = wanted
      world ??= await openWorld(cluster, { ...options, ...(wanted === undefined ? {} : { volumeMebibytes: wanted }) })
      return world
    },
    end,
  }
}
