// What alerts and dashboards ask, put to a real Prometheus that scrapes the exporters, kube-state-metrics and the kubelets of
// a cluster in which both engines run and a backup was taken: every series that an alert looks at is there, every query of a
// dashboard has an answer, and no alert holds, for nothing is wrong.
import { join } from 'node:path'
import { parser } from '@prometheus-io/lezer-promql'
import t from 'tap'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ensureCrds } from '../cluster/build.ts'
import { documents } from '../cluster/manifests.ts'
import { database, databaseAt, untilPhase } from '../scenarios/database.ts'
import { obstacleToOwnNodes } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

/** What has no series while all is well, and why. */
const absentInHealth: readonly { selector: RegExp; reason: string }[] = [
  {
    selector: /^pg_stat_replication_/,
    reason: 'only the primary has it, of replicas that follow it: the test makes a single database',
  },
  { selector: /^mysql_perf_schema_/, reason: 'a member of a group has it, and a single server is in none' },
  {
    selector: /^pg_stat_bgwriter_checkpoints_/,
    reason: 'PostgreSQL 17 has moved it: the other half of the query asks where',
  },
]

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  t.test('metrics of databases in real pods', { skip: reason }, async () => {})
} else {
  const root = join(import.meta.dirname, '..', '..')
  const decorators = ['prometheus-operator', 'grafana-dashboards']
  const crds = await ensureCrds()
  const cluster = await suiteOnNodes(t, {
    monitoring: true,
    manifests: [
      ...crds['prometheus-operator'].flatMap(documents),
      ...decorators.map((name) => join(root, 'metacontroller', 'decorators', name)),
    ],
  })
  const namespace = await cluster.namespace('metrics')
  const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
  const { versions } = cluster
  const engines = [
    { name: 'pg', engine: 'postgresql', version: versions.postgresql },
    { name: 'my', engine: 'mysql', version: versions.mysql },
  ]

  t.test('databases run, are measured and backed up', { timeout: 900_000 }, async () => {
    await cluster.create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { namespace, name: 'dumps' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    })
    for (const { name, engine, version } of engines) {
      await cluster.apply(
        database(namespace, name, {
          engine,
          version,
          storage: { size: '1Gi', storageClass: 'measured' },
          resources: { requests: { cpu: '100m', memory: '512Mi' } },
          monitoring: { enabled: true, alerting: true },
          backup: { enabled: true, schedule: '* * * * *', destination: { claim: { name: 'dumps' } } },
        }),
      )
    }
    for (const { name } of engines) await untilPhase(cluster, databaseAt(namespace, name), 'Running', 400)
    // A client that stays, as applications do.
    await kubectl('wait', '--for=condition=Ready', 'pod/pg-0', '--timeout=120s')
    await cluster.create(idleClient(namespace, versions.postgresql))
    for (const { name } of engines) {
      await cluster.until(
        `a backup of ${name} is done`,
        async () =>
          (await ask(`kube_cronjob_status_last_successful_time{namespace="${namespace}",cronjob="${name}-backup"}`)) >
          0,
        240,
      )
    }
  })

  for (const { name } of engines) {
    t.test(`${name}: alerts look at what is there`, { timeout: 300_000 }, async (t) => {
      const rules = (await rulesOf(`${name}-database`)).concat(await rulesOf(`${name}-backup-databasebackup`))
      t.ok(rules.length > 10)
      const missing = await stillWithout(rules.flatMap(({ expr }) => selectorsIn(expr)))
      t.same(missing, [])
    })

    t.test(`${name}: no alert holds`, async (t) => {
      const rules = (await rulesOf(`${name}-database`)).concat(await rulesOf(`${name}-backup-databasebackup`))
      for (const { alert, expr } of rules) {
        // The volume is the machine's own disk, which may be as full as it likes.
        if (alert !== 'DatabaseVolumeFilling') t.equal(await ask(expr), 0, `${alert}: ${expr}`)
      }
    })

    t.test(`${name}: every query of the dashboard has an answer`, { timeout: 300_000 }, async (t) => {
      const queries = await cluster.until('there is a dashboard', () => queriesOf(`${name}-database-dashboard`))
      t.ok(queries.length > 10)
      t.same(await stillWithout(queries), [])
    })
  }

  t.test('an engine that lets the exporter not in is noticed', { timeout: 120_000 }, async () => {
    const rules = await rulesOf('pg-database')
    const expr = rules.find(({ alert }) => alert === 'DatabaseNotAnswering')?.expr ?? ''
    const shutOut =
      "ALTER ROLE monitor NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'"
    const asSuperuser = ['psql', '--host=/var/run/postgresql', '--username=postgres', `--command=${shutOut}`]
    await kubectl('exec', 'pg-0', '--container=database', '--', ...asSuperuser)
    await cluster.until('the expression of DatabaseNotAnswering holds', async () => (await ask(expr)) > 0, 90)
  })

  /** How many series a query has. */
  async function ask(query: string): Promise<number> {
    const service = '/api/v1/namespaces/monitoring/services/prometheus:web/proxy'
    const path = `${service}/api/v1/query?query=${encodeURIComponent(query)}`
    // It may be away for a moment where the machine is busy.
    const answer = await cluster.until('Prometheus answers', () =>
      cluster.controlPlane.client.request('GET', path).catch((error: { code?: number }) => {
        if (error.code === 400 || error.code === 422) throw error
        return undefined
      }),
    )
    const { status, data, error } = answer as { status: string; data: { result: unknown[] }; error?: string }
    if (status !== 'success') throw new Error(`${query}: ${error}`)
    return data.result.length
  }

  /** Those that have no series, nor a reason to have none, after two minutes: a rate needs two scrapes. */
  async function stillWithout(queries: readonly string[]): Promise<string[]> {
    let left = [...new Set(queries)].filter((query) => !absentInHealth.some(({ selector }) => selector.test(query)))
    for (const until = Date.now() + 120_000; left.length > 0 && Date.now() < until; ) {
      const counts = await Promise.all(left.map(ask))
      left = left.filter((_, index) => counts[index] === 0)
      if (left.length > 0) await cluster.pass(2)
    }
    return left
  }

  async function rulesOf(name: string): Promise<{ alert: string; expr: string }[]> {
    const rule = await cluster.until(`there is PrometheusRule/${name}`, () =>
      cluster.get({ apiVersion: 'monitoring.coreos.com/v1', kind: 'PrometheusRule', namespace, name }),
    )
    const { groups } = rule.spec as { groups: { rules: { alert: string; expr: string }[] }[] }
    return groups.flatMap(({ rules }) => rules)
  }

  async function queriesOf(name: string): Promise<string[] | undefined> {
    const object = await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })
    const [text] = isRecord(object?.data) ? Object.values(object.data) : []
    if (typeof text !== 'string') return undefined
    const { panels } = JSON.parse(text) as { panels: { targets?: { expr: string }[] }[] }
    return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  }
}

/** `name{labels}` of every metric that an expression looks at. */
function selectorsIn(expr: string): string[] {
  const found: string[] = []
  parser.parse(expr).iterate({
    enter({ name, from, to }) {
      if (name === 'VectorSelector') found.push(expr.slice(from, to))
    },
  })
  return found
}

function idleClient(namespace: string, version: string): KubernetesObject {
  const ofSecret = (name: string, key: string) => ({ name, valueFrom: { secretKeyRef: { name: 'pg-secret', key } } })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'client' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'client',
          image: `postgres:${version}`,
          command: ['bash', '-c', 'sleep infinity | psql --host="$HOST" --username="$USERNAME" --dbname="$DBNAME"'],
          env: [
            ofSecret('PGPASSWORD', 'password'),
            ofSecret('USERNAME', 'username'),
            ofSecret('HOST', 'host'),
            ofSecret('DBNAME', 'dbname'),
          ],
        },
      ],
    },
  }
}
