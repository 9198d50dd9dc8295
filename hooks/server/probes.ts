// What others than Metacontroller ask: is it alive, can it work, what does it count, which build is it.
import type { FastifyInstance } from 'fastify'
import { type Definition, hookName } from '../sdk/definition.ts'
import type { Build } from './build.ts'
import type { Capacity } from './capacity.ts'
import type { Metrics } from './metrics.ts'

export interface Probed {
  build: Build
  capacity: Capacity
  metrics: Metrics
  definitions: readonly Definition[]
}

/** Adds GET /healthz, /readyz and /version. They need no token: none of them tells of any object. */
export function addProbes(app: FastifyInstance, { build, capacity, definitions }: Probed): void {
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    if (!capacity.stopping()) return { status: 'ready' }
    return reply.code(429).header('retry-after', '1').send({ status: 'stopping' })
  })
  app.get('/version', async () => ({
    version: build.version,
    build: build.id,
    node: process.versions.node,
    hooks: definitions.map(hookName),
  }))
}

/** Adds GET /metrics, in Prometheus' text format. */
export function addMetrics(app: FastifyInstance, { registry }: Metrics): void {
  app.get('/metrics', async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  )
}
