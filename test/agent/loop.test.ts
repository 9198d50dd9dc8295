// The loop of an agent: what its member is becomes the pod's role, whatever fails on the way.
import pino from 'pino'
import t from 'tap'
import type { Step } from '../../hooks/agent/agent.ts'
import { runLoop } from '../../hooks/agent/main.ts'

type Turn = Step | Error

/** Runs the loop through these steps and gives what was done, in order, and what was logged. */
async function through(
  turns: Turn[],
  { patience = 60_000, failing = new Set<number>(), givenUp = false, full = async () => false } = {},
) {
  const done: string[] = []
  const lines: string[] = []
  const end = new AbortController()
  let calls = 0
  await runLoop({
    agent: {
      async step() {
        const turn = turns.shift()
        if (turns.length === 0) end.abort()
        if (turn === undefined || turn instanceof Error) throw turn
        return turn
      },
      async close() {
        done.push('close')
      },
    },
    pods: {
      async setRole(role) {
        calls += 1
        if (failing.has(calls)) throw new Error('the API server is away')
        done.push(role ?? 'none')
      },
      async setFull(full) {
        if (full) done.push('full')
      },
      async demote(name) {
        done.push(`demote ${name}`)
      },
      async promote(name) {
        done.push(`promote ${name}`)
      },
      givenUp: async () => givenUp,
      isReady: async (name) => name === 'db-2',
    },
    isFull: full,
    logger: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
    signal: end.signal,
    period: 1,
    patience,
  })
  return { done, lines: lines.map((line) => JSON.parse(line) as { msg: string; role?: string }) }
}

const replica: Step = { role: 'replica', state: 'SECONDARY' }
const primary: Step = { role: 'primary', state: 'PRIMARY', others: ['db-1', 'db-2'] }

t.test('the role follows the member, and a new primary takes the label from others once', async (t) => {
  const { done, lines } = await through([replica, primary, primary, replica, primary])
  t.same(done, [
    ...['replica', 'primary', 'demote db-1', 'demote db-2', 'primary', 'replica'],
    ...['primary', 'demote db-1', 'demote db-2', 'close'],
  ])
  t.same(
    lines.map(({ msg, role }) => [role, msg]),
    [
      ['replica', 'SECONDARY'],
      ['primary', 'PRIMARY'],
      ['replica', 'SECONDARY'],
      ['primary', 'PRIMARY'],
    ],
    'changes are told, and nothing else',
  )
})

t.test('a member that cannot be asked keeps its role for a while, and then has none', async (t) => {
  const error = new Error('connection refused')
  t.same(
    (await through([primary, error, error, primary])).done.filter((what) => !what.startsWith('demote')),
    [...['primary', 'primary', 'primary', 'primary', 'close']],
  )
  const { done, lines } = await through([replica, error, error, error, replica], { patience: 0 })
  t.same(done, ['replica', 'none', 'none', 'none', 'replica', 'close'])
  t.equal(
    lines.filter(({ msg }) => msg.includes('connection refused')).length,
    1,
    'a failure that goes on is told once',
  )
})

t.test('a label that could not be set is set the next time, and so are those of others', async (t) => {
  const { done } = await through([primary, primary], { failing: new Set([1]) })
  t.same(done, ['primary', 'demote db-1', 'demote db-2', 'close'])
})

t.test('a primary to which Kubernetes leads nobody any more hands over to one whose pod is ready', async (t) => {
  const handed: string[] = []
  const step: Step = { ...primary, handOver: async (pod) => void handed.push(pod) }
  await through([step, step, { ...replica, handOver: step.handOver }])
  t.same(handed, [], 'it is led to')
  const { lines } = await through([{ ...step, role: 'replica' }, step, step], { givenUp: true })
  t.same(handed, ['db-2'], 'once, for looking costs the API server something')
  t.ok(lines.some(({ msg }) => msg.includes('db-2 takes over')))
})

t.test('a server that is told to end hands over to one whose pod is ready, and may end then', async (t) => {
  const done: string[] = []
  const end = { leave: async () => void done.push('may end') }
  const handing = { ...primary, ...end, handOver: async (pod: string) => void done.push(`hand over to ${pod}`) }
  const { done: labels } = await through([handing])
  t.same(done, ['hand over to db-2', 'may end'])
  t.same(labels.slice(-3), ['promote db-2', 'replica', 'close'], 'Services lead to it at once')

  done.length = 0
  const refusing = { ...handing, handOver: () => Promise.reject(new Error('it lags')) }
  const { done: kept, lines } = await through([refusing])
  t.same(done, ['may end'], 'where nobody takes over it ends all the same')
  t.notOk(kept.some((what) => what.startsWith('promote')))
  t.ok(lines.some(({ msg }) => msg === 'db-2 does not take over: it lags'))

  done.length = 0
  await through([{ ...replica, ...end }])
  t.same(done, ['may end'], 'a replica hands nothing over')
})

t.test('a volume without room is told of, whatever the member is and whether it answers', async (t) => {
  const { done, lines } = await through([new Error('it does not start'), replica], { full: async () => true })
  t.same(
    done.filter((what) => what === 'full'),
    ['full', 'full'],
  )
  t.equal(lines.filter(({ msg }) => msg === 'the volume is full').length, 1)

  const away = await through([replica], { full: () => Promise.reject(new Error('no such folder')) })
  t.same(away.done, ['replica', 'close'], 'the role is set all the same')
  t.ok(away.lines.some(({ msg }) => msg === 'the room on the volume could not be told: no such folder'))
})
