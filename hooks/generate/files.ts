// Generated files on disk: which of them are not what they should be, and writing those.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { generatedFolders } from './index.ts'
import { generatedMark } from './yaml.ts'

/** One file that is not as it should be; `content` is what it should hold, undefined: it should not be there. */
export interface FileDifference {
  /** From the root, slashes forward. */
  path: string
  problem: 'missing' | 'stale' | 'left over'
  content: string | undefined
}

/**
 * Compares the generated folders under `root` with `wanted` (content by path). A file there that is not wanted and
 * does not bear the generated mark is somebody's own: an Error names it, so that it is never deleted.
 */
export function compareFiles(root: string, wanted: ReadonlyMap<string, string>): FileDifference[] {
  const differences: FileDifference[] = []
  for (const [path, content] of wanted) {
    const file = join(root, path)
    if (!existsSync(file)) differences.push({ path, problem: 'missing', content })
    else if (readFileSync(file, 'utf8') !== content) differences.push({ path, problem: 'stale', content })
  }
  for (const file of generatedFolders.flatMap((folder) => filesIn(join(root, folder)))) {
    const path = relative(root, file).split(sep).join('/')
    if (wanted.has(path)) continue
    if (!readFileSync(file, 'utf8').slice(0, 500).includes(generatedMark)) {
      throw new Error(`${path}: lies in a folder of generated files but was not generated; put it elsewhere`)
    }
    differences.push({ path, problem: 'left over', content: undefined })
  }
  return differences
}

/** Brings the files in line. */
export function writeFiles(root: string, differences: readonly FileDifference[]): void {
  for (const { path, content } of differences) {
    const file = join(root, path)
    if (content === undefined) {
      rmSync(file)
    } else {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
    }
  }
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile())
    .sort()
}
