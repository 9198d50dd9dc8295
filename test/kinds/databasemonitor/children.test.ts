// What a DatabaseMonitor consists of, for each engine.
import type { Container } from 'kubernetes-types/core/v1.js'
import t from 'tap'
import { databaseMonitor } from '../../../hooks/kinds/databasemonitor/index.ts'
import { createCredentials } from '../../../hooks/sdk/credentials.ts'
import { evaluateComposite } from '../../../hooks/sdk/evaluate.ts'
import { groupKey } from '../../../hooks/sdk/observed.ts'

function childrenOf(database: Record<string, unknown>, status: Record<string, unknown> = {}) {
  const metadata = { name: 'orders', namespace: 'shop', uid: 'uid', generation: 1 }
  const { response } = evaluateComposite(
    databaseMonitor,
    {
      controller: { apiVersion: 'v1', kind: 'C', metadata: {} },
      parent: {
        apiVersion: 'example.com/v1',
        kind: 'DatabaseMonitor',
        metadata,
        spec: { databaseRef: { name: 'db' }, scrapeInterval: '15s' },
      },
      children: Object.fromEntries(databaseMonitor.children.map((type) => [groupKey(type), {}])),
      related: {
        'Database.example.com/v1': {
          'shop/db': {
            apiVersion: 'example.com/v1',
            kind: 'Database',
            metadata: { name: 'db', namespace: 'shop', uid: 'uid-db' },
            spec: { storage: { size: '1Gi' }, ...database },
            status,
          },
        },
      },
      finalizing: false,
    },
    {
      now: new Date(),
      credentials: createCredentials([{ id: 'first', secret: new Uint8Array(32).fill(1) }]),
      settings: { imageRegistry: '' },
    },
  )
  const child = (kind: string) => {
    const found = response.children.find((one) => one.kind === kind)
    if (found === undefined) throw new Error(`there is no ${kind}`)
    return found
  }
  const { replicas, template } = child('StatefulSet').spec as {
    replicas: number
    template: { metadata: { annotations: Record<string, string> }; spec: { containers: Container[] } }
  }
  const [exporter] = template.spec.containers
  if (exporter === undefined) throw new Error('there is no container')
  const env = Object.fromEntries(exporter.env?.map(({ name, value }) => [name, value]) ?? [])
  return { child, replicas, annotations: template.metadata.annotations, exporter, env }
}

const replica = 'db-$(REPLICA).db-headless.shop.svc'

t.test('exporter number n asks the replica of number n, as the user monitor', async (t) => {
  const postgresql = childrenOf({ engine: 'postgresql', version: '17.2', replicas: 3 })
  t.equal(postgresql.replicas, 3)
  t.match(postgresql.env, {
    DATA_SOURCE_URI: `${replica}:5432/postgres?sslmode=disable`,
    DATA_SOURCE_USER: 'monitor',
    DATA_SOURCE_PASS_FILE: '/etc/credentials/monitor/monitor-password',
  })
  const mysql = childrenOf({ engine: 'mysql', version: '8.4' })
  t.ok(mysql.exporter.args?.includes(`--mysqld.address=${replica}:3306`))
  const mongodb = childrenOf({ engine: 'mongodb', version: '7.0' })
  t.match(mongodb.env, { MONGODB_URI: `mongodb://${replica}:27017/?directConnection=true`, MONGODB_USER: 'monitor' })
  for (const { exporter } of [postgresql, mysql, mongodb]) {
    t.same(exporter.env?.[0], {
      name: 'REPLICA',
      valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } },
    })
  }
})

t.test('with TLS where the server has it, and none where the database is stopped', async (t) => {
  const tls = { secretName: 'certificate' }
  t.match(childrenOf({ engine: 'postgresql', version: '17.2', tls }).env.DATA_SOURCE_URI, 'sslmode=require')
  t.match(childrenOf({ engine: 'mongodb', version: '7.0', tls }).env.MONGODB_URI, 'tls=true')
  t.equal(childrenOf({ engine: 'mysql', version: '8.4', suspend: true, replicas: 2 }).replicas, 0)
})

t.test('another password is another template: exporters read it when they start', async (t) => {
  const of = (rotation: number) =>
    childrenOf({ engine: 'mysql', version: '8.4' }, { credentials: { secretName: 's', keyId: 'k', rotation } })
  t.same(of(1).annotations, of(1).annotations)
  t.notSame(of(1).annotations, of(2).annotations)
})

t.test('Prometheus finds the exporters by the annotations of their Service', async (t) => {
  const { child } = childrenOf({ engine: 'postgresql', version: '17.2' })
  t.match(child('Service').metadata.annotations, {
    'monitoring.example.com/scrape': 'true',
    'monitoring.example.com/port': 'metrics',
    'monitoring.example.com/interval': '15s',
  })
  t.match(child('NetworkPolicy').spec, { egress: [{}, {}, { ports: [{ port: 5432 }] }] })
})
