// YAML files as their authors wrote them: objects, and where in the file each field stands.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { stepsOfField } from '../sdk/fields.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { inputError } from './command.ts'
import type { Shell } from './shell.ts'

/** A place in a file; lines and columns start at 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The line itself, and how many of its characters from `column` on are meant. */
  readonly text: string
  readonly length: number
}

/** One object of a file. */
export interface SourceObject {
  readonly object: KubernetesObject
  /** Where a field's value (or its key) stands (`spec.tolerations[0].key`); where it is missing, the nearest that holds it. */
  place(field: string, part?: 'value' | 'key'): Place
}

/**
 * Reads the objects of files, folders (their *.yaml, *.yml and *.json) and, for `-`, standard input. Lists
 * (`kind: List`) are taken apart. Throws an input error with file, line and column for what is not YAML or not an object.
 */
export async function readSources(paths: readonly string[], shell: Shell): Promise<SourceObject[]> {
  const found: SourceObject[] = []
  for (const path of paths) {
    if (path === '-') found.push(...parseSource('<stdin>', await shell.stdin()))
    else for (const file of await filesOf(path)) found.push(...parseSource(file, await readText(file)))
  }
  return found
}

/** The objects in a text; `file` is what errors call it. */
function parseSource(file: string, text: string): SourceObject[] {
  const counter = new LineCounter()
  const lines = text.split(/\r?\n/)
  const place = (offset: number, length = 1): Place => {
    const { line, col } = counter.linePos(offset)
    const shown = lines[line - 1] ?? ''
    return { file, line, column: col, text: shown, length: Math.max(1, Math.min(length, shown.length - col + 1)) }
  }
  const documents = parseAllDocuments(text, {
    lineCounter: counter,
    // kubectl reads YAML 1.1 (`yes` is true), but knows neither dates nor base 60: these stay strings.
    version: '1.1',
    merge: true,
    customTags: (tags) =>
      tags.filter((tag) => typeof tag === 'string' || !unknownToKubectl.has(tag.tag + (tag.format ?? ''))),
  })
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document) => {
    const [fault] = document.errors
    if (fault !== undefined) {
      throw inputError(describePlace(place(fault.pos[0], fault.pos[1] - fault.pos[0]), firstLine(fault.message)))
    }
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (value === null || value === undefined) return []
    const whole = { value, at: (field: string, part?: 'value' | 'key') => locate(document, field, place, part) }
    return objectsOf(whole).map(({ value, at }) => toSource(value, at))
  })
}

/** `file:line:column: message`, and below it the line with what is meant underlined. */
export function describePlace({ file, line, column, text, length }: Place, message: string): string {
  const number = String(line)
  return [
    `${file}:${line}:${column}: ${message}`,
    `  ${number} | ${text}`,
    `  ${' '.repeat(number.length)} | ${' '.repeat(column - 1)}${'^'.repeat(length)}`,
  ].join('\n')
}

const unknownToKubectl = new Set([
  'tag:yaml.org,2002:timestamp',
  'tag:yaml.org,2002:intTIME',
  'tag:yaml.org,2002:floatTIME',
  'tag:yaml.org,2002:binary',
  'tag:yaml.org,2002:set',
  'tag:yaml.org,2002:omap',
  'tag:yaml.org,2002:pairs',
])

interface Part {
  value: unknown
  at(field: string, part?: 'value' | 'key'): Place
}

/** The items of a List, or the one object there is. */
function objectsOf(part: Part): Part[] {
  const { value } = part
  if (!isRecord(value) || !Array.isArray(value.items) || !/^([A-Z]\w*)?List$/.test(String(value.kind))) return [part]
  return value.items.flatMap((item, index) =>
    objectsOf({
      value: item,
      at: (field, which) => part.at(`items[${index}]${field === '' ? '' : `.${field}`}`, which),
    }),
  )
}

function toSource(value: unknown, place: SourceObject['place']): SourceObject {
  const refuse = (field: string, message: string) => inputError(describePlace(place(field), message))
  if (!isRecord(value)) throw refuse('', 'a Kubernetes object is a map with apiVersion, kind and metadata')
  for (const field of ['apiVersion', 'kind'] as const) {
    if (typeof value[field] !== 'string' || value[field] === '') throw refuse(field, `${field}: must be a string`)
  }
  if (!isRecord(value.metadata)) throw refuse('metadata', 'metadata: must be a map with at least a name')
  for (const field of ['name', 'namespace'] as const) {
    const given = value.metadata[field]
    if (given !== undefined && typeof given !== 'string') {
      throw refuse(`metadata.${field}`, `metadata.${field}: must be a string, not ${JSON.stringify(given)}; quote it`)
    }
  }
  return { object: value as KubernetesObject, place }
}

function locate(
  document: Document.Parsed,
  field: string,
  place: (offset: number, length?: number) => Place,
  part: 'value' | 'key' = 'value',
): Place {
  let node: unknown = document.contents
  let range = firstOf(node)
  for (const step of stepsOfField(field)) {
    const next = childOf(node, step)
    if (next === undefined) break
    node = next.value
    range = (part === 'value' && isScalar(node) ? rangeOf(node) : undefined) ?? next.key ?? rangeOf(node) ?? range
  }
  return place(range[0], range[1] - range[0])
}

type Range = readonly [number, number]

function childOf(node: unknown, step: string | number): { value: unknown; key: Range | undefined } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const value = node.items[step]
    return value === undefined ? undefined : { value, key: firstOf(value) }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
  return pair === undefined ? undefined : { value: pair.value, key: rangeOf(pair.key) }
}

/** A map's first key stands for the map. */
function firstOf(node: unknown): Range {
  const [first] = isMap(node) ? node.items : []
  return rangeOf(first?.key) ?? rangeOf(node) ?? [0, 1]
}

function rangeOf(node: unknown): Range | undefined {
  const range = (node as Node | null | undefined)?.range
  return range ? [range[0], range[1]] : undefined
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw inputError(`${path}: there is no such file or folder`)
  if (!found.isDirectory()) return [path]
  const names = await readdir(path, { recursive: true })
  const files = names.filter((name) => /\.(ya?ml|json)$/.test(name)).sort()
  if (files.length === 0) throw inputError(`${path}: has no *.yaml, *.yml or *.json`)
  return files.map((name) => join(path, name))
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw inputError(`${file}: cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '')
}
