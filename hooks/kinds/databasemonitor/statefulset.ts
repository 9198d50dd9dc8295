// The exporters: one for each replica of the database, because each replica has figures of its own. The pod of number n
// asks the replica of number n, and so it is a StatefulSet that makes them. They are no containers of the database's
// pods: turning metrics on and off, or another image, restarts no database.

import { resourcesWithDefaults } from '../../sdk/containerresources.ts'
import { pullSecrets } from '../../sdk/containers.ts'
import type { Settings } from '../../sdk/definition.ts'
import { prefixedImage } from '../../sdk/images.ts'
import { restrictedContainer, restrictedPod } from '../../sdk/podsecurity.ts'
import type { StatefulSet } from '../../sdk/resources.ts'
import { monitor as account, type ExporterTarget } from '../database/engines/engine.ts'
import { engineOf } from '../database/engines/index.ts'
import { host, names } from '../database/names.ts'
import type { Database } from '../database/schema.ts'
import { secretMode } from '../database/token.ts'
import { childName, labels, selectorLabels } from './names.ts'
import type { DatabaseMonitor } from './schema.ts'

/** nobody, as the official images of all exporters run. */
const user = 65534
const passwordFolder = '/etc/credentials/monitor'

export function statefulSet(monitor: DatabaseMonitor, db: Database, settings: Settings): StatefulSet {
  const { exporter } = engineOf(db)
  const target = targetOf(db)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: childName(monitor), labels: labels(monitor) },
    spec: {
      replicas: db.spec.suspend ? 0 : db.spec.replicas,
      serviceName: childName(monitor),
      selector: { matchLabels: selectorLabels(monitor) },
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      template: {
        metadata: {
          labels: labels(monitor),
          annotations: { [credentialsAnnotation]: credentialsOf(db) },
        },
        spec: {
          serviceAccountName: childName(monitor),
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...pullSecrets(db.spec.imagePullSecrets),
          securityContext: restrictedPod(user),
          containers: [
            {
              name: 'exporter',
              image: prefixedImage(monitor.spec.image ?? exporter.image, settings),
              args: exporter.args(target),
              env: [
                {
                  name: 'REPLICA',
                  valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } },
                },
                ...exporter.env(target),
              ],
              ports: [{ name: 'metrics', containerPort: exporter.port, protocol: 'TCP' }],
              resources: resourcesWithDefaults(monitor.spec.resources, {
                cpu: '10m',
                memory: '64Mi',
                ephemeralStorage: ['16Mi', '128Mi'],
              }),
              securityContext: restrictedContainer,
              // Their page of greeting: to ask for metrics would ask the database each time.
              readinessProbe: { httpGet: { path: '/', port: 'metrics' }, periodSeconds: 10 },
              livenessProbe: { tcpSocket: { port: 'metrics' }, periodSeconds: 20, failureThreshold: 6 },
              volumeMounts: [{ name: 'credentials', mountPath: passwordFolder, readOnly: true }],
            },
          ],
          volumes: [
            {
              name: 'credentials',
              secret: {
                secretName: names(db).secret,
                defaultMode: secretMode,
                items: [{ key: account.key, path: account.key }],
              },
            },
          ],
        },
      },
    },
  }
}

/** Exporters read their password when they start. */
const credentialsAnnotation = 'example.com/credentials'

// Which password it is, less the password.
function credentialsOf(db: Database): string {
  const { keyId = '', rotation = 0 } = db.status?.credentials ?? {}
  return `${keyId}-${rotation}`
}

function targetOf(db: Database): ExporterTarget {
  return {
    // The kubelet puts in the number of the pod.
    host: `${names(db).statefulSet}-$(REPLICA).${host(db, names(db).headless)}`,
    tls: db.spec.tls !== undefined,
    password: { secretKeyRef: { name: names(db).secret, key: account.key } },
    passwordFile: `${passwordFolder}/${account.key}`,
  }
}
