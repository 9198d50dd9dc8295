// The hook service: HTTP around the pure functions of the definitions. It knows no kind by name.
import { randomUUID, X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import sensible from '@fastify/sensible'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type pino from 'pino'
import type { Credentials } from '../sdk/credentials.ts'
import { type Definition, hookName, type Settings } from '../sdk/definition.ts'
import { addAdmission, admissionHooksOf, type Quotas } from './admission.ts'
import { type Authentication, authenticator, certificateCheck, createTokens, type Tokens } from './authentication.ts'
import { readBody } from './body.ts'
import type { Build } from './build.ts'
import { createCapacity, defaultLimits, type Limits } from './capacity.ts'
import { answerErrors } from './errors.ts'
import { etagSalt } from './etag.ts'
import type { EventSink } from './events.ts'
import { addHook, hooksOf } from './hook.ts'
import { createLogger } from './logger.ts'
import { createMetrics } from './metrics.ts'
import { addMetrics, addProbes, type Probed } from './probes.ts'
import type { Traced, Traces } from './traces.ts'

export interface ServerOptions {
  definitions: readonly Definition[]
  environment: { credentials: Credentials; settings: Settings }
  /** Who may call the hooks; 'none' has to be said. */
  authentication: Authentication
  /**
   * Serves what the API server asks (admission, conversion): to anybody, since it can rarely show anything, or to those
   * with a client certificate. Not served unless given.
   */
  admission?: 'open' | 'mtls'
  /** What a resource would take of its namespace's quotas. Closed with the server. */
  quotas?: Quotas
  /** Those that `authentication: 'token'` accepts. */
  tokens?: Tokens
  limits?: Partial<Limits>
  /** Serves HTTPS. `app.exchange()` takes another certificate later. */
  tls?: SecureContextOptions
  /** What runs: told by /version, and part of every ETag. A build of its own unless given. */
  build?: Build
  /** What else answers depend on, such as the ids of the older credential keys: part of every ETag. */
  salt?: readonly string[]
  /** Serves /metrics on `app.probes` alone, a second server that has the probes too and is listened to by itself. */
  metricsApart?: boolean
  traces?: Traces
  /** Is told what answers do, once they have left. Closed with the server. */
  events?: EventSink
  /** A pino logger, or a stream that lines are written to; silent unless given. */
  logger?: FastifyBaseLogger | pino.DestinationStream
  logLevel?: pino.LevelWithSilent
  /** The time; the simulator winds it on. */
  now?: () => Date
}

/**
 * Makes the service, ready for `inject()` and `listen()`. `app.stop()` makes it answer 429 from then on; `app.close()`
 * answers what is in flight first.
 */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { definitions, environment, tls } = options
  const limits = { ...defaultLimits, ...options.limits }
  const build = options.build ?? { version: '0.0.0', id: randomUUID() }
  const capacity = createCapacity(limits)
  const metrics = createMetrics(capacity, build)
  const app: FastifyInstance = Fastify({
    loggerInstance: loggerOf(options),
    logController: quiet,
    schemaController: withoutSchemas,
    bodyLimit: limits.bodyBytes,
    // A router that is closing answers 503 otherwise, which Metacontroller takes as a failure.
    return503OnClosing: false,
    genReqId: requestId,
    serverFactory: (handler) => {
      const server =
        tls === undefined
          ? http.createServer(handler)
          : https.createServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: false }, handler)
      // Go's client keeps an idle connection for 90 s: it must not be us who close it while a request is under way.
      server.keepAliveTimeout = 95_000
      server.headersTimeout = 30_000
      server.requestTimeout = 60_000
      return server
    },
  })
  await app.register(sensible)
  // Bodies come as they are: they are hashed before anybody parses them, and parsed only once.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request, payload, done) => readBody(request, payload, limits.bodyBytes, done))
  app.decorateRequest('held', false)
  app.decorateRequest('outcome', undefined)
  app.decorateRequest('span', undefined)
  app.decorate('stop', capacity.stop)
  const certify = ({ cert }: SecureContextOptions) => metrics.certified(expiryOf(cert))
  if (tls !== undefined) certify(tls)
  app.decorate('exchange', (next: SecureContextOptions) => {
    if (!(app.server instanceof https.Server)) throw new Error('this server does not speak TLS')
    app.server.setSecureContext(next)
    certify(next)
  })
  app.addHook('preClose', async () => capacity.stop())
  app.addHook('onClose', async () => {
    capacity.close()
    await Promise.all([options.events?.close(), options.quotas?.close(), options.traces?.close()])
  })
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id)
    // A caller that keeps its connection would keep a stopping server alive, and never come to another copy.
    if (capacity.stopping()) reply.header('connection', 'close')
  })
  answerErrors(app, () => routesOf(options))
  const probed = { build, capacity, metrics, definitions }
  addProbes(app, probed)
  app.decorate('probes', options.metricsApart ? await probeServer(app, probed) : undefined)
  if (!options.metricsApart) addMetrics(app, metrics)
  const service = {
    ...environment,
    now: options.now ?? (() => new Date()),
    salt: etagSalt([build.version, build.id, ...(options.salt ?? [])], environment.settings, environment.credentials),
    limits,
    capacity,
    metrics,
    traces: options.traces,
    events: options.events,
    authenticate: await authenticator(app, options.authentication, options.tokens ?? createTokens([])),
  }
  for (const definition of definitions) {
    for (const hook of hooksOf(definition)) addHook(app, definition, hook, service)
    if (definition.controller === 'composite' && options.admission !== undefined) {
      const guard = options.admission === 'mtls' ? [certificateCheck(app)] : []
      addAdmission(app, definition, { ...service, guard, quotas: options.quotas })
    }
  }
  await app.ready()
  return app
}

// Imported, this module would load undici for the sake of its WebSocket export: a fifth of a cold start.
const http = process.getBuiltinModule('node:http')

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the answer holds what exists: another outcome in the metrics. */
    held: boolean
    span: Traced | undefined
  }
  interface FastifyInstance {
    /** From now on hooks are answered 429 and /readyz says so. */
    stop(): void
    /** New connections get this certificate from now on, and are asked for one of these authorities. */
    exchange(tls: SecureContextOptions): void
    /** The second server of `metricsApart`. */
    probes: FastifyInstance | undefined
  }
}

// Of a chain the first certificate counts, which is what X509Certificate reads.
function expiryOf(cert: SecureContextOptions['cert']): Date {
  const [first] = [cert].flat()
  return first === undefined ? new Date(0) : new Date(new X509Certificate(first).validTo)
}

// The second server: it closes with the first.
async function probeServer(app: FastifyInstance, probed: Probed): Promise<FastifyInstance> {
  const server = Fastify({
    loggerInstance: app.log,
    logController: quiet,
    schemaController: withoutSchemas,
    return503OnClosing: false,
  })
  answerErrors(server, () => 'there is GET /metrics, /healthz, /readyz, /version')
  addProbes(server, probed)
  addMetrics(server, probed.metrics)
  await server.ready()
  app.addHook('onClose', () => server.close())
  return server
}

// No route has a schema: without these two Fastify loads ajv and fast-json-stringify at every start.
const withoutSchemas = {
  compilersFactory: { buildValidator: () => noSchemas, buildSerializer: () => noSchemas },
}

function noSchemas(): never {
  throw new Error('this service checks bodies itself; no route has a schema')
}

const quiet = new LogController({ disableRequestLogging: true, requestIdLogLabel: 'reqId' })

function routesOf({ definitions, metricsApart, admission }: ServerOptions): string {
  const hooks = definitions.map((definition) => `/hooks/${hookName(definition)}/{${hooksOf(definition).join(',')}}`)
  const reviews = admission === undefined ? [] : definitions.flatMap(admissionRoutesOf)
  const posts = [...hooks, ...reviews]
  const all = posts.length === 0 ? '' : `POST ${posts.join(', ')} and `
  return `there is ${all}GET /healthz, /readyz, ${metricsApart ? '' : '/metrics, '}/version`
}

function admissionRoutesOf(definition: Definition): string[] {
  if (definition.controller !== 'composite') return []
  const name = hookName(definition)
  const reviews = `/admission/${name}/{${admissionHooksOf(definition).join(',')}}`
  return definition.conversions === undefined ? [reviews] : [reviews, `/conversion/${name}`]
}

function loggerOf({ logger, logLevel = 'info' }: ServerOptions): FastifyBaseLogger {
  if (logger === undefined) return createLogger('silent')
  return 'write' in logger ? createLogger(logLevel, logger) : logger
}

const prefix = randomUUID().slice(0, 8)
let requests = 0

// The caller's id is kept where it looks like one, so that a request can be followed through proxies.
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  if (typeof given === 'string' && /^[\w.-]{1,64}$/.test(given)) return given
  requests++
  return `${prefix}-${requests.toString(36)}`
}
