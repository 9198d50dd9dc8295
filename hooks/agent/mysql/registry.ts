// The table in which the members of a group are entered. It is replicated like any other, so that the order of entries and
// of all other transactions is one: a member that has the last transaction knows every member that could have it.
import { errorCode, type Server } from './server.ts'

/** After so many seconds an entry of a member that never came is no more than an attempt. */
const attemptSeconds = 600

/** Ordinals of the entries; undefined where there is no such table yet. */
export async function readRegistry(server: Server): Promise<number[] | undefined> {
  try {
    const rows = await server.query('SELECT ordinal FROM operator_hooks.members ORDER BY ordinal')
    return rows.map(({ ordinal }) => Number(ordinal))
  } catch (error) {
    if (['ER_NO_SUCH_TABLE', 'ER_BAD_DB_ERROR'].includes(errorCode(error))) return undefined
    throw error
  }
}

/** Enters a member, on a server that takes writes. */
export async function enter(server: Server, ordinal: number): Promise<void> {
  await server.query(
    'INSERT INTO operator_hooks.members (ordinal, entered) VALUES (?, UTC_TIMESTAMP()) ON DUPLICATE KEY UPDATE entered = UTC_TIMESTAMP()',
    [ordinal],
  )
}

/** Takes a member out again, on a server that takes writes; with `seconds` only one that was entered longer ago. */
export async function strikeOut(server: Server, ordinal: number, seconds?: number): Promise<void> {
  const old = seconds === undefined ? '' : ` AND entered < UTC_TIMESTAMP() - INTERVAL ${seconds} SECOND`
  await server.query(`DELETE FROM operator_hooks.members WHERE ordinal = ?${old}`, [ordinal])
}

/**
 * Has the table say what the primary sees: those that are in the group, and those that were entered a short while ago and
 * are about to join. `gone` were in it and are not any more. Writes only when something is to be changed: each statement
 * that makes something is a transaction, even where it is there already.
 */
export async function keepRegistry(
  server: Server,
  present: readonly number[],
  gone: ReadonlySet<number>,
): Promise<void> {
  const entered = (await readRegistry(server)) ?? (await make(server))
  for (const ordinal of present.filter((each) => !entered.includes(each))) await enter(server, ordinal)
  for (const ordinal of entered.filter((each) => !present.includes(each))) {
    await strikeOut(server, ordinal, gone.has(ordinal) ? undefined : attemptSeconds)
  }
}

async function make(server: Server): Promise<number[]> {
  await server.query('CREATE DATABASE IF NOT EXISTS operator_hooks')
  await server.query(
    'CREATE TABLE IF NOT EXISTS operator_hooks.members (ordinal INT PRIMARY KEY, entered DATETIME NOT NULL)',
  )
  return []
}
