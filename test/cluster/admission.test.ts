// The real API server asks the service: it lets in, refuses, warns, fills in and converts; and goes on while the service
// is away.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { certificate } from '../../hooks/cli/certificate.ts'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { quotasRbac } from '../../hooks/generate/rbac.ts'
import { definitions } from '../../hooks/kinds/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { recordingShell } from '../cli/shell.ts'
import { parcel } from '../sdk/parcel.ts'
import { wholeOldSpecs } from '../sdk/parcels.ts'
import { isApiError } from './client.ts'
import { answers, freePort, startControlPlane, untilUp } from './controlplane.ts'
import { untilKindServed } from './manifests.ts'
import type { Component } from './workplace.ts'

const plane = await startControlPlane({ faults: false })
t.teardown(() => plane.stop())
const { client, workplace } = plane
const [port, metricsPort] = [await freePort(), await freePort()]
const served = [parcel, ...definitions]
const namespace = 'shop'

// As an administrator without cert-manager does it.
const shell = { ...recordingShell(), definitions: served }
await certificate(['--url', `https://127.0.0.1:${port}`], shell)
const made = parseAllDocuments(shell.output()).map((document) => document.toJS() as KubernetesObject)
const files = writeCertificate()
const hook = await startHook()

for (const name of [namespace, 'operator-hooks'])
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
for (const object of quotasRbac()) await client.create(object)
const composites = definitions.filter((definition) => definition.controller === 'composite')
const crds = [
  ...composites.map((definition): KubernetesObject => ({ ...customResourceDefinition(definition) })),
  ...made.filter(({ kind }) => kind === 'CustomResourceDefinition'),
]
for (const crd of crds) await client.create(crd, '?fieldValidation=Strict')
for (const crd of crds) await untilKindServed(client, crd)
for (const object of made.filter(({ kind }) => kind !== 'CustomResourceDefinition')) {
  await client.create(object, '?fieldValidation=Strict')
}
// The API server reads webhook configurations by a watch: the first refusal shows that it has.
await until('the webhooks are asked', async () => {
  const refused = await refusal(parcelOf('probe', { replicas: 1, timeZone: 'nowhere' }), '?dryRun=All')
  return refused !== undefined
})

t.test('it lets in what is right, and fills in what depends on other fields', { timeout: 60_000 }, async (t) => {
  const stored = await client.create(parcelOf('right', { replicas: 2 }))
  t.same(stored.spec, { replicas: 2, maxReplicas: 4, image: 'nginx:1.29' })
  const changed = await client.patch(at('right'), { spec: { replicas: 3 } })
  t.match(changed.spec, { replicas: 3, maxReplicas: 4 }, 'what is there stays')
  await client.patch(at('right'), { spec: { replicas: 9 } }, 'scale')
  t.match((await client.get(at('right')))?.spec, { replicas: 9 }, 'scaling is nobody else’s business')
})

t.test('kubectl shows what is refused, field by field', { timeout: 60_000 }, async (t) => {
  const wrong = kubectl('create', parcelOf('wrong', { replicas: 2, maxReplicas: 1, timeZone: 'Europe/Atlantis' }))
  t.equal(wrong.status, 1)
  t.match(wrong.stderr, 'The Parcel "wrong" is invalid')
  t.match(wrong.stderr, '* spec.timeZone: Europe/Atlantis is not a time zone that is known')
  t.match(wrong.stderr, '* spec.maxReplicas: must not be below spec.replicas')
  const dry = kubectl('create', databaseOf('never', { backup: { schedule: '0 2 31 2 *' } }), '--dry-run=server')
  t.match(
    dry.stderr,
    /The Database "never" is invalid: spec\.backup\.schedule: never comes round: there is no such day/,
  )
  t.equal(await client.get(at('wrong')), undefined)
  await t.rejects(client.patch(at('right'), { spec: { timeZone: 'Europe/Atlantis' } }), {
    code: 422,
    reason: 'Invalid',
  })
})

t.test('it warns, and refuses nothing because of it', { timeout: 60_000 }, async (t) => {
  const even = kubectl('create', databaseOf('even', { engine: 'mysql', version: '8.4', replicas: 2 }))
  t.equal(even.status, 0, even.stderr)
  t.match(even.stderr, 'Warning: spec.replicas: 2 vote no better than 1, no replica may fail; take an odd number')

  const hard = { 'requests.cpu': '1', pods: '20' }
  await client.create({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'team', namespace },
    spec: { hard },
  })
  const large = parcelOf('large', { replicas: 4, resources: { cpu: '500m' } })
  const { status, stderr } = await until('the quota is known', async () => {
    const said = kubectl('create', large, '--dry-run=server')
    return said.stderr !== '' && said
  })
  t.equal(status, 0)
  t.equal(stderr.trim(), 'Warning: ResourceQuota/team leaves too little: requests.cpu: 0 of 1 used, 2 more needed')
})

t.test('namespaces of the cluster and of the service are left alone', { timeout: 60_000 }, async (t) => {
  for (const own of ['kube-system', 'operator-hooks']) {
    const object = parcelOf('odd', { replicas: 1, timeZone: 'nowhere' })
    await t.resolves(client.create({ ...object, metadata: { name: 'odd', namespace: own } }, '?dryRun=All'), own)
  }
})

t.test('each version shows what the other has stored', { timeout: 60_000 }, async (t) => {
  const spec = { count: 2, timeoutSeconds: 90, cpu: '250m', fragile: 'No' }
  const shown = await client.create(older('old', spec))
  t.match(shown.spec, spec)
  const stored = await client.get(at('old'))
  const kept = {
    replicas: 2,
    maxReplicas: 4,
    timeout: '90s',
    resources: { cpu: '250m' },
    fragile: false,
    image: 'nginx:1.29',
  }
  t.same(stored?.spec, kept)
  t.same(stored?.metadata.annotations, undefined, 'what travelled in the annotation has its fields again')
  t.equal(stored?.metadata.uid, shown.metadata.uid)
  const crd = await client.get({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    name: 'parcels.test.example.com',
  })
  t.match(crd?.status, { storedVersions: ['v1'] })

  t.comment('changed in the old version, nothing is lost of the new one')
  await client.patch(at('old'), { spec: { notes: ['this side up'], timeZone: 'Europe/Berlin' } })
  await client.patch(olderAt('old'), { spec: { count: 3 } })
  t.same((await client.get(at('old')))?.spec, {
    ...kept,
    replicas: 3,
    notes: ['this side up'],
    timeZone: 'Europe/Berlin',
  })
  t.match((await client.get(olderAt('old')))?.spec, { ...spec, count: 3 })

  t.comment('the old version is checked as the new one is')
  const annotations = { 'test.example.com/v1': '{"timeZone":"Europe/Atlantis"}' }
  const hidden = { ...older('hidden', { count: 1 }), metadata: { name: 'hidden', namespace, annotations } }
  const refused = await refusal(hidden)
  t.match(refused, { code: 422, causes: [{ field: 'spec.timeZone' }] })

  t.comment('a list holds both')
  const all = await client.list({ apiVersion: 'test.example.com/v1beta1', kind: 'Parcel' }, { namespace })
  t.match(all.find(({ metadata }) => metadata.name === 'right')?.spec, { count: 9 })
  t.match(all.find(({ metadata }) => metadata.name === 'old')?.spec, { count: 3 })
})

t.test('there and back again through the API server', { timeout: 60_000 }, async (t) => {
  for (const [index, spec] of fc.sample(wholeOldSpecs, 10).entries()) {
    const name = `round-${index}`
    await client.create(older(name, spec))
    t.same((await client.get(olderAt(name)))?.spec, spec, JSON.stringify(spec))
    const stored = await client.get(at(name))
    if (stored === undefined) throw new Error(`${name} is not there`)
    const put = await client.replace({ ...parcelOf(name, { ...(stored.spec as object) }) })
    t.equal(put.metadata.generation, stored.metadata.generation, 'written back it is the same')
  }
})

t.test('parts of objects survive server-side apply in either version', { timeout: 60_000 }, async (t) => {
  const apply = (object: KubernetesObject, manager: string) =>
    kubectl('apply', object, '--server-side', `--field-manager=${manager}`)
  t.equal(apply(older('applied', { count: 2, cpu: '1' }), 'first').status, 0)
  const second = apply(parcelOf('applied', { notes: ['fresh'] }), 'second')
  t.equal(second.status, 0, second.stderr)
  t.match((await client.get(at('applied')))?.spec, { replicas: 2, resources: { cpu: '1' }, notes: ['fresh'] })
  const dropped = apply(older('applied', { count: 3 }), 'first')
  t.equal(dropped.status, 0, dropped.stderr)
  const { resources, ...rest } = { ...((await client.get(at('applied')))?.spec as Record<string, unknown> | undefined) }
  t.match(rest, { replicas: 3, notes: ['fresh'] })
  t.same(resources ?? {}, {}, 'what its owner no longer applies goes, and what others applied stays')
})

t.test('a watch of one version sees writes in the other', { timeout: 60_000 }, async (t) => {
  const since = await client.request('GET', `/apis/test.example.com/v1beta1/namespaces/${namespace}/parcels`)
  const { resourceVersion } = (since as { metadata: { resourceVersion: string } }).metadata
  const events = client.request(
    'GET',
    `/apis/test.example.com/v1beta1/namespaces/${namespace}/parcels?watch=true&timeoutSeconds=2&resourceVersion=${resourceVersion}`,
  )
  await client.create(parcelOf('watched', { replicas: 1, timeout: '5s' }))
  const lines = await events
  const event = typeof lines === 'string' ? JSON.parse(lines.split('\n')[0] ?? '') : lines
  t.match(event, {
    type: 'ADDED',
    object: {
      apiVersion: 'test.example.com/v1beta1',
      metadata: { name: 'watched' },
      spec: { count: 1, timeoutSeconds: 5 },
    },
  })
})

t.test('what has no form in a version is told, and harms no other', { timeout: 60_000 }, async (t) => {
  await client.create(parcelOf('slow', { replicas: 1, timeout: '4000s' }))
  await t.rejects(client.get(olderAt('slow')), { message: /spec\.timeout: 4000s is longer than 3600s/ })
  t.match((await client.get(at('slow')))?.spec, { timeout: '4000s' })
  await client.delete(at('slow'))
})

t.test(
  'while the service is away resources come in unseen, and it goes on from there',
  { timeout: 120_000 },
  async (t) => {
    await hook.component().kill()
    const spec = { replicas: 1, timeZone: 'Europe/Atlantis' }
    const stored = await client.create(parcelOf('unseen', spec))
    t.match(stored.spec, { ...spec, maxReplicas: undefined })
    await t.rejects(client.get(olderAt('unseen')), { message: /conversion webhook .* failed/ })
    t.match((await client.get(at('unseen')))?.spec, spec, 'the stored version needs no service')

    await hook.start()
    await until('conversion works again', async () => (await client.get(olderAt('unseen'))) !== undefined)
    const labelled = kubectl('label', undefined, 'parcel/unseen', 'a=b', '-n', namespace)
    t.equal(labelled.status, 0, labelled.stderr)
    t.equal(labelled.stderr, '', 'what changes no spec is not asked about')
    const patch = ['--type=merge', '-p', '{"spec":{"replicas":2}}']
    const patched = kubectl('patch', undefined, 'parcel/unseen', '-n', namespace, ...patch)
    t.equal(patched.status, 0, patched.stderr)
    t.match(patched.stderr, 'Warning: spec.timeZone: Europe/Atlantis is not a time zone that is known (as before)')
    const finalizers = { metadata: { finalizers: ['test.example.com/hold'] } }
    await client.patch(at('unseen'), finalizers)
    await client.delete(at('unseen'))
    await client.patch(at('unseen'), { metadata: { finalizers: null } })
    t.equal(await client.get(at('unseen')), undefined, 'nobody stands in the way of a deletion')
  },
)

t.test('what it was asked is counted', { timeout: 60_000 }, async (t) => {
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  t.match(metrics, /operator_hooks_requests_total\{kind="parcel",hook="convert",outcome="converted"\} \d+/)
  t.match(metrics, /operator_hooks_requests_total\{kind="parcel",hook="validate",outcome="allowed"\} \d+/)
})

function parcelOf(name: string, spec: object): KubernetesObject {
  return { apiVersion: 'test.example.com/v1', kind: 'Parcel', metadata: { name, namespace }, spec }
}

function at(name: string) {
  return { apiVersion: 'test.example.com/v1', kind: 'Parcel', name, namespace }
}

function olderAt(name: string) {
  return { ...at(name), apiVersion: 'test.example.com/v1beta1' }
}

function older(name: string, spec: object): KubernetesObject {
  return { ...parcelOf(name, spec), apiVersion: 'test.example.com/v1beta1' }
}

function databaseOf(name: string, changes: object): KubernetesObject {
  const spec = { engine: 'postgresql', version: '17.2', storage: { size: '1Gi' }, ...changes }
  return { apiVersion: 'example.com/v1', kind: 'Database', metadata: { name, namespace }, spec }
}

function kubectl(verb: string, object: KubernetesObject | undefined, ...args: string[]) {
  const input = object === undefined ? {} : { input: JSON.stringify(object) }
  return spawnSync(plane.kubectl, [verb, ...args, ...(object ? ['-f', '-'] : [])], { encoding: 'utf8', ...input })
}

async function refusal(object: KubernetesObject, query = '') {
  try {
    await client.create(object, query)
    return undefined
  } catch (error) {
    if (isApiError(error)) return error
    throw error
  }
}

async function until<T>(what: string, probe: () => Promise<T | false | undefined>, seconds = 30): Promise<T> {
  let last: unknown
  for (const started = Date.now(); Date.now() - started < seconds * 1000; await wait(100)) {
    try {
      const answer = await probe()
      if (answer) return answer
    } catch (error) {
      last = error
    }
  }
  throw new Error(`not within ${seconds} s: ${what}`, { cause: last })
}

function writeCertificate() {
  const secret = made.find(({ metadata }) => metadata.name === 'operator-hooks-tls')
  const data = (secret?.data ?? {}) as Record<string, string>
  const path = (key: string) => {
    const file = join(workplace.folder, key)
    writeFileSync(file, Buffer.from(data[key] ?? '', 'base64'), { mode: 0o600 })
    return file
  }
  return { cert: path('tls.crt'), key: path('tls.key') }
}

async function startHook() {
  let component: Component | undefined
  const start = async () => {
    const started = workplace.start(
      'hook',
      [
        process.execPath,
        join(import.meta.dirname, 'parcel.hook.ts'),
        `--port=${port}`,
        `--metrics-port=${metricsPort}`,
        `--tls-cert-file=${files.cert}`,
        `--tls-key-file=${files.key}`,
        '--auth=none',
        '--admission=open',
        '--quota-warnings',
        '--ephemeral-credential-keys',
      ],
      { KUBECONFIG: plane.eventsKubeconfig },
    )
    component = started
    await untilUp('the hook service', [started], () => answers(`http://127.0.0.1:${metricsPort}/readyz`))
  }
  await start()
  return {
    start,
    component() {
      if (component === undefined) throw new Error('it was not started')
      return component
    },
  }
}
