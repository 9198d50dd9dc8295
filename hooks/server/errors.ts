// Every answer that is not a hook's. Metacontroller copies the body of a failed call into an Event on the parent, so a
// body says what a reader of Events may know: what to put right, or the id under which the log tells more.
import { finished } from 'node:stream'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Gives the server its one shape of error: `{error, message, requestId}`. `what` is offered where nothing is found. */
export function answerErrors(app: FastifyInstance, routes: () => string): void {
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500
    if (status === 413) await sent(request)
    if (status < 500) return refuse(request, reply, status, clientMessage(error, app))
    request.log.error({ error: error.name, code: error.code, stack: frames(error) }, 'failed')
    return internalError(request, reply)
  })
  app.setNotFoundHandler((request, reply) =>
    refuse(request, reply, 404, `there is no ${request.method} ${pathOf(request)}; ${routes()}`),
  )
}

/** The answer to a request that is at fault, or that comes at a bad time. */
export function refuse(request: FastifyRequest, reply: FastifyReply, status: number, message: string): FastifyReply {
  // Strangers ask for what is not there, and a 429 is counted.
  const level = status === 404 || status === 429 ? 'debug' : 'warn'
  request.log[level]({ status, path: pathOf(request), message }, 'refused')
  return reply.code(status).send(errorBody(request, status, message))
}

/** The answer to a bug. */
export function internalError(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const message = 'an error of the hook service itself; its log tells more under this request id'
  return reply.code(500).send(errorBody(request, 500, message))
}

function errorBody(request: FastifyRequest, status: number, message: string) {
  return { error: titles[status] ?? 'Error', message, requestId: request.id }
}

/**
 * Reads the rest of a request's body and keeps none of it: a caller that is still sending when the connection closes may
 * never see the answer. Who is slow is not waited for.
 */
export function sent({ raw }: FastifyRequest): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000)
    finished(raw, () => {
      clearTimeout(timer)
      resolve()
    })
    raw.resume()
  })
}

/** Where an error happened, without its message, which may quote what was being worked on. */
export function frames(error: Error): string[] {
  return (error.stack ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^at .+:\d+:\d+\)?$/.test(line))
}

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  413: 'Payload Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
}

function clientMessage(error: FastifyError, app: FastifyInstance): string {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const { bodyLimit = 0 } = app.initialConfig
    return `the body is larger than ${bodyLimit} bytes; --body-limit-mib raises that`
  }
  return error.message
}

// What the caller asked for, cut so that it cannot fill an Event.
function pathOf(request: FastifyRequest): string {
  const path = request.url.split('?', 1)[0] ?? ''
  return path.length > 100 ? `${path.slice(0, 100)}…` : path
}
