// The hot path: one POST to one hook of one definition. Parse once, evaluate, stringify once.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Credentials } from '../sdk/credentials.ts'
import { type Definition, hasCustomize, hasFinalize, hookName, type Settings } from '../sdk/definition.ts'
import { type Environment, evaluateComposite, evaluateCustomize, evaluateDecorator } from '../sdk/evaluate.ts'
import type { Body } from './body.ts'
import type { Capacity, Limits, Overload } from './capacity.ts'
import { internalError, refuse, sent } from './errors.ts'
import { matches, tagger } from './etag.ts'
import { type EventSink, eventsOf, isEventful } from './events.ts'
import { logAnswer, logFailure } from './log.ts'
import type { Metrics, Outcome } from './metrics.ts'
import { withoutSecrets } from './redact.ts'
import { checkComposite, checkCustomize, checkDecorator, parseBody } from './request.ts'
import type { Story } from './story.ts'
import type { Traces } from './traces.ts'

/** Metacontroller's hooks. */
export type HookKind = 'sync' | 'finalize' | 'customize'

/** What the routes of all hooks share. */
export interface HookService {
  credentials: Credentials
  settings: Settings
  now(): Date
  salt: string
  limits: Limits
  capacity: Capacity
  metrics: Metrics
  traces: Traces | undefined
  events: EventSink | undefined
  authenticate: readonly ((request: FastifyRequest, reply: FastifyReply) => Promise<void>)[]
}

/** The hooks that a definition answers. */
export function hooksOf(definition: Definition): HookKind[] {
  const hooks: HookKind[] = ['sync']
  if (hasFinalize(definition)) hooks.push('finalize')
  if (hasCustomize(definition)) hooks.push('customize')
  return hooks
}

/** Adds POST /hooks/<name>/<hook>. */
export function addHook(app: FastifyInstance, definition: Definition, hook: HookKind, service: HookService): void {
  const { limits, capacity, metrics, traces, events } = service
  const kind = hookName(definition)
  const url = `/hooks/${kind}/${hook}`
  const tag = tagger(service.salt, url)
  const budgetMs = limits.timeoutSeconds[hook] * 1000

  app.post(url, { onRequest: [...service.authenticate, enter], onResponse: count, handler: answer })

  async function enter(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const overload = capacity.enter()
    if (overload !== undefined) {
      await sent(request)
      return reject(request, reply, overload)
    }
    reply.raw.once('close', capacity.leave)
    request.span = traces?.start(url, request.headers)
    return undefined
  }

  function reject(request: FastifyRequest, reply: FastifyReply, reason: Overload | 'budget'): FastifyReply {
    const { retryAfterSeconds } = limits
    metrics.rejected(reason)
    const message = `${because[reason]}; ask again in ${retryAfterSeconds} s`
    return refuse(request, reply.header('retry-after', String(retryAfterSeconds)), 429, message)
  }

  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    // A function that runs cannot be interrupted, but work that nobody waits for any more need not begin.
    if (reply.elapsedTime > budgetMs) return reject(request, reply, 'budget')
    const body = Array.isArray(request.body) ? (request.body as Body) : undefined
    const etag = body !== undefined ? tag(body) : undefined
    if (etag !== undefined && matches(request.headers['if-none-match'], etag)) {
      return reply.code(304).header('etag', etag).send()
    }
    const parsed = parseBody(body)
    if (parsed.fault !== undefined) return refuse(request, reply, 400, parsed.fault)
    const derived: string[] = []
    const environment = {
      now: service.now(),
      credentials: noting(service.credentials, derived),
      settings: service.settings,
    }
    try {
      const evaluated = evaluate(definition, hook, parsed.value, environment)
      if (evaluated.fault !== undefined) return refuse(request, reply, 400, evaluated.fault)
      const payload = JSON.stringify(evaluated.response)
      if (evaluated.story !== undefined) tell(request, evaluated.story, derived)
      if (etag !== undefined && evaluated.cacheable) reply.header('etag', etag)
      return reply.header('content-type', 'application/json; charset=utf-8').send(payload)
    } catch (error) {
      logFailure(request, { kind, hook, body: parsed.value, derived, error })
      return internalError(request, reply)
    }
  }

  function tell(request: FastifyRequest, evaluated: Story, derived: readonly string[]): void {
    const story = withoutSecrets(evaluated, derived)
    request.held = story.hold !== undefined
    metrics.told(kind, story.desired.length, story.changes, story.hold?.reason)
    logAnswer(request, kind, hook, story)
    request.span?.say(spanAttributes(story))
    if (events !== undefined && isEventful(story)) setImmediate(() => eventsOf(story).forEach(events.record))
  }

  async function count(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const outcome = outcomeOf(reply.statusCode, request.held)
    metrics.answered(kind, hook, outcome, reply.elapsedTime / 1000)
    // It could not be interrupted, and nobody waited for it: whoever runs the service must know.
    if (reply.elapsedTime > budgetMs && outcome !== 'rejected') {
      request.log.warn({ kind, hook, tookMs: Math.round(reply.elapsedTime), budgetMs }, 'answered too late')
    }
    request.span?.say({ 'operator_hooks.outcome': outcome })
    request.span?.end(reply.statusCode)
  }
}

const because: Record<Overload | 'budget', string> = {
  stopping: 'this copy of the service is stopping',
  in_flight: 'as many requests as are allowed are being worked on',
  event_loop: 'the service is overloaded',
  budget: 'the request is older than its timeout',
}

function spanAttributes({ subject, hold, changes, desired }: Story) {
  const { name = '', namespace = '', generation = 0 } = subject.metadata
  return {
    'k8s.namespace.name': namespace,
    'operator_hooks.name': name,
    'operator_hooks.generation': generation,
    'operator_hooks.desired': desired.length,
    'operator_hooks.changes': changes.length,
    ...(hold && { 'operator_hooks.hold': hold.reason }),
  }
}

type Evaluated = { fault: string } | { fault?: undefined; response: object; cacheable: boolean; story?: Story }

function evaluate(definition: Definition, hook: HookKind, body: unknown, environment: Environment): Evaluated {
  const finalizing = hook === 'finalize'
  if (hook === 'customize') {
    const { fault, request } = checkCustomize(definition, body)
    if (fault !== undefined) return { fault }
    return { response: evaluateCustomize(definition, request, environment.settings), cacheable: true }
  }
  if (definition.controller === 'composite') {
    const { fault, request } = checkComposite(definition, finalizing, body)
    if (fault !== undefined) return { fault }
    const evaluation = evaluateComposite(definition, request, environment)
    const { response, cacheable } = evaluation
    const story = { ...evaluation, subject: request.parent, observed: request.children, desired: response.children }
    return { response, cacheable, story }
  }
  const { fault, request } = checkDecorator(definition, finalizing, body)
  if (fault !== undefined) return { fault }
  const evaluation = evaluateDecorator(definition, request, environment)
  const { response, cacheable } = evaluation
  const story = { ...evaluation, subject: request.object, observed: request.attachments, desired: response.attachments }
  return { response, cacheable, story }
}

// Remembers what was derived for one request, so that a failure can be told without it.
function noting(credentials: Credentials, derived: string[]): Credentials {
  return {
    ...credentials,
    derive(input) {
      const value = credentials.derive(input)
      derived.push(value)
      return value
    },
  }
}

function outcomeOf(status: number, held: boolean): Outcome {
  if (status === 200) return held ? 'held' : 'answered'
  if (status === 304) return 'not_modified'
  if (status === 401) return 'unauthorized'
  if (status === 429) return 'rejected'
  return status < 500 ? 'invalid' : 'failed'
}
