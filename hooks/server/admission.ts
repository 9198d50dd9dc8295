// What the API server asks of a kind: POST /admission/<kind>/validate and /default, and POST /conversion/<kind>. None of
// it writes anything, and no answer holds a Secret: what is told follows from what was sent.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Admission, evaluateDefaults, evaluateValidation } from '../sdk/admit.ts'
import { convertObject, titleOf } from '../sdk/convert.ts'
import { type Composite, hookName } from '../sdk/definition.ts'
import type { Environment } from '../sdk/evaluate.ts'
import { foreseeShortages } from '../sdk/foresight.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import type { ResourceQuota } from '../sdk/resources.ts'
import type { Body } from './body.ts'
import { internalError, refuse } from './errors.ts'
import type { HookService } from './hook.ts'
import { logFailure } from './log.ts'
import type { Outcome } from './metrics.ts'
import { parseBody } from './request.ts'
import {
  type AdmissionReview,
  allowed,
  checkAdmission,
  checkConversion,
  converted,
  denied,
  isLookedAt,
  notConverted,
} from './review.ts'

/** Who may ask, by a hook that lets others not through; empty where anybody may. */
type Guard = HookService['authenticate']

/** The ResourceQuotas of the cluster, as far as they are known. */
export interface Quotas {
  of(namespace: string): readonly ResourceQuota[]
  close(): Promise<void>
}

export type AdmissionService = Pick<HookService, 'credentials' | 'settings' | 'now' | 'metrics' | 'traces'> & {
  guard: Guard
  quotas: Quotas | undefined
}

interface Answered {
  outcome: Outcome
  body: object
}

/** The hooks of a kind that the API server may call: the last parts of their paths. */
export function admissionHooksOf(definition: Composite): ('validate' | 'default')[] {
  return definition.default === undefined ? ['validate'] : ['validate', 'default']
}

/** Adds the routes of one kind. */
export function addAdmission(app: FastifyInstance, definition: Composite, service: AdmissionService): void {
  const kind = hookName(definition)
  const { conversions } = definition
  for (const hook of admissionHooksOf(definition)) {
    add(`/admission/${kind}/${hook}`, hook, (body, request) => {
      const { fault, review } = checkAdmission(definition, body)
      if (fault !== undefined) return fault
      return hook === 'validate' ? validate(definition, review, service, request) : fillIn(definition, review, service)
    })
  }
  if (conversions !== undefined) {
    add(`/conversion/${kind}`, 'convert', (body, request) => convert(definition, body, request))
  }

  // No back-pressure here: the API server knows no "later", and what it asks takes a millisecond.
  function add(url: string, hook: string, answer: (body: unknown, request: FastifyRequest) => Answered | string): void {
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const parsed = parseBody(Array.isArray(request.body) ? (request.body as Body) : undefined)
      if (parsed.fault !== undefined) return refuse(request, reply, 400, parsed.fault)
      try {
        const answered = answer(parsed.value, request)
        if (typeof answered === 'string') return refuse(request, reply, 400, answered)
        request.outcome = answered.outcome
        return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(answered.body))
      } catch (error) {
        // No verdict: whether the request goes on without one is what failurePolicy says.
        logFailure(request, { kind, hook, body: subjectOf(parsed.value), derived: [], error })
        return internalError(request, reply)
      }
    }
    const start = async (request: FastifyRequest) => {
      request.span = service.traces?.start(url, request.headers)
    }
    const count = async (request: FastifyRequest, reply: FastifyReply) => {
      const outcome = request.outcome ?? failureOf(reply.statusCode)
      service.metrics.answered(kind, hook, outcome, reply.elapsedTime / 1000)
      request.span?.say({ 'operator_hooks.outcome': outcome })
      request.span?.end(reply.statusCode)
    }
    app.post(url, { onRequest: [...service.guard, start], onResponse: count, handler })
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** How a review ended, where it did. */
    outcome: Outcome | undefined
  }
}

function validate(
  definition: Composite,
  review: AdmissionReview,
  service: AdmissionService,
  request: FastifyRequest,
): Answered {
  const admission = admissionOf(review)
  if (admission === undefined) return { outcome: 'allowed', body: allowed(review) }
  const { problems, warnings, children, childrenBefore } = evaluateValidation(
    definition,
    admission,
    environmentOf(service),
  )
  const { namespace, name, operation, dryRun = false } = review.request
  if (problems.length > 0) {
    const fields = problems.map(({ field }) => field)
    const kind = hookName(definition)
    request.log.info(
      { kind, hook: 'validate', namespace, name, operation, dryRun, decision: 'denied', fields },
      'answered',
    )
    return { outcome: 'denied', body: denied(review, definition, problems, warnings) }
  }
  const quotas = namespace === undefined ? [] : (service.quotas?.of(namespace) ?? [])
  const foreseen = foreseeShortages(children ?? [], childrenBefore ?? [], definition.children, quotas)
  return { outcome: 'allowed', body: allowed(review, [...warnings, ...foreseen]) }
}

function fillIn(definition: Composite, review: AdmissionReview, service: AdmissionService): Answered {
  const admission = admissionOf(review)
  const patch = admission === undefined ? [] : evaluateDefaults(definition, admission, environmentOf(service))
  return { outcome: patch.length > 0 ? 'patched' : 'allowed', body: allowed(review, [], patch) }
}

function convert(definition: Composite, body: unknown, request: FastifyRequest): Answered | string {
  const { fault, review } = checkConversion(definition, body)
  if (fault !== undefined) return fault
  const { desiredAPIVersion, objects } = review.request
  const version = desiredAPIVersion.slice(definition.group.length + 1)
  const made: KubernetesObject[] = []
  for (const one of objects) {
    const about = { kind: hookName(definition), hook: 'convert' }
    try {
      const { object, fault } = convertObject(definition, one, version)
      if (fault === undefined) {
        made.push(object)
        continue
      }
      const { name, namespace } = one.metadata
      const versions = { from: one.apiVersion, to: desiredAPIVersion }
      request.log.info({ ...about, namespace, name, ...versions, decision: 'denied' }, 'answered')
      return { outcome: 'denied', body: notConverted(review, fault) }
    } catch (error) {
      // Given a 500 the API server would say only that the webhook has failed, and not for which of many objects.
      logFailure(request, { ...about, body: { parent: one }, derived: [], error })
      const message = `${titleOf(one)}: an error of the hook service itself; its log tells more under the request id ${request.id}`
      return { outcome: 'failed', body: notConverted(review, message) }
    }
  }
  return { outcome: 'converted', body: converted(review, made) }
}

function admissionOf({ request }: AdmissionReview): Admission | undefined {
  const { operation, subResource, name, namespace, object, oldObject } = request
  if (!isLookedAt(operation, subResource) || object === undefined) return undefined
  const { metadata } = object
  // On creation the API server may not have put them into the object yet; to a generated name it adds five characters.
  const known = metadata.name || name || `${metadata.generateName ?? ''}xxxxx`
  return {
    operation: operation === 'UPDATE' ? 'UPDATE' : 'CREATE',
    object: { ...object, metadata: { ...metadata, name: known, ...(namespace && { namespace }) } },
    ...(operation === 'UPDATE' && oldObject && { oldObject }),
  }
}

function environmentOf({ credentials, settings, now }: AdmissionService): Environment {
  return { credentials, settings, now: now() }
}

// The log names the object that a review is about as it names a hook's.
function subjectOf(body: unknown): unknown {
  return { parent: (body as Partial<AdmissionReview> | undefined)?.request?.object, body }
}

function failureOf(status: number): Outcome {
  if (status === 401) return 'unauthorized'
  return status < 500 ? 'invalid' : 'failed'
}
