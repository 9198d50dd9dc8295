// Files that are exchanged while the service runs: mounted Secrets with tokens and certificates.
import { readFile } from 'node:fs/promises'

/**
 * Looks at the files every so many seconds and tells when the content of any has changed. Looking is what works on every
 * volume: a kubelet exchanges a Secret by a symbolic link above the file, which the file's own watch does not see.
 * `changed` may throw: `failed` is told, and it is called again once the content is another. It does not keep the process.
 */
export function watchFiles(
  files: readonly string[],
  seconds: number,
  changed: () => Promise<void>,
  failed: (error: unknown) => void,
): void {
  let known: Promise<string | undefined> = contents(files)
  let looking = false
  const timer = setInterval(async () => {
    if (looking) return
    looking = true
    try {
      const before = await known
      const now = await contents(files)
      // Half of an exchange may be there: what cannot be read is looked at again.
      if (now === undefined || now === before) return
      known = Promise.resolve(now)
      await changed()
    } catch (error) {
      failed(error)
    } finally {
      looking = false
    }
  }, seconds * 1000)
  timer.unref()
}

async function contents(files: readonly string[]): Promise<string | undefined> {
  try {
    return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\0')
  } catch {
    return undefined
  }
}
