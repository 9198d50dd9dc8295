// The ports of a WebApp, with everything that its spec leaves out.
import { imageNeeds } from './images.ts'
import type { WebApp } from './schema.ts'

export interface Port {
  name: string
  /** Of the Service. */
  port: number
  /** Of the container. */
  containerPort: number
  protocol: 'TCP' | 'UDP'
  appProtocol?: string | undefined
}

/** At least one. */
export function portsOf({ spec }: WebApp): [Port, ...Port[]] {
  const number = imageNeeds(spec.image)?.port ?? 8080
  const fallback: Port = { name: 'http', port: number, containerPort: number, protocol: 'TCP' }
  const [first = fallback, ...rest] = (spec.ports ?? []).map(({ containerPort, ...port }) => ({
    ...port,
    containerPort: containerPort ?? port.port,
  }))
  return [first, ...rest]
}

/** The port of that name, or the first. */
export function portNamed(app: WebApp, name: string | undefined): Port {
  const ports = portsOf(app)
  return ports.find((port) => port.name === name) ?? ports[0]
}
