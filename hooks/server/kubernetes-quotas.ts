// The cluster's ResourceQuotas, kept up to date by a watch. Like the events part it alone knows the Kubernetes client, and
// is imported only when quotas are asked for. It needs `list` and `watch` on resourcequotas.
import { CoreV1Api, KubeConfig, makeInformer } from '@kubernetes/client-node'
import type { FastifyBaseLogger } from 'fastify'
import type { ResourceQuota } from '../sdk/resources.ts'
import type { Quotas } from './admission.ts'
import { configurationError } from './configuration.ts'

/**
 * Watches the quotas of the cluster of the pod's service account, or of the kubeconfig outside a cluster. Throws a
 * ConfigurationError when there is neither. While the API server does not answer, what was last seen counts; before it
 * has, there are none.
 */
export function watchQuotas(logger: FastifyBaseLogger): Quotas {
  const config = new KubeConfig()
  config.loadFromDefault()
  // What the client takes when it finds neither a service account nor a kubeconfig.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw configurationError([
      '--quota-warnings: there is no cluster to read from: neither a service account nor a kubeconfig',
    ])
  }
  const api = config.makeApiClient(CoreV1Api)
  const informer = makeInformer(config, '/api/v1/resourcequotas', () => api.listResourceQuotaForAllNamespaces())
  let closed = false
  informer.on('error', (error) => {
    if (closed) return
    logger.warn({ code: codeOf(error), again: retrySeconds }, 'cannot read the resource quotas')
    setTimeout(() => closed || start(), retrySeconds * 1000).unref()
  })
  start()
  return {
    // What is read here has the same fields on the wire and in the client's classes: names and quantities.
    of: (namespace) => informer.list(namespace) as unknown as readonly ResourceQuota[],
    async close() {
      closed = true
      await informer.stop()
    },
  }

  function start(): void {
    // What goes wrong is told to the handler above.
    informer.start().catch(() => undefined)
  }
}

const retrySeconds = 10

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
