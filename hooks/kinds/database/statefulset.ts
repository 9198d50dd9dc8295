// The StatefulSet <name>: the engine's pods and their volumes.
import type { Container, PersistentVolumeClaim, PodSpec, Probe, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { pullSecrets } from '../../sdk/containers.ts'
import type { Settings } from '../../sdk/definition.ts'
import { shortHash } from '../../sdk/names.ts'
import type { Live } from '../../sdk/observed.ts'
import { restrictedContainer, restrictedPod } from '../../sdk/podsecurity.ts'
import { placement } from '../../sdk/podspec.ts'
import { canonicalQuantity } from '../../sdk/quantity.ts'
import type { StatefulSet } from '../../sdk/resources.ts'
import { replicationLabel } from '../../sdk/roles.ts'
import { configurationKeys, configurationOf, scriptKeys } from './configuration.ts'
import { paths } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import type { Replication } from './engines/replication.ts'
import { dataVolume, labels, names, selectorLabels } from './names.ts'
import { credentialMounts, credentialVolumes, engineImageFields, scriptVolume } from './pod.ts'
import { engineResources, helperResources, volumeSize } from './resources.ts'
import type { Database } from './schema.ts'
import { secretMode } from './token.ts'
import { replicationOf } from './topology.ts'

/** Pod label that says which version the template is of. */
export const versionLabel = 'app.kubernetes.io/version'

/** Pod annotation that changes when the engine has to restart for its configuration. */
const restartAnnotation = 'example.com/restart-hash'

export function statefulSet(
  db: Database,
  settings: Settings,
  observed: Live<StatefulSet> | undefined,
  replicas: number,
): StatefulSet {
  const selector = selectorLabels(db)
  const replication = replicationOf(db, observed)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: names(db).statefulSet, labels: labels(db) },
    spec: {
      replicas,
      serviceName: names(db).headless,
      selector: { matchLabels: selector },
      // All at once: engines that replicate find one another, and a lone pod that cannot start holds up nobody.
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      // The API server keeps no 0.
      ...(replication?.settleSeconds === undefined ? {} : { minReadySeconds: replication.settleSeconds }),
      // Claims outlive the StatefulSet, whoever deletes it; only finalize decides otherwise.
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      template: {
        metadata: {
          labels: {
            ...db.spec.pod.labels,
            ...labels(db),
            [versionLabel]: db.spec.version,
            ...(replication && { ...replication.labels?.(db), [replicationLabel]: replication.name }),
          },
          annotations: {
            ...db.spec.pod.annotations,
            'kubectl.kubernetes.io/default-container': containerName,
            ...engineOf(db).archive?.annotations?.(db),
            [restartAnnotation]: shortHash(configurationOf(db, replication).restart),
          },
        },
        spec: podSpec(db, settings, replication),
      },
      // Templates cannot be changed: what is there stays, and growth goes to the claims themselves (growth.ts).
      volumeClaimTemplates: observedTemplates(observed) ?? [claimTemplate(db)],
    },
  }
}

/** The first container: the engine. */
const containerName = 'database'

function podSpec(db: Database, settings: Settings, replication: Replication | undefined): PodSpec {
  const engine = engineOf(db)
  return {
    serviceAccountName: names(db).serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...pullSecrets(db.spec.imagePullSecrets),
    securityContext: restrictedPod(engine.uid),
    terminationGracePeriodSeconds: replication?.stopSeconds ?? engine.stopSeconds,
    ...placement(db.spec.pod, selectorLabels(db)),
    initContainers: [
      ...(replication?.initContainers?.(db, settings) ?? []),
      ...(engine.archive?.initContainers(db, settings, {
        engine: engineImageFields(db, settings),
        mounts: [dataMount(db), ...commonMounts(db)],
        hasAgent: replication !== undefined,
      }) ?? []),
      configurationWatch(db, settings),
    ],
    containers: [engineContainer(db, settings, replication)],
    volumes: [
      ...volumes(db, replication),
      ...(replication?.volumes?.(db) ?? []),
      ...(engine.archive?.volumes(db, replication !== undefined) ?? []),
    ],
  }
}

function engineContainer(db: Database, settings: Settings, replication: Replication | undefined): Container {
  const engine = engineOf(db)
  return {
    name: containerName,
    ...engineImageFields(db, settings),
    ...(replication?.command?.(db) ?? engine.command(db)),
    ports: [{ name: 'database', containerPort: engine.port, protocol: 'TCP' }, ...(replication?.ports ?? [])],
    env: replication?.env?.(db) ?? engine.env(db),
    resources: engineResources(db),
    securityContext: restrictedContainer,
    ...(replication?.probes?.(db) ?? {
      startupProbe: probe(engine.alive(db), { periodSeconds: 5, failureThreshold: engine.startSeconds / 5 }),
      readinessProbe: probe(engine.ready(db), { periodSeconds: 10, failureThreshold: 3 }),
      livenessProbe: probe(engine.alive(db), { periodSeconds: 20, failureThreshold: 6 }),
    }),
    volumeMounts: [
      dataMount(db),
      ...commonMounts(db),
      // Run by the image's entry point, once, when it makes an empty data folder. A volume of its own: Metacontroller
      // 1.5 tells mounts apart by the volume's name, so that two of one name become two of one path.
      {
        name: 'first-start',
        mountPath: '/docker-entrypoint-initdb.d/accounts.sh',
        subPath: 'accounts.sh',
        readOnly: true,
      },
      ...(replication?.mounts?.(db) ?? []),
      ...(engine.archive?.mounts(db, replication !== undefined) ?? []),
    ],
  }
}

// A sidecar in Kubernetes' own sense: it starts before the engine and stops after it.
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
function configurationWatch(db: Database, settings: Settings): Container {
  return {
    name: 'configuration',
    ...engineImageFields(db, settings),
    command: ['bash', `${paths.scripts}/watch.sh`],
    restartPolicy: 'Always',
    env: [{ name: 'HOME', value: '/tmp' }],
    resources: helperResources,
    securityContext: restrictedContainer,
    volumeMounts: commonMounts(db),
  }
}

// Seconds for one question: a shell of its own starts in each container's share of the CPU.
function probe(command: string[], times: { periodSeconds: number; failureThreshold: number }): Probe {
  return { exec: { command }, timeoutSeconds: 10, ...times }
}

function dataMount(db: Database): VolumeMount {
  return { name: dataVolume, mountPath: engineOf(db).dataPath(db.spec.version) }
}

function commonMounts(db: Database): VolumeMount[] {
  const engine = engineOf(db)
  return [
    { name: 'configuration', mountPath: engine.configurationPath, readOnly: true },
    { name: 'scripts', mountPath: paths.scripts, readOnly: true },
    ...credentialMounts,
    ...(db.spec.tls === undefined ? [] : [{ name: 'tls', mountPath: paths.tls, readOnly: true }]),
    { name: 'tmp', mountPath: '/tmp' },
    ...engine.scratch.map(({ name, mountPath }) => ({ name, mountPath })),
  ]
}

function volumes(db: Database, replication: Replication | undefined): Volume[] {
  const engine = engineOf(db)
  const files = configurationKeys(db, replication)
  return [
    {
      name: 'configuration',
      configMap: { name: names(db).configuration, defaultMode: 0o444, items: files.map((key) => ({ key, path: key })) },
    },
    scriptVolume(db, scriptKeys(db, replication)),
    { ...scriptVolume(db, ['accounts.sh']), name: 'first-start' },
    ...credentialVolumes(db),
    ...(db.spec.tls === undefined
      ? []
      : [{ name: 'tls', secret: { secretName: db.spec.tls.secretName, defaultMode: secretMode } }]),
    { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    ...engine.scratch.map(({ name, medium }) => ({
      name,
      emptyDir: medium === undefined ? { sizeLimit: '16Mi' } : { medium, sizeLimit: '256Mi' },
    })),
  ]
}

// Complete, because Metacontroller compares the list as a whole with what the API server made of it.
function claimTemplate(db: Database): PersistentVolumeClaim {
  const { storageClass } = db.spec.storage
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: dataVolume },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: storageSize(db) } },
      ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
      volumeMode: 'Filesystem',
    },
    status: { phase: 'Pending' },
  }
}

/** The size that is asked for, as Kubernetes writes it. */
export function storageSize(db: Database): string {
  const text = volumeSize(db)
  return canonicalQuantity(text) ?? text
}

function observedTemplates(observed: Live<StatefulSet> | undefined): PersistentVolumeClaim[] | undefined {
  const templates = observed?.spec?.volumeClaimTemplates
  return templates === undefined || templates.length === 0 ? undefined : templates
}
