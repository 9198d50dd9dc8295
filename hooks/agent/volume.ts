// Whether the volume of a member has room left.
import { statfs } from 'node:fs/promises'

/** What a look at the file system gives, in bytes and files that are free for others than root. */
interface Room {
  readonly bytes: number
  /** Undefined where the file system does not count files. */
  readonly files: number | undefined
}

/** So little that a server's next file of its log, or the next part of a table, may find no room. */
const fullBytes = 32 * 2 ** 20
/** With so much it has room again: between the two nothing changes, lest it be said and taken back all the time. */
const roomyBytes = 64 * 2 ** 20

/** Whether a volume is full, which was full before or was not. */
export function isFull({ bytes, files }: Room, before: boolean): boolean {
  return bytes < (before ? roomyBytes : fullBytes) || files === 0
}

/** Looks at the volume that is mounted at `folder`; rejects where it cannot be looked at. */
export async function roomIn(folder: string): Promise<Room> {
  const { bavail, bsize, files, ffree } = await statfs(folder)
  return { bytes: bavail * bsize, files: files === 0 ? undefined : ffree }
}
