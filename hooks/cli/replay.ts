// operator-hooks replay: answers recorded hook payloads again, and tells where the answers differ from the recorded ones.
import { readFile, writeFile } from 'node:fs/promises'
import { suite } from '../kinds/index.ts'
import type { Credentials } from '../sdk/credentials.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { inputError, type Manual, runCommand, usageError } from './command.ts'
import { differences, type FieldDifference, objectDifferences } from './differences.ts'
import { reportFlag } from './flags.ts'
import { credentialsFromFile } from './keys.ts'
import { recoverPasswords, standInCredentials } from './passwords.ts'
import { describeDifference } from './present.ts'
import { type Recording, readRecordings } from './recordings.ts'
import { identity } from './references.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'
import { answerHook } from './transport.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return replay(args, processShell(suite))
}

const manual = {
  name: 'replay',
  summary: 'Answers recorded hook payloads, and compares the answers with the recorded ones.',
  usage: 'FILE|FOLDER … [flags]',
  positionals: 'FILE|FOLDER',
  flags: {
    url: {
      type: 'string',
      value: 'URL',
      help: 'ask the service there, such as http://127.0.0.1:8080, instead of this program',
    },
    'token-file': { type: 'string', value: 'FILE', help: 'a file with the bearer token for --url' },
    update: { type: 'boolean', help: 'write the answers into the recordings' },
    output: reportFlag,
    'credential-keys-file': {
      type: 'string',
      value: 'FILE',
      help: 'the keys the recordings were answered with; without them passwords are taken from the recorded answers',
    },
    'image-registry': { type: 'string', default: '', value: 'PREFIX', help: "the service's --image-registry" },
  },
  notes: [
    [
      'A recording is {"hook": "database/sync", "request": {…}, "response": {…}, "now": "2026-01-01T00:00:00Z"}, or the',
      "body of a request alone, which is answered and compared with nothing. Without `now` a condition's",
      'lastTransitionTime is not compared, nor with --url.',
    ].join('\n'),
    'Exit codes: 0 all as recorded; 1 an answer differs or fails; 2 usage.',
  ],
} as const satisfies Manual

/** What became of one recording. */
interface Replayed {
  readonly file: string
  readonly hook: string
  readonly outcome: 'same' | 'different' | 'answered' | 'failed' | 'updated'
  readonly differences: readonly AnswerDifference[]
  readonly message?: string
}

/** A difference of the answer itself (`status`), or of one of its children. */
interface AnswerDifference extends FieldDifference {
  readonly child?: string
}

/** Runs the command in a given shell. */
export function replay(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async (values, paths) => {
    if (paths.length === 0) throw usageError('which recordings? Name files or folders')
    if (values['token-file'] !== undefined && values.url === undefined) throw usageError('--token-file goes with --url')
    const recordings = await readRecordings(paths, shell.definitions)
    const keysFile = values['credential-keys-file']
    const credentials = keysFile === undefined ? undefined : await credentialsFromFile(keysFile)
    const settings = { imageRegistry: values['image-registry'] }
    const token = values['token-file'] === undefined ? undefined : await readToken(values['token-file'])
    const ask = (recording: Recording) =>
      values.url === undefined
        ? askHere(recording, shell, credentials, settings)
        : askThere(recording, values.url, token)
    const results: Replayed[] = []
    // One after the other: a service that is asked should not have to shed load.
    for (const recording of recordings) results.push(await replayOne(recording, ask, values.url, values.update))
    if (values.output === 'json') shell.out(JSON.stringify({ results }, undefined, 2))
    else tell(results, shell)
    return results.some(({ outcome }) => outcome === 'different' || outcome === 'failed')
      ? exitCodes.failure
      : exitCodes.ok
  })
}

async function replayOne(
  recording: Recording,
  ask: (recording: Recording) => Promise<Record<string, unknown>>,
  url: string | undefined,
  update: boolean,
): Promise<Replayed> {
  const { file, hook, response, now, bare } = recording
  let answer: Record<string, unknown>
  try {
    answer = await ask(recording)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { file, hook, outcome: 'failed', differences: [], message }
  }
  const found =
    response === undefined ? [] : answerDifferences(response, answer, url === undefined && now !== undefined)
  if (update && !bare && (response === undefined || found.length > 0)) {
    const { request } = recording
    await writeFile(file, `${JSON.stringify({ hook, ...(now && { now }), request, response: answer }, undefined, 2)}\n`)
    return { file, hook, outcome: 'updated', differences: found }
  }
  const outcome = response === undefined ? 'answered' : found.length > 0 ? 'different' : 'same'
  return { file, hook, outcome, differences: found, message: summaryOf(answer) }
}

async function askHere(
  { hook, request, response, now }: Recording,
  { definitions }: Shell,
  credentials: Credentials | undefined,
  settings: { imageRegistry: string },
): Promise<Record<string, unknown>> {
  const time = now === undefined ? new Date() : new Date(now)
  if (credentials !== undefined)
    return { ...answerHook(definitions, hook, request, { now: time, credentials, settings }).response }
  const standIns = standInCredentials()
  const environment = { now: time, credentials: standIns, settings }
  const first = answerHook(definitions, hook, request, environment)
  const recovered = recoverPasswords([first], inNamespaceOf(first.parent, childrenOf(response)), standIns)
  return { ...(recovered ? answerHook(definitions, hook, request, environment) : first).response }
}

async function askThere({ hook, request }: Recording, url: string, token: string | undefined) {
  const response = await fetch(`${url.replace(/\/$/, '')}/hooks/${hook}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(30_000),
  }).catch((error: Error) => {
    throw new Error(
      `${url} cannot be reached: ${error.cause instanceof Error ? error.cause.message || Reflect.get(error.cause, 'code') : error.message}`,
    )
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`status ${response.status}: ${text}`)
  const answer: unknown = JSON.parse(text)
  if (!isRecord(answer)) throw new Error('the answer is not an object')
  return answer
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw inputError(`--token-file: ${error.message}`)
  })
  return text.split('\n')[0]?.trim() ?? ''
}

function answerDifferences(
  recorded: Record<string, unknown>,
  answer: Record<string, unknown>,
  times: boolean,
): AnswerDifference[] {
  const { children: _one, attachments: _two, ...before } = recorded
  const { children: _three, attachments: _four, ...after } = answer
  const plain = differences(before, after).filter(({ field }) => times || !field.endsWith('.lastTransitionTime'))
  const [old, fresh] = [recorded, answer].map(
    (one) => new Map(childrenOf(one).map((child) => [identity(child), child])),
  )
  const ids = new Set([...(old?.keys() ?? []), ...(fresh?.keys() ?? [])])
  const ofChildren = [...ids].flatMap((id): AnswerDifference[] => {
    const [one, other] = [old?.get(id), fresh?.get(id)]
    const child = `${(one ?? other)?.kind}/${(one ?? other)?.metadata.name}`
    if (one === undefined) return [{ child, field: '', after: 'a child that the recorded answer does not have' }]
    if (other === undefined) return [{ child, field: '', before: 'a child that only the recorded answer has' }]
    return objectDifferences(one, other).map((difference) => ({ child, ...difference }))
  })
  return [...plain, ...ofChildren]
}

function childrenOf(answer: Record<string, unknown> | undefined): KubernetesObject[] {
  const list = answer?.children ?? answer?.attachments
  return Array.isArray(list) ? list.filter(isObject) : []
}

function isObject(value: unknown): value is KubernetesObject {
  return isRecord(value) && isRecord(value.metadata)
}

function inNamespaceOf(parent: KubernetesObject, children: readonly KubernetesObject[]): KubernetesObject[] {
  const { namespace } = parent.metadata
  if (namespace === undefined) return [...children]
  return children.map((child) => ({ ...child, metadata: { namespace, ...child.metadata } }))
}

function summaryOf(answer: Record<string, unknown>): string {
  if (Array.isArray(answer.relatedResources)) return `${answer.relatedResources.length} related rules`
  const count = childrenOf(answer).length
  const phase = isRecord(answer.status) && typeof answer.status.phase === 'string' ? `, ${answer.status.phase}` : ''
  return `${count} ${count === 1 ? 'child' : 'children'}${phase}`
}

function tell(results: readonly Replayed[], { out, paint }: Shell): void {
  const signs = {
    same: paint.green('✓'),
    answered: paint.green('✓'),
    updated: paint.yellow('↻'),
    different: paint.red('✗'),
    failed: paint.red('✗'),
  }
  const words = { same: 'as recorded', answered: 'answered', updated: 'updated', different: 'differs', failed: 'fails' }
  for (const { file, hook, outcome, differences, message } of results) {
    out(`${signs[outcome]} ${file} ${paint.dim(hook)} ${words[outcome]}${message === undefined ? '' : `: ${message}`}`)
    for (const { child, ...difference } of differences) {
      const field = [child, difference.field].filter((part) => part !== undefined && part !== '').join(' ')
      for (const line of describeDifference({ ...difference, field }, paint)) out(`    ${line}`)
    }
  }
  const count = (...outcomes: Replayed['outcome'][]) =>
    results.filter(({ outcome }) => outcomes.includes(outcome)).length
  const parts = [
    [count('same'), 'as recorded'],
    [count('answered'), 'answered'],
    [count('updated'), 'updated'],
    [count('different'), 'different'],
    [count('failed'), 'failed'],
  ] as const
  out(
    paint.bold(
      `Replay: ${parts
        .filter(([number]) => number > 0)
        .map(([number, what]) => `${number} ${what}`)
        .join(', ')}`,
    ),
  )
}
