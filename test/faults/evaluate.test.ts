// What is read from the witness's lines.
import t from 'tap'
import {
  acknowledged,
  healthWatch,
  type Line,
  lostRows,
  overlaps,
  takeover,
  writeGap,
} from '../node/faults/evaluate.ts'

let n = 0
function line(kind: Line['kind'], start: number, rest: Partial<Line> = {}): Line {
  n += 1
  return { n, kind, start, end: start + 10, ok: true, ...rest }
}

const write = (start: number, rest: Partial<Line> = {}) => line('write', start, { id: start, ...rest })
const probe = (member: string, start: number, rest: Partial<Line> = {}) =>
  line('probe', start, { member, uid: `uid-of-${member}`, id: start, ...rest })

t.test('the write gap is the longest time without an acknowledged row', async (t) => {
  const lines = [0, 100, 200, 2700, 2800].map((start) => write(start))
  t.equal(writeGap(lines, 150), 2.5)
  t.equal(writeGap([...lines, write(1000, { ok: false })], 150), 2.5, 'a refused row ends no gap')
  t.equal(writeGap([...lines, line('patient', 1000)], 150), 2.5, 'nor does a row that came another way')
  t.equal(writeGap(lines, 2750), 0.1, 'what ended before the fault is no part of it')
  t.equal(writeGap(lines, 3000), Number.POSITIVE_INFINITY, 'nothing was written after it')
  t.equal(
    writeGap([write(0), write(100, { end: 5000 }), write(200)], 50),
    4.79,
    'rows count when they are acknowledged',
  )
})

t.test('another takes over when it takes writes, and for Services when it has the label', async (t) => {
  const labelled = (member: string) =>
    [{ name: member, uid: `uid-of-${member}`, ip: '', role: 'primary', node: '', ready: true, going: false }] as const
  const lines = [
    probe('db-1', 0),
    probe('db-0', 1200),
    probe('db-1', 1400, { ok: false }),
    probe('db-1', 1990),
    line('pods', 2000, { pods: labelled('db-0') }),
    line('pods', 2990, { pods: labelled('db-1') }),
  ]
  t.same(takeover(lines, 1000, 'uid-of-db-0'), { writable: 1, labelled: 2 })
  t.same(takeover(lines, 2500, 'uid-of-db-1'), { writable: undefined, labelled: undefined })
})

t.test('a row is lost when it was acknowledged and is not there', async (t) => {
  const lines = [write(1), write(2), write(3, { ok: false }), probe('db-0', 4), line('patient', 5, { id: 5 })]
  t.same(acknowledged(lines), [1, 2, 4, 5])
  t.same(lostRows(lines, [1, 4, 5, 6]), [2])
  t.same(lostRows(lines, [1, 2, 3, 4, 5]), [])
})

t.test('two members take writes at once', async (t) => {
  const every200 = (member: string, from: number, to: number) =>
    Array.from({ length: (to - from) / 200 }, (_, index) => probe(member, from + index * 200))
  t.same(overlaps([...every200('db-0', 0, 2000), ...every200('db-1', 2020, 4000)]), [], 'one hands over to the other')
  t.same(
    overlaps([...every200('db-0', 0, 2000), ...every200('db-1', 2020, 4000), ...every200('db-0', 4020, 6000)]),
    [],
    'and back',
  )
  const late = probe('db-0', 3100)
  const found = overlaps([...every200('db-0', 0, 2000), ...every200('db-1', 2020, 4000), late])
  t.match(
    found.filter(({ member }) => member === 'db-0'),
    [{ at: late.end, meanwhile: 'db-1' }],
    'the old primary takes one more',
  )
  t.ok(
    found.some(({ member }) => member === 'db-1'),
    'and what the new one took before and after is told, too',
  )
  const refused = probe('db-0', 3100, { ok: false, error: 'read-only' })
  t.same(overlaps([...every200('db-0', 0, 2000), ...every200('db-1', 2020, 4000), refused]), [])
})

t.test('all is well when every member says so and the label names the one that takes writes', async (t) => {
  const pods = (roles: Record<string, string>): Line =>
    line('pods', 0, {
      pods: Object.entries(roles).map(([name, role]) => ({
        name,
        role,
        uid: `uid-of-${name}`,
        ip: '',
        node: '',
        ready: true,
        going: false,
      })),
    })
  const state = (member: string, start: number, primary: boolean, online: number, word: string) =>
    line('state', start, { member, uid: `uid-of-${member}`, state: { primary, online, word } })

  const watch = healthWatch('postgresql', 2)
  watch.take(pods({ 'db-0': 'primary', 'db-1': 'replica' }))
  watch.take(state('db-0', 100, true, 1, 'primary'))
  t.equal(watch.since(), undefined, 'the other has not answered yet')
  watch.take(state('db-1', 200, false, 1, 'streaming'))
  t.equal(watch.since(), 210)
  watch.take(state('db-0', 700, true, 0, 'primary'))
  t.equal(watch.since(), undefined)
  t.equal(watch.complaint(), 'db-0: 0 of 1 replicas stream')
  watch.take(state('db-0', 1200, true, 1, 'primary'))
  t.equal(watch.since(), 1210)
  watch.take(state('db-0', 4000, true, 1, 'primary'))
  t.equal(watch.complaint(), 'db-1 has not answered for 3800 ms')
  watch.take(state('db-1', 4100, false, 1, 'streaming'))
  watch.take(pods({ 'db-0': 'replica', 'db-1': 'primary' }))
  t.equal(watch.complaint(), 'the label says db-1 is the primary')

  const group = healthWatch('mysql', 2)
  group.take(pods({ 'db-0': 'primary', 'db-1': 'replica' }))
  group.take(state('db-0', 100, true, 2, 'ONLINE'))
  group.take(state('db-1', 100, false, 1, 'RECOVERING'))
  t.equal(group.complaint(), 'db-1: is RECOVERING')
  group.take(state('db-1', 200, false, 2, 'ONLINE'))
  t.equal(group.since(), 210)
  group.take(state('db-1', 300, true, 2, 'ONLINE'))
  t.equal(group.complaint(), '2 members say that they are the primary')
})
