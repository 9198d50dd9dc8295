// Whether the log is archived, as a pod of its own sees it that asks the database every few seconds: its readiness is the
// answer. In the database's own pod it would take the database out of its Service with it.

import type { ConditionInput } from '../../sdk/conditions.ts'
import { pullSecrets } from '../../sdk/containers.ts'
import type { Context, Settings } from '../../sdk/definition.ts'
import { restrictedContainer, restrictedPod } from '../../sdk/podsecurity.ts'
import { placement } from '../../sdk/podspec.ts'
import { StatefulSet } from '../../sdk/resources.ts'
import type { DatabaseChildren } from './children.ts'
import { monitor, paths } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import { host, labels, names, selectorLabels } from './names.ts'
import { engineImageFields } from './pod.ts'
import { helperResources } from './resources.ts'
import type { Database } from './schema.ts'
import { secretMode } from './token.ts'

/** The StatefulSet <name>-archiving, for a Database that archives its log. */
export function archivingWatch(db: Database, settings: Settings): StatefulSet | undefined {
  const watch = watchOf(db)
  if (watch === undefined) return undefined
  const { archiving: name, primary, secret } = names(db)
  const { nodeSelector, tolerations, priorityClassName } = placement(db.spec.pod, selectorLabels(db, 'archiving'))
  const mountPath = paths.superuser
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, labels: labels(db, 'archiving') },
    spec: {
      replicas: db.spec.suspend ? 0 : 1,
      serviceName: names(db).headless,
      selector: { matchLabels: selectorLabels(db, 'archiving') },
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      template: {
        metadata: { labels: { ...db.spec.pod.labels, ...labels(db, 'archiving') } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...pullSecrets(db.spec.imagePullSecrets),
          securityContext: restrictedPod(engineOf(db).uid),
          terminationGracePeriodSeconds: 1,
          ...(nodeSelector && { nodeSelector }),
          ...(tolerations && { tolerations }),
          ...(priorityClassName && { priorityClassName }),
          containers: [
            {
              name: 'watch',
              ...engineImageFields(db, settings),
              command: ['sleep', 'infinity'],
              env: [{ name: 'HOME', value: '/tmp' }, ...watch.env(host(db, primary))],
              resources: helperResources,
              securityContext: restrictedContainer,
              readinessProbe: {
                exec: { command: ['bash', '-c', watch.question(mountPath)] },
                periodSeconds: 15,
                timeoutSeconds: 10,
                failureThreshold: 2,
              },
              volumeMounts: [{ name: 'monitor', mountPath, readOnly: true }],
            },
          ],
          volumes: [
            {
              name: 'monitor',
              secret: { secretName: secret, defaultMode: secretMode, items: [{ key: monitor.key, path: monitor.key }] },
            },
          ],
        },
      },
    },
  }
}

function watchOf(db: Database) {
  return db.spec.backup.method === 'physical' ? engineOf(db).archive?.watch : undefined
}

/** Says whether the log is archived; undefined for a Database that does not. */
export function archivingCondition(
  db: Database,
  { observed }: Pick<Context<DatabaseChildren>, 'observed'>,
  ready: number,
): ConditionInput | undefined {
  if (watchOf(db) === undefined) return undefined
  const type = 'ContinuousArchiving'
  const { archiving } = names(db)
  const watch = observed.get(StatefulSet, archiving)?.status
  if ((watch?.readyReplicas ?? 0) > 0) return { type, status: 'True', reason: 'Archiving', message: '' }
  if (ready === 0 || (watch?.replicas ?? 0) === 0) {
    return { type, status: 'Unknown', reason: 'NotAsked', message: 'nothing is known while no replica is ready' }
  }
  const message = `the log is not archived, or more than a minute late: see the events of the pod ${archiving}-0, and the log of the database; meanwhile the log stays on its volume, and fills it`
  return { type, status: 'False', reason: 'ArchivingFails', message }
}
