// The EndpointSlice controller (pkg/controller/endpointslice and k8s.io/endpointslice of Kubernetes 1.36): one slice for
// each Service that selects pods, which is what a Service of up to a hundred pods has.
import { equal } from '../../sdk/equal.ts'
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { controllerReference } from '../children.ts'
import { at, listAt, numberAt, stringsOf, textAt } from '../json.ts'
import { selectorOf } from '../selectors.ts'
import { referenceOf } from '../store.ts'
import { controlled, type Loop, startLoop, type World } from './loop.ts'
import { hasEnded, isReady, isTerminating, podType } from './pods.ts'

const serviceType = { apiVersion: 'v1', kind: 'Service' }
const sliceType = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' }

export function startEndpointSlices(world: World): Loop {
  const { client } = world
  return startLoop(
    world,
    serviceType,
    ['EndpointSlice'],
    (service): undefined => {
      const selector = stringsOf(at(service, 'spec', 'selector'))
      if (isTerminating(service) || Object.keys(selector).length === 0) return
      const matches = selectorOf({ matchLabels: selector })
      const pods = client
        .list(podType, service.metadata.namespace)
        .filter((pod) => matches(pod.metadata.labels) && !hasEnded(pod) && textAt(pod, 'status', 'podIP') !== undefined)
      const wanted = {
        addressType: 'IPv4',
        endpoints: pods.map((pod) => endpoint(pod, at(service, 'spec', 'publishNotReadyAddresses') === true)),
        ports: listAt(service, 'spec', 'ports').map((port) => portOf(port, pods[0])),
      }
      const labels = {
        ...service.metadata.labels,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': service.metadata.name ?? '',
        ...(textAt(service, 'spec', 'clusterIP') === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
      }
      const [slice] = controlled(client, sliceType, service)
      if (slice === undefined) {
        const metadata = {
          generateName: `${service.metadata.name}-`,
          namespace: service.metadata.namespace ?? '',
          labels,
          ownerReferences: [controllerReference(service)],
        }
        client.create({ ...sliceType, metadata, ...wanted })
        return
      }
      const { addressType, endpoints = [], ports = [] } = slice
      if (equal({ addressType, endpoints, ports }, wanted) && equal(slice.metadata.labels ?? {}, labels)) return
      client.patch(referenceOf(slice), { metadata: { labels }, ...wanted })
    },
    (changed) => {
      if (changed.kind !== 'Pod' || changed.apiVersion !== 'v1') return []
      return client.list(serviceType, changed.metadata.namespace).filter((service) => concerns(service, changed))
    },
  )
}

// A pod that has another role now is still in the slice of the Service of the one before, which bears the same instance.
function concerns({ metadata, spec }: KubernetesObject, pod: KubernetesObject): boolean {
  const selector = Object.entries(stringsOf(at(spec, 'selector')))
  const { labels = {} } = pod.metadata
  const instance = labels['app.kubernetes.io/instance']
  if (instance !== undefined && metadata.labels?.['app.kubernetes.io/instance'] === instance) return true
  return selector.length > 0 && selector.every(([key, value]) => labels[key] === value)
}

function endpoint(pod: KubernetesObject, publishNotReady: boolean): Record<string, unknown> {
  const serving = isReady(pod)
  const terminating = isTerminating(pod)
  const { name, namespace, uid } = pod.metadata
  return {
    addresses: [textAt(pod, 'status', 'podIP')],
    conditions: { ready: publishNotReady || (serving && !terminating), serving, terminating },
    nodeName: textAt(pod, 'spec', 'nodeName'),
    targetRef: { kind: 'Pod', name, namespace, uid },
  }
}

function portOf(port: unknown, pod: KubernetesObject | undefined): Record<string, unknown> {
  const target = at(port, 'targetPort')
  const named = listAt(pod, 'spec', 'containers')
    .flatMap((container) => listAt(container, 'ports'))
    .find((candidate) => at(candidate, 'name') === target)
  return {
    ...(textAt(port, 'name') === undefined ? {} : { name: textAt(port, 'name') }),
    port: typeof target === 'number' ? target : (numberAt(named, 'containerPort') ?? numberAt(port, 'port')),
    protocol: textAt(port, 'protocol') ?? 'TCP',
  }
}
