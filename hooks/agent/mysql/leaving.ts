// The server is told to end by a signal to its own container, whose shell asks its agent with a file and waits for another:
// what is to be done before it ends is the agent's to do. Either file is gone when the server begins anew.
import { existsSync, watch, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'

export interface Leaving {
  /** The server waits. */
  asked(): boolean
  /** It may end. */
  allow(): void
  /** Resolves when it begins to wait. */
  begins(): Promise<void>
}

/** `file` is what the server's shell writes; what it waits for is the same with `.done`. */
export function leavingBy(file: string): Leaving {
  const done = `${file}.done`
  const asked = () => existsSync(file) && !existsSync(done)
  let waiting: (() => void) | undefined
  let missed = false
  // Where files cannot be watched the next step finds out.
  watch(dirname(file), { persistent: false }, (_, name) => {
    if (name !== basename(file) || !asked()) return
    if (waiting === undefined) missed = true
    waiting?.()
    waiting = undefined
  }).on('error', () => undefined)
  return {
    asked,
    allow: () => writeFileSync(done, ''),
    begins: () =>
      new Promise((resolve) => {
        if (missed) resolve()
        else waiting = resolve
        missed = false
      }),
  }
}
