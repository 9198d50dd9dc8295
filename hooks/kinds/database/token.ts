// The token of the pods' ServiceAccount. In a file of its own, since engines ask for it and what all pods have in common
// asks for the engines.
import type { Volume, VolumeMount } from 'kubernetes-types/core/v1.js'

/** Files that only the pod's own group may read. */
export const secretMode = 0o440

/** The token of the pods' ServiceAccount, for the containers that mount it and for no others. */
export const tokenVolume: Volume = {
  name: 'token',
  projected: {
    defaultMode: secretMode,
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
