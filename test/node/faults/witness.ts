// The witness in its pod, and its lines as they come: test/node/go/witness says what it does.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { at } from '../../scenarios/database.ts'
import type { NodeCluster } from '../cluster.ts'
import { ownImages } from '../images.ts'
import { podLogs } from '../node.ts'
import { healthWatch, type Line } from './evaluate.ts'

export interface Witness {
  /** All that it told, in its order. */
  readonly lines: readonly Line[]
  /** Milliseconds since 1970 from which on every member has been well; undefined while one is not. */
  healthySince(): number | undefined
  complaint(): string
  /** The ids of its rows from `from` on that the server `host` holds. */
  rows(host: string, from: number): Promise<number[]>
  /** Stops listening; its pod goes with the namespace. */
  close(): Promise<void>
}

export interface WitnessOptions {
  readonly namespace: string
  readonly database: string
  readonly engine: 'postgresql' | 'mysql'
  readonly members: number
}

const name = 'witness'

/** Starts it; resolves when its table is there and it writes. */
export async function startWitness(cluster: NodeCluster, options: WitnessOptions): Promise<Witness> {
  const { namespace, engine, members } = options
  for (const object of objects(options)) await cluster.apply(object)
  await cluster.kubectl(`--namespace=${namespace}`, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s')
  const place = await cluster.get({ apiVersion: 'v1', kind: 'Pod', namespace, name })
  const node = cluster.nodes.find((one) => one.name === at(place, 'spec', 'nodeName'))
  if (node === undefined) throw new Error('the witness is on no node')
  const log = `${podLogs}/${namespace}_${name}_${place?.metadata.uid}/${name}/0.log`
  const lines: Line[] = []
  const health = healthWatch(engine, members)
  // From the node's own files: its kubelet, by which kubectl reads them, is among what is killed.
  const [command = '', ...args] = node.inside('tail', '--lines=+1', '--follow=name', '--retry', log)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parse(text)
    if (line === undefined) return
    lines.push(line)
    health.take(line)
  })
  const witness: Witness = {
    lines,
    healthySince: health.since,
    complaint: health.complaint,
    async rows(host, from) {
      const output = await cluster.kubectl(
        `--namespace=${namespace}`,
        'exec',
        name,
        '--',
        name,
        'rows',
        host,
        String(from),
      )
      return output.split('\n').filter(Boolean).map(Number)
    },
    async close() {
      child.kill()
      // What entered the node does not end with what let it in.
      await node.run('pkill', '--full', log).catch(() => undefined)
    },
  }
  try {
    await cluster.until('the witness writes', async () => lines.some(({ kind, ok }) => kind === 'write' && ok), 60)
  } catch (error) {
    await witness.close()
    throw error
  }
  return witness
}

/** Of a line as containerd writes it: time, stream and whether it is whole, then what the container said. */
function parse(text: string): Line | undefined {
  const start = text.indexOf(' stdout F ')
  return start < 0 ? undefined : (JSON.parse(text.slice(start + ' stdout F '.length)) as Line)
}

function objects({ namespace, database, engine }: WitnessOptions): KubernetesObject[] {
  const metadata = { namespace, name }
  const secret = (variable: string, key: string) => ({
    name: variable,
    valueFrom: { secretKeyRef: { name: `${database}-secret`, key } },
  })
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: {
        serviceAccountName: name,
        // Its lines are numbered: another one would begin anew.
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65534,
          runAsGroup: 65534,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name,
            image: ownImages.witness,
            args: ['watch'],
            env: [
              { name: 'ENGINE', value: engine },
              secret('HOST', 'host'),
              secret('PORT', 'port'),
              secret('DBNAME', 'dbname'),
              secret('USERNAME', 'username'),
              secret('PASSWORD', 'password'),
              secret('MONITOR_PASSWORD', 'monitor-password'),
              { name: 'NAMESPACE', value: namespace },
              {
                name: 'SELECTOR',
                value: `app.kubernetes.io/name=${engine},app.kubernetes.io/instance=${database},app.kubernetes.io/component=database`,
              },
            ],
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
          },
        ],
      },
    },
  ]
}
