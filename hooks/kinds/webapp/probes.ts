// How Kubernetes knows whether the application is well.
import type { Container } from 'kubernetes-types/core/v1.js'
import { withoutEmpty } from '../../sdk/podspec.ts'
import { portsOf } from './ports.ts'
import type { WebApp } from './schema.ts'

/** Each probe as the user says, and where he says nothing, a connection to the first TCP port. */
export function probes(app: WebApp): Pick<Container, 'readinessProbe' | 'livenessProbe' | 'startupProbe'> {
  const { readiness, liveness, startup, defaults } = app.spec.probes
  const port = portsOf(app).find(({ protocol }) => protocol === 'TCP')
  const tcpSocket = defaults && port !== undefined ? { port: port.name } : undefined
  const readinessProbe = readiness ?? (tcpSocket && { tcpSocket, periodSeconds: 5, failureThreshold: 3 })
  // Patience: a restart never helps against load, and under load answers are late.
  const livenessProbe =
    liveness ?? (tcpSocket && { tcpSocket, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 6 })
  const startupProbe = startup ?? (tcpSocket && { tcpSocket, periodSeconds: 2, failureThreshold: 150 })
  return {
    ...(startupProbe && { startupProbe: withoutEmpty(startupProbe) }),
    ...(readinessProbe && { readinessProbe: withoutEmpty(readinessProbe) }),
    ...(livenessProbe && { livenessProbe: withoutEmpty(livenessProbe) }),
  }
}
