// How Kubernetes knows whether the application is well.
import type { Container } from 'kubernetes-types/core/v1.js'
import { withoutEmpty } from '../../sdk/podspec.ts'
import { portsOf } from './ports.ts'
import type { WebApp } from './schema.ts'

/**
 * Each probe as the user says. Where he says nothing, readiness and startup are a connection to the first TCP port, and
 * there is no liveness probe: the kernel takes connections for a process that hangs, so that it would tell nothing that
 * the end of the process does not tell, and restart what is only slow.
 */
export function probes(app: WebApp): Pick<Container, 'readinessProbe' | 'livenessProbe' | 'startupProbe'> {
  const { readiness, liveness, startup, defaults } = app.spec.probes
  const port = portsOf(app).find(({ protocol }) => protocol === 'TCP')
  const tcpSocket = defaults && port !== undefined ? { port: port.name } : undefined
  const readinessProbe = readiness ?? (tcpSocket && { tcpSocket, periodSeconds: 5, failureThreshold: 3 })
  const startupProbe = startup ?? (tcpSocket && { tcpSocket, periodSeconds: 2, failureThreshold: 150 })
  return {
    ...(startupProbe && { startupProbe: withoutEmpty(startupProbe) }),
    ...(readinessProbe && { readinessProbe: withoutEmpty(readinessProbe) }),
    ...(liveness && { livenessProbe: withoutEmpty(liveness) }),
  }
}
