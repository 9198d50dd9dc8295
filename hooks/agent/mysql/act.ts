// How a decision is carried out on the own server.
import { enter, strikeOut } from './registry.ts'
import { errorCode, type Server } from './server.ts'

/** The account by which members reach one another. */
export const recoveryUser = 'replication'

/** What joining takes: at most the time until the group has taken the member in. What it lacks comes afterwards. */
const startMilliseconds = 120_000

/** How long a server that joins waits to be let in by another, at most. */
const loginSeconds = 3

/** What it takes until another is the primary, at most. */
const handOverMilliseconds = 20_000

/** The own server as an administrator, and as the members among themselves. */
export interface Own {
  root: Server
  /** Logs in with the password that the members should have. */
  recovery: Server
  recoveryPassword(): string
}

/** `first` is the group's UUID where this begins its history. */
export async function bootstrap(own: Own, first: string | undefined): Promise<void> {
  await prepare(own, async ({ root }) => {
    // A transaction that is in nobody's binary log, and the group's first. What was there before may be in no log either:
    // a new member whose clone fails would else be content with the logs, and be a member without that data.
    if (first !== undefined) await root.query(`SET GLOBAL gtid_purged = '+${first}:1'`)
  })
  await own.root.query('SET GLOBAL group_replication_bootstrap_group = ON')
  try {
    await own.root.query('START GROUP_REPLICATION', [], startMilliseconds)
  } finally {
    await own.root.query('SET GLOBAL group_replication_bootstrap_group = OFF')
  }
}

export interface Joining {
  self: number
  primary: Server
  /** `host:port` of members. */
  seeds: readonly string[]
}

export async function join(own: Own, { self, primary, seeds }: Joining): Promise<void> {
  const { root } = own
  await prepare(own)
  await root.query('SET GLOBAL group_replication_group_seeds = ?', [seeds.join()])
  // Before it joins, so that nobody who has all transactions fails to know of it.
  await enter(primary, self)
  await startJoining(own)
}

/**
 * Starts replication as a member of a group that is there. The one thread of a server that does its part in the group also logs
 * in to the others, and waits for an answer as long as `net_read_timeout` says, 30 s: while it does, nobody commits. And nobody
 * is let in by a server whose statement about accounts waits to be committed. So it does not wait long.
 */
async function startJoining({ root }: Own): Promise<void> {
  const [{ before } = {}] = await root.query('SELECT @@GLOBAL.net_read_timeout AS `before`')
  await root.query('SET GLOBAL net_read_timeout = ?', [loginSeconds])
  try {
    await root.query('START GROUP_REPLICATION', [], startMilliseconds)
  } finally {
    // What was left by an agent that was killed is nobody's wish.
    await root.query(`SET GLOBAL net_read_timeout = ${Number(before) === loginSeconds ? 'DEFAULT' : Number(before)}`)
  }
}

export interface Cloning {
  self: number
  primary: Server
  donors: readonly { host: string; port: number }[]
}

/**
 * Has the server take over the data of the first of `donors` that gives it; it starts again with that.
 * Group Replication would take one as well, after it had joined: some five seconds later, and whom a server refuses, which
 * gives one copy at a time, then loses half a minute.
 * https://dev.mysql.com/doc/refman/8.4/en/clone-plugin-remote.html
 */
export async function clone(own: Own, { self, primary, donors }: Cloning): Promise<void> {
  const { root, recoveryPassword } = own
  // Its copy has to tell that it is none of the members yet, whatever it was before it lost its data.
  await strikeOut(primary, self)
  await root.query('SET GLOBAL clone_valid_donor_list = ?', [donors.map(({ host, port }) => `${host}:${port}`).join()])
  await root.query('SET GLOBAL super_read_only = OFF')
  try {
    // Its own first steps, such as accounts that the image made, are none of the group's.
    await forgetTransactions(root)
    let refused: unknown
    for (const { host, port } of donors) {
      try {
        // However long it takes.
        await root.query(
          'CLONE INSTANCE FROM ?@?:? IDENTIFIED BY ? REQUIRE SSL',
          [recoveryUser, host, port, recoveryPassword()],
          0,
        )
        return
      } catch (error) {
        if (endings.includes(errorCode(error))) return
        refused = error
      }
    }
    throw refused
  } finally {
    await root.query('SET GLOBAL super_read_only = ON').catch(() => undefined)
  }
}

/** How it is told that the server went to start again. */
const endings = ['ER_SERVER_SHUTDOWN', 'PROTOCOL_CONNECTION_LOST', 'ECONNRESET']

export async function stop({ root }: Own): Promise<void> {
  await root.query('STOP GROUP_REPLICATION', [], startMilliseconds)
}

/** Seconds that transactions have to end of themselves before another is the primary. */
const graceSeconds = 2

/** Has the member at `host` be the primary: transactions that run are ended first, and new ones wait for it. */
export async function handOver({ root }: Own, host: string): Promise<void> {
  const [member] = await root.query(
    "SELECT MEMBER_ID AS id FROM performance_schema.replication_group_members WHERE MEMBER_HOST = ? AND MEMBER_STATE = 'ONLINE'",
    [host],
  )
  if (member === undefined) throw new Error(`${host} is not ONLINE in the group`)
  await root.query('SELECT group_replication_set_as_primary(?, ?)', [member.id, graceSeconds], handOverMilliseconds)
}

/** Has it take no writes any more. */
export async function close({ root }: Own): Promise<void> {
  await root.query('SET GLOBAL super_read_only = ON', [], handOverMilliseconds)
}

/** The account on a server outside its group: for this server alone, since the others have it by themselves. */
async function prepare(own: Own, more?: (own: Own) => Promise<void>): Promise<void> {
  const { root } = own
  await root.query('SET GLOBAL super_read_only = OFF')
  try {
    await root.query('SET SESSION sql_log_bin = 0')
    await keepRecoveryAccount(own)
    await more?.(own)
  } finally {
    await root.query('SET SESSION sql_log_bin = 1')
    await root.query('SET GLOBAL super_read_only = ON')
  }
  await useRecoveryPassword(own)
}

/** Makes the account, or gives it the password of the file where it has another; that one stays good beside it. */
export async function keepRecoveryAccount({ root, recovery, recoveryPassword }: Own): Promise<void> {
  try {
    await recovery.query('DO 0')
  } catch (error) {
    if (errorCode(error) !== 'ER_ACCESS_DENIED_ERROR') throw error
    const password = recoveryPassword()
    const account = `'${recoveryUser}'@'%'`
    const [{ there } = {}] = await root.query('SELECT COUNT(*) AS there FROM mysql.user WHERE User = ?', [recoveryUser])
    if (Number(there) > 0) await root.query(`ALTER USER ${account} IDENTIFIED BY ? RETAIN CURRENT PASSWORD`, [password])
    else await root.query(`CREATE USER ${account} IDENTIFIED BY ?`, [password])
    // https://dev.mysql.com/doc/refman/8.4/en/group-replication-user-credentials.html
    await root.query(
      `GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO ${account}`,
    )
  } finally {
    // Who was let in stays in: the next time it has to be tried anew.
    await recovery.close()
  }
}

/** Has the own server log in to others with the password of the file. */
export async function useRecoveryPassword({ root, recoveryPassword }: Own): Promise<void> {
  await root.query(
    "CHANGE REPLICATION SOURCE TO SOURCE_USER = ?, SOURCE_PASSWORD = ? FOR CHANNEL 'group_replication_recovery'",
    [recoveryUser, recoveryPassword()],
  )
}

async function forgetTransactions(root: Server): Promise<void> {
  try {
    await root.query('RESET BINARY LOGS AND GTIDS')
  } catch (error) {
    if (errorCode(error) !== 'ER_PARSE_ERROR') throw error
    // As it was called before 8.2.
    await root.query('RESET MASTER')
  }
}
