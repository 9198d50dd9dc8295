// PostgreSQL that is replicated, from exactly the objects that the hooks emit, in real pods on two nodes: it forms,
// replicates, hands over, changes, grows, shrinks, stops and comes back. What happens when things break is told by
// faults.test.ts.
import t, { type Test } from 'tap'
import { isRecord } from '../../hooks/sdk/kubernetes.ts'
import { at, database, databaseAt, present, untilCondition, untilPhase } from '../scenarios/database.ts'
import { makeAuthority } from './certificates.ts'
import { clientPod, untilServed } from './client.ts'
import type { NodeCluster } from './cluster.ts'
import { obstacleToMembers } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

const reason = obstacleToMembers('NODE_POSTGRESQL_AGENT_IMAGE')
if (reason !== undefined) {
  t.test('replicated PostgreSQL in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t, { nodes: 2 })
  await t.test('three members from the start', async (t) => threeMembers(t, cluster))
  await t.test('from one to three members, and back to one', async (t) => growAndShrink(t, cluster))
}

async function threeMembers(t: Test, cluster: NodeCluster): Promise<void> {
  const world = await openWorld(cluster, 'ha')
  const { namespace, reference, kubectl, sql, asServer, members } = world
  const authority = await makeAuthority('databases')
  await world.create({ replicas: 3, resources: { requests: { cpu: '100m', memory: '256Mi' } } })

  await t.test('they are Ready, on different nodes as far as there are, and the status says who is what', async (t) => {
    await world.untilHealthy(3)
    const topology = at(await present(cluster, reference), 'status', 'topology')
    t.match(topology, {
      primary: 'db-0',
      members: [
        { name: 'db-0', role: 'primary', ready: true },
        { name: 'db-1', role: 'replica', ready: true },
        { name: 'db-2', role: 'replica', ready: true },
      ],
    })
    const nodes = await kubectl(
      'get',
      'pods',
      '-lexample.com/cluster=db-patroni',
      '-ojsonpath={.items[*].spec.nodeName}',
    )
    t.equal(new Set(nodes.split(' ')).size, Math.min(3, await freeNodes(cluster)))
  })

  await t.test('what is written through one Service is read through the other, from replicas alone', async (t) => {
    await sql('db', 'CREATE TABLE notes (id int PRIMARY KEY, text text)')
    await sql('db', "INSERT INTO notes VALUES (1, 'first')")
    // On each of them: nobody knows which one the Service asks.
    await world.untilEverywhere('SELECT text FROM notes', 'first')
    const question = 'SELECT pg_is_in_recovery()'
    const answers = new Set<string>()
    for (let n = 0; n < 6; n++) answers.add(await sql('db-readonly', question))
    t.same([...answers], ['t'])
    t.equal(await sql('db', question), 'f')
    await t.rejects(sql('db-readonly', 'DELETE FROM notes'), { message: /read-only transaction/ })
  })

  await t.test('the primary hands over when its pod is deleted, and comes back as a replica', async (t) => {
    const before = await world.primary()
    await kubectl('delete', 'pod', before, '--wait=false')
    const after = await world.untilOtherPrimary(before)
    t.not(after, before)
    t.equal(await sql('db', 'SELECT text FROM notes'), 'first')
    await world.untilHealthy(3)
    t.equal(await world.primary(), after, 'it stays with the new one')
  })

  await t.test('a parameter that can be reloaded reaches every member, and no pod is touched', async (t) => {
    const pods = await members()
    await cluster.patch(reference, { spec: { parameters: { work_mem: '7MB' } } })
    await world.untilEverywhere('SHOW work_mem', '7MB')
    t.same(await members(), pods)
  })

  await t.test('one that takes a restart rolls the members, and all have it', async (t) => {
    const pods = await members()
    await cluster.patch(reference, {
      spec: { parameters: { work_mem: '7MB', max_connections: 120, shared_buffers: '96MB' } },
    })
    await world.untilEverywhere('SHOW max_connections', '120', 240)
    await world.untilEverywhere('SHOW shared_buffers', '96MB')
    await world.untilHealthy(3)
    for (const [name, before] of Object.entries(pods)) t.not((await members())[name], before, name)
    t.equal(await sql('db', 'SELECT text FROM notes'), 'first')
  })

  await t.test('rotated passwords are in force everywhere, and no pod is touched', async (t) => {
    const pods = await members()
    const old = await world.password()
    await cluster.patch(reference, { spec: { credentials: { rotation: 1 } } })
    await cluster.until('the Secret changed', async () => (await world.password()) !== old)
    await cluster.until('the new one is good', () => world.logsIn('db'), 180)
    await cluster.until('and on a replica', () => world.logsIn('db-readonly'), 180)
    t.notOk(await world.logsIn('db', old))
    // Who replicates has to log in with the new password when the connection ends.
    await cluster.until(
      'replicas come back',
      async () => {
        const primary = await world.primary()
        await asServer(primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE state = 'streaming'")
        return (await world.streaming(primary, 5)) === 2
      },
      180,
    )
    t.same(await members(), pods)
  })

  await t.test('synchronous: a write is with a replica when it is acknowledged', async (t) => {
    const pods = await members()
    await cluster.patch(reference, { spec: { highAvailability: { synchronous: true } } })
    const before = await world.primary()
    const synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    await cluster.until('a replica is synchronous', async () => (await asServer(before, synchronous)) === '1', 180)
    // Only whom Patroni has noted may take over: it does so with the first look at a replica that is synchronous.
    const noted = ['get', 'configmap', 'db-patroni-sync', '--output=jsonpath={.metadata.annotations.sync_standby}']
    await cluster.until('Patroni has noted which', async () => (await kubectl(...noted)).trim() !== '', 60)
    t.same(await members(), pods)
    await sql('db', "INSERT INTO notes VALUES (2, 'second')")
    await kubectl('delete', 'pod', before, '--wait=false')
    await world.untilOtherPrimary(before)
    t.equal(await sql('db', 'SELECT text FROM notes WHERE id = 2'), 'second')
    await world.untilHealthy(3)
  })

  await t.test('TLS, and a certificate that is renewed under way', async (t) => {
    const renew = async () => {
      const { cert, key } = await authority.server('db', { names: ['db'] })
      await cluster.apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace, name: 'tls' },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': cert, 'tls.key': key },
      })
    }
    await renew()
    await cluster.patch(reference, { spec: { tls: { secretName: 'tls', required: true } } })
    const encrypted = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
    await cluster.until('it is encrypted', async () => (await sql('db', encrypted).catch(() => '')) === 't', 240)
    await world.untilHealthy(3)
    await t.rejects(world.connect('db', 'SELECT 1', { PGSSLMODE: 'disable' }), { message: /no encryption/ })
    const pods = await members()
    const before = await world.certificates()
    await renew()
    await cluster.until(
      'every member shows the new certificate',
      async () => (await world.certificates()).every((serial) => !before.includes(serial)),
      180,
    )
    t.same(await members(), pods)
    const primary = await world.primary()
    t.equal(await asServer(primary, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"), '2')
  })

  await t.test('stopped and started again', async (t) => {
    await cluster.patch(reference, { spec: { suspend: true } })
    await cluster.until('no pod is left', async () => Object.keys(await members()).length === 0, 120)
    await cluster.patch(reference, { spec: { suspend: false } })
    await world.untilHealthy(3)
    t.equal(await sql('db', 'SELECT count(*) FROM notes'), '2')
  })

  await t.test('all pods lost at once', async (t) => {
    await kubectl('delete', 'pods', '-lexample.com/cluster=db-patroni', '--force', '--grace-period=0')
    await world.untilHealthy(3)
    t.equal(await sql('db', 'SELECT count(*) FROM notes'), '2')
  })

  await t.test('it goes without a trace, but for its claims', async (t) => {
    t.match(await kubectl('get', 'configmaps', '-oname'), /configmap\/db-patroni-config/)
    await kubectl('delete', 'database', 'db', '--timeout=120s')
    await cluster.until(
      "Patroni's ConfigMaps are collected",
      async () => !(await kubectl('get', 'configmaps', '-oname')).includes('db-patroni'),
    )
    t.equal((await kubectl('get', 'persistentvolumeclaims', '-oname')).trim().split('\n').length, 3)
  })
}

async function growAndShrink(t: Test, cluster: NodeCluster): Promise<void> {
  const world = await openWorld(cluster, 'grow')
  const { reference, kubectl, sql } = world

  await t.test('one that was single keeps what it has', async (t) => {
    await world.create({ replicas: 1, resources: { requests: { cpu: '100m', memory: '256Mi' } } })
    await untilPhase(cluster, reference, 'Running', 180)
    await untilServed(cluster, () => sql('db', 'SELECT 1'))
    await sql('db', "CREATE TABLE notes AS SELECT 1 AS id, 'first' AS text")
    await cluster.patch(reference, { spec: { replicas: 3 } })
    await world.untilHealthy(3)
    t.equal(await world.primary(), 'db-0')
    // Nodes learn of a Service's pods a moment after the API server.
    const read = () => sql('db-readonly', 'SELECT text FROM notes').catch(() => '')
    await cluster.until('the replicas serve it', async () => (await read()) === 'first', 30)
  })

  await t.test('the last member is the primary, whoever was it before', async (t) => {
    await kubectl('delete', 'pod', 'db-0')
    await world.untilHealthy(3)
    t.not(await world.primary(), 'db-0')
    await sql('db', "INSERT INTO notes VALUES (2, 'second')")
    await cluster.patch(reference, { spec: { replicas: 1 } })
    await world.untilHealthy(1)
    t.equal(await world.primary(), 'db-0')
    t.equal(await sql('db', 'SELECT count(*) FROM notes'), '2')
    t.equal(await sql('db-readonly', 'SELECT count(*) FROM notes'), '2', 'and reads are led there as well')
  })

  await t.test('and out again, over what the members had before', async (t) => {
    await sql('db', "INSERT INTO notes VALUES (3, 'third')")
    await cluster.patch(reference, { spec: { replicas: 2 } })
    await world.untilHealthy(2)
    await cluster.until(
      'it is replicated',
      async () => (await sql('db-readonly', 'SELECT count(*) FROM notes')) === '3',
    )
    t.equal(await world.primary(), 'db-0')
  })
}

/** How many nodes take pods. */
async function freeNodes(cluster: NodeCluster): Promise<number> {
  const { items } = JSON.parse(await cluster.kubectl('get', 'nodes', '-ojson')) as {
    items: { spec: { unschedulable?: boolean; taints?: { effect: string }[] } }[]
  }
  return items.filter(({ spec: { unschedulable, taints = [] } }) => {
    return unschedulable !== true && taints.every(({ effect }) => effect === 'PreferNoSchedule')
  }).length
}

/** A namespace that enforces "restricted", with a pod to connect from. */
async function openWorld(cluster: NodeCluster, name: string) {
  const namespace = await cluster.namespace(name)
  const reference = databaseAt(namespace, 'db')
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  await cluster.patch(
    { apiVersion: 'v1', kind: 'Namespace', name: namespace },
    { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
  )
  await cluster.create(clientPod(namespace, `postgres:${cluster.versions.postgresql}`))

  const password = async () => {
    const encoded = await kubectl('get', 'secret', 'db-secret', '-ojsonpath={.data.password}')
    return Buffer.from(encoded, 'base64').toString()
  }
  /** As the application, through a Service. */
  const connect = async (host: string, statement: string, env: Record<string, string> = {}) => {
    const variables = { PGPASSWORD: await password(), PGCONNECT_TIMEOUT: '5', ...env }
    const assignments = Object.entries(variables).map(([key, value]) => `${key}=${value}`)
    const psql = ['psql', '-X', '-qAt', '-v', 'ON_ERROR_STOP=1', '-h', host, '-U', 'app', '-d', 'app', '-c', statement]
    return (await kubectl('exec', 'client', '--', 'env', ...assignments, ...psql)).trim()
  }
  /** As the administrator, in the pod itself. */
  const asServer = async (pod: string, statement: string) =>
    (
      await kubectl('exec', pod, '-cdatabase', '--', 'psql', '-X', '-qAt', '-Upostgres', '-dapp', '-c', statement)
    ).trim()
  const podsByName = async (fields: string) => {
    const template = `jsonpath={range .items[*]}{.metadata.name}={${fields}}{"\\n"}{end}`
    const lines = await kubectl('get', 'pods', '-lapp.kubernetes.io/component=database', `-o${template}`)
    const entries = lines
      .trim()
      .split('\n')
      .filter((line) => line !== '')
    return Object.fromEntries(
      entries.map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
  }
  /** Which pods there are, and since when their engine runs. */
  const members = () => podsByName('.metadata.uid}{.status.containerStatuses[0].state.running.startedAt')
  const primary = async () => String(at(await present(cluster, reference), 'status', 'topology', 'primary'))
  /** How many replicas stream from it, within so many seconds. */
  const streaming = async (pod: string, seconds: number) => {
    const count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    for (let second = 0; second < seconds; second++) {
      if ((await asServer(pod, count)) === '2') return 2
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    return Number(await asServer(pod, count))
  }

  return {
    namespace,
    reference,
    kubectl,
    password,
    connect,
    sql: (host: string, statement: string) => connect(host, statement),
    asServer,
    members,
    primary,
    streaming,
    async create(spec: Record<string, unknown>) {
      await cluster.apply(database(namespace, 'db', { version: cluster.versions.postgresql, ...spec }))
      await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=120s')
    },
    async untilHealthy(count: number) {
      await cluster.until(
        `${count} members are healthy`,
        async () => {
          const found = await present(cluster, reference)
          const topology = at(found, 'status', 'topology', 'members')
          const ready = Array.isArray(topology) ? topology.filter((member) => isRecord(member) && member.ready) : []
          return ready.length === count && at(found, 'status', 'readyReplicas') === count
        },
        300,
      )
      await untilPhase(cluster, reference, 'Running', 120)
      await untilCondition(cluster, reference, 'Ready', 'True')
      await untilCondition(cluster, reference, 'Replicated', 'True')
      await untilCondition(cluster, reference, 'PrimaryAvailable', 'True')
      await untilServed(cluster, () => connect('db', 'SELECT 1'))
      await untilServed(cluster, () => connect('db-readonly', 'SELECT 1'))
    },
    /** The name of the pod that takes writes now, once it is another one. */
    untilOtherPrimary: (before: string) =>
      cluster.until(
        'another takes writes',
        async () => {
          const answer = await connect('db', "SELECT pg_is_in_recovery(), current_setting('cluster_name')").catch(
            () => '',
          )
          const now = await primary()
          return answer.startsWith('f') && now !== before && now !== 'undefined' ? now : undefined
        },
        90,
      ),
    async untilEverywhere(question: string, answer: string, seconds = 180) {
      await cluster.until(
        `${question} is ${answer} on every member`,
        async () => {
          const pods = Object.keys(await members())
          const answers = await Promise.all(pods.map((pod) => asServer(pod, question).catch(() => '')))
          return pods.length > 0 && answers.every((given) => given === answer)
        },
        seconds,
      )
    },
    async logsIn(host: string, secret?: string) {
      const env: Record<string, string> = secret === undefined ? {} : { PGPASSWORD: secret }
      return (await connect(host, 'SELECT 1', env).catch(() => '')) === '1'
    },
    /** Serial numbers of the certificates that the members show. */
    async certificates() {
      const addresses = Object.values(await podsByName('.status.podIP'))
      return Promise.all(
        addresses.map((address) => {
          const show = `openssl s_client -starttls postgres -connect ${address}:5432 </dev/null 2>/dev/null | openssl x509 -noout -serial`
          return kubectl('exec', 'client', '--', 'bash', '-c', show)
        }),
      )
    },
  }
}
