// The addresses and node ports that the API server hands to Services.
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { at, listAt, numberAt, recordAt, textAt } from './json.ts'

/** Gives a defaulted Service what it had before, and what it lacks from the ranges 10.96.0.0/16 and 30000–32767. */
export function allocate(
  service: KubernetesObject,
  old: KubernetesObject | undefined,
  others: Iterable<KubernetesObject>,
): void {
  const spec = recordAt(service, 'spec')
  if (spec.type === 'ExternalName') return
  const existing = [...others]
  spec.clusterIP ??= textAt(old, 'spec', 'clusterIP') ?? freeAddress(existing)
  spec.clusterIPs = [spec.clusterIP]
  if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') return
  const taken = new Set(
    existing.flatMap((other) => listAt(other, 'spec', 'ports').map((port) => numberAt(port, 'nodePort'))),
  )
  for (const [index, port] of listAt(spec, 'ports').filter(isRecord).entries()) {
    if (port.nodePort !== undefined || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts === false))
      continue
    const before =
      listAt(old, 'spec', 'ports').find((earlier) => at(earlier, 'port') === port.port) ??
      listAt(old, 'spec', 'ports')[index]
    let candidate = numberAt(before, 'nodePort') ?? 30000
    while (numberAt(before, 'nodePort') === undefined && taken.has(candidate)) candidate++
    taken.add(candidate)
    port.nodePort = candidate
  }
}

function freeAddress(services: readonly KubernetesObject[]): string {
  const taken = new Set(services.map((service) => textAt(service, 'spec', 'clusterIP')))
  for (let host = 2; host < 65535; host++) {
    const address = `10.96.${host >> 8}.${host & 255}`
    if (!taken.has(address)) return address
  }
  throw new Error('no free address is left in 10.96.0.0/16')
}
