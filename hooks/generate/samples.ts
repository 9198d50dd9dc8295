// The samples beside the kinds: hooks/kinds/<kind>/sample*.yaml or samples/*.yaml, one resource or several in a file.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'

/** One resource of a sample file. */
export interface Sample {
  /** The file, from the folder of kinds, slashes forward. */
  file: string
  /** Its text as it was written, comments included. */
  text: string
  object: KubernetesObject
}

/** Every sample under the folder of kinds, in the order of the files. Throws an Error naming file and line. */
export function readSamples(folder: string): Sample[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(^|[/\\])(sample[^/\\]*|samples[/\\][^/\\]*)\.ya?ml$/.test(file))
    .sort()
    .flatMap((file) => samplesIn(join(folder, file), relative(folder, join(folder, file)).split(sep).join('/')))
}

function samplesIn(path: string, file: string): Sample[] {
  const text = readFileSync(path, 'utf8')
  // A document's own range leaves out the comment above it, which belongs to the sample.
  const texts = text.split(/^---[ \t]*$\n?/m).filter((part) => part.trim() !== '')
  return texts.flatMap((part) => {
    const [document] = parseAllDocuments(part)
    const [problem] = document?.errors ?? []
    if (problem) throw new Error(`${file}: ${problem.message}`)
    const object: unknown = document?.toJS()
    if (object === null || object === undefined) return []
    if (!isRecord(object) || typeof object.kind !== 'string' || !isRecord(object.metadata)) {
      throw new Error(`${file}: a document without kind or metadata`)
    }
    const { apiVersion, kind, metadata } = object
    return [{ file, text: `${part.trim()}\n`, object: { ...object, apiVersion: String(apiVersion), kind, metadata } }]
  })
}
