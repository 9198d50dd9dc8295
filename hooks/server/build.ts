// What is running: answers differ between builds, so the identity is part of every ETag.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

export interface Build {
  /** The suite's semantic version. */
  version: string
  /** Equal for two processes only if they run the same code. */
  id: string
}

declare global {
  // Put in by scripts/build.ts: the bundle knows its own hash.
  var operatorHooksBuild: Build | undefined
}

/** The identity of this process's code. Run from source it is another one at every start: any file may have changed. */
export function thisBuild(): Build {
  return globalThis.operatorHooksBuild ?? fromSource()
}

function fromSource(): Build {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return { version: manifest.version, id: `source-${randomUUID().slice(0, 8)}` }
}
