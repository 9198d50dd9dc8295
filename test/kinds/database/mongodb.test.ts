// The children of a MongoDB Database whose replicas are one replica set.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import type { PodSpec } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { parse } from 'yaml'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { scriptsOf } from './shells.ts'
import {
  change,
  child,
  conditionOf,
  createWorld,
  namespace,
  running,
  runPods,
  type Spec,
  settle,
  type World,
} from './world.ts'

const mongodb = { engine: 'mongodb', version: '7.0', replicas: 3 }

function podOf(world: World): PodSpec {
  return (child(world, 'StatefulSet', 'orders').spec as { template: { spec: PodSpec } }).template.spec
}

function filesOf(world: World): Record<string, string> {
  return child(world, 'ConfigMap', 'orders-config').data as Record<string, string>
}

function secretOf(world: World): Record<string, string> {
  const data = child(world, 'Secret', 'orders-secret').data as Record<string, string>
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

function replicasOf(world: World): unknown {
  return (child(world, 'StatefulSet', 'orders').spec as { replicas: number }).replicas
}

const host = (ordinal: number) => `orders-${ordinal}.orders-headless.${namespace}.svc:27017`

t.test('members know the set and one another', async (t) => {
  const world = running(mongodb)
  const files = filesOf(world)
  t.match(parse(files['mongod.conf'] ?? ''), {
    replication: { replSetName: 'orders', oplogSizeMB: 102 },
    security: { authorization: 'enabled', keyFile: '/tmp/keyfile' },
    net: { bindIpAll: true },
    storage: { wiredTiger: { engineConfig: { cacheSizeGB: 0.25 } } },
  })
  t.match(secretOf(world).keyfile, /^- [0-9A-Za-z]{43}\n$/)
  const [agent] = podOf(world).initContainers ?? []
  t.match(agent, { name: 'agent', args: ['agent', 'mongodb'], restartPolicy: 'Always' })
  const env = Object.fromEntries((agent?.env ?? []).map(({ name, value }) => [name, value]))
  t.equal(env.MEMBER_ADDRESS?.replace('{}', '2'), host(2))
  t.match(env, { REPLICA_SET: 'orders', SERVER_ADDRESS: '127.0.0.1:27017' })
  t.same(
    podOf(world).containers[0]?.env?.filter(({ name }) => name.startsWith('MONGO')),
    [],
    'no member begins with users of its own',
  )
  t.match(child(world, 'Role', 'orders').rules, [
    { resources: ['pods'], resourceNames: Array.from({ length: 7 }, (_, ordinal) => `orders-${ordinal}`) },
  ])
})

t.test('clients get every member’s name, and ask them who the primary is', async (t) => {
  const single = secretOf(running({ ...mongodb, replicas: 1 }))
  t.match(single.uri, /@orders\.shop\.svc:27017\/app\?authSource=app$/)
  const world = running(mongodb)
  const { uri = '', host: service } = secretOf(world)
  t.equal(uri.slice(uri.indexOf('@') + 1), `${[0, 1, 2].map(host).join(',')}/app?authSource=app&replicaSet=orders`)
  t.equal(service, 'orders.shop.svc', 'for who wants one name')
  t.match(child(world, 'Service', 'orders').spec, { selector: { 'example.com/role': 'primary' } })
  t.match(child(world, 'Service', 'orders-readonly').spec, { selector: { 'example.com/role': 'replica' } })
})

t.test('how many members are wanted is told by a file, which rolls no pod', async (t) => {
  const world = createWorld(mongodb)
  settle(world)
  const told = () => JSON.parse(filesOf(world)['members.json'] ?? '')
  t.same(told(), { members: 3, initialized: false })
  runPods(world)
  settle(world)
  t.same(told(), { members: 3, initialized: true })
  const before = podOf(world)
  change(world, { replicas: 5, storage: { size: '2Gi' } })
  settle(world)
  t.same(told(), { members: 5, initialized: true })
  t.same(podOf(world), before)
})

t.test('to scale in, members leave before their pods go', async (t) => {
  const world = running(mongodb)
  const slice = (service: string) => world.slices[`${namespace}/${service}`] as KubernetesObject
  const [first, ...others] = [slice('orders'), slice('orders-readonly')].map(({ endpoints }) => endpoints)
  change(world, { replicas: 1 })
  settle(world)
  t.equal(replicasOf(world), 3)
  t.match(conditionOf(world, 'Replicated'), { reason: 'ScalingWaits', message: /^orders-1, orders-2 leave before/ })
  t.match(
    child(world, 'Service', 'orders-readonly').spec,
    { selector: { 'example.com/role': 'replica' } },
    'or they could not be seen any more',
  )
  Object.assign(slice('orders'), { endpoints: [] })
  Object.assign(slice('orders-readonly'), { endpoints: first })
  settle(world)
  t.equal(replicasOf(world), 3, 'without a primary nobody can leave')
  t.match(conditionOf(world, 'Replicated'), { reason: 'ScalingWaits', message: /has to take writes/ })
  Object.assign(slice('orders'), { endpoints: first })
  Object.assign(slice('orders-readonly'), { endpoints: (others[0] as unknown[]).slice(0, 1) })
  settle(world)
  t.equal(replicasOf(world), 2, 'the second is there, the third has left')
  Object.assign(slice('orders-readonly'), { endpoints: [] })
  settle(world)
  t.equal(replicasOf(world), 1)
})

t.test('another key reaches members one by one, beside the one before', async (t) => {
  const world = running(mongodb)
  const before = secretOf(world).keyfile ?? ''
  const annotations = () => JSON.stringify(child(world, 'StatefulSet', 'orders').spec)
  const template = annotations()
  change(world, { credentials: { rotation: 1 } })
  settle(world)
  const [now, previous] = (secretOf(world).keyfile ?? '').split('\n')
  t.equal(`${previous}\n`, before)
  t.not(now, previous)
  t.not(annotations(), template, 'a server reads its key when it begins')
  const rolling = annotations()
  runPods(world)
  settle(world)
  t.equal(annotations(), rolling, 'once')
})

t.test('a member’s script lays the key as mongod wants it', async (t) => {
  const root = t.testdir({ bin: {}, etc: {}, tmp: {} })
  const put = (path: string, text: string, mode: number) => {
    writeFileSync(join(root, path), text)
    chmodSync(join(root, path), mode)
  }
  mkdirSync(join(root, 'tls'))
  put('bin/mongod', '#!/bin/sh\nprintf "%s\\n" "$@"\n', 0o755)
  put('etc/keyfile', '- one\n- two\n', 0o440)
  for (const [name, text] of Object.entries({ 'tls.crt': 'CERT', 'tls.key': 'KEY', 'ca.crt': 'CA' }))
    put(`tls/${name}`, `${text}\n`, 0o440)
  const folders = new Map([
    ['/etc/credentials/superuser', join(root, 'etc')],
    ['/etc/tls', join(root, 'tls')],
    ['/tmp', join(root, 'tmp')],
  ])
  // In one go, because the test's own folder may be below one of these.
  const named = new RegExp(`(${[...folders.keys()].join('|')})(?=/)`, 'g')
  const member = scriptsOf({ ...mongodb, tls: { secretName: 'tls' } })['member.sh'] ?? ''
  const script = member.replaceAll(named, (path) => folders.get(path) ?? path)
  // A second time as well: the files are there after a restart of the container.
  for (const time of ['first', 'second']) {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      env: { PATH: `${join(root, 'bin')}:${process.env.PATH}` },
      encoding: 'utf8',
    })
    t.equal(status, 0, `the ${time} time: ${stderr}`)
    t.same(stdout.split('\n').slice(0, 2), ['--config', '/etc/mongo/mongod.conf'])
  }
  for (const [name, text] of Object.entries({ keyfile: '- one\n- two\n', 'tls.pem': 'CERT\nKEY\n' })) {
    t.equal(readFileSync(join(root, 'tmp', name), 'utf8'), text)
    t.equal(statSync(join(root, 'tmp', name)).mode & 0o777, 0o600, `${name} is nobody else's`)
  }
  t.equal(readFileSync(join(root, 'tmp/tls-authorities.pem'), 'utf8'), 'CA\n')
})

t.test('accounts are made on the primary, and only members are told what is new', async (t) => {
  const root = t.testdir({ tmp: {} })
  const scripts = scriptsOf(mongodb)
  const run = (name: string, role: string) => {
    writeFileSync(join(root, 'role'), role)
    // Without MongoDB's shell whatever wants to change something fails.
    const script = (scripts[name] ?? '').replaceAll('/tmp/role', join(root, 'role'))
    return spawnSync('bash', ['-c', script], { env: { PATH: '/usr/bin:/bin' } }).status === 0
  }
  t.same(
    ['primary', 'replica', 'none'].map((role) => run('accounts.sh', role)),
    [false, true, true],
  )
  t.same(
    ['primary', 'replica', 'none'].map((role) => run('reload.sh', role)),
    [false, false, true],
  )
  t.match(scripts['watch.sh'], 'cat /tmp/role', 'both are run again when it changes')
})

t.test('what its shells run is JavaScript', async (t) => {
  for (const spec of [{}, { tls: { secretName: 'tls', required: true } }] satisfies Spec[]) {
    const scripts = scriptsOf({ ...mongodb, ...spec, backup: { destination: { claim: { name: 'store' } } } })
    for (const [name, text] of Object.entries(scripts)) {
      if (!name.endsWith('.sh')) continue
      t.equal(spawnSync('bash', ['-n'], { input: text }).status, 0, name)
      // What it runs itself is quoted once more.
      if (name === 'watch.sh') continue
      for (const [, program = ''] of text.matchAll(/--eval '([^']*)'/g)) {
        t.doesNotThrow(() => new Script(program), `${name}: ${program}`)
      }
    }
    t.match(scripts['backup.sh'], /--oplog/)
  }
})

t.test('TLS: members trust by the Secret’s authority, and by the key', async (t) => {
  const world = running({ ...mongodb, tls: { secretName: 'tls', required: true } })
  t.match(parse(filesOf(world)['mongod.conf'] ?? ''), {
    net: { tls: { mode: 'requireTLS', CAFile: '/tmp/tls-authorities.pem', allowInvalidHostnames: true } },
    setParameter: { tlsWithholdClientCertificate: true },
  })
  const [agent] = podOf(world).initContainers ?? []
  t.ok(agent?.env?.some(({ name, value }) => name === 'TLS' && value === 'required'))
  t.match(secretOf(world).uri, /&tls=true$/)
})

t.test('oplogs of small volumes leave room for data', async (t) => {
  const size = (storage: string) =>
    parse(filesOf(running({ ...mongodb, storage: { size: storage } }))['mongod.conf'] ?? '').replication.oplogSizeMB
  t.same(['100Mi', '1Gi', '10Gi', '100Gi', '2Ti'].map(size), [16, 102, 990, 5120, 51200])
})
