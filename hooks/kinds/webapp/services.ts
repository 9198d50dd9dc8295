// The Service <name> that users call, and those of one track each that a rollout leads requests to.
import type { ServicePort } from 'kubernetes-types/core/v1.js'
import { scrapeAnnotations } from '../../sdk/monitoring.ts'
import type { Service } from '../../sdk/resources.ts'
import { labels, names, selectorLabels, type Track, trackLabels } from './names.ts'
import { portNamed, portsOf } from './ports.ts'
import { canaryPort, type WebApp } from './schema.ts'

/** What users call: the pods of one track, or of both when none is given. */
export function publicService(app: WebApp, track?: Track): Service {
  const { type, annotations, labels: extra } = app.spec.service
  const all = { ...annotations, ...monitoringAnnotations(app) }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: names(app).service,
      labels: { ...extra, ...labels(app) },
      ...(Object.keys(all).length > 0 && { annotations: all }),
    },
    spec: {
      type,
      selector: track === undefined ? selectorLabels(app) : trackLabels(app, track),
      ports: servicePorts(app, (port) => port),
    },
  }
}

/**
 * The pods of one track, for the parts of a route. The canary's ports have numbers of their own.
 * @param scraped whether its metrics are collected here, because the Service that users call does not lead to it
 */
export function trackService(app: WebApp, track: Track, scraped: boolean): Service {
  const annotations = scraped ? monitoringAnnotations(app) : {}
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: names(app).trackService(track),
      labels: labels(app),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: {
      type: 'ClusterIP',
      selector: trackLabels(app, track),
      ports: servicePorts(app, track === 'canary' ? canaryPort : (port) => port),
    },
  }
}

function servicePorts(app: WebApp, numberOf: (port: number) => number): ServicePort[] {
  return portsOf(app).map(({ name, port, protocol, appProtocol }) => ({
    name,
    port: numberOf(port),
    protocol,
    targetPort: name,
    ...(appProtocol && { appProtocol }),
  }))
}

function monitoringAnnotations(app: WebApp): Record<string, string> {
  const { enabled, port, path, scrapeInterval } = app.spec.monitoring
  return enabled ? scrapeAnnotations({ port: portNamed(app, port).name, path, interval: scrapeInterval }) : {}
}
