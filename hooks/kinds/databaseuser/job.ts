// The Jobs that make and drop the user in the engine. A Job's template cannot change: its name holds the hash of all
// that goes into it.
import type { JobSpec } from 'kubernetes-types/batch/v1.js'
import type { EnvVar } from 'kubernetes-types/core/v1.js'
import { pullSecrets } from '../../sdk/containers.ts'
import type { Settings } from '../../sdk/definition.ts'
import { nameResolution } from '../../sdk/network.ts'
import { restrictedContainer, restrictedPod } from '../../sdk/podsecurity.ts'
import type { Job, NetworkPolicy } from '../../sdk/resources.ts'
import { operator } from '../database/engines/engine.ts'
import { engineOf } from '../database/engines/index.ts'
import { names as databaseNames, selectorLabels as databasePods, host } from '../database/names.ts'
import { engineImageFields } from '../database/pod.ts'
import { helperResources } from '../database/resources.ts'
import type { Database } from '../database/schema.ts'
import { secretMode } from '../database/token.ts'
import { grantLines } from './grants.ts'
import { labels, names, selectorLabels } from './names.ts'
import type { DatabaseUser } from './schema.ts'
import { scripts } from './scripts/index.ts'
import { paths, variable } from './scripts/script.ts'

/** The container whose termination message tells the result. */
export const containerName = 'user'

/** What the Job that brings the engine to these logins runs. */
export function applySpec(user: DatabaseUser, db: Database, logins: readonly string[], settings: Settings): JobSpec {
  return jobSpec(user, db, { script: scripts[db.spec.engine].apply, logins, settings })
}

/** What the Job that drops the user runs. */
export function dropSpec(user: DatabaseUser, db: Database, settings: Settings): JobSpec {
  return jobSpec(user, db, { script: scripts[db.spec.engine].drop, logins: [], settings })
}

export function job(user: DatabaseUser, name: string, spec: JobSpec): Job {
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, labels: labels(user) }, spec }
}

function jobSpec(
  user: DatabaseUser,
  db: Database,
  { script, logins, settings }: { script: string; logins: readonly string[]; settings: Settings },
): JobSpec {
  return {
    backoffLimit: 2,
    activeDeadlineSeconds: 600,
    // The status remembers what was applied, so that a Job that is gone is not made again.
    ttlSecondsAfterFinished: 86400,
    template: {
      metadata: { labels: labels(user) },
      spec: {
        restartPolicy: 'Never',
        serviceAccountName: names(user).serviceAccount,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        ...pullSecrets(db.spec.imagePullSecrets),
        securityContext: restrictedPod(engineOf(db).uid),
        containers: [
          {
            name: containerName,
            ...engineImageFields(db, settings),
            // Not from a ConfigMap, which could change under a Job.
            command: ['bash', '-c', script],
            env: environment(user, db, logins),
            // The end of the log of a pod that failed, which holds no secret.
            terminationMessagePolicy: 'FallbackToLogsOnError',
            resources: helperResources,
            securityContext: restrictedContainer,
            volumeMounts: [
              { name: 'operator', mountPath: paths.operator.slice(0, paths.operator.lastIndexOf('/')), readOnly: true },
              ...(logins.length === 0 ? [] : [{ name: 'logins', mountPath: paths.logins, readOnly: true }]),
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [
          {
            name: 'operator',
            secret: {
              secretName: databaseNames(db).secret,
              defaultMode: secretMode,
              items: [{ key: operator.key, path: operator.key }],
            },
          },
          ...(logins.length === 0
            ? []
            : [{ name: 'logins', secret: { ...passwordFiles(user, logins), defaultMode: secretMode } }]),
          { name: 'tmp', emptyDir: { sizeLimit: '16Mi' } },
        ],
      },
    },
  }
}

// Each key by name, so that a pod waits for a Secret that is about to get one.
function passwordFiles(user: DatabaseUser, logins: readonly string[]) {
  const own = user.spec.passwordSecret
  return own === undefined
    ? { secretName: names(user).logins, items: logins.map((login) => ({ key: login, path: login })) }
    : { secretName: own.name, items: logins.map((login) => ({ key: own.key, path: login })) }
}

function environment(user: DatabaseUser, db: Database, logins: readonly string[]): EnvVar[] {
  const values: Record<string, string> = {
    [variable.host]: host(db, databaseNames(db).primary),
    [variable.port]: String(engineOf(db).port),
    [variable.database]: db.spec.credentials.database,
    [variable.tls]: String(db.spec.tls !== undefined),
    [variable.username]: user.spec.username,
    [variable.logins]: logins.join(' '),
    [variable.mark]: user.metadata.uid,
    [variable.grants]: logins.length === 0 ? '' : grantLines(user, db),
    [variable.limit]: String(user.spec.connectionLimit ?? -1),
    [variable.result]: '/dev/termination-log',
    HOME: '/tmp',
  }
  // The API server drops an empty value, and to miss it would cause a write at every sync.
  return Object.entries(values).flatMap(([name, value]) => (value === '' ? [] : [{ name, value }]))
}

/** The Jobs reach the Database and the cluster's DNS; nothing reaches them. */
export function networkPolicy(user: DatabaseUser, db: Database): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(user).networkPolicy, labels: labels(user) },
    spec: {
      podSelector: { matchLabels: selectorLabels(user) },
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        ...nameResolution,
        {
          to: [{ podSelector: { matchLabels: databasePods(db) } }],
          ports: [{ port: engineOf(db).port, protocol: 'TCP' }],
        },
      ],
    },
  }
}
