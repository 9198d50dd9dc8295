// Questions to MongoDB servers and what the agent tells them, through the driver.
import { connect } from 'node:net'
import { type Document, MongoClient, type MongoClientOptions, MongoServerError } from 'mongodb'
import type { Holdings, ReplicaSetConfig, Server } from './decide.ts'

/** A server as its own pod's agent reaches it. */
export interface OwnServer {
  /** What it says of itself. Throws when it does not answer. */
  hello(): Promise<Hello>
  /** Whether the administrator can log in, with the password in force or the one before. Throws when it does not answer. */
  logIn(): Promise<boolean>
  /** What is in it, when `hello` says that it is in no replica set. */
  holdings(): Promise<Holdings>
  /** The replica set's configuration, for an administrator who is logged in. */
  config(): Promise<ReplicaSetConfig>
  initiate(config: ReplicaSetConfig): Promise<void>
  /** Where nobody is there yet, MongoDB lets a client from the same host make the first user. Throws where somebody is. */
  createAdministrator(): Promise<void>
  reconfigure(config: ReplicaSetConfig): Promise<void>
  /** The primary becomes a secondary, and is not elected again for a minute. */
  stepDown(): Promise<void>
  close(): Promise<void>
}

export interface Hello {
  server: Server
  /** Hosts of the members, as far as it is one. */
  hosts: string[]
}

export interface Reach {
  /** Whether servers take no connection without TLS. */
  tls: boolean
  administrator: string
  /** The passwords that may be right, in this order. Read for every login: they change while the agent runs. */
  passwords(): string[]
  /** Milliseconds for a question, and for a change, which asks the other members. */
  timeouts: { question: number; change: number }
}

/** https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
const codes = { unauthorized: 13, authenticationFailed: 18, notYetInitialized: 94, invalidReplicaSetConfig: 93 }

/** The own server, at 127.0.0.1 or where a test has one. */
export function ownServer(address: string, reach: Reach): OwnServer {
  const { question, change: changing } = reach.timeouts
  const ask = asker(question)
  let anybody = client(address, reach)
  let administrator: MongoClient | undefined

  // As the administrator if he can log in; otherwise as anybody, whom a server without users lets begin.
  const change = async (command: Document) => {
    await ask(administrator ?? anybody, command, changing)
  }
  return {
    async hello() {
      try {
        const answer = await ask(anybody, { hello: 1 })
        return { server: serverOf(answer, 'unknown'), hosts: strings(answer.hosts) }
      } catch (error) {
        // A client whose first connection failed may stay closed for good.
        const failed = anybody
        anybody = client(address, reach)
        await failed.close(true)
        throw error
      }
    },
    async logIn() {
      if (administrator !== undefined) {
        try {
          await ask(administrator, { connectionStatus: 1 })
          return true
        } catch (error) {
          await administrator.close()
          administrator = undefined
          if (codeOf(error) === undefined) throw error
        }
      }
      administrator = await loggedIn(address, reach)
      return administrator !== undefined
    },
    holdings: () => holdings(ask, administrator, anybody),
    async config() {
      // Integers of 64 bits stay what they are, so that nothing of it changes on the way back.
      const answer = await ask(administrator ?? anybody, { replSetGetConfig: 1 }, question, {
        promoteLongs: false,
      })
      if (!isConfig(answer.config)) throw new Error('replSetGetConfig has no configuration in its answer')
      return answer.config
    },
    initiate: (config) => change({ replSetInitiate: config }),
    async createAdministrator() {
      const [pwd] = reach.passwords()
      const command = { createUser: reach.administrator, pwd, roles: [{ role: 'root', db: 'admin' }] }
      try {
        await ask(anybody, command, changing)
      } catch (error) {
        if (codeOf(error) !== codes.unauthorized) throw error
        throw new Error('the administrator can log in with neither password, and there are users already')
      }
    },
    reconfigure: (config) => change({ replSetReconfig: config, maxTimeMS: changing - 5000 }),
    stepDown: () => change({ replSetStepDown: 60, secondaryCatchUpPeriodSecs: 10 }),
    async close() {
      await Promise.all([anybody.close(), administrator?.close()])
    },
  }
}

/** What there is at the address of another member. Never throws. */
export async function otherServer(address: string, reach: Reach): Promise<Server> {
  if (await isAbsent(address, reach.timeouts.question)) return { is: 'absent' }
  const ask = asker(reach.timeouts.question)
  const anybody = client(address, reach)
  let administrator: MongoClient | undefined
  try {
    const server = serverOf(await ask(anybody, { hello: 1 }), 'unknown')
    if (server.is !== 'outside') return server
    administrator = await loggedIn(address, reach)
    return {
      is: 'outside',
      holds: administrator === undefined ? 'unknown' : await holdings(ask, administrator, anybody),
    }
  } catch {
    return { is: 'silent' }
  } finally {
    await Promise.all([anybody.close(), administrator?.close()])
  }
}

// A driver goes on trying for as long as it may.
function isAbsent(address: string, milliseconds: number): Promise<boolean> {
  const { hostname, port } = new URL(`mongodb://${address}`)
  const socket = connect({ host: hostname, port: Number(port), timeout: milliseconds })
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(false))
    socket.once('timeout', () => resolve(false))
    socket.once('error', (error) => resolve(['ENOTFOUND', 'ECONNREFUSED'].includes(String(Reflect.get(error, 'code')))))
  }).finally(() => socket.destroy())
}

// What was removed from a replica set and what never was in one answer hello alike; replSetGetStatus tells them apart.
// Without a login it is answered to clients of the same host, and only as long as there is no user.
async function holdings(ask: Ask, administrator: MongoClient | undefined, anybody: MongoClient): Promise<Holdings> {
  try {
    await ask(administrator ?? anybody, { replSetGetStatus: 1 })
    throw new Error('a server in no replica set knows the status of one')
  } catch (error) {
    switch (codeOf(error)) {
      case codes.notYetInitialized:
        return administrator === undefined ? 'nothing' : 'database'
      case codes.invalidReplicaSetConfig:
        return 'former member'
      case codes.unauthorized:
        return 'unknown'
      default:
        throw error
    }
  }
}

// https://www.mongodb.com/docs/manual/reference/command/hello/: setName is there for members only.
function serverOf(hello: Document, holds: Holdings): Server {
  if (typeof hello.setName !== 'string') return { is: 'outside', holds }
  if (hello.isWritablePrimary === true) return { is: 'member', state: 'primary' }
  return { is: 'member', state: hello.secondary === true ? 'secondary' : 'syncing' }
}

async function loggedIn(address: string, reach: Reach): Promise<MongoClient | undefined> {
  for (const password of reach.passwords()) {
    const made = client(address, reach, { auth: { username: reach.administrator, password }, authSource: 'admin' })
    try {
      return await made.connect()
    } catch (error) {
      await made.close()
      if (codeOf(error) !== codes.authenticationFailed) throw error
    }
  }
  return undefined
}

function client(address: string, { tls, timeouts }: Reach, more: MongoClientOptions = {}): MongoClient {
  return new MongoClient(`mongodb://${address}/`, {
    directConnection: true,
    appName: 'operator-hooks agent',
    serverSelectionTimeoutMS: timeouts.question,
    connectTimeoutMS: timeouts.question,
    maxPoolSize: 2,
    heartbeatFrequencyMS: 1000,
    serverMonitoringMode: 'poll',
    retryReads: false,
    // Nothing secret is told before the login, which proves that both know the password and shows it to nobody; and a
    // certificate is for the names of Services, not for 127.0.0.1.
    ...(tls ? { tls: true, tlsInsecure: true } : {}),
    ...more,
  })
}

type Ask = ReturnType<typeof asker>

function asker(question: number) {
  return (
    client: MongoClient,
    command: Document,
    milliseconds = question,
    options: { promoteLongs?: boolean } = {},
  ): Promise<Document> =>
    client
      .db('admin')
      .command(command, { signal: AbortSignal.timeout(milliseconds), readPreference: 'primaryPreferred', ...options })
}

function codeOf(error: unknown): number | undefined {
  return error instanceof MongoServerError && typeof error.code === 'number' ? error.code : undefined
}

function isConfig(value: unknown): value is ReplicaSetConfig {
  if (typeof value !== 'object' || value === null) return false
  const { version, members }: { version?: unknown; members?: unknown } = value
  return typeof version === 'number' && Array.isArray(members)
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
