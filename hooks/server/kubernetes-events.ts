// Events on a real API server. This file alone knows the Kubernetes client, which costs half a second and 80 MB: it is
// imported only when events are asked for. It needs `create` and `patch` on events of events.k8s.io.
import { hostname } from 'node:os'
import { EventsV1Api, KubeConfig, PatchStrategy, setHeaderOptions, V1MicroTime } from '@kubernetes/client-node'
import type { FastifyBaseLogger } from 'fastify'
import { configurationError } from './configuration.ts'
import { createRecorder, type EventSink, type EventWriter } from './events.ts'

/**
 * A sink that writes to the cluster of the pod's service account, or of the kubeconfig outside a cluster. Throws a
 * ConfigurationError when there is neither.
 */
export function kubernetesEventSink(logger: FastifyBaseLogger): EventSink {
  const config = new KubeConfig()
  config.loadFromDefault()
  // What the client takes when it finds neither a service account nor a kubeconfig.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw configurationError(['--events: there is no cluster to write to: neither a service account nor a kubeconfig'])
  }
  let quiet = false
  return createRecorder(eventWriter(config), {
    failed(what, error) {
      // One line a minute: an API server that refuses one event refuses all.
      if (quiet) return
      quiet = true
      setTimeout(() => {
        quiet = false
      }, 60_000).unref()
      const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
      logger.warn({ code }, what)
    },
  })
}

/** Writes events with events.k8s.io/v1 (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/). */
export function eventWriter(config: KubeConfig): EventWriter {
  const api = config.makeApiClient(EventsV1Api)
  const reportingInstance = hostname().slice(0, 128)
  return {
    async create({ type, reason, action, note, regarding, name, namespace, eventTime }) {
      await api.createNamespacedEvent({
        namespace,
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name, namespace },
          eventTime: new V1MicroTime(eventTime),
          type,
          reason,
          action,
          note,
          regarding,
          reportingController: 'operator-hooks',
          reportingInstance,
        },
      })
    },
    async update({ name, namespace }, { count, lastObservedTime }) {
      const body = { series: { count, lastObservedTime: new V1MicroTime(lastObservedTime).toISOString() } }
      await api.patchNamespacedEvent(
        { name, namespace, body },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      )
    },
  }
}
