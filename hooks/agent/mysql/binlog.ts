// What a binary log tells of its transactions: which they are, and when each was committed.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html, and for the events of GTIDs
// libbinlogevents/include/control_events.h of MySQL's source.
import { type GtidSet, type Interval, setOf } from './gtid.ts'

/** One binary log, as far as a point in time is concerned. */
export interface Log {
  /** Of the server that wrote it; the logs of one server are in the order of their names. */
  server: string
  name: string
  /** Transactions of the logs before it. */
  previous: GtidSet
  transactions: GtidSet
  /** Those of them that were committed after the time that was asked for. */
  later: GtidSet
  /** When the last of it was written: seconds since 1970. */
  end: number
}

/** Reads so many bytes from there on; fewer only at the end. */
export type Reader = (offset: number, length: number) => Uint8Array

const headerLength = 19
const types = { gtid: 33, anonymousGtid: 34, previousGtids: 35, taggedGtid: 42 } as const

/**
 * Reads a log; `until` is the time in milliseconds since 1970 by which the last transaction was committed. Throws an Error
 * with a sentence where it is none, is not whole, or has what cannot be told apart by GTIDs.
 */
export function readLog(server: string, name: string, read: Reader, until = Number.POSITIVE_INFINITY): Log {
  const magic = read(0, 4)
  if (magic[0] !== 0xfe || magic[1] !== 0x62 || magic[2] !== 0x69 || magic[3] !== 0x6e) {
    throw new Error(`${name} is no binary log that can be read`)
  }
  const limit = until === Number.POSITIVE_INFINITY ? undefined : BigInt(until) * 1000n
  let previous: GtidSet = new Map()
  const all: [string, Interval][] = []
  const later: [string, Interval][] = []
  let end = 0
  let offset = 4
  while (true) {
    const header = read(offset, headerLength)
    if (header.length === 0) break
    const isWhole = header.length === headerLength
    const type = header[4] ?? 0
    const length = isWhole ? viewOf(header).getUint32(9, true) : 0
    // Some events have none, such as those that a server makes up.
    end = Math.max(end, isWhole ? viewOf(header).getUint32(0, true) : 0)
    if (length < headerLength || read(offset + length - 1, 1).length === 0) {
      throw new Error(`${name} is cut off at byte ${offset}`)
    }
    if (type === types.taggedGtid) throw new Error(`${name} has transactions with tags, which are not known here`)
    if (type === types.anonymousGtid) throw new Error(`${name} has transactions without a GTID`)
    if (type === types.previousGtids || type === types.gtid) {
      const body = read(offset + headerLength, Math.min(length - headerLength, 1 << 20))
      if (type === types.previousGtids) previous = previousGtids(name, body)
      else {
        const { source, number, committed } = transaction(body)
        all.push([source, [number, number]])
        if (limit !== undefined && committed > limit) later.push([source, [number, number]])
      }
    }
    offset += length
  }
  return { server, name, previous, transactions: setOf(all), later: setOf(later), end }
}

// flags, UUID, number, kind of clock, two numbers of that clock; then the time of the commit on this server, whose highest
// bit says that the one on the first server follows. In microseconds, 7 bytes each.
function transaction(body: Uint8Array): { source: string; number: bigint; committed: bigint } {
  const view = viewOf(body)
  const here = microseconds(view, 42)
  const isFromElsewhere = (here & (1n << 55n)) !== 0n
  return {
    source: uuidAt(body, 1),
    number: view.getBigInt64(17, true),
    committed: isFromElsewhere ? microseconds(view, 49) & ((1n << 55n) - 1n) : here,
  }
}

function microseconds(view: DataView, offset: number): bigint {
  return BigInt(view.getUint32(offset, true)) | (BigInt(view.getUint32(offset + 3, true) >>> 8) << 32n)
}

// How many UUIDs, and for each how many intervals, whose ends are excluded.
function previousGtids(name: string, body: Uint8Array): GtidSet {
  const view = viewOf(body)
  if (view.getUint8(7) !== 0) throw new Error(`${name} comes after transactions with tags, which are not known here`)
  const found: [string, Interval][] = []
  let offset = 8
  for (let sources = view.getBigUint64(0, true); sources > 0n; sources -= 1n) {
    const source = uuidAt(body, offset)
    let intervals = view.getBigUint64(offset + 16, true)
    offset += 24
    for (; intervals > 0n; intervals -= 1n) {
      found.push([source, [view.getBigInt64(offset, true), view.getBigInt64(offset + 8, true) - 1n]])
      offset += 16
    }
  }
  return setOf(found)
}

function uuidAt(bytes: Uint8Array, offset: number): string {
  const hex = Buffer.from(bytes.subarray(offset, offset + 16)).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
