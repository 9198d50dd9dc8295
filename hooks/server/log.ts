// What the log says of an answer: names, field paths and decisions. Never an object and never a value, so that no Secret
// can get in by way of one.
import type { FastifyRequest } from 'fastify'
import type { Change } from '../sdk/changes.ts'
import { isRecord } from '../sdk/kubernetes.ts'
import { frames } from './errors.ts'
import { withoutValues } from './redact.ts'
import { conditionOf, isNewHold, type Story } from './story.ts'

/** One line an answer: at info when something changes, at error when the kind has a fault, at debug otherwise. */
export function logAnswer(request: FastifyRequest, kind: string, hook: string, story: Story): void {
  const level = levelOf(story)
  const { log } = request
  // The object is not made for nobody.
  if (level === 'debug' && log.level !== 'debug' && log.level !== 'trace') return
  const { subject, hold, changes, response } = story
  const { namespace, name, generation } = subject.metadata
  log[level](
    {
      kind,
      hook,
      namespace,
      name,
      generation,
      decision: decisionOf(story),
      ...listed('created', changes, 'create'),
      ...listed('changed', changes, 'change'),
      ...listed('removed', changes, 'remove'),
      ...(hold && { reason: hold.reason, message: hold.message }),
      ...state(response.status),
    },
    'answered',
  )
}

/** A bug: what it was, less all that the request held, and where. */
export function logFailure(
  request: FastifyRequest,
  failure: { kind: string; hook: string; body: unknown; derived: readonly string[]; error: unknown },
): void {
  const { kind, hook, body, derived, error } = failure
  const { namespace, name, generation } = subjectOf(body)
  const what =
    error instanceof Error
      ? { error: error.name, message: withoutValues(error.message, body, derived), stack: frames(error) }
      : { error: typeof error }
  request.log.error({ kind, hook, namespace, name, generation, decision: 'failed', ...what }, 'failed')
}

function levelOf(story: Story): 'error' | 'info' | 'debug' {
  if (story.defect !== undefined) return 'error'
  if (story.changes.length > 0 || isNewHold(story) || story.response.finalized === true) return 'info'
  return hasMoved(story) ? 'info' : 'debug'
}

function decisionOf({ hold, changes, response }: Story): string {
  if (hold !== undefined) return 'held'
  if (response.finalized !== undefined) return response.finalized ? 'finalized' : 'finalizing'
  return changes.length > 0 ? 'changed' : 'kept'
}

// A status that says something else than before, of what people look at.
function hasMoved({ subject, response }: Story): boolean {
  if (!isRecord(response.status)) return false
  const before = state(subject.status)
  const after = state(response.status)
  return before.phase !== after.phase || before.ready !== after.ready || before.because !== after.because
}

function state(status: unknown): { phase?: string; ready?: string | undefined; because?: string | undefined } {
  const ready = conditionOf(status, 'Ready')
  const phase = isRecord(status) && typeof status.phase === 'string' ? { phase: status.phase } : {}
  return ready === undefined ? phase : { ...phase, ready: ready.status, because: ready.reason }
}

// Enough to see what happened, and little enough for a line.
const mostChildren = 20
const mostFields = 10

function listed(title: string, changes: readonly Change[], action: Change['action']): Record<string, string[]> {
  const of = changes.filter((change) => change.action === action)
  if (of.length === 0) return {}
  const told = of.slice(0, mostChildren).map(({ kind, name, fields, drift }) => {
    const paths = fields.slice(0, mostFields).join(', ')
    const more = fields.length > mostFields ? ` and ${fields.length - mostFields} more` : ''
    return `${kind}/${name}${drift ? ' (drift)' : ''}${paths === '' ? '' : `: ${paths}${more}`}`
  })
  return { [title]: of.length > mostChildren ? [...told, `and ${of.length - mostChildren} more`] : told }
}

function subjectOf(body: unknown): { namespace?: unknown; name?: unknown; generation?: unknown } {
  if (!isRecord(body)) return {}
  const subject = body.parent ?? body.object
  return isRecord(subject) && isRecord(subject.metadata) ? subject.metadata : {}
}
