// The product's own hook service for a simulated cluster: over real HTTP, in this process, at the cluster's time.
import { controllerOf } from '../../hooks/generate/controllers.ts'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import type { Definition } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createRecorder, type EventWriter } from '../../hooks/server/events.ts'
import { createServer } from '../../hooks/server/index.ts'
import { objectOf } from '../../hooks/simulator/json.ts'
import type { Client } from '../../hooks/simulator/store.ts'
import type { StartHook } from './cluster.ts'

/**
 * Serves these definitions. Passwords come from a key of the tests. Every start is another build, as after an upgrade: no
 * ETag of the one before counts. `log` is given every line that is logged, down to level trace.
 */
export function serviceOf(definitions: readonly Definition[], log?: (line: string) => void): StartHook {
  let starts = 0
  return async ({ port, now, api }) => {
    const credentials = createCredentials([{ id: 'test', secret: Buffer.alloc(32, 1) }])
    const app = await createServer({
      definitions,
      environment: { credentials, settings: { imageRegistry: '' } },
      authentication: 'none',
      build: { version: '0.0.0', id: `start-${++starts}` },
      ...(log && { logger: { write: log }, logLevel: 'trace' }),
      now,
      events: createRecorder(eventWriter(api), { now }),
    })
    await app.listen({ port, host: '127.0.0.1' })
    return {
      stop: () => app.close(),
      async kill() {
        app.server.closeAllConnections()
        await app.close()
      },
      metrics: async () => (await app.inject('/metrics')).body,
    }
  }
}

/** The same definitions, looked at every 30 s: scenarios wait to see that a look changes nothing. */
export function resyncedOften(definitions: readonly Definition[]): Definition[] {
  return definitions.map((definition) => ({ resyncPeriodSeconds: 30, ...definition }))
}

/** The CRDs and controllers of these definitions, as they are generated. */
export function manifestsOf(definitions: readonly Definition[]): KubernetesObject[] {
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  return [
    ...composites.map((definition) => objectOf(customResourceDefinition(definition))),
    ...definitions.map((definition) => objectOf(controllerOf(definition))),
  ]
}

/** Events straight into the simulated API server. */
function eventWriter(api: Client): EventWriter {
  const type = { apiVersion: 'events.k8s.io/v1', kind: 'Event' }
  return {
    async create({ name, namespace, eventTime, ...event }) {
      api.create({ ...type, metadata: { name, namespace }, eventTime: eventTime.toISOString(), ...event })
    },
    async update({ name, namespace }, { count, lastObservedTime }) {
      api.patch({ ...type, name, namespace }, { series: { count, lastObservedTime: lastObservedTime.toISOString() } })
    },
  }
}
