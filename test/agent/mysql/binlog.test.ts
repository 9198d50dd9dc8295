// Binary logs as MySQL writes them, byte by byte, and which of them lead to a point in time.
import t from 'tap'
import { type Log, readLog } from '../../../hooks/agent/mysql/binlog.ts'
import { parseGtids, textOf } from '../../../hooks/agent/mysql/gtid.ts'
import { replay } from '../../../hooks/agent/mysql/replay.ts'

const one = '58e9f7d4-e938-11f1-a2e9-830fc19cc818'
const two = '00000000-0000-0000-0000-0000000000ff'
const noon = Date.parse('2026-03-01T12:00:00Z')

const number = (value: bigint | number, length: number) =>
  Buffer.from(Array.from({ length }, (_, index) => Number((BigInt(value) >> BigInt(8 * index)) & 255n)))
const uuid = (text: string) => Buffer.from(text.replaceAll('-', ''), 'hex')

/** An event with the checksum that is there by default. */
function event(type: number, body: Buffer, seconds = noon / 1000): Buffer {
  const length = 19 + body.length + 4
  return Buffer.concat([
    number(seconds, 4),
    number(type, 1),
    number(1, 4),
    number(length, 4),
    number(0, 6),
    body,
    Buffer.alloc(4),
  ])
}

function previous(intervals: readonly [source: string, first: number, last: number][]): Buffer {
  const body = intervals.map(([source, first, last]) =>
    Buffer.concat([uuid(source), number(1, 8), number(first, 8), number(last + 1, 8)]),
  )
  return event(35, Buffer.concat([number(intervals.length, 8), ...body]))
}

/** When it was committed here, and first of all where it came from, both in milliseconds. */
function transaction(source: string, id: number, here: number, first?: number): Buffer {
  const time = (value: number, flag: boolean) => number((BigInt(value) * 1000n) | (flag ? 1n << 55n : 0n), 7)
  const clock = Buffer.concat([number(2, 1), number(0, 8), number(1, 8)])
  const times = first === undefined ? time(here, false) : Buffer.concat([time(here, true), time(first, false)])
  return event(
    33,
    Buffer.concat([number(1, 1), uuid(source), number(id, 8), clock, times, number(100, 1)]),
    Math.floor(here / 1000),
  )
}

const magic = Buffer.from([0xfe, 0x62, 0x69, 0x6e])
const other = event(2, Buffer.from('anything'))
const read = (bytes: Buffer, until?: number) =>
  readLog('s', 'binlog.000001', (offset, length) => bytes.subarray(offset, offset + length), until)

t.test('which transactions are in a log, and which were before it', async (t) => {
  const log = read(
    Buffer.concat([
      magic,
      event(15, Buffer.alloc(100)),
      previous([
        [one, 1, 4],
        [two, 7, 7],
      ]),
      transaction(one, 5, noon),
      other,
      transaction(one, 6, noon + 1000),
      other,
      event(4, Buffer.from('binlog.000002'), noon / 1000 + 9),
    ]),
  )
  t.equal(textOf(log.previous), `${one}:1-4,${two}:7`)
  t.equal(textOf(log.transactions), `${one}:5-6`)
  t.equal(textOf(log.later), '')
  t.equal(log.end, noon / 1000 + 9)
})

t.test('a transaction counts by when it was committed first, to the microsecond', async (t) => {
  const log = read(
    Buffer.concat([
      magic,
      previous([]),
      transaction(one, 1, noon),
      transaction(one, 2, noon + 1),
      transaction(one, 3, noon + 5000, noon - 1),
      transaction(one, 4, noon - 5000, noon + 1),
    ]),
    noon,
  )
  t.equal(textOf(log.later), `${one}:2:4`)
})

t.test('what is no whole log with GTIDs is told', async (t) => {
  t.throws(() => read(Buffer.from('#!/bin/sh')), { message: /binlog\.000001 is no binary log/ })
  const whole = Buffer.concat([magic, previous([]), transaction(one, 1, noon)])
  for (const cut of [1, 10, 60]) {
    t.throws(() => read(whole.subarray(0, whole.length - cut)), { message: /is cut off at byte \d+/ })
  }
  t.throws(() => read(Buffer.concat([magic, event(34, Buffer.alloc(60))])), { message: /without a GTID/ })
  t.throws(() => read(Buffer.concat([magic, event(42, Buffer.alloc(60))])), { message: /with tags/ })
})

function log(server: string, id: number, before: string, own: string, more: Partial<Log> = {}): Log {
  return {
    server,
    name: `binlog.${String(id).padStart(6, '0')}`,
    previous: parseGtids(before),
    transactions: parseGtids(own),
    later: new Map(),
    end: noon / 1000,
    ...more,
  }
}

const told = (found: ReturnType<typeof replay>) =>
  found.logs === undefined
    ? found.failure
    : [found.logs.map(({ server, name }) => `${server}${Number(name.slice(7))}`).join(' '), found.stopBefore]

t.test('logs that add something are replayed in order, whoever wrote them', async (t) => {
  const copied = parseGtids(`${one}:1-4`)
  const a = [
    log('a', 1, '', `${one}:1-3`),
    log('a', 2, `${one}:1-3`, `${one}:4-6`),
    log('a', 3, `${one}:1-6`, `${one}:7-9`),
  ]
  t.same(told(replay(copied, [...a].reverse(), undefined)), ['a2 a3', ''])
  // The new primary has as a replica what the one before it wrote last.
  const b = [log('b', 8, `${one}:1-5`, `${one}:6-8`), log('b', 9, `${one}:1-8`, `${one}:9-12`)]
  t.same(told(replay(copied, [...b, ...a], undefined)), ['a2 a3 b9', ''])
  t.same(told(replay(copied, [...b, ...a.slice(0, 2)], undefined)), ['a2 b8 b9', ''])
  t.same(told(replay(copied, [], undefined)), ['', ''])
})

t.test('to a time: before the first that was later, and not where the log does not reach it', async (t) => {
  const copied = parseGtids(`${one}:1-4`)
  const first = log('a', 1, `${one}:1-4`, `${one}:5-6`, { end: noon / 1000 - 60 })
  const second = log('a', 2, `${one}:1-6`, `${one}:7-9`, { later: parseGtids(`${one}:8-9`) })
  t.same(told(replay(copied, [first, second], noon)), ['a1 a2', `${one}:8-9`])
  t.same(told(replay(copied, [first, { ...second, later: new Map() }], noon)), ['a1 a2', ''], 'it ends there')
  t.equal(told(replay(copied, [first], noon)), 'what is archived ends at 2026-03-01T11:59:00Z')
  t.equal(told(replay(copied, [], noon)), 'nothing of the log was archived since the copy')
  const third = log('a', 3, `${one}:1-9`, `${one}:10`)
  t.match(told(replay(copied, [first, third], noon)), /ends at .*; 1 later logs do not follow on it/)
})

t.test('from the number 999999 on the names of logs have more digits', async (t) => {
  const all = [log('a', 1000000, `${one}:1-2`, `${one}:3`), log('a', 999999, `${one}:1`, `${one}:2`)]
  t.same(told(replay(parseGtids(`${one}:1`), all, undefined)), ['a999999 a1000000', ''])
})
