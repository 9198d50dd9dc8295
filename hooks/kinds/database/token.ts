// The token of a replicated Database's pods. A file of its own: engines need it, and what else pods have needs engines.
import type { Volume, VolumeMount } from 'kubernetes-types/core/v1.js'

/** The token of the pods' ServiceAccount, for the containers that mount it and for no others. */
export const tokenVolume: Volume = {
  name: 'token',
  projected: {
    defaultMode: 0o440,
    sources: [
      // Complete, because the API server fills these in: an hour is its own default.
      { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
  },
}

/** Where client libraries look for it. */
export const tokenMount: VolumeMount = {
  name: 'token',
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  readOnly: true,
}
