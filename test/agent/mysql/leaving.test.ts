// How a server that is told to end waits for its agent.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { leavingBy } from '../../../hooks/agent/mysql/leaving.ts'

t.test('the agent is woken by the file, and answers with another', async (t) => {
  const file = join(t.testdir(), 'leave')
  const leaving = leavingBy(file)
  t.equal(leaving.asked(), false)
  const begins = leaving.begins()
  writeFileSync(file, '')
  await soon(begins)
  t.equal(leaving.asked(), true)
  leaving.allow()
  t.ok(existsSync(`${file}.done`))
  t.equal(leaving.asked(), false, 'it was answered')

  for (const one of [file, `${file}.done`]) rmSync(one)
  writeFileSync(file, '')
  await new Promise((resolve) => setTimeout(resolve, 50))
  await soon(leaving.begins())
  t.equal(leaving.asked(), true, 'the next one is told of, although nobody was waiting when it came')
})

/** Nothing that is waited for keeps the process alive. */
function soon(promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not within 5 s')), 5000)
    promise.then(() => {
      clearTimeout(timer)
      resolve()
    }, reject)
  })
}
