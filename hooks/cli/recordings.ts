// Recorded hook payloads: a request, and, where one was kept, the response to it.
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Definition, hookName, parentType } from '../sdk/definition.ts'
import { isRecord } from '../sdk/kubernetes.ts'
import { inputError } from './command.ts'
import { hookOf } from './transport.ts'

/** One recorded payload. */
export interface Recording {
  readonly file: string
  /** `database/sync` */
  readonly hook: string
  readonly request: Record<string, unknown>
  readonly response?: Record<string, unknown>
  /** RFC 3339: when it was answered. */
  readonly now?: string
  /** True for a file that holds the request's body and nothing else, as curl posts it. */
  readonly bare: boolean
}

/**
 * Reads recordings: files, and every *.json of folders. A file is `{hook, request, response?, now?}`, or a request's
 * body alone; then the hook follows from what is in it. Throws an input error for a file that is neither.
 */
export async function readRecordings(
  paths: readonly string[],
  definitions: readonly Definition[],
): Promise<Recording[]> {
  const files = (await Promise.all(paths.map(filesOf))).flat()
  return Promise.all(files.map((file) => readRecording(file, definitions)))
}

/**
 * Writes what a hook was asked and answered into `folder`, a file for each request that differs from all before it:
 * `001-database-sync-orders.json`. Call what it gives for every request.
 */
export async function createRecorder(folder: string): Promise<(entry: Entry) => Promise<void>> {
  await mkdir(folder, { recursive: true })
  const known = new Set<string>()
  return async ({ hook, body, now, response, name }) => {
    if (known.has(body)) return
    known.add(body)
    const file = `${String(known.size).padStart(3, '0')}-${hook.replace('/', '-')}-${name}.json`
    const content = { hook, now, request: JSON.parse(body), response }
    await writeFile(join(folder, file), `${JSON.stringify(content, undefined, 2)}\n`)
  }
}

/** One request and its answer, on their way into a file. */
interface Entry {
  readonly hook: string
  /** The request, as it was sent. */
  readonly body: string
  /** RFC 3339. */
  readonly now: string
  readonly response: object
  /** Of the parent. */
  readonly name: string
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw inputError(`${path}: there is no such file or folder`)
  if (!found.isDirectory()) return [path]
  const names = await readdir(path, { recursive: true })
  const files = names.filter((name) => name.endsWith('.json')).sort()
  if (files.length === 0) throw inputError(`${path}: has no *.json`)
  return files.map((name) => join(path, name))
}

async function readRecording(file: string, definitions: readonly Definition[]): Promise<Recording> {
  const content = parse(file, await readFile(file, 'utf8'))
  const { hook, request, response, now } = content
  if (!isRecord(request)) return { file, hook: guessHook(file, content, definitions), request: content, bare: true }
  const named = typeof hook === 'string' ? hookOf(hook) : guessHook(file, request, definitions)
  if (named === undefined) throw inputError(`${file}: hook: must be <kind>/sync, finalize or customize, not "${hook}"`)
  if (response !== undefined && !isRecord(response)) throw inputError(`${file}: response: must be an object`)
  if (now !== undefined && (typeof now !== 'string' || Number.isNaN(Date.parse(now)))) {
    throw inputError(`${file}: now: must be a time such as 2026-01-01T00:00:00Z`)
  }
  return { file, hook: named, request, bare: false, ...(response && { response }), ...(now !== undefined && { now }) }
}

function parse(file: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value)) return value
  } catch (error) {
    throw inputError(`${file}: is not JSON: ${error instanceof Error ? error.message : error}`)
  }
  throw inputError(`${file}: must be an object: a recording, or a request's body`)
}

/** The hook that a body is for: its kind by the parent or the controller's name, its part by what else is in it. */
function guessHook(file: string, body: Record<string, unknown>, definitions: readonly Definition[]): string {
  const parent = isRecord(body.parent) ? body.parent : body.object
  const controller =
    isRecord(body.controller) && isRecord(body.controller.metadata) ? body.controller.metadata.name : ''
  const definition = definitions.find((candidate) => {
    if (candidate.controller === 'decorator') return candidate.name === controller
    const { apiVersion, kind } = parentType(candidate)
    return isRecord(parent) && parent.apiVersion === apiVersion && parent.kind === kind
  })
  if (definition === undefined) {
    throw inputError(
      `${file}: is neither {hook, request, response} nor the body of a request to one of this suite's hooks`,
    )
  }
  const part = body.children ?? body.attachments
  return `${hookName(definition)}/${part === undefined ? 'customize' : body.finalizing === true ? 'finalize' : 'sync'}`
}
