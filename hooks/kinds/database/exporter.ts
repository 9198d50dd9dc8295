// Metrics: an exporter beside the engine, where spec.monitoring asks for it.
import type { Container } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../sdk/definition.ts'
import { prefixedImage } from '../../sdk/images.ts'
import { restrictedContainer } from '../../sdk/podsecurity.ts'
import { monitor } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import { names } from './names.ts'
import { helperResources } from './resources.ts'
import type { Database } from './schema.ts'

/** The container, in a list that is empty where there is none. */
export function exporter(db: Database, settings: Settings): Container[] {
  if (!db.spec.monitoring.enabled) return []
  const { image, port, args, env } = engineOf(db).exporter
  const mounts = engineOf(db).scratch.filter(({ medium }) => medium === undefined)
  return [
    {
      name: 'exporter',
      image: prefixedImage(db.spec.monitoring.image ?? image, settings),
      args,
      env: env(db, { secretKeyRef: { name: names(db).secret, key: monitor.key } }),
      ports: [{ name: 'metrics', containerPort: port, protocol: 'TCP' }],
      resources: helperResources,
      securityContext: restrictedContainer,
      // The API server drops an empty list, and to miss it would cause a write at every sync.
      ...(mounts.length === 0 ? {} : { volumeMounts: mounts }),
    },
  ]
}

/** What a Prometheus that looks at annotations goes by. */
export function scrapeAnnotations(db: Database): Record<string, string> {
  if (!db.spec.monitoring.enabled) return {}
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(engineOf(db).exporter.port) }
}
