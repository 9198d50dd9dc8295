// The result of a backup outlives its Job, also where a sync is given a status from before the last one: Metacontroller
// reads parents and children from caches that do not move together.
import type { Job } from 'kubernetes-types/batch/v1.js'
import t from 'tap'
import { databaseBackup } from '../../../hooks/kinds/databasebackup/index.ts'
import { createCredentials } from '../../../hooks/sdk/credentials.ts'
import { evaluateComposite } from '../../../hooks/sdk/evaluate.ts'
import type { KubernetesObject } from '../../../hooks/sdk/kubernetes.ts'
import { groupKey } from '../../../hooks/sdk/observed.ts'

interface Seen {
  status?: Record<string, unknown>
  jobs?: KubernetesObject[]
  pods?: KubernetesObject[]
  account?: KubernetesObject | undefined
  uid?: string
  schedule?: string
}

/** What one sync answers. */
function sync({ status, jobs = [], pods = [], account, uid = 'uid-1', schedule }: Seen) {
  const byName = (objects: KubernetesObject[]) =>
    Object.fromEntries(objects.map((one) => [`shop/${one.metadata.name}`, one]))
  const { response } = evaluateComposite(
    databaseBackup,
    {
      controller: { apiVersion: 'v1', kind: 'C', metadata: {} },
      parent: {
        apiVersion: 'example.com/v1',
        kind: 'DatabaseBackup',
        metadata: { name: 'now', namespace: 'shop', uid, generation: 1 },
        spec: {
          databaseRef: { name: 'orders' },
          destination: { claim: { name: 'dumps' } },
          ...(schedule === undefined ? {} : { schedule }),
        },
        ...(status === undefined ? {} : { status }),
      },
      children: {
        ...Object.fromEntries(databaseBackup.children.map((type) => [groupKey(type), {}])),
        'Job.batch/v1': byName(jobs),
        'ServiceAccount.v1': byName(account === undefined ? [] : [account]),
      },
      related: {
        'Database.example.com/v1': byName([orders]),
        'Job.batch/v1': byName(jobs),
        'Pod.v1': byName(pods),
      },
      finalizing: false,
    },
    {
      now: new Date('2026-03-01T12:00:00Z'),
      credentials: createCredentials([{ id: 'first', secret: new Uint8Array(32).fill(1) }]),
      settings: { imageRegistry: '' },
    },
  )
  const { status: answered, children } = response
  return {
    status: answered as Record<string, unknown>,
    job: children.find(({ kind }) => kind === 'Job') as Job | undefined,
    account: children.find(({ kind }) => kind === 'ServiceAccount'),
  }
}

const orders = {
  apiVersion: 'example.com/v1',
  kind: 'Database',
  metadata: { name: 'orders', namespace: 'shop', uid: 'uid-db' },
  spec: { engine: 'postgresql', version: '17.2', storage: { size: '1Gi' } },
  status: { conditions: [{ type: 'Available', status: 'True', reason: 'ReplicasReady', message: '' }] },
}

function ended(type: 'Complete' | 'Failed', name: string) {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'shop', uid: `uid-${name}` },
    status: { conditions: [{ type, status: 'True', lastTransitionTime: '2026-03-01T12:00:09Z' }] },
  }
}

function podOf(job: string, message: string) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${job}-x`,
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: job, uid: `uid-${job}` }],
    },
    status: { containerStatuses: [{ name: 'finish', state: { terminated: { message } } }] },
  }
}

const told = '{"name":"orders_now-20260301T120000Z.tar","bytes":5,"seconds":1,"verified":false}'

t.test('a Job that goes before its result is seen in the status leaves it behind, and no other is made', async (t) => {
  const began = sync({})
  t.equal(began.job?.metadata?.name, 'now-once')
  const done = sync({ status: began.status, jobs: [ended('Complete', 'now-once')], pods: [podOf('now-once', told)] })
  t.match(done.status.lastBackup, { name: 'orders_now-20260301T120000Z.tar', size: 5 })

  // The status of before, and no Job any more.
  const late = sync({ status: began.status, account: done.account })
  t.same(late.status.lastBackup, done.status.lastBackup)
  t.equal(late.status.phase, 'Succeeded')
  t.equal(late.job, undefined)
  t.same(late.account, done.account, 'nothing is written')

  // Both of before: the status loses it, and what is written down does not.
  const blind = sync({ status: began.status, account: began.account })
  t.equal(blind.status.lastBackup, undefined)
  t.same(blind.account, began.account, 'which the API server refuses to be written over what is there by now')
  t.same(sync({ status: blind.status, account: done.account }).status.lastBackup, done.status.lastBackup)
})

t.test('so does a failure, and what was known of a schedule before', async (t) => {
  const schedule = '@daily'
  const first = sync({ schedule, jobs: [ended('Complete', 'now-1')], pods: [podOf('now-1', told)] })
  const failed = ended('Failed', 'now-2')
  const second = sync({
    schedule,
    status: first.status,
    account: first.account,
    jobs: [
      {
        ...failed,
        status: { conditions: [{ type: 'Failed', status: 'True', lastTransitionTime: '2026-03-02T12:00:09Z' }] },
      },
    ],
    pods: [podOf('now-2', 'rclone: copying\nAccess Denied')],
  })
  const late = sync({ schedule, status: first.status, account: second.account })
  t.equal(late.status.phase, 'Failed')
  t.match(late.status, {
    lastBackup: { job: 'now-1' },
    lastFailure: { job: 'now-2', message: 'finish: Access Denied' },
  })
})

t.test('what is written there counts for this resource, and only where it makes sense', async (t) => {
  const done = sync({ jobs: [ended('Complete', 'now-once')], pods: [podOf('now-once', told)] })
  t.equal(sync({ account: done.account, uid: 'another' }).status.lastBackup, undefined)
  const [key = ''] = Object.keys(done.account?.metadata.annotations ?? {})
  for (const text of ['', '{', 'null', '{"uid":"uid-1","lastBackup":{"name":1}}']) {
    const account = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'now-jobs', annotations: { [key]: text } },
    }
    t.equal(sync({ account }).status.lastBackup, undefined, text)
  }
})
