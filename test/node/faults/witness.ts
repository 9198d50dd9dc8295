// The witness in its pod, and its lines as they come: test/node/go/witness says what it does.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import type { NodeCluster } from '../cluster.ts'
import { ownImages } from '../images.ts'
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
  close(): void
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
  const lines: Line[] = []
  const health = healthWatch(engine, members)
  let child: ChildProcess | undefined
  let closed = false
  const listen = () => {
    // Kubelets end, and come back: what was told meanwhile is read then, from the pod's log.
    const since =
      lines.length === 0 ? [] : [`--since=${Math.ceil((Date.now() - (lines.at(-1)?.end ?? 0)) / 1000) + 5}s`]
    const command = ['logs', '--follow', ...since, `--namespace=${namespace}`, name]
    const one = spawn(cluster.controlPlane.kubectl, command, { stdio: ['ignore', 'pipe', 'ignore'] })
    child = one
    createInterface({ input: one.stdout }).on('line', (text) => {
      const line = parse(text)
      if (line === undefined || line.n <= (lines.at(-1)?.n ?? 0)) return
      lines.push(line)
      health.take(line)
    })
    one.on('close', () => {
      if (!closed) setTimeout(listen, 1000)
    })
  }
  listen()
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
    close() {
      closed = true
      child?.kill()
    },
  }
  try {
    await cluster.until('the witness writes', async () => lines.some(({ kind, ok }) => kind === 'write' && ok), 60)
  } catch (error) {
    witness.close()
    throw error
  }
  return witness
}

function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line
  } catch {
    // The rest of a line at which the kubelet began or ended.
    return undefined
  }
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
