// Sets of transactions as MySQL writes them.
import fc from 'fast-check'
import t from 'tap'
import { comesFrom, includes, parseGtids, unionOf } from '../../../hooks/agent/mysql/gtid.ts'

const one = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const other = '64378c09-7670-8717-8473-2a4bdaf1f50d'

t.test('as the server prints them', async (t) => {
  const set = parseGtids(`${one}:1-3:11:47-49,\n${other}:5`)
  t.ok(includes(set, parseGtids(`${one}:2-3:48`)))
  t.ok(includes(set, parseGtids('')))
  t.notOk(includes(set, parseGtids(`${one}:3-4`)))
  t.notOk(includes(parseGtids(''), set))
  t.ok(includes(parseGtids(`${one}:1-3,${one}:4-9`), parseGtids(`${one}:2-8`)), 'neighbours are one interval')
  t.ok(comesFrom(set, other.toUpperCase()))
  t.notOk(comesFrom(parseGtids(`${one}:1`), other))
})

t.test('those with tags are others than those without', async (t) => {
  const tagged = parseGtids(`${one}:1-3:blue:1-2:red:7`)
  t.ok(includes(tagged, parseGtids(`${one}:blue:2`)))
  t.notOk(includes(tagged, parseGtids(`${one}:red:1`)))
  t.notOk(includes(tagged, parseGtids(`${one}:4`)))
  t.ok(comesFrom(parseGtids(`${one}:blue:1`), one))
})

t.test('what is no set is refused', async (t) => {
  for (const text of [one, `${one}:`, `${one}:1-`, `${one}:x y`]) t.throws(() => parseGtids(text), /is no set/, text)
})

t.test('includes and unionOf are those of sets', async () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 12 }))
  const setOf = (members: readonly number[]) => parseGtids(members.map((number) => `${one}:${number}`).join())
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const union = unionOf(setOf(a), setOf(b))
      const holds = [...a, ...b].every((each) => includes(union, setOf([each])))
      const whole = includes(setOf(a), setOf(b)) === b.every((each) => a.includes(each))
      const more = Array.from({ length: 12 }, (_, index) => index + 1).filter(
        (each) => !a.includes(each) && !b.includes(each),
      )
      return holds && whole && more.every((each) => !includes(union, setOf([each])))
    }),
    { numRuns: 300 },
  )
})
