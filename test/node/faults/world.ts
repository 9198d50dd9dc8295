// A Database in real pods with a witness beside it, and what can be done to it.
import { setTimeout as wait } from 'node:timers/promises'
import type { KubernetesObject, ObjectReference } from '../../../hooks/sdk/kubernetes.ts'
import { at, conditionOf, database, databaseAt } from '../../scenarios/database.ts'
import type { NodeCluster } from '../cluster.ts'
import type { Node } from '../node.ts'
import { makeSmallVolumes, type SmallVolumes } from './volumes.ts'
import { startWitness, type Witness } from './witness.ts'

export type EngineName = 'postgresql' | 'mysql'

/** One pod of the database, as the API server knows it. */
export interface Member {
  readonly name: string
  readonly uid: string
  readonly ip: string
  readonly node: string
  readonly role: string | undefined
  readonly ready: boolean
  /** How often its containers began anew, all together. */
  readonly restarts: number
  /** Of the running containers, by name; init containers that go on running are among them. */
  readonly containers: Readonly<Record<string, string>>
}

export interface World {
  readonly cluster: NodeCluster
  readonly engine: EngineName
  readonly members: number
  readonly synchronous: boolean
  readonly namespace: string
  readonly reference: ObjectReference
  readonly witness: Witness
  /** Where the members' data lies, if that is small. */
  readonly volumes: SmallVolumes | undefined
  kubectl(...args: string[]): Promise<string>
  pods(): Promise<Member[]>
  /** The one that takes writes. */
  primary(): Promise<Member>
  /** One of the others. */
  replica(): Promise<Member>
  /** Sends a signal to the engine's server process, to all processes of its container, or to those of the whole pod. */
  signal(member: Member, name: 'KILL' | 'STOP' | 'CONT', to: 'server' | 'container' | 'pod'): Promise<void>
  node(member: Member): Node
  /** Deletes the pod object at once, without waiting for its processes to end. */
  forceDelete(...members: Member[]): Promise<void>
  /** Waits until rows are acknowledged through the primary Service that were sent from now on. */
  untilWritable(seconds: number): Promise<void>
  /** Waits until every member is well for five seconds and the Database is Ready; gives when that began. */
  untilHealthy(seconds: number): Promise<number>
  /** Removes all of it. */
  close(): Promise<void>
}

export interface WorldOptions {
  readonly engine: EngineName
  readonly members: number
  readonly synchronous?: boolean
  /** Size of each member's volume, kept to by a file system of its own; unlimited when absent. */
  readonly volumeMebibytes?: number
  /** Laid over the Database's spec. */
  readonly spec?: Record<string, unknown>
}

const name = 'db'

/** What a member of a failure test asks for: as little as an engine runs well with. */
const resources = {
  postgresql: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '768Mi' } },
  mysql: { requests: { cpu: '100m', memory: '768Mi' }, limits: { memory: '1536Mi' } },
} as const

/** The engine's server, as the kernel names its processes. */
const serverProcess = { postgresql: 'postgres', mysql: 'mysqld' } as const

/** The Database of such a world. */
function worldDatabase(namespace: string, cluster: NodeCluster, options: WorldOptions): KubernetesObject {
  const { engine, members, synchronous = false, spec } = options
  return database(namespace, name, {
    engine,
    version: cluster.versions[engine],
    replicas: members,
    resources: resources[engine],
    ...(synchronous ? { highAvailability: { synchronous } } : {}),
    ...spec,
  })
}

/** Makes the Database, and resolves when every member is well and the witness writes. */
export async function openWorld(cluster: NodeCluster, options: WorldOptions): Promise<World> {
  const { engine, members, synchronous = false } = options
  const namespace = await cluster.namespace(`faults-${engine}`)
  const volumes =
    options.volumeMebibytes === undefined
      ? undefined
      : await makeSmallVolumes(cluster, { name: namespace, count: members, mebibytes: options.volumeMebibytes })
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  const reference = databaseAt(namespace, name)
  const storage = volumes && { storage: { size: volumes.size, storageClass: volumes.storageClass } }
  await cluster.apply(worldDatabase(namespace, cluster, { ...options, spec: { ...storage, ...options.spec } }))
  await cluster.until(
    `${engine} with ${members} members is Ready`,
    async () => {
      const object = await cluster.get(reference)
      const ready = conditionOf(object, 'Ready')
      if (ready?.status === 'True') return true
      throw new Error(`Ready is ${ready?.status}: ${ready?.message}\n${await kubectl('get', 'pods', '-owide')}`)
    },
    300,
  )
  const witness = await startWitness(cluster, { namespace, database: name, engine, members })
  const world = worldOf({ cluster, engine, members, synchronous, namespace, reference, witness, volumes, kubectl })
  try {
    await world.untilHealthy(120)
  } catch (error) {
    await world.close()
    throw error
  }
  return world
}

type Given = Pick<
  World,
  'cluster' | 'engine' | 'members' | 'synchronous' | 'namespace' | 'reference' | 'witness' | 'volumes' | 'kubectl'
>

function worldOf(given: Given): World {
  const { cluster, engine, members, namespace, reference, witness, volumes, kubectl } = given
  const pods = async () => {
    const labels = {
      'app.kubernetes.io/name': engine,
      'app.kubernetes.io/instance': name,
      'app.kubernetes.io/component': 'database',
    }
    const found = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels })
    return found.map(memberOf).sort((one, other) => one.name.localeCompare(other.name))
  }
  const node = (member: Member) => {
    const found = cluster.nodes.find((one) => one.name === member.node)
    if (found === undefined) throw new Error(`${member.name} is on ${member.node || 'no node'}`)
    return found
  }
  const one = async (what: string, choose: (all: Member[]) => Member | undefined) => {
    const found = choose(await pods())
    if (found === undefined) throw new Error(`there is no ${what}`)
    return found
  }
  const single = members === 1
  // Who is synchronous is noted some seconds after a primary came back, and until then nobody takes over from it: a fault
  // that strikes before is two at a time.
  const hasSuccessor = async () => {
    if (!given.synchronous || engine !== 'postgresql' || single) return true
    const noted = await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name: `${name}-patroni-sync` })
    return (noted?.metadata.annotations?.sync_standby ?? '') !== ''
  }

  return {
    ...given,
    pods,
    node,
    primary: () => one('primary', (all) => all.find(({ role }) => single || role === 'primary')),
    replica: () => one('replica', (all) => all.find(({ role }) => role === 'replica')),
    async signal(member, what, to) {
      const ids = Object.entries(member.containers)
        .filter(([container]) => to === 'pod' || container === 'database')
        .map(([, id]) => id)
      const process = to === 'server' ? serverProcess[engine] : ''
      await node(member).run('bash', '-c', signalScript, 'bash', what, process, ...ids)
    },
    async forceDelete(...doomed) {
      await kubectl('delete', 'pod', '--force', '--grace-period=0', '--wait=false', ...doomed.map((pod) => pod.name))
    },
    async untilWritable(seconds) {
      const from = Date.now()
      await cluster.until(
        'rows are written again',
        async () => witness.lines.some(({ kind, ok, start }) => kind === 'write' && ok && start > from),
        seconds,
      )
    },
    async untilHealthy(seconds) {
      let ready: number | undefined
      const deadline = Date.now() + seconds * 1000
      let complaint = ''
      while (Date.now() < deadline) {
        const object = await cluster.get(reference)
        const condition = conditionOf(object, 'Ready')
        const settled = at(object, 'status', 'observedGeneration') === object?.metadata.generation
        if (condition?.status === 'True' && settled && (await hasSuccessor())) ready ??= Date.now()
        else ready = undefined
        const since = witness.healthySince()
        // What it said last says nothing about now.
        const heard = Date.now() - (witness.lines.at(-1)?.end ?? 0) < silenceMs
        if (heard && since !== undefined && ready !== undefined) {
          const began = Math.max(since, ready)
          if (Date.now() - began > steadyMs) return began
        }
        if (!heard) complaint = 'nothing is heard of the witness'
        else
          complaint = since === undefined ? witness.complaint() : `Ready is ${condition?.status}: ${condition?.message}`
        await wait(250)
      }
      throw new Error(`not well again after ${seconds} s: ${complaint}\n${await kubectl('get', 'pods', '-owide')}`)
    },
    async close() {
      await witness.close()
      await kubectl('delete', 'database', name, '--ignore-not-found', '--timeout=120s')
      await cluster.kubectl('delete', 'namespace', namespace, '--timeout=120s')
      await volumes?.remove()
    },
  }
}

/** So long all must have been well, before it is said to be. */
const steadyMs = 5000

/** The witness has something to tell ten times a second. */
const silenceMs = 3000

// $1 the signal, $2 a process' name or nothing for all, then containers. Twice, for what is forked in between. The server
// is the oldest process of its name.
const signalScript = `
signal=$1 name=$2
shift 2
for round in 1 2; do
  for container; do
    pids=$(ctr --namespace=k8s.io tasks ps "$container" 2>/dev/null | awk 'NR > 1 { print $1 }' | sort -n)
    for pid in $pids; do
      if [ -n "$name" ]; then [ "$(cat /proc/$pid/comm 2>/dev/null)" = "$name" ] || continue; fi
      kill -s "$signal" "$pid" 2>/dev/null
      if [ -n "$name" ]; then break; fi
    done
  done
  if [ -n "$name" ]; then break; fi
done
exit 0
`

function memberOf(pod: KubernetesObject): Member {
  const statuses = ['containerStatuses', 'initContainerStatuses'].flatMap((list) => at(pod, 'status', list) ?? [])
  const running = statuses.filter((status) => at(status, 'state', 'running') !== undefined)
  return {
    name: String(pod.metadata.name),
    uid: String(pod.metadata.uid),
    ip: String(at(pod, 'status', 'podIP') ?? ''),
    node: String(at(pod, 'spec', 'nodeName') ?? ''),
    role: pod.metadata.labels?.['example.com/role'],
    ready: conditionOf(pod, 'Ready')?.status === 'True',
    restarts: statuses.reduce<number>((sum, status) => sum + Number(at(status, 'restartCount') ?? 0), 0),
    containers: Object.fromEntries(
      running.map((status) => [
        String(at(status, 'name')),
        String(at(status, 'containerID')).replace(/^containerd:\/\//, ''),
      ]),
    ),
  }
}
