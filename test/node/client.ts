// A pod to ask databases from, in a namespace that enforces the restricted Pod Security Standard.
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster } from '../scenarios/cluster.ts'

/** The pod `client`, with what clients an engine's image has, for `kubectl exec`. */
export function clientPod(namespace: string, image: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'client' },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 999, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'client',
          image,
          command: ['sleep', 'infinity'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  }
}

/** Waits until `ask`, a question through a Service, is answered: nodes learn of a Service's pods a moment after the API server. */
export async function untilServed(cluster: Pick<Cluster, 'until'>, ask: () => Promise<string>): Promise<void> {
  await cluster.until('the Service leads to the database', async () => (await ask()) !== '', 30)
}
