// Every generated manifest meets a real API server: it takes the CRDs and controllers with strict field validation,
// takes the samples, fills in defaults, and refuses what the schemas forbid, naming the field.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { controllerOf } from '../../hooks/generate/controllers.ts'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { controllerRbac, eventsRbac, metacontrollerRbac, userRbac } from '../../hooks/generate/rbac.ts'
import { readSamples } from '../../hooks/generate/samples.ts'
import { toYaml } from '../../hooks/generate/yaml.ts'
import { definitions, suite } from '../../hooks/kinds/index.ts'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { monitored, specimen, validSpec } from '../generate/specimen.ts'
import { isApiError } from './client.ts'
import { metacontrollerUser, startControlPlane } from './controlplane.ts'
import { untilKindServed } from './manifests.ts'

const plane = await startControlPlane({ nodes: 0, faults: false })
t.teardown(() => plane.stop())
const { client } = plane

const strict = '?fieldValidation=Strict'
const all = [...suite, specimen, monitored]
const composites = [...definitions, specimen].filter((definition) => definition.controller === 'composite')
const namespace = 'default'

t.test('every CRD is taken as it is and is structural', { timeout: 120_000 }, async (t) => {
  for (const composite of composites) {
    const crd = plain(customResourceDefinition(composite))
    await client.create(crd, strict)
    await untilKindServed(client, crd)
    const stored = await client.get({ ...crd, name: String(crd.metadata.name) })
    const conditions = isRecord(stored?.status) ? JSON.stringify(stored.status.conditions) : ''
    t.match(conditions, 'Established')
    t.notMatch(conditions, 'NonStructuralSchema', `${crd.metadata.name} is structural`)
    t.match(stored?.spec, crd.spec, 'the API server dropped and changed nothing')
  }
})

t.test('every controller and permission is taken as it is', { timeout: 120_000 }, async (t) => {
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'metacontroller' } })
  const permissions = [...metacontrollerRbac(), ...eventsRbac(), ...userRbac(composites), ...controllerRbac('all', all)]
  for (const object of permissions) {
    const stored = await client.create(object, strict)
    t.match(stored, object, `${object.kind} ${object.metadata.name}`)
  }
  for (const definition of all) {
    const controller = plain(controllerOf(definition))
    const { message } = await client.create(controller, `${strict}&dryRun=All`).then(
      () => ({ message: '' }),
      (error: Error) => error,
    )
    const unknown = [...message.matchAll(/unknown field "([^"]+)"/g)].map(([, field = '']) => field.split('.').at(-1))
    // Metacontroller 1.5 knows none of these and prunes them; 4 knows all.
    const others = unknown.filter((field) => !['version', 'etag', 'ignoreStatusChanges'].includes(field ?? ''))
    t.same(others, [], `${controller.metadata.name}: every other field is known`)
    t.equal(message === '', unknown.length === 0, message)
    const stored = await client.create(controller)
    t.match(
      stored.spec,
      JSON.parse(JSON.stringify(controller.spec, (key, value) => (unknown.includes(key) ? undefined : value))),
    )
    await client.delete({ ...controller, name: String(controller.metadata.name) })
  }
})

t.test('kubectl takes the YAML as it is printed', { timeout: 120_000 }, async (t) => {
  const file = join(plane.workplace.folder, 'all.yaml')
  writeFileSync(
    file,
    toYaml(...composites.map((composite) => customResourceDefinition(composite)), ...metacontrollerRbac()),
  )
  const { status, stdout, stderr } = kubectl('apply', '--server-side', '--force-conflicts', '-f', file)
  t.equal(status, 0, stderr)
  t.match(stdout, 'customresourcedefinition.apiextensions.k8s.io/specimens.test.example.com serverside-applied')
})

t.test('every sample is taken', { timeout: 120_000 }, async (t) => {
  const kinds = new Set(composites.map(({ kind }) => kind))
  const samples = readSamples(join(import.meta.dirname, '..', '..', 'hooks', 'kinds'))
  for (const { file, object } of samples) {
    const placed = { ...object, metadata: { ...object.metadata, namespace } }
    await t.resolves(client.create(placed, `${strict}&dryRun=All`), `${file}: ${object.kind} ${object.metadata.name}`)
  }
  const shown = new Set(samples.map(({ object }) => object.kind))
  for (const { kind } of composites) if (kind !== specimen.kind) t.ok(shown.has(kind), `${kind} has a sample`)
  t.ok(kinds.size > 0)
})

t.test('defaults appear, those of objects nobody mentioned too', { timeout: 60_000 }, async (t) => {
  const stored = await client.create(specimenOf('defaults', { engine: 'on', version: '1.2' }), strict)
  t.same(stored.spec, { engine: 'on', version: '1.2', replicas: 1, backup: { enabled: false } })
  const whole = await client.create(specimenOf('whole', validSpec), strict)
  t.match(whole.spec, {
    ...validSpec,
    replicas: 1,
    backup: { enabled: false, destination: { bucket: 'b', region: 'local' } },
    ports: [
      { name: 'http', protocol: 'TCP', number: 80 },
      { name: 'http', protocol: 'UDP', number: 80 },
    ],
    loose: { known: true, other: 1 },
    anything: { at: ['all'] },
  })
  const old = await client.create(
    { apiVersion: 'test.example.com/v1alpha1', kind: 'Specimen', metadata: { name: 'old', namespace } },
    strict,
  )
  t.ok(old.spec, 'a spec that may be empty may be left out')
})

t.test('what the schema forbids is refused with the path of the field', { timeout: 60_000 }, async (t) => {
  const refused: [string, object, string, RegExp][] = [
    ['pattern', { version: 'x' }, 'spec.version', /should match/],
    ['enum', { engine: 'of' }, 'spec.engine', /supported values: "on", "off", "hybrid"/],
    ['required', { version: undefined }, 'spec.version', /Required value/],
    ['maximum', { replicas: 11 }, 'spec.replicas', /less than or equal to 10/],
    ['exclusive minimum', { share: 0 }, 'spec.share', /should be greater than 0/],
    ['length', { backup: { destination: { bucket: '' } } }, 'spec.backup.destination.bucket', /at least 1 chars/],
    ['quantity', { memory: 'a lot' }, 'spec.memory', /should match/],
    ['int-or-string', { port: true }, 'spec.port', /must be of type integer,string/],
    ['map values', { parameters: { a: 'x'.repeat(101) } }, 'spec.parameters.a', /Too long/],
    ['two of a key', { ports: [port, port] }, 'spec.ports[1]', /Duplicate value/],
    [
      'too many',
      { ports: Array.from({ length: 9 }, (_, number) => ({ name: `p${number}`, number: 1 })) },
      'spec.ports',
      /Too many/,
    ],
    ['date-time', { since: 'yesterday' }, 'spec.since', /must be of type date-time/],
    ['email', { contact: 'nobody' }, 'spec.contact', /must be of type email|should match/],
    ['rule with a field', { engine: 'off', replicas: 2 }, 'spec.replicas', /must be 0 when the engine is off/],
    ['variant', { source: { type: 'Git' } }, 'spec.source', /url is required when type is Git/],
    ['of another variant', { source: { type: 'None', image: 'x' } }, 'spec.source', /image goes with type Image only/],
  ]
  for (const [title, changes, field, message] of refused) {
    const causes = await causesOf(specimenOf('refused', { engine: 'on', version: '1.2', ...changes }))
    if (field === '') t.same(causes, [], `${title}: nothing wrong`)
    else
      t.ok(
        causes.some((cause) => cause.field === field && message.test(cause.message)),
        `${title}: ${describe(causes)}`,
      )
  }
  const long = await causesOf(specimenOf('x'.repeat(41), { engine: 'on', version: '1.2' }))
  t.match(long, [{ message: /the name has at most 40 characters/ }])
})

t.test('a Database is refused for what it cannot be', { timeout: 60_000 }, async (t) => {
  const s3 = { s3: { bucket: 'backups' } }
  const refused: [object, string, RegExp][] = [
    [{ engine: 'oracle' }, 'spec.engine', /supported values: "postgresql", "mysql", "mongodb"/],
    [{ engine: undefined }, 'spec.engine', /Required value/],
    [{ version: '17' }, 'spec.version', /should match/],
    [{ version: '13.8.1' }, 'spec.version', /must be a PostgreSQL version from 12 on, in two numbers/],
    [{ version: '11.5' }, 'spec.version', /must be a PostgreSQL version from 12 on/],
    [{ engine: 'mysql', version: '5.7' }, 'spec.version', /must be a MySQL version from 8\.0 on/],
    [{ engine: 'mongodb', version: '4.4' }, 'spec.version', /must be a MongoDB version from 5\.0 on/],
    [{ replicas: 0 }, 'spec.replicas', /greater than or equal to 1/],
    [{ replicas: 11 }, 'spec.replicas', /less than or equal to 10/],
    [{ engine: 'mysql', version: '8.4', replicas: 10 }, 'spec.replicas', /must be at most 9: a MySQL group/],
    [{ engine: 'mongodb', version: '8.0', replicas: 8 }, 'spec.replicas', /must be at most 7: a MongoDB replica set/],
    [{ storage: undefined }, 'spec.storage', /Required value/],
    [{ storage: { size: '10Gb' } }, 'spec.storage.size', /should match/],
    [{ backup: { enabled: true } }, 'spec.backup.destination', /backups need a destination/],
    [{ backup: { schedule: 'sometimes' } }, 'spec.backup.schedule', /should match/],
    [{ backup: { retention: '7 days' } }, 'spec.backup.retention', /should match/],
    [
      { backup: { destination: { ...s3, claim: { name: 'c' } } } },
      'spec.backup.destination',
      /give either s3 or claim/,
    ],
    [{ backup: { destination: { s3: {} } } }, 'spec.backup.destination.s3.bucket', /Required value/],
    [{ deletionPolicy: 'Keep' }, 'spec.deletionPolicy', /supported values/],
    [{ deletionPolicy: 'BackupAndDelete' }, 'spec.deletionPolicy', /a last backup needs spec\.backup\.destination/],
    [{ monitoring: { alerting: true } }, 'spec.monitoring.alerting', /alerts need metrics/],
    [{ parameters: { 'max connections': 1 } }, 'spec.parameters', /every name must be one of the engine's parameters/],
    [{ credentials: { username: 'Admin' } }, 'spec.credentials.username', /should match/],
    [{ resources: { limits: { memory: 'plenty' } } }, 'spec.resources.limits.memory', /should match/],
  ]
  for (const [changes, field, message] of refused) {
    const causes = await causesOf(databaseOf('refused', changes))
    const told = causes.some((cause) => cause.field === field && message.test(cause.message))
    t.ok(told, `${JSON.stringify(changes)}: ${describe(causes)}`)
  }
  t.match(await causesOf(databaseOf('x'.repeat(46), {})), [{ message: /metadata\.name must be at most 45/ }])
})

t.test('a Database gets its defaults, grows, and keeps what cannot change', { timeout: 60_000 }, async (t) => {
  const stored = await client.create(databaseOf('kept', { storage: { size: '2Gi', storageClass: 'standard' } }), strict)
  t.match(stored.spec, {
    replicas: 1,
    deletionPolicy: 'Retain',
    backup: { enabled: false, schedule: '0 2 * * *', retention: '7d' },
    monitoring: { enabled: false, alerting: false },
    suspend: false,
  })
  const at = { apiVersion: 'example.com/v1', kind: 'Database', namespace, name: 'kept' }
  const refused: [object, RegExp][] = [
    [{ engine: 'mysql', version: '8.4' }, /spec\.engine: .*the engine cannot be changed/],
    [{ version: '14.1' }, /spec\.version: .*cannot move to another release series in place/],
    [{ storage: { size: '1Gi' } }, /spec\.storage\.size: .*storage never shrinks/],
    [{ storage: { size: '2000M' } }, /spec\.storage\.size: .*storage never shrinks/],
    [{ storage: { storageClass: 'fixed' } }, /spec\.storage\.storageClass: .*the storage class cannot be changed/],
  ]
  for (const [spec, message] of refused) await t.rejects(client.patch(at, { spec }), { message }, JSON.stringify(spec))
  const grown = await client.patch(at, { spec: { version: '13.9', replicas: 3, storage: { size: '3000M' } } })
  t.match(grown.spec, { version: '13.9', replicas: 3, storage: { size: '3000M' } })
  const { status, stderr } = kubectl('scale', 'database/kept', '--replicas=2')
  t.equal(status, 0, stderr)
  t.match(
    kubectl('get', 'db', 'kept').stdout,
    /NAME +ENGINE +VERSION +REPLICAS +PHASE +READY +AGE\nkept +postgresql +13\.9 +2/,
  )
})

t.test('an unknown field and a change of what is immutable are refused', { timeout: 60_000 }, async (t) => {
  await t.rejects(client.create(specimenOf('typo', { engine: 'on', version: '1.2', replikas: 2 }), strict), {
    message: /unknown field "spec\.replikas"/,
  })
  const at = { apiVersion: 'test.example.com/v1', kind: 'Specimen', namespace, name: 'whole' }
  const change = client.patch(at, { spec: { engine: 'hybrid' } })
  await t.rejects(change, { message: /spec\.engine: Invalid value: "hybrid": the engine cannot be changed/ })
})

t.test('the scale subresource, columns, short names and explain work', { timeout: 60_000 }, async (t) => {
  const at = { apiVersion: 'test.example.com/v1', kind: 'Specimen', namespace, name: 'whole' }
  await client.patch(at, { status: { phase: 'Running', replicas: 1, selector: 'app=whole' } }, 'status')
  const { status, stderr } = kubectl('scale', 'specimen/whole', '--replicas=4')
  t.equal(status, 0, stderr)
  t.match((await client.get(at))?.spec, { replicas: 4 })
  const { stdout: table } = kubectl('get', 'spc', 'whole', '-o', 'wide')
  t.match(table, /NAME +ENGINE +READY +AGE\nwhole +on/)
  for (const { plural, group } of composites) {
    const { stdout } = kubectl('explain', `${plural}.${group}`, '--recursive')
    t.match(stdout, /spec\t<Object>/, `explain ${plural}`)
    t.match(stdout, /conditions\t<\[\]Object>/)
  }
  t.match(kubectl('explain', 'specimens.spec.version').stdout, 'The version, such as 1.2.')
})

t.test('Metacontroller can hand out what is granted, and nothing else', { timeout: 60_000 }, async (t) => {
  const role = (name: string, verb: string) => {
    const file = join(plane.workplace.folder, `${name}.yaml`)
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }]
    writeFileSync(file, toYaml({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules }))
    return kubectl('create', `--as=${metacontrollerUser}`, '-f', file)
  }
  t.equal(role('granted', 'patch').status, 0)
  t.match(role('escalating', 'delete').stderr, 'attempting to grant RBAC permissions not currently held')
})

const port = { name: 'http', number: 80 }

function specimenOf(name: string, spec: object): KubernetesObject {
  return plain({ apiVersion: 'test.example.com/v1', kind: 'Specimen', metadata: { name, namespace }, spec })
}

function databaseOf(name: string, changes: object): KubernetesObject {
  const spec = { engine: 'postgresql', version: '13.8', storage: { size: '1Gi' }, ...changes }
  return plain({ apiVersion: 'example.com/v1', kind: 'Database', metadata: { name, namespace }, spec })
}

async function causesOf(object: KubernetesObject): Promise<readonly { field: string; message: string }[]> {
  try {
    await client.create(object, `${strict}&dryRun=All`)
    return []
  } catch (error) {
    if (isApiError(error)) return error.causes
    throw error
  }
}

function describe(causes: readonly { field: string; message: string }[]): string {
  return causes.map(({ field, message }) => `${field}: ${message}`).join('; ')
}

function kubectl(...args: string[]) {
  return spawnSync(plane.kubectl, args, { encoding: 'utf8' })
}

/** As it travels in JSON: without what is undefined. */
function plain(value: object): KubernetesObject {
  return JSON.parse(JSON.stringify(value)) as KubernetesObject
}
