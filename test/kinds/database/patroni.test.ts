// The children of a PostgreSQL Database whose replicas are one database, and the scripts of its pods.
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { PodSpec } from 'kubernetes-types/core/v1.js'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { passwords, postgresFolder, startPostgres } from './server.ts'
import { scriptsOf } from './shells.ts'
import { change, child, conditionOf, createWorld, namespace, running, type Spec, settle, type World } from './world.ts'

const replicated = { version: '15.4', replicas: 3 }

const filesOf = (world: World) => child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
const templateOf = (world: World) =>
  (child(world, 'StatefulSet', 'orders').spec as { template: { metadata: object; spec: PodSpec } }).template

t.test('the engine keeps its image, and runs what an init container brings', async (t) => {
  const { spec } = templateOf(running(replicated))
  const [engine, ...others] = spec.containers
  t.match(engine, { name: 'database', image: 'postgres:15.4', command: ['bash', '/scripts/start.sh'] })
  t.same(others, [])
  const [agent, configuration] = spec.initContainers ?? []
  t.match(agent, {
    image: 'operator-hooks-postgresql-agent',
    volumeMounts: [{ name: 'agent', mountPath: '/opt/agent' }],
  })
  t.match(configuration, { image: 'postgres:15.4', restartPolicy: 'Always' })
  t.match(
    engine?.volumeMounts?.find(({ name }) => name === 'agent'),
    { mountPath: '/opt/agent', readOnly: true },
    'which it cannot change',
  )
})

t.test('to scale in, a primary that goes hands over to a member that stays', async (t) => {
  const world = running(replicated)
  t.same(JSON.parse(filesOf(world)['members.json'] ?? ''), { members: 3 })
  const slice = (service: string) => world.slices[`${namespace}/${service}`] as KubernetesObject
  const [first, others] = [slice('orders'), slice('orders-readonly')].map(({ endpoints }) => endpoints as unknown[])
  const replicas = () => (child(world, 'StatefulSet', 'orders').spec as { replicas: number }).replicas
  Object.assign(slice('orders'), { endpoints: others?.slice(1) })
  Object.assign(slice('orders-readonly'), { endpoints: [...(first ?? []), ...(others?.slice(0, 1) ?? [])] })
  change(world, { replicas: 1 })
  settle(world)
  t.equal(replicas(), 3)
  t.match(conditionOf(world, 'Replicated'), { reason: 'ScalingWaits', message: /^orders-2 hands over to a member/ })
  t.same(JSON.parse(filesOf(world)['members.json'] ?? ''), { members: 1 }, 'as it is told to')
  Object.assign(slice('orders'), { endpoints: [] })
  settle(world)
  t.equal(replicas(), 3, 'nobody goes in between')
  Object.assign(slice('orders'), { endpoints: first })
  settle(world)
  t.equal(replicas(), 1)
})

t.test('only Patroni has a token, which is for its own ConfigMaps and pods', async (t) => {
  const world = running(replicated)
  const { spec } = templateOf(world)
  t.equal(spec.automountServiceAccountToken, false)
  const withToken = [...spec.containers, ...(spec.initContainers ?? [])].filter(({ volumeMounts }) =>
    volumeMounts?.some(({ name }) => name === 'token'),
  )
  t.same(
    withToken.map(({ name }) => name),
    ['database'],
  )
  const rules = child(world, 'Role', 'orders').rules as { resourceNames?: string[]; verbs: string[] }[]
  for (const { resourceNames, verbs } of rules) {
    if (resourceNames === undefined) t.notOk(verbs.some((verb) => ['get', 'patch', 'update', 'delete'].includes(verb)))
    for (const name of resourceNames ?? []) t.match(name, /^orders-(patroni-(config|failover|leader|sync)|\d)$/)
  }
  const { ingress } = child(world, 'NetworkPolicy', 'orders').spec as { ingress: object[] }
  t.match(ingress[1], {
    from: [{ podSelector: { matchLabels: { 'app.kubernetes.io/instance': 'orders' } } }],
    ports: [{ port: 8008 }],
  })
})

t.test('a single database is as it was', async (t) => {
  const world = running({ version: '15.4' })
  t.same(world.children['Role.rbac.authorization.k8s.io/v1'], {})
  t.match(templateOf(world).spec.containers[0]?.args, ['postgres'])
})

t.test('a single one that is asked for high availability is a member from the start', async (t) => {
  const world = running({ version: '15.4', highAvailability: {} })
  t.match(templateOf(world).metadata, { labels: { 'example.com/replication': 'patroni' } })
  t.match(child(world, 'Service', 'orders').spec, { selector: { 'example.com/role': 'primary' } })
  t.match(child(world, 'Service', 'orders-readonly').spec, { selector: { 'example.com/role': 'primary' } })
  t.match(child(running(replicated), 'Service', 'orders-readonly').spec, {
    selector: { 'example.com/role': 'replica' },
  })
})

t.test('what all members must agree on is in the dynamic configuration, and the rest in a file of each', async (t) => {
  const world = running({
    ...replicated,
    highAvailability: { synchronous: true },
    parameters: { max_connections: 250, work_mem: '8MB', max_prepared_transactions: 10 },
  })
  const { 'dynamic.json': dynamic = '', 'patroni.yml': own = '', 'postgresql.conf': file = '' } = filesOf(world)
  t.match(JSON.parse(dynamic), {
    ttl: 20,
    failsafe_mode: true,
    synchronous_mode: true,
    postgresql: { parameters: { max_connections: '250', max_prepared_transactions: '10', wal_level: 'replica' } },
  })
  t.match(file, "work_mem = '8MB'")
  t.notMatch(file, /max_connections|wal_level|^port|listen_addresses/m)
  const patroni = parse(own)
  t.match(patroni, {
    scope: 'orders-patroni',
    kubernetes: { scope_label: 'example.com/cluster', role_label: 'example.com/role' },
    postgresql: { custom_conf: '/etc/postgresql/postgresql.conf' },
    bootstrap: { dcs: { synchronous_mode: true, postgresql: { parameters: { max_connections: '250' } } } },
  })
  t.notMatch(own, 'null', 'what is only there to be taken away is no beginning')

  change(world, { highAvailability: {}, parameters: { work_mem: '8MB' } })
  settle(world)
  t.match(JSON.parse(filesOf(world)['dynamic.json'] ?? ''), {
    synchronous_mode: null,
    postgresql: { parameters: { max_connections: '100', max_prepared_transactions: null } },
  })
})

t.test('members restart for what takes a restart, and for nothing else', async (t) => {
  const template = (spec: Spec) => JSON.stringify(templateOf(running({ ...replicated, ...spec })))
  const before = template({})
  t.equal(template({ highAvailability: { synchronous: true }, parameters: { work_mem: '9MB' } }), before)
  t.not(template({ parameters: { max_connections: 50 } }), before)
  t.not(template({ parameters: { shared_buffers: '64MB' } }), before)
})

t.test('encryption is demanded when a pod has a certificate, not before', async (t) => {
  const world = running(replicated)
  const { 'pg_hba.conf': before } = filesOf(world)
  const old = JSON.stringify(templateOf(world).metadata)
  change(world, { tls: { secretName: 'tls', required: true } })
  settle(world)
  const files = filesOf(world)
  t.equal(files['pg_hba.conf'], before, 'what servers without one have')
  t.match(files['pg_hba_tls.conf'], /^hostssl {2}replication {2}"patroni-replicator"/m)
  t.notMatch(files['pg_hba_tls.conf'], /^host /m)
  t.match(files['postgresql.conf'], "hba_file = '/etc/postgresql/pg_hba_tls.conf'")
  t.match(parse(files['patroni.yml'] ?? ''), {
    postgresql: { parameters: { hba_file: '/etc/postgresql/pg_hba_tls.conf' } },
  })
  t.not(JSON.stringify(templateOf(world).metadata), old, 'pods are rolled')
})

t.test('passwords are in the Secret, and nowhere else', async (t) => {
  const world = running(replicated)
  const data = child(world, 'Secret', 'orders-secret').data as Record<string, string>
  const decoded = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString()
  t.match(parse(decoded('patroni.yml')), {
    postgresql: {
      authentication: {
        replication: { username: 'patroni-replicator', password: decoded('replicator-password') },
        rewind: { username: 'patroni-rewind', password: decoded('rewind-password') },
      },
    },
  })
  const all = JSON.stringify([filesOf(world), templateOf(world)])
  for (const key of ['replicator-password', 'rewind-password', 'superuser-password'])
    t.notOk(all.includes(decoded(key)))
})

t.test('what Patroni keeps belongs to the Database, without being its child', async (t) => {
  const world = createWorld(replicated)
  settle(world)
  const { owner, labels } = JSON.parse(filesOf(world)['cluster.json'] ?? '') as { owner: object; labels: object }
  const { name, uid } = world.parent.metadata
  t.same(owner, { apiVersion: 'example.com/v1', kind: 'Database', name, uid })
  t.notMatch(JSON.stringify(labels), /controller-uid|managed-by/, 'Metacontroller would adopt it')
})

/** A folder that stands for / of a pod, with the scripts in it. */
function podRoot(t: Pick<Test, 'teardown'>, port: number) {
  const root = mkdtempSync(join(tmpdir(), 'patroni-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const local = (text: string) =>
    text
      .replaceAll(/(?<![\w/.])\/(etc|scripts|run|opt)\//g, `${root}/$1/`)
      .replaceAll('/127.0.0.1/8008', `/127.0.0.1/${port}`)
      .replaceAll('sleep 5', 'sleep 0.1')
  const put = (name: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), local(text))
    chmodSync(join(root, name), mode)
  }
  for (const [name, text] of Object.entries(scriptsOf(replicated))) {
    put(name.endsWith('.sh') ? `scripts/${name}` : `etc/postgresql/${name}`, text)
  }
  put('etc/credentials/app/password', 'first')
  put('etc/credentials/superuser/patroni.yml', '{}')
  return { root, put }
}

t.test('renewed files: every member reloads, and the primary sees to what is for all', async (t) => {
  let role = 'replica'
  const asked: string[] = []
  const patroni = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      if (request.method !== 'GET')
        asked.push(`${request.method} ${request.url} ${body === '' ? '' : JSON.parse(body).ttl}`)
      response.end(request.url === '/patroni' ? `{"state": "running", "role": "${role}"}` : 'OK')
    })
  })
  await new Promise<void>((resolve) => patroni.listen(0, '127.0.0.1', resolve))
  t.teardown(() => patroni.close())
  const { root, put } = podRoot(t, (patroni.address() as AddressInfo).port)
  put('scripts/accounts.sh', `echo made >>${root}/made`)
  const watch = spawn('bash', [join(root, 'scripts/watch.sh')], {
    env: { PATH: process.env.PATH ?? '', HOSTNAME: 'orders-1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  t.teardown(() => watch.kill('SIGTERM'))
  const until = async (count: number) => {
    const deadline = Date.now() + 20_000
    while (asked.length < count && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
    return asked.splice(0)
  }
  t.same(await until(1), ['POST /reload '])
  t.notOk(existsSync(join(root, 'made')))
  role = 'primary'
  t.same(await until(2), ['POST /reload ', 'PATCH /config 20'])
  t.equal(readFileSync(join(root, 'made'), 'utf8'), 'made\n')
  put('etc/credentials/app/password', 'second')
  t.same(await until(2), ['POST /reload ', 'PATCH /config 20'])
})

const withServer = postgresFolder() === undefined ? { skip: 'there is no PostgreSQL here' } : {}

t.test('data of another database is put aside, and never by the first pod', async (t) => {
  const { root, put } = podRoot(t, 0)
  put('opt/agent/bin/member', `#!/bin/sh\necho "$*" >>${root}/asked\necho 42\n`, 0o755)
  put('opt/agent/bin/patroni', '#!/bin/sh\ncat "$1"/3-member.yml\n', 0o755)
  put('bin/pg_controldata', '#!/bin/sh\necho "Database system identifier:           41"\n', 0o755)
  const start = (pod: string, data: string) => {
    put(`${data}/PG_VERSION`, '15')
    const { stdout, stderr, status } = spawnSync('bash', [join(root, 'scripts/start.sh')], {
      env: {
        PATH: `${root}/bin${delimiter}${process.env.PATH}`,
        POD_IP: '10.0.0.7',
        POD_NAME: pod,
        PGDATA: join(root, data),
      },
      encoding: 'utf8',
    })
    t.equal(status, 0, stderr)
    return parse(stdout)
  }
  t.match(start('orders-1', 'one/pgdata'), {
    name: 'orders-1',
    restapi: { listen: '0.0.0.0:8008', connect_address: '10.0.0.7:8008' },
    postgresql: { connect_address: '10.0.0.7:5432' },
    tags: { failover_priority: 99 },
  })
  t.same(readdirSync(join(root, 'one')), ['pgdata.of-system-41'])
  const asked = () => readFileSync(join(root, 'asked'), 'utf8').trim().split('\n')
  t.match(start('orders-1', 'one/pgdata'), { name: 'orders-1' })
  t.equal(asked().length, 1, 'a container that begins anew in its pod does not wait for the API server')
  start('orders-1', 'one/pgdata')
  t.equal(asked().length, 2, 'but if it ends again')
  rmSync(join(root, 'run/patroni/prepared'))
  t.match(start('orders-0', 'zero/pgdata'), { tags: { failover_priority: 100 } })
  t.same(readdirSync(join(root, 'zero')), ['pgdata'])
  t.notMatch(asked()[0], '--may-initialize')
  t.match(asked()[2], '--may-initialize')
})

t.test('accounts of the members are made and changed as often as it takes', withServer, async (t) => {
  const server = await startPostgres(t)
  const accounts = scriptsOf(replicated)['accounts.sh'] ?? ''
  for (const password of [passwords.rewind, 'RewindSecret2']) {
    server.put('etc/credentials/superuser/rewind-password', password)
    const { status, stderr } = server.bash(accounts)
    t.equal(status, 0, stderr)
    const list = server.query(
      'patroni-rewind',
      password,
      "SELECT count(*) > 0 FROM pg_ls_dir('base', true, false)",
      'postgres',
    )
    t.equal(list.stdout.trim(), 't', list.stderr)
  }
  t.equal(
    server.trusted("SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = 'patroni-replicator'").trim(),
    't|f',
  )
  t.equal(server.query('patroni-rewind', 'RewindSecret2', 'SELECT rolpassword FROM pg_authid', 'postgres').status, 1)
  t.notMatch(server.log(), /ReplicatorSecret|RewindSecret/)
})
