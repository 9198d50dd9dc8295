// The agent of MySQL: keeps its member in the group of Group Replication, and says what the member is.
import type { MakeAgent } from '../agent.ts'
import { required } from '../agent.ts'
import { serverAt } from './connection.ts'

export const makeAgent: MakeAgent = ({ env }) => {
  const folder = required(env, 'SUPERUSER_FOLDER')
  const local = serverAt(
    { socketPath: required(env, 'MYSQL_SOCKET') },
    { user: 'root', passwordFiles: ['superuser-password', 'superuser-password-previous'].map((n) => `${folder}/${n}`) },
  )
  return {
    async step() {
      const [member] = await local.query(
        'SELECT MEMBER_STATE AS state, MEMBER_ROLE AS role FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid',
      )
      if (member?.state !== 'ONLINE') return { role: undefined, state: String(member?.state ?? 'OFFLINE') }
      return { role: member.role === 'PRIMARY' ? 'primary' : 'replica', state: `ONLINE as ${member.role}` }
    },
    close: () => local.close(),
  }
}
