import t from 'tap'
import { velero } from '../../hooks/decorators/velero/index.ts'
import { volumeSnapshots } from '../../hooks/decorators/volume-snapshots/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type Asked, applied, ask, namespace } from './ask.ts'

const schedule = 'backup.example.com/schedule'
const retention = 'backup.example.com/retention'
const home: KubernetesObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, uid: 'n' } }

function claim(annotations: Record<string, string>, name = 'data', phase = 'Bound'): KubernetesObject {
  const metadata = { name, namespace, uid: name, annotations }
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: {}, status: { phase } }
}

const snapshotsOf = (asked: Asked) => {
  const { response, hold } = ask(volumeSnapshots, home, asked)
  return { names: response.attachments.map(({ metadata }) => String(metadata.name)).sort(), response, hold }
}

/** A snapshot as it would be taken, and what has become of it. */
function taken(time: string, ready: boolean | string, kept = '1d', of = 'data'): KubernetesObject {
  const [wanted] = ask(volumeSnapshots, home, {
    related: [claim({ [schedule]: '0 2 * * *', [retention]: kept }, of)],
    now: time,
  }).response.attachments
  if (wanted === undefined) throw new Error('nothing is due')
  const status = typeof ready === 'string' ? { error: { message: ready } } : { readyToUse: ready }
  return applied(wanted, { status })
}

t.test('a snapshot is named after the time that it was due, so that it is taken once', async (t) => {
  const daily = claim({ [schedule]: '0 2 * * *', [retention]: '1d' })
  const first = snapshotsOf({ related: [daily], now: '2026-03-01T01:59:59Z' })
  t.same(first.names, ['data-202602280200'], 'one is there at once')
  t.match(first.response.attachments[0], {
    metadata: {
      namespace,
      annotations: { 'backup.example.com/scheduled-at': '2026-02-28T02:00:00.000Z', [retention]: '1d' },
    },
    spec: { source: { persistentVolumeClaimName: 'data' } },
  })
  const before = taken('2026-03-01T01:00:00Z', true)
  t.equal(
    snapshotsOf({ related: [daily], attachments: [before], now: '2026-03-01T01:59:50Z' }).response.resyncAfterSeconds,
    10,
  )
  const after = snapshotsOf({ related: [daily], attachments: [before], now: '2026-03-01T02:00:00Z' })
  t.same(after.names, ['data-202602280200', 'data-202603010200'])
  t.same(
    after.response.attachments[1]?.spec,
    { source: { persistentVolumeClaimName: 'data' } },
    'the class is the default one',
  )
})

t.test('what was missed is made up for once, and a class may be named', async (t) => {
  const hourly = claim({ [schedule]: '@hourly', [retention]: '4w', 'backup.example.com/snapshot-class': 'fast' })
  const { names, response } = snapshotsOf({ related: [hourly], now: '2026-03-10T12:34:56Z' })
  t.same(names, ['data-202603101200'])
  t.match(response.attachments[0]?.spec, { volumeSnapshotClassName: 'fast' })
  const yearly = claim({ [schedule]: '@yearly', [retention]: '7d' })
  t.same(snapshotsOf({ related: [yearly], now: '2026-03-10T12:00:00Z' }).names, [], 'not what would be dropped at once')
})

t.test('old ones are dropped, never the last good one', async (t) => {
  const daily = claim({ [schedule]: '0 2 * * *', [retention]: '1d' })
  const all = [
    taken('2026-02-26T03:00:00Z', true),
    taken('2026-02-27T03:00:00Z', true),
    taken('2026-02-28T03:00:00Z', 'no space'),
    taken('2026-03-01T03:00:00Z', false),
  ]
  const { names, hold } = snapshotsOf({ related: [daily], attachments: all, now: '2026-03-01T12:00:00Z' })
  t.same(names, ['data-202602270200', 'data-202603010200'])
  t.match(hold, { reason: 'SnapshotFailed', message: 'VolumeSnapshot data-202602280200: no space' })
  const good = [...all.slice(0, 3), taken('2026-03-01T03:00:00Z', true)]
  t.same(snapshotsOf({ related: [daily], attachments: good, now: '2026-03-01T12:00:00Z' }).names, ['data-202603010200'])
})

t.test('a claim that is gone, or asks no more, keeps its last good one for good', async (t) => {
  const all = [
    taken('2026-02-26T03:00:00Z', true),
    taken('2026-02-27T03:00:00Z', true),
    taken('2026-02-27T03:00:00Z', true, '1d', 'other'),
  ]
  const years = { attachments: all, now: '2030-01-01T00:00:00Z' }
  t.same(snapshotsOf(years).names, ['data-202602270200', 'other-202602270200'])
  t.same(snapshotsOf({ ...years, related: [claim({})] }).names, ['data-202602270200', 'other-202602270200'])
})

t.test('what stays is answered as it was applied, whatever has become of it', async (t) => {
  const one = taken('2026-03-01T03:00:00Z', true)
  const changed = { ...one, metadata: { ...one.metadata, labels: { other: 'x' } } }
  const { response } = snapshotsOf({ attachments: [changed], now: '2026-03-01T12:00:00Z' })
  t.match(response.attachments[0]?.metadata.labels, { 'backup.example.com/claim': 'data' })
})

t.test('nothing is taken of what is not bound, is going, or is left to Velero', async (t) => {
  const annotations = { [schedule]: '@hourly' }
  const going = claim(annotations)
  going.metadata.deletionTimestamp = '2026-03-01T00:00:00Z'
  for (const one of [
    claim(annotations, 'data', 'Pending'),
    going,
    claim({ ...annotations, 'backup.example.com/method': 'velero' }),
  ]) {
    t.same(snapshotsOf({ related: [one] }).names, [])
  }
})

t.test('a namespace without backups is answered the same at any time', async (t) => {
  t.equal(ask(volumeSnapshots, home, { related: [claim({})] }).cacheable, true)
  t.equal(ask(volumeSnapshots, home, { related: [claim({ [schedule]: '@hourly' })] }).cacheable, false)
})

t.test('what cannot be read is told on the namespace, and no other claim suffers', async (t) => {
  const wrong: [Record<string, string>, string][] = [
    [{ [schedule]: 'often' }, 'claim data: backup.example.com/schedule: "often" must be five fields'],
    [{ [schedule]: '0 0 30 2 *' }, 'never comes round'],
    [{ [schedule]: '@daily', [retention]: 'ever' }, '"ever" is not a period such as 12h, 7d or 4w'],
    [{ [schedule]: '@daily', 'backup.example.com/method': 'tape' }, '"tape" is none of snapshot, velero'],
  ]
  for (const [annotations, message] of wrong) {
    const { response, names } = snapshotsOf({ related: [claim(annotations), claim({ [schedule]: '@daily' }, 'other')] })
    t.match(response.annotations?.['decorators.example.com/volume-snapshots'], message)
    t.same(names, ['other-202603010000'])
  }
})

t.test('long names stay names, and tell claims apart', async (t) => {
  const long = 'x'.repeat(250)
  const names = [`${long}a`, `${long}b`].flatMap(
    (name) => snapshotsOf({ related: [claim({ [schedule]: '@daily' }, name)] }).names,
  )
  t.equal(new Set(names).size, 2)
  for (const name of names) t.ok(name.length <= 253)
})

t.test('Velero gets one Schedule for each plan of a namespace, in its own namespace', async (t) => {
  const related = [
    claim({ [schedule]: '0 2 * * *', [retention]: '4w' }, 'a'),
    claim({ [schedule]: '0 2 * * *', [retention]: '4w' }, 'b'),
    claim({ [schedule]: '@hourly' }, 'c'),
    claim({}, 'd'),
    claim({ [schedule]: '@hourly', 'backup.example.com/method': 'snapshot' }, 'e'),
  ]
  const { response } = ask(velero, home, { related })
  t.equal(response.attachments.length, 2)
  const label = 'backup.example.com/plan'
  const plan = (one: KubernetesObject | undefined) => one && ask(velero, one).response.labels?.[label]
  t.match(response.attachments[0], {
    metadata: { namespace: 'velero', name: `${namespace}-${plan(related[0])}` },
    spec: {
      schedule: '0 2 * * *',
      template: {
        includedNamespaces: [namespace],
        ttl: '672h0m0s',
        labelSelector: { matchLabels: { [label]: plan(related[0]) } },
      },
    },
  })
  t.equal(plan(related[0]), plan(related[1]))
  t.not(plan(related[0]), plan(related[2]))
  t.equal(plan(related[3]), undefined)
  t.equal(plan(related[4]), undefined)
  const elsewhere = ask(velero, home, { related, parameters: { 'backup.example.com/velero-namespace': 'backups' } })
  t.equal(elsewhere.response.attachments[0]?.metadata.namespace, 'backups')
})

t.test('a claim that asks no more loses its label', async (t) => {
  const one = claim({})
  one.metadata.labels = { 'backup.example.com/plan': 'old', app: 'x' }
  t.same(ask(velero, one).response, { labels: { 'backup.example.com/plan': null }, attachments: [] })
})

t.test('in a namespace that is going nothing is done any more', async (t) => {
  const going = { ...home, metadata: { ...home.metadata, deletionTimestamp: '2026-03-01T00:00:00Z' } }
  const related = [claim({ [schedule]: '@hourly' })]
  for (const definition of [velero, volumeSnapshots])
    t.same(ask(definition, going, { related }).response.attachments, [])
})
