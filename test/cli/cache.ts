// A small kind to try the commands with: a cache with a password, a configuration and a nightly snapshot.
import * as z from 'zod'
import { composite } from '../../hooks/sdk/definition.ts'
import { ConfigMap, CronJob, Secret, StatefulSet } from '../../hooks/sdk/resources.ts'
import { immutable, quantity, rule } from '../../hooks/sdk/schema.ts'

const spec = z.object({
  engine: immutable(z.enum(['redis', 'valkey']).describe('What runs.'), 'the engine'),
  version: z
    .string()
    .regex(/^[0-9]+\.[0-9]+$/)
    .default('8.0'),
  replicas: rule(
    z.int().min(1).default(1),
    { rule: 'self <= 5', message: 'must be at most 5' },
    (replicas) => replicas <= 5,
  ),
  storage: quantity().default('1Gi'),
  settings: z.record(z.string(), z.string()).default({}),
  snapshots: z.object({ enabled: z.boolean().default(false) }).prefault({}),
})

const status = z.object({ phase: z.enum(['Creating', 'Running', 'Failed']).default('Creating'), ready: z.int() })

export const cache = composite({
  group: 'test.example.com',
  kind: 'Cache',
  plural: 'caches',
  description: 'A cache.',
  versions: {
    v1: {
      spec,
      status,
      columns: [{ name: 'Phase', type: 'string', jsonPath: '.status.phase' }],
      scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.ready' },
    },
  },
  storage: 'v1',
  children: [ConfigMap, CronJob, Secret, StatefulSet],
  sync({ metadata: { name, uid }, spec }, { observed, credentials }) {
    const password = credentials.derive({ uid, purpose: 'default', rotation: 0 })
    const ready = observed.get(StatefulSet, name)?.status?.readyReplicas ?? 0
    const running = ready >= spec.replicas
    return {
      status: progress(ready, running),
      conditions: [
        {
          type: 'Ready',
          status: running ? 'True' : 'False',
          reason: running ? 'Running' : 'Creating',
          message: `${ready} of ${spec.replicas} ready`,
        },
      ],
      children: [
        configuration(name, spec.settings),
        secret(name, password),
        statefulSet(name, spec),
        spec.snapshots.enabled ? snapshots(name, spec) : undefined,
      ],
    }
  },
})

type Spec = z.output<typeof spec>

function progress(ready: number, running: boolean): z.output<typeof status> {
  return { phase: running ? 'Running' : 'Creating', ready }
}

function configuration(name: string, settings: Record<string, string>): ConfigMap {
  const all = { port: '6379', 'maxmemory-policy': 'allkeys-lru', ...settings }
  const text = Object.entries(all).map(([key, value]) => `${key} ${value}\n`)
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-config`, labels: { app: name } },
    data: { 'cache.conf': text.join('') },
  }
}

function secret(name: string, password: string): Secret {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `${name}-secret`, labels: { app: name } },
    data: { password: base64(password), uri: base64(`redis://:${password}@${name}:6379`) },
  }
}

function statefulSet(name: string, { engine, version, replicas, storage }: Spec): StatefulSet {
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, labels },
    spec: {
      serviceName: name,
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'cache', image: `${engine}:${version}` }] } },
      volumeClaimTemplates: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'data' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage } },
            volumeMode: 'Filesystem',
          },
          status: { phase: 'Pending' },
        },
      ],
    },
  }
}

function snapshots(name: string, { engine, version }: Spec): CronJob {
  const containers = [{ name: 'save', image: `${engine}:${version}` }]
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: `${name}-snapshot`, labels: { app: name } },
    spec: {
      schedule: '0 2 * * *',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers } } } },
    },
  }
}
