// A ServiceMonitor for any Service that asks to be scraped.
import type { ServicePort } from 'kubernetes-types/core/v1.js'
import type { Notice } from '../../sdk/decorated.ts'
import { scrapeAnnotation } from '../../sdk/monitoring.ts'
import type { Service } from '../../sdk/resources.ts'
import type { ServiceMonitor } from './types.ts'

/**
 * A ServiceMonitor selects Services by label, and several Services may have the same ones (those of a canary have): so
 * each that is scraped gets a label of its own.
 */
export const serviceLabel = 'monitoring.example.com/service'

/** Whether a Service asks to be scraped. */
export function isScraped({ metadata }: Service): boolean {
  return metadata.annotations?.[scrapeAnnotation.scrape] === 'true'
}

/** The ServiceMonitor of a Service, or what is wrong with its annotations. */
export function serviceMonitor(service: Service, labels: Record<string, string>): ServiceMonitor | Notice {
  const { name, annotations = {} } = service.metadata
  const interval = annotations[scrapeAnnotation.interval]
  if (interval !== undefined && !durationPattern.test(interval)) {
    return invalid(scrapeAnnotation.interval, interval, 'a duration such as 30s or 1m')
  }
  const path = annotations[scrapeAnnotation.path] ?? '/metrics'
  if (!path.startsWith('/')) return invalid(scrapeAnnotation.path, path, 'a path that starts with /')
  const ports = service.spec?.ports ?? []
  const wanted = annotations[scrapeAnnotation.port]
  const port = portOf(ports, wanted)
  if (port === undefined) {
    const known = ports.map(({ name, port }) => name ?? String(port)).join(', ')
    return invalid(
      scrapeAnnotation.port,
      wanted ?? '',
      `the name of one of the Service's ports: ${known || 'it has none'}`,
    )
  }
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: { name, labels },
    spec: {
      selector: { matchLabels: { [serviceLabel]: name } },
      endpoints: [{ ...port, path, ...(interval === undefined ? {} : { interval }) }],
    },
  }
}

// As the CRD has it: https://github.com/prometheus-operator/prometheus-operator/blob/main/pkg/apis/monitoring/v1/types.go
const durationPattern = /^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$/

/** By name or number; without a wish the one that is called metrics, else the first. */
function portOf(ports: readonly ServicePort[], wanted: string | undefined) {
  const found =
    wanted === undefined
      ? (ports.find(({ name }) => name === 'metrics') ?? ports[0])
      : ports.find(({ name, port }) => name === wanted || String(port) === wanted)
  if (found === undefined) return undefined
  // Only the single port of a Service may have no name; endpoints then tell it by the pod's port.
  return found.name === undefined ? { targetPort: found.targetPort ?? found.port } : { port: found.name }
}

function invalid(annotation: string, value: string, allowed: string): Notice {
  return { reason: 'InvalidAnnotation', message: `${annotation}: "${value}" is not ${allowed}` }
}
