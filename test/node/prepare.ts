// Builds and fetches all that nodes and their pods are made of, so that tests that follow begin at once. Ends with 3, and says
// why, where there can be no nodes.
import { ensureBinaries } from '../cluster/build.ts'
import { ensureNodeBinaries } from './build.ts'
import { ensureImageRootfs, ensureImages } from './images.ts'
import { ensureNodeRootfs } from './node.ts'
import { obstacleToOwnNodes } from './requirements.ts'

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  process.stdout.write(`${reason}\n`)
  process.exit(3)
}
const started = Date.now()
await ensureBinaries()
// Packages take the network, programs the processors: beside each other they take as long as the longer of the two.
const [binaries] = await Promise.all([ensureNodeBinaries(), packages()])
await ensureImages(binaries)
process.stdout.write(`all is there after ${Math.round((Date.now() - started) / 1000)} s\n`)

async function packages(): Promise<void> {
  try {
    await ensureNodeRootfs()
  } catch (error) {
    // The first of them to be fetched: where no mirror is reached there can be no nodes.
    process.stdout.write(`${error instanceof Error ? error.message : error}\n`)
    process.stdout.write("a node needs Debian's packages, and they could not be had\n")
    process.exit(3)
  }
  await ensureImageRootfs()
}
