// What can befall a database, each told once for every engine: what strikes, how long it lasts, how it is taken back,
// and how long clients may be unable to write. The goals are of a quiet machine; docs/benchmarks.md has the figures.
import { setTimeout as wait } from 'node:timers/promises'
import { conditionOf } from '../../scenarios/database.ts'
import type { EngineName, Member, World } from './world.ts'

export interface Fault {
  /** As it is chosen on a command line. */
  readonly name: string
  readonly title: string
  /** Seconds of write gap that are the goal; none where it depends on what the machine does. */
  readonly goals: Readonly<Partial<Record<EngineName, number>>>
  /** It is meaningless for a lone member, or strikes it like another fault. */
  readonly needsReplicas?: boolean
  /** Mebibytes of each member's volume: the fault wants a world of its own, with volumes that are really so small. */
  readonly volumes?: Readonly<Record<EngineName, number>>
  /** No acknowledged row may be lost, even where replication is asynchronous. */
  readonly neverLoses?: boolean
  /** What has to be so before; it is not measured. */
  prepare?(world: World): Promise<void>
  /** Strikes, at once; what it gives takes it back. */
  strike(world: World): Promise<(() => Promise<void>) | undefined>
  /** How long it lasts before it is taken back. */
  last?(world: World): Promise<unknown>
}

const both = (seconds: number) => ({ postgresql: seconds, mysql: seconds })

/** In the order in which they are run: what leaves most behind comes last. */
export const faults: readonly Fault[] = [
  {
    name: 'switchover',
    title: 'planned switchover',
    goals: { postgresql: 3, mysql: 2 },
    needsReplicas: true,
    neverLoses: true,
    async strike(world) {
      const { name } = await world.primary()
      await world.kubectl('exec', name, '--container=database', '--', 'bash', '-ec', handOver[world.engine])
      return undefined
    },
  },
  {
    name: 'deleted',
    title: 'primary pod deleted',
    goals: { postgresql: 3, mysql: 2 },
    neverLoses: true,
    async strike(world) {
      await world.kubectl('delete', 'pod', '--wait=false', (await world.primary()).name)
      return undefined
    },
  },
  {
    name: 'killed',
    title: "primary's server process killed",
    goals: { postgresql: 5, mysql: 10 },
    prepare: freshPrimary,
    async strike(world) {
      await world.signal(await world.primary(), 'KILL', 'server')
      return undefined
    },
  },
  {
    name: 'crashed',
    title: "all processes of the primary's container killed",
    goals: { postgresql: 5, mysql: 10 },
    prepare: freshPrimary,
    async strike(world) {
      await world.signal(await world.primary(), 'KILL', 'container')
      return undefined
    },
  },
  {
    name: 'forced',
    title: 'primary pod deleted by force, and killed',
    goals: { postgresql: 5, mysql: 10 },
    async strike(world) {
      await destroy(world, await world.primary())
      return undefined
    },
  },
  frozen('frozen', 27),
  frozen('frozen-60', 60),
  {
    name: 'pod-frozen',
    title: 'all containers of the primary pod frozen for 27 s, then woken',
    goals: { postgresql: 20, mysql: 10 },
    prepare: freshPrimary,
    strike: (world) => freeze(world, 'pod'),
    last: () => wait(27_000),
  },
  {
    name: 'kept-away',
    title: 'primary pod killed, and no node takes it back',
    goals: { postgresql: 20, mysql: 10 },
    needsReplicas: true,
    async strike(world) {
      const primary = await world.primary()
      await world.cluster.kubectl('cordon', primary.node)
      await destroy(world, primary)
      return async () => {
        await world.cluster.kubectl('uncordon', primary.node)
      }
    },
    last: untilOthersWrite,
  },
  {
    name: 'node-lost',
    title: "primary's node gone silent: its kubelet stopped, the pod killed",
    goals: { postgresql: 20, mysql: 10 },
    needsReplicas: true,
    async strike(world) {
      const primary = await world.primary()
      const node = world.node(primary)
      await node.kubelet.kill()
      await world.signal(primary, 'KILL', 'pod')
      return () => node.startKubelet()
    },
    last: untilOthersWrite,
  },
  {
    name: 'kubelet-stopped',
    title: "kubelet of the primary's node stopped for 80 s; its pods go on",
    // The node counts as lost after 50 s, and its pods as not ready: kube-controller-manager's
    // --node-monitor-grace-period.
    goals: {},
    async strike(world) {
      const node = world.node(await world.primary())
      await node.kubelet.kill()
      return () => node.startKubelet()
    },
    last: () => wait(80_000),
  },
  {
    name: 'hooks-away',
    title: 'primary pod deleted while the hook service and Metacontroller are away',
    goals: { postgresql: 3, mysql: 2 },
    neverLoses: true,
    async strike(world) {
      const { hook, metacontroller } = world.cluster
      await Promise.all([hook.kill(), metacontroller.kill()])
      await world.kubectl('delete', 'pod', '--wait=false', (await world.primary()).name)
      return async () => {
        await Promise.all([hook.start(), metacontroller.start()])
      }
    },
    // Whatever they would have to do: it is done without them.
    last: (world) => untilWell(world, 60),
  },
  {
    name: 'replica-lost',
    title: 'a replica deleted by force, and killed',
    goals: both(2),
    needsReplicas: true,
    async strike(world) {
      await destroy(world, await world.replica())
      return undefined
    },
  },
  {
    name: 'replica-claim-lost',
    title: 'a replica and its claim deleted: it is cloned anew',
    goals: both(2),
    needsReplicas: true,
    async strike(world) {
      await loseClaim(world, await world.replica())
      return undefined
    },
  },
  {
    name: 'claim-lost',
    title: 'primary pod and its claim deleted: failover, and a new member is cloned',
    goals: { postgresql: 3, mysql: 2 },
    needsReplicas: true,
    neverLoses: true,
    async strike(world) {
      await loseClaim(world, await world.primary())
      return undefined
    },
  },
  {
    name: 'all-lost',
    title: 'all pods deleted by force, and killed',
    goals: {},
    async strike(world) {
      await destroy(world, ...(await world.pods()))
      return undefined
    },
  },
  {
    name: 'disk-full',
    title: 'all volumes full for half a minute',
    goals: {},
    volumes: { postgresql: 400, mysql: 900 },
    async strike(world) {
      await world.volumes?.fill()
      return () => world.volumes?.free() ?? Promise.resolve()
    },
    async last(world) {
      await wait(2000)
      // Rows as small as the client's fill a page, and a file of the log, only after minutes.
      await world
        .kubectl(
          'exec',
          (await world.primary()).name,
          '--container=database',
          '--',
          'bash',
          '-c',
          gluttony[world.engine],
        )
        .catch(() => undefined)
      await untilToldOfFullDisk(world)
      await wait(20_000)
    },
  },
]

/** Bash, in the primary's container: how an administrator has another member take over (docs/runbooks/switchover.md). */
const handOver: Record<EngineName, string> = {
  postgresql: '/opt/agent/bin/patronictl --config-file /run/patroni/config switchover --force',
  mysql: `
other=$(bash /scripts/client.sh --execute="SELECT member_id FROM performance_schema.replication_group_members WHERE member_role = 'SECONDARY' AND member_state = 'ONLINE' LIMIT 1")
bash /scripts/client.sh --execute="SELECT group_replication_set_as_primary('$other')"`,
}

/** Bash, as the administrator: writes more than there is room for. */
const gluttony: Record<EngineName, string> = {
  postgresql: `timeout 20 psql --no-psqlrc -h /var/run/postgresql -U postgres -d postgres -c "CREATE TABLE gluttony AS SELECT repeat(md5(n::text), 20) FROM generate_series(1, 1000000) n"`,
  mysql: `timeout 20 bash /scripts/client.sh --execute="CREATE TABLE IF NOT EXISTS app.gluttony (id bigint AUTO_INCREMENT PRIMARY KEY, text longtext); INSERT INTO app.gluttony (text) VALUES (repeat('x', 10000000)); INSERT INTO app.gluttony (text) SELECT text FROM app.gluttony; INSERT INTO app.gluttony (text) SELECT text FROM app.gluttony"`,
}

/** The Database says which volumes are full, and whoever looks for the reason of an error finds it in a log. */
async function untilToldOfFullDisk(world: World): Promise<void> {
  await world.cluster.until(
    'the Database says that the volumes are full',
    async () => {
      const object = await world.cluster.get(world.reference)
      const [full, ready] = ['StorageFull', 'Ready'].map((type) => conditionOf(object, type))
      const named = (await world.pods()).every(({ name }) => String(full?.message).includes(`data-${name}`))
      if (full?.status === 'True' && named && ready?.reason === 'StorageFull') return true
      throw new Error(`StorageFull is ${full?.status}: ${full?.message}; Ready is ${ready?.status}: ${ready?.message}`)
    },
    60,
  )
  await world.cluster.until(
    'a log says that the disk is full',
    async () => {
      const logs = await Promise.all(
        (await world.pods()).flatMap(({ name }) =>
          ['false', 'true'].map((previous) =>
            world.kubectl('logs', name, '--container=database', '--since=2m', `--previous=${previous}`).catch(() => ''),
          ),
        ),
      )
      return logs.some((log) => /No space left on device|disk is full|error number 28/i.test(log))
    },
    90,
  )
}

function frozen(name: string, seconds: number): Fault {
  return {
    name,
    title: `primary frozen (SIGSTOP) for ${seconds} s, then woken`,
    goals: { postgresql: 20, mysql: 10 },
    prepare: freshPrimary,
    strike: (world) => freeze(world, 'container'),
    last: () => wait(seconds * 1000),
  }
}

async function freeze(world: World, what: 'container' | 'pod') {
  const primary = await world.primary()
  await world.signal(primary, 'STOP', what)
  return () => world.signal(primary, 'CONT', what)
}

/** As if the power went: no process ends by itself, and the API server does not wait for any. */
async function destroy(world: World, ...members: Member[]): Promise<void> {
  await Promise.all(members.map((member) => world.signal(member, 'KILL', 'pod')))
  await world.forceDelete(...members)
}

/** The claim goes when the pod that uses it has gone. */
async function loseClaim(world: World, { name }: Member): Promise<void> {
  await world.kubectl('delete', 'persistentvolumeclaim', `data-${name}`, '--wait=false')
  await world.kubectl('delete', 'pod', name, '--wait=false')
}

/**
 * Has the primary in a pod whose containers never ended before: the kubelet lets a container wait longer each time that
 * it ends, which would be measured instead.
 */
async function freshPrimary(world: World): Promise<void> {
  for (let tries = 0; tries <= world.members; tries++) {
    const { name, restarts } = await world.primary()
    if (restarts === 0) return
    await world.kubectl('delete', 'pod', name)
    await world.untilHealthy(180)
  }
}

/** Others take over, and go on for a while before the old one comes back. Where none does, it comes back all the same. */
async function untilOthersWrite(world: World): Promise<void> {
  await world.untilWritable(60).catch(() => undefined)
  await wait(15_000)
}

async function untilWell(world: World, seconds: number): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await wait(250)) {
    const since = world.witness.healthySince()
    if (since !== undefined && Date.now() - since > 5000) return
  }
}
