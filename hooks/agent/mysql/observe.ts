// What a server says of itself and of its group.
import type { MemberState, Observation } from './decide.ts'
import { ordinalOf } from './group.ts'
import { comesFrom, parseGtids, unionOf } from './gtid.ts'
import { readRegistry } from './registry.ts'
import type { Server } from './server.ts'

/** A server's own view of the group that it is in. */
export interface View {
  state: MemberState
  primary: boolean
  /** More than half of the members can be reached. */
  quorum: boolean
  /** Host names of all members, as they report them. */
  hosts: readonly string[]
  /** It is reached over its socket alone. */
  closed: boolean
}

/** Asked twice a second: one statement, on tables in memory. */
export async function viewOf(server: Server): Promise<View> {
  const rows = await server.query(`
    SELECT MEMBER_HOST AS host, MEMBER_STATE AS state, MEMBER_ROLE AS role, MEMBER_ID = @@server_uuid AS own,
      @@GLOBAL.skip_networking AS closed
    FROM performance_schema.replication_group_members`)
  const own = rows.find((row) => Number(row.own) === 1)
  const reachable = rows.filter(({ state }) => state !== 'UNREACHABLE')
  return {
    state: (own?.state as MemberState | undefined) ?? 'OFFLINE',
    primary: own?.role === 'PRIMARY',
    quorum: reachable.length * 2 > rows.length,
    // Outside a group a server is alone in the table, and without a name in versions that never began it.
    hosts: rows.map(({ host }) => String(host)).filter((host) => host !== ''),
    closed: Number(rows[0]?.closed ?? 1) === 1,
  }
}

/** All that a decision needs; `group` is the group's name. */
export async function observe(server: Server, group: string): Promise<Observation> {
  const { state, quorum, primary, hosts } = await viewOf(server)
  const [said] = await server.query(`
    SELECT @@GLOBAL.gtid_executed AS executed,
      (SELECT GROUP_CONCAT(RECEIVED_TRANSACTION_SET) FROM performance_schema.replication_connection_status
       WHERE CHANNEL_NAME = 'group_replication_applier') AS received,
      (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN (${systemSchemas})) AS \`schemas\`,
      (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN (${systemSchemas})) AS \`tables\``)
  const gtids = unionOf(parseGtids(String(said?.executed ?? '')), parseGtids(String(said?.received ?? '')))
  return {
    state,
    quorum,
    primary,
    members: hosts.map(ordinalOf),
    gtids,
    joined: comesFrom(gtids, group),
    schemas: Number(said?.schemas) > 0,
    tables: Number(said?.tables) > 0,
    registry: (await readRegistry(server)) ?? [],
  }
}

const systemSchemas = "'mysql', 'sys', 'information_schema', 'performance_schema', 'operator_hooks'"
