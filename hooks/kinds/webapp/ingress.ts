import type { Ingress } from '../../sdk/resources.ts'
import { labels, names } from './names.ts'
import { portNamed } from './ports.ts'
import type { WebApp } from './schema.ts'

/** The Ingress <name>, where the application is exposed by one. */
export function ingress(app: WebApp): Ingress | undefined {
  const { exposure } = app.spec
  if (exposure === undefined || exposure.gateway !== undefined) return undefined
  const { host, path, pathType, port, ingressClassName, annotations = {}, tls } = exposure
  const service = { name: names(app).service, port: { name: portNamed(app, port).name } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: names(app).ingress,
      labels: labels(app),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: {
      ...(ingressClassName && { ingressClassName }),
      rules: [{ host, http: { paths: [{ path, pathType, backend: { service } }] } }],
      ...(tls && { tls: [{ hosts: [host], secretName: certificateSecret(app) }] }),
    },
  }
}

/** The Secret with the certificate. */
export function certificateSecret(app: WebApp): string {
  return app.spec.exposure?.tls?.secretName ?? names(app).certificate
}

/** Where users find the application: its host, or else its Service. */
export function urlOf(app: WebApp): string {
  const { exposure } = app.spec
  if (exposure !== undefined) {
    const { host, path, tls } = exposure
    return `${tls === undefined ? 'http' : 'https'}://${host}${path === '/' ? '' : path}`
  }
  const { port } = portNamed(app, undefined)
  return `http://${names(app).service}.${app.metadata.namespace}.svc${port === 80 ? '' : `:${port}`}`
}
