// What a Database refuses: with the field, the reason and a way on, and without touching what exists.
import t from 'tap'
import {
  ask,
  change,
  child,
  conditionOf,
  createWorld,
  inventory,
  running,
  type Spec,
  settle,
  statusOf,
  step,
} from './world.ts'

const destination = { claim: { name: 'store' } }

const refused: [string, Spec, RegExp][] = [
  ['another engine', { engine: 'oracle' }, /^spec\.engine: /],
  ['a version that is none', { version: 'latest' }, /^spec\.version: must be a version such as/],
  ['a PostgreSQL in three numbers', { version: '13.8.1' }, /^spec\.version: must be a PostgreSQL version from 12 on/],
  ['an old MySQL', { engine: 'mysql', version: '5.7' }, /^spec\.version: must be a MySQL version from 8\.0/],
  ['an old MongoDB', { engine: 'mongodb', version: '4.4' }, /^spec\.version: must be a MongoDB version/],
  ['no replica', { replicas: 0 }, /^spec\.replicas: /],
  ['eleven replicas', { replicas: 11 }, /^spec\.replicas: /],
  ['ten of MySQL', { engine: 'mysql', version: '8.4', replicas: 10 }, /^spec\.replicas: must be at most 9/],
  ['eight of MongoDB', { engine: 'mongodb', version: '7.0', replicas: 8 }, /^spec\.replicas: must be at most 7/],
  ['a size without a unit', { storage: { size: '10' } }, /^spec\.storage\.size: must be a whole number and a unit/],
  ['no size at all', { storage: { size: '0Gi' } }, /^spec\.storage\.size: must be more than nothing/],
  [
    'backups without a destination',
    { backup: { enabled: true } },
    /^spec\.backup\.destination: backups need a destination/,
  ],
  [
    'two destinations',
    { backup: { destination: { ...destination, s3: { bucket: 'bbb' } } } },
    /give either s3 or claim/,
  ],
  [
    'a schedule of four fields',
    { backup: { schedule: '0 2 * *' } },
    /^spec\.backup\.schedule: must be a cron expression/,
  ],
  [
    'an hour that is none',
    { backup: { schedule: '0 24 * * *' } },
    /^spec\.backup\.schedule: must be a cron expression/,
  ],
  ['a Sunday that CronJobs do not know', { backup: { schedule: '0 2 * * 7' } }, /^spec\.backup\.schedule: /],
  ['a day that never comes', { backup: { schedule: '0 2 31 2 *' } }, /^spec\.backup\.schedule: never comes round/],
  ['a range that runs backwards', { backup: { schedule: '0 9-5 * * *' } }, /^spec\.backup\.schedule: /],
  ['an unknown time zone', { backup: { timeZone: 'Europe/Atlantis' } }, /^spec\.backup\.timeZone: is not a time zone/],
  [
    'a retention that is none',
    { backup: { retention: 'a week' } },
    /^spec\.backup\.retention: must be a period such as/,
  ],
  [
    'a last backup without a destination',
    { deletionPolicy: 'BackupAndDelete' },
    /^spec\.deletionPolicy: a last backup needs/,
  ],
  ['alerts without metrics', { monitoring: { alerting: true } }, /^spec\.monitoring\.alerting: alerts need metrics/],
  [
    'a request above the limit',
    { resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } },
    /^spec\.resources\.requests\.memory: must not be above the limit/,
  ],
  [
    'labels that the operator sets',
    { pod: { labels: { 'app.kubernetes.io/name': 'mine' } } },
    /^spec\.pod\.labels: must not set labels/,
  ],
  [
    'a peer that is everything and nothing',
    { networkPolicy: { ingress: [{}] } },
    /^spec\.networkPolicy\.ingress: every peer is either/,
  ],
  [
    'the administrator as user',
    { credentials: { username: 'postgres' } },
    /^spec\.credentials\.username: must not be a name/,
  ],
  [
    'a database of the engine',
    { credentials: { database: 'admin' } },
    /^spec\.credentials\.database: must not be a name/,
  ],
  [
    'a parameter with a line break',
    { parameters: { work_mem: '1MB\nport = 1' } },
    /^spec\.parameters\.work_mem: must have no line breaks/,
  ],
]

for (const [title, spec, message] of refused) {
  t.test(`refused: ${title}`, async (t) => {
    const fresh = createWorld(spec)
    const { response, hold } = ask(fresh)
    t.equal(hold?.reason, 'InvalidSpec')
    t.match(hold?.message, message)
    t.same(response.children, [])
    t.equal(response.status.phase, 'Failed')
  })
}

const ownParameters: [string, Spec][] = [
  ['port', { parameters: { port: 1 } }],
  ['ssl', { parameters: { ssl: 'off' } }],
  ['data_directory', { parameters: { data_directory: '/tmp' } }],
  ['bind-address', { engine: 'mysql', version: '8.4', parameters: { 'bind-address': '127.0.0.1' } }],
  ['skip_grant_tables', { engine: 'mysql', version: '8.4', parameters: { skip_grant_tables: 'ON' } }],
  [
    'security.authorization',
    { engine: 'mongodb', version: '7.0', parameters: { 'security.authorization': 'disabled' } },
  ],
]

for (const [name, spec] of ownParameters) {
  t.test(`refused: the parameter ${name}`, async (t) => {
    const { hold } = ask(createWorld(spec))
    t.equal(hold?.reason, 'InvalidParameter')
    const field = name.includes('.') ? `spec.parameters[${name}]` : `spec.parameters.${name}`
    t.ok(hold?.message.startsWith(`${field}: cannot be set: `), String(hold?.message))
  })
}

t.test('refused: names that its children could not have', async (t) => {
  for (const name of ['1db', 'a.b', 'a'.repeat(46)]) {
    const { hold, response } = ask(createWorld({}, name))
    t.equal(hold?.reason, 'InvalidName')
    t.match(hold?.message, /^metadata\.name: must be at most 45/)
    t.same(response.children, [])
  }
  t.equal(ask(createWorld({}, 'a'.repeat(45))).hold, undefined)
})

t.test('every name that is allowed makes names that Kubernetes allows', async (t) => {
  const name = 'a'.repeat(45)
  const world = running({ deletionPolicy: 'BackupAndRetain', backup: { enabled: true, destination } }, name)
  change(world, { storage: { size: '5Gi' } })
  settle(world)
  const limits: Record<string, number> = { CronJob: 52, StatefulSet: 52 }
  const kinds = [...ask(world).response.children, ...ask(world, true).response.children]
  t.ok(kinds.some(({ kind }) => kind === 'Job'))
  for (const { kind, metadata } of kinds) {
    t.ok((metadata.name?.length ?? 99) <= (limits[kind] ?? 63), `${kind}/${metadata.name}`)
  }
})

const versions: [string, string, string, boolean][] = [
  ['postgresql', '13.8', '13.11', true],
  ['postgresql', '13.8', '13.7', true],
  ['postgresql', '13.8', '14.0', false],
  ['mysql', '8.0.36', '8.0.40', true],
  ['mysql', '8.0.36', '8.0.35', false],
  ['mysql', '8.4.3', '8.4.2', true],
  ['mysql', '8.0.36', '8.4.0', false],
  ['mysql', '8.0', '8.0.40', true],
  ['mysql', '9.1.0', '9.2.0', true],
  ['mongodb', '7.0.1', '7.0.14', true],
  ['mongodb', '7.0', '8.0', false],
]

for (const [engine, from, to, possible] of versions) {
  t.test(`${engine} from ${from} to ${to}: ${possible ? 'rolls' : 'refused'}`, async (t) => {
    const world = running({ engine, version: from })
    const before = JSON.stringify(world.children)
    change(world, { version: to })
    const { writes, evaluation } = step(world)
    if (possible) {
      t.same(writes, ['update StatefulSet/orders'])
      return
    }
    t.equal(evaluation.hold?.reason, 'VersionChangeRefused')
    t.match(evaluation.hold?.message, /^spec\.version: .*(restore a backup|set the version to)/)
    t.same(writes, [])
    t.equal(JSON.stringify(world.children), before)
    change(world, { version: from })
    settle(world)
    t.match(conditionOf(world, 'Ready'), { status: 'True' }, 'and all is well again')
  })
}

t.test(
  'an invalid change holds what exists, drift is repaired meanwhile, and the next valid spec goes on',
  async (t) => {
    const world = running({ replicas: 2 })
    change(world, { replicas: 11 })
    t.same(step(world).writes, [])
    t.match(statusOf(world), { phase: 'Running', replicas: 2 })
    t.match(conditionOf(world, 'Ready'), { status: 'False', reason: 'InvalidSpec', message: /^spec\.replicas: / })
    t.match(conditionOf(world, 'Stalled'), { status: 'True' })
    const service = child(world, 'Service', 'orders')
    service.spec = { ...(service.spec as object), type: 'NodePort' }
    t.same(step(world).writes, ['update Service/orders'])
    t.match(child(world, 'Service', 'orders').spec, { type: 'ClusterIP' })
    change(world, { replicas: 3 })
    settle(world)
    t.match(child(world, 'StatefulSet', 'orders').spec, { replicas: 3 })
    t.match(conditionOf(world, 'Stalled'), { status: 'False' })
  },
)

t.test('another engine is refused even where the CRD lets it through', async (t) => {
  const world = running()
  change(world, { engine: 'mysql', version: '8.4' })
  const { writes, evaluation } = step(world)
  t.equal(evaluation.hold?.reason, 'EngineChangeRefused')
  t.same(writes, [])
})

t.test('while a change is refused, the counts go on', async (t) => {
  const world = running({ replicas: 2 })
  change(world, { version: '17.0' })
  step(world)
  const set = child(world, 'StatefulSet', 'orders')
  set.status = { ...(set.status as object), readyReplicas: 1 }
  step(world)
  t.match(statusOf(world), { readyReplicas: 1 })
  t.ok(inventory(world).length > 8)
})
