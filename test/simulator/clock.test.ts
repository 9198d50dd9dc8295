import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { createClock, createRealClock } from '../../hooks/simulator/index.ts'
import { createQueue } from '../../hooks/simulator/queue.ts'
import { configMap, simulate, widget, widgetController, widgetCrd } from './fixtures.ts'

t.test('virtual time: what is due happens in order, and waits for work under way', async (t) => {
  const clock = createClock('2030-01-01T00:00:00Z')
  const told: string[] = []
  const tell = (what: string) => told.push(`${what} ${clock.stamp().slice(14, 19)}`)
  clock.after(60, () => void tell('third'))
  clock.after(2, async () => {
    await wait(5)
    tell('first')
    clock.after(1, () => void tell('second'))
  })
  clock.after(1, () => void tell('taken back'))()
  await clock.advance(59)
  t.same(told, ['first 00:02', 'second 00:03'])
  await clock.advance(1)
  t.same(told.at(-1), 'third 01:00')
  t.equal(clock.stamp(), '2030-01-01T00:01:00Z')
  clock.run(() => Promise.reject(new Error('broken')))
  await t.rejects(clock.advance(1), { message: 'broken' })
  t.throws(() => createClock('yesterday'), { message: /is not an RFC 3339 time/ })
})

t.test('real time runs by itself, as fast as it is told', async (t) => {
  const clock = createRealClock(50)
  const cluster = simulate({ sync: () => ({ status: {}, children: [configMap('c', {})] }) }, { clock })
  t.teardown(cluster.stop)
  await cluster.apply(widgetCrd)
  await cluster.apply(widgetController())
  await cluster.apply(widget('w', 'default'))
  const started = Date.now()
  await cluster.until(
    'the child',
    () => cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', name: 'c', namespace: 'default' }),
    60,
  )
  await cluster.pass(10)
  t.ok(Date.now() - started < 5000)
})

t.test('a queue works on a key once at a time and once for many asks', async (t) => {
  const clock = createClock()
  const done: string[] = []
  let running = 0
  let most = 0
  const queue = createQueue(clock, 2, async (key) => {
    running++
    most = Math.max(most, running)
    await wait(1)
    running--
    done.push(key)
    return 'done'
  })
  for (const key of ['a', 'a', 'b', 'c', 'a']) queue.add(key)
  queue.addAfter('late', 60)
  queue.addAfter('late', 5)
  queue.addAfter('late', 30)
  await clock.advance(10)
  t.same(
    [...done].sort(),
    ['a', 'a', 'b', 'c', 'late'],
    'asked while it runs, a key runs once more; the earliest time counts',
  )
  t.equal(most, 2)
  await clock.advance(100)
  t.equal(done.length, 5)
})
