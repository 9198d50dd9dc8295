import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Forecast } from '../../hooks/cli/forecast.ts'
import { installationOf } from '../../hooks/cli/installation.ts'
import { plan } from '../../hooks/cli/plan.ts'
import { inProcessTransport } from '../../hooks/cli/transport.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createSimulator, type Simulator, serveApi } from '../../hooks/simulator/index.ts'
import { cache } from './cache.ts'
import { recordingShell } from './shell.ts'

const text = (spec = '') => `apiVersion: test.example.com/v1
kind: Cache
metadata: {name: sessions, namespace: default}
spec:
  engine: redis
${spec}`

const folder = t.testdir()
let files = 0

/** A file of this run with that content. */
function fileWith(content: string): string {
  const file = `${folder}/${++files}.yaml`
  writeFileSync(file, content)
  return file
}

/** A cluster in which the text's Cache runs. */
async function clusterWith(t: Test, spec: object = { engine: 'redis' }): Promise<Simulator> {
  const credentials = createCredentials([{ id: 'k1', secret: Buffer.alloc(32, 7) }])
  const settings = { imageRegistry: '' }
  const simulator: Simulator = createSimulator({
    transport: inProcessTransport([cache], () => ({ now: new Date(simulator.clock.now()), credentials, settings })),
  })
  t.teardown(simulator.stop)
  for (const object of installationOf([cache], 'http://hooks')) await simulator.apply(object)
  const metadata = { name: 'sessions', namespace: 'default' }
  await simulator.apply({ apiVersion: 'test.example.com/v1', kind: 'Cache', metadata, spec })
  await simulator.pass(60)
  return simulator
}

function observedIn(simulator: Simulator, keep = (_: KubernetesObject) => true): string {
  const kinds = new Set(['Cache', 'StatefulSet', 'Secret', 'ConfigMap', 'CronJob'])
  const items = simulator.store.all().filter((object) => kinds.has(object.kind) && keep(object))
  return fileWith(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
}

async function planned(input: string, ...args: string[]) {
  const shell = recordingShell(input)
  const code = await plan(['-f', '-', ...args], shell)
  return { code, output: shell.output(), errors: shell.errors() }
}

async function forecasts(input: string, ...args: string[]): Promise<{ code: number; plan: Forecast }> {
  const { code, output } = await planned(input, '-o', 'json', ...args)
  const [plan] = JSON.parse(output).plans
  return { code, plan }
}

t.test('in an empty cluster everything is created', async (t) => {
  const { code, output } = await planned(text(), '--observed', '/dev/null')
  t.equal(code, 0)
  t.match(output, 'Cache default/sessions is created')
  t.match(output, '+ StatefulSet/sessions is created')
  t.match(output, 'Plan: 3 to create')
  t.notMatch(output, '[', 'no colours where nobody watches')
  const { plan } = await forecasts(text(), '--observed', '/dev/null')
  t.match(plan, { action: 'create', parent: { kind: 'Cache', name: 'sessions' } })
  t.same(plan.children.map(({ kind, action }) => `${action} ${kind}`).sort(), [
    'create ConfigMap',
    'create Secret',
    'create StatefulSet',
  ])
})

t.test('nothing is to do where all is as it should be, with the keys or without them', async (t) => {
  const observed = observedIn(await clusterWith(t))
  const keys = fileWith(`k1:${Buffer.alloc(32, 7).toString('base64')}
`)
  for (const args of [[], ['--credential-keys-file', keys]]) {
    const { code, output } = await planned(text(), '--observed', observed, '--detailed-exitcode', ...args)
    t.equal(code, 0, output)
    t.match(output, 'Plan: nothing to do')
    t.match(output, '= 3 children stay as they are')
  }
})

t.test('changes are told field by field, with what they do to pods', async (t) => {
  const observed = observedIn(await clusterWith(t, { engine: 'redis', snapshots: { enabled: true } }))
  const input = text(
    '  replicas: 3\n  version: "8.2"\n  settings: {maxclients: "100"}\n  snapshots: {enabled: false}\n',
  )
  const { code, output } = await planned(input, '--observed', observed, '--detailed-exitcode')
  t.equal(code, 2, 'something to do')
  t.match(output, 'spec.replicas: 1 → 3')
  t.match(output, '~ StatefulSet/sessions changes: restarts its pods')
  t.match(output, 'spec.template.spec.containers[cache].image: redis:8.0 → redis:8.2')
  t.match(output, '+ maxclients 100')
  t.match(output, '- CronJob/sessions-snapshot is removed')
  t.match(output, 'Plan: 2 to change, 1 to remove, 1 restarts its pods, 1 unchanged')
  t.equal((await planned(input, '--observed', observed)).code, 0, 'changes are no failure by themselves')
})

t.test('scaling restarts nothing', async (t) => {
  const observed = observedIn(await clusterWith(t))
  const { plan } = await forecasts(text('  replicas: 2\n'), '--observed', observed)
  t.match(plan.children, [{ kind: 'StatefulSet', action: 'change', restartsPods: false, drift: false }])
  t.same(plan.children[0]?.fields, [{ field: 'spec.replicas', before: 1, after: 2 }])
})

t.test('drift is repaired, and said to be drift', async (t) => {
  const simulator = await clusterWith(t)
  simulator.metacontroller.kill()
  const reference = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace: 'default', name: 'sessions' }
  await simulator.patch(reference, { spec: { replicas: 4 } })
  const observed = observedIn(simulator)
  const { output } = await planned(text(), '--observed', observed)
  t.match(output, '~ StatefulSet/sessions changes: repairs what somebody else changed')
  t.match(output, 'spec.replicas: 4 → 1')
})

t.test('what cannot be changed is said with its fields and its reason', async (t) => {
  const observed = observedIn(await clusterWith(t))
  const { code, output } = await planned(text('  storage: 2Gi\n'), '--observed', observed)
  t.equal(code, 1)
  t.match(
    output,
    /✗ StatefulSet\/sessions cannot be brought there: StatefulSet.apps "sessions" is invalid: spec: Forbidden/,
  )
  t.match(output, 'spec.volumeClaimTemplates[data].spec.resources.requests.storage: 1Gi → 2Gi')
  t.match(output, '1 blocked')
})

t.test('a rule about changes refuses with the line of the file', async (t) => {
  const observed = observedIn(await clusterWith(t))
  const { code, errors, output } = await planned(text().replace('redis', 'valkey'), '--observed', observed)
  t.equal(code, 1)
  t.match(errors, /<stdin>:5:11: error: spec.engine: .*the engine cannot be changed/)
  t.match(output, 'Cache default/sessions is refused')
  const { plan } = await forecasts(text().replace('redis', 'valkey'), '--observed', observed)
  t.match(plan, { refused: { causes: [{ field: 'spec.engine' }] }, children: [] })
})

t.test('an invalid spec is refused before anything is asked', async (t) => {
  const { code, errors } = await planned(text('  replicas: 9\n'), '--observed', '/dev/null')
  t.equal(code, 1)
  t.match(errors, '<stdin>:6:13: error: spec.replicas: 9: must be at most 5')
  const { output } = await planned(text('  replicas: 9\n'), '--observed', '/dev/null', '-o', 'json')
  t.match(JSON.parse(output), {
    refused: [{ field: 'spec.replicas', message: 'must be at most 5', file: '<stdin>', line: 6 }],
  })
})

t.test('a name that somebody else holds blocks a child, and is left alone', async (t) => {
  const foreign = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'sessions-config', namespace: 'default', uid: 'u' },
  }
  const { code, output } = await planned(text(), '--observed', fileWith(JSON.stringify(foreign)))
  t.equal(code, 1)
  t.match(output, /✗ ConfigMap\/sessions-config cannot be brought there: the name is taken: .* belongs to nobody/)
})

t.test('what was scaled by hand stays, as under kubectl apply, unless the file says otherwise', async (t) => {
  const simulator = await clusterWith(t)
  const reference = { apiVersion: 'test.example.com/v1', kind: 'Cache', namespace: 'default', name: 'sessions' }
  await simulator.patch(reference, { spec: { replicas: 3 } }, 'scale')
  await simulator.pass(60)
  const observed = observedIn(simulator)
  t.match((await planned(text(), '--observed', observed)).output, 'nothing to do')
  t.match((await planned(text('  replicas: 1\n'), '--observed', observed)).output, 'spec.replicas: 3 → 1')
})

t.test('no secret is shown, neither as text nor as JSON', async (t) => {
  const simulator = await clusterWith(t)
  simulator.metacontroller.kill()
  const reference = { apiVersion: 'v1', kind: 'Secret', namespace: 'default', name: 'sessions-secret' }
  const before = JSON.stringify((await simulator.get(reference))?.data)
  await simulator.patch(reference, { data: { uri: Buffer.from('planted-secret').toString('base64') } })
  const observed = observedIn(simulator)
  const outputs = [
    await planned(text(), '--observed', observed),
    await planned(text(), '--observed', observed, '-o', 'json'),
  ]
  for (const { output } of outputs) {
    t.match(output, /data\.uri/)
    t.notMatch(output, Buffer.from('planted-secret').toString('base64'))
    for (const value of Object.values(JSON.parse(before) as Record<string, string>)) t.notMatch(output, value)
  }
})

t.test('a password is known from the Secret, so that one that was changed is seen', async (t) => {
  const simulator = await clusterWith(t)
  simulator.metacontroller.kill()
  const reference = { apiVersion: 'v1', kind: 'Secret', namespace: 'default', name: 'sessions-secret' }
  await simulator.patch(reference, { data: { password: Buffer.from('short').toString('base64') } })
  const { plan } = await forecasts(text(), '--observed', observedIn(simulator))
  t.same(plan.children[0]?.fields, [{ field: 'data.password', before: '<masked>', after: '<masked>' }])
})

t.test('children without their parent are not taken for strangers', async (t) => {
  const observed = observedIn(await clusterWith(t), ({ kind }) => kind !== 'Cache')
  const { code, errors } = await planned(text(), '--observed', observed)
  t.equal(code, 1)
  t.match(errors, /--observed has \w+ sessions.* of Cache sessions, but not Cache sessions itself/)
})

t.test('a cluster is read through its kubeconfig', async (t) => {
  const simulator = await clusterWith(t)
  const taken = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'other-config', namespace: 'default' } }
  await simulator.apply(taken)
  const api = await serveApi(simulator)
  const kubeconfig = fileWith(kubeconfigFor(api.url))
  const at = (...args: string[]) => ['--kubeconfig', kubeconfig, ...args]
  const writes = simulator.writes.length
  const { code, output } = await planned(text('  replicas: 2\n'), ...at())
  t.equal(code, 0)
  t.match(output, 'Plan: 1 to change, 2 unchanged')
  const other = text().replace('sessions', 'other').replace(', namespace: default', '')
  t.match((await planned(other, ...at())).output, 'ConfigMap/other-config cannot be brought there: the name is taken')
  t.equal(simulator.writes.length, writes, 'nothing is written')
  t.match(await planned(text(), ...at('--context', 'nowhere')), {
    code: 1,
    errors: /no context "nowhere".*there is here/,
  })
  await api.close()
  t.match(await planned(text(), ...at()), { code: 1, errors: /cannot be reached: .*ECONNREFUSED/ })
})

t.test('a dump with kinds that nobody here knows is taken all the same', async (t) => {
  const simulator = await clusterWith(t)
  const strange = { apiVersion: 'other.example.com/v3', kind: 'Thing', metadata: { name: 't', namespace: 'default' } }
  const pods = simulator.store.all().filter(({ kind }) => kind === 'Pod' || kind === 'PersistentVolumeClaim')
  const known = JSON.parse(readFileSync(observedIn(simulator), 'utf8')).items
  const spoilt = { 'kubectl.kubernetes.io/last-applied-configuration': '{' }
  for (const { kind, metadata } of known) if (kind === 'Cache') metadata.annotations = spoilt
  const dump = fileWith(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [strange, ...pods, ...known] }))
  t.match(await planned(text(), '--observed', dump, '--detailed-exitcode'), { code: 0, output: /nothing to do/ })
})

t.test('what a file dropped since it was applied goes, as under kubectl apply', async (t) => {
  const simulator = await clusterWith(t, { engine: 'redis', settings: { maxclients: '9' } })
  const last = {
    apiVersion: 'test.example.com/v1',
    kind: 'Cache',
    spec: { engine: 'redis', settings: { maxclients: '9' } },
  }
  await simulator.patch(
    { apiVersion: 'test.example.com/v1', kind: 'Cache', namespace: 'default', name: 'sessions' },
    { metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(last) } } },
  )
  const { output } = await planned(text(), '--observed', observedIn(simulator))
  t.match(output, '- maxclients 9')
})

t.test('a mistaken call is never taken for a plan with changes', async (t) => {
  t.equal((await planned(text(), '--observd', 'x')).code, 2)
  t.equal((await planned(text(), '--observd', 'x', '--detailed-exitcode')).code, 1)
  t.match(await planned(text(), '--observed', 'x', '--context', 'y'), { code: 2, errors: /leave out --kubeconfig/ })
})

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'here', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'me', user: { token: 'x' } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me', namespace: 'default' } }],
    'current-context': 'here',
  })
}
