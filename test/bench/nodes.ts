// What the benchmarks on real nodes share: a cluster for as long as they run, and telling how far they are.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeCluster } from '../node/cluster.ts'
import { obstacleToOwnNodes } from '../node/requirements.ts'
import { startSuite } from '../node/suite.ts'

/** Runs `use` on a cluster of so many nodes with the suite, and ends it. */
export async function withNodes<T>(nodes: number, use: (cluster: NodeCluster) => Promise<T>): Promise<T> {
  const reason = obstacleToOwnNodes()
  if (reason !== undefined) throw new Error(reason)
  const folder = mkdtempSync(join(tmpdir(), 'operator-hooks-bench-'))
  try {
    const keys = join(folder, 'keys')
    writeFileSync(keys, `bench:${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
    const cluster = await startSuite(keys, { nodes })
    try {
      return await use(cluster)
    } finally {
      await cluster.stop()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A line on standard error, with the time of day. */
export function tell(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}
