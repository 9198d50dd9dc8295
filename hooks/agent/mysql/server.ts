// Connections to MySQL, of which there is one to each server, and whose passwords change while they are open.
import { type Connection, type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise'

/** Rows by column name. */
type Row = Record<string, unknown>

/** One server. */
export interface Server {
  /** `milliseconds` is how long the answer may take. An error's message holds nothing of `values`. */
  query(sql: string, values?: readonly unknown[], milliseconds?: number): Promise<Row[]>
  /** Ends the connection; the next query makes a new one. */
  close(): Promise<void>
}

export interface Login {
  user: string
  /** Read anew for each connection. The first that lets in is the one: during a rotation there are two. */
  passwords(): readonly string[]
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
    async query(sql, values = [], timeout = 3000) {
      open ??= connect(place, login)
      const connection = await open.catch((error: unknown) => {
        // The next query tries again: passwords change, and a server that is being made has none yet.
        open = undefined
        throw error
      })
      try {
        const [rows] = await connection.query<RowDataPacket[]>({ sql, values: [...values], timeout })
        return Array.isArray(rows) ? rows : []
      } catch (error) {
        // What an error leaves behind is not trusted; a refused statement is none such.
        if (!isRefusal(error)) await close()
        throw values.length === 0 ? error : withoutValues(error)
      }
    },
    close,
  }
}

async function connect(place: ConnectionOptions, { user, passwords }: Login): Promise<Connection> {
  let refused: unknown = new Error(`there is no password for ${user}`)
  for (const password of passwords()) {
    try {
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

// A message such as that of a syntax error cites the statement, in which the values are by then.
function withoutValues(error: unknown): Error {
  const code = errorCode(error) || 'unknown'
  return Object.assign(new Error(`a statement failed: ${code}`), { code })
}

/** The server understood and said no: the connection is as good as before, but where the server ends. */
function isRefusal(error: unknown): boolean {
  const code = errorCode(error)
  return code.startsWith('ER_') && code !== 'ER_SERVER_SHUTDOWN' && Reflect.get(error as Error, 'fatal') !== true
}
