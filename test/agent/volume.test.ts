// When a volume counts as full: by what the file system says of the room in it.
import t from 'tap'
import { isFull, roomIn } from '../../hooks/agent/volume.ts'

const mebibytes = 2 ** 20

t.test('full is what has no room for the next file of a log, until there is clearly more', async (t) => {
  t.equal(isFull({ bytes: 33 * mebibytes, files: undefined }, false), false)
  t.equal(isFull({ bytes: 31 * mebibytes, files: undefined }, false), true)
  t.equal(isFull({ bytes: 33 * mebibytes, files: undefined }, true), true)
  t.equal(isFull({ bytes: 65 * mebibytes, files: undefined }, true), false)
  t.equal(isFull({ bytes: 1e12, files: 0 }, false), true, 'there are no files left either')
})

t.test('a folder is looked at, or said not to be there', async (t) => {
  const { bytes } = await roomIn(t.testdir())
  t.ok(Number.isInteger(bytes) && bytes >= 0)
  await t.rejects(roomIn('/nowhere/at/all'), { code: 'ENOENT' })
})
