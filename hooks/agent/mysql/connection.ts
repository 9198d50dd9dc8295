// Connections to MySQL, of which there is one to each server, and whose passwords change while they are open.
import { existsSync, readFileSync } from 'node:fs'
import { type Connection, type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise'

/** Rows by column name. */
export type Row = Record<string, unknown>

/** One server. */
export interface Server {
  query(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** Ends the connection; the next query makes a new one. */
  close(): Promise<void>
}

export interface Login {
  user: string
  /** Files with passwords, of which the first that lets in is the one: during a rotation there are two. */
  passwordFiles: readonly string[]
}

/** How long a connection and each query may take. */
const connectMilliseconds = 2000

/** A server that is connected to when it is first asked, and again after an error. */
export function serverAt(place: Pick<ConnectionOptions, 'socketPath' | 'host' | 'port' | 'ssl'>, login: Login): Server {
  let open: Promise<Connection> | undefined
  const close = async () => {
    const closing = open
    open = undefined
    await closing?.then(
      (connection) => connection.destroy(),
      () => undefined,
    )
  }
  return {
    async query(sql, values = []) {
      open ??= connect(place, login)
      try {
        const connection = await open
        const [rows] = await connection.query<RowDataPacket[]>({ sql, values: [...values], timeout: 3000 })
        return Array.isArray(rows) ? rows : []
      } catch (error) {
        // What an error leaves behind is not trusted; a refused statement is none such.
        if (!isRefusal(error)) await close()
        throw error
      }
    },
    close,
  }
}

async function connect(place: ConnectionOptions, { user, passwordFiles }: Login): Promise<Connection> {
  const files = passwordFiles.filter((file) => existsSync(file))
  let refused: unknown = new Error(`there is no password file ${passwordFiles.join(' or ')}`)
  for (const file of files) {
    try {
      const password = readFileSync(file, 'utf8')
      const connection = await createConnection({ ...place, user, password, connectTimeout: connectMilliseconds })
      // An error between two queries is met by the next one.
      connection.on('error', () => undefined)
      return connection
    } catch (error) {
      if (errorCode(error) !== 'ER_ACCESS_DENIED_ERROR') throw error
      refused = error
    }
  }
  throw refused
}

/** MySQL's name of an error, or Node's: ER_ACCESS_DENIED_ERROR, ECONNREFUSED. */
export function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : ''
}

/** The server understood and said no: the connection is as good as before. */
function isRefusal(error: unknown): boolean {
  return errorCode(error).startsWith('ER_') && Reflect.get(error as Error, 'fatal') !== true
}
