// Who is made the primary by those who stand in for the agents of replicated databases.
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type Role, replicationLabel, roleLabel } from '../../hooks/sdk/roles.ts'
import { changedRoles } from '../../hooks/simulator/standins/agents.ts'

const member = (ordinal: number, role?: Role): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: `db-${ordinal}`,
    labels: { [replicationLabel]: 'patroni', ...(role !== undefined && { [roleLabel]: role }) },
  },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  },
})
const changed = (pods: KubernetesObject[], members?: number) =>
  Object.fromEntries([...changedRoles(pods, members)].map(([{ metadata }, role]) => [metadata.name, role]))

t.test('of members that begin together the first is the primary', async (t) => {
  t.strictSame(changed([member(1), member(0)]), { 'db-0': 'primary', 'db-1': 'replica' })
})

t.test('one that was made anew before anybody looked does not take over again', async (t) => {
  const pods = [member(0), member(1, 'replica'), member(2, 'replica')]
  t.strictSame(changed(pods), { 'db-0': 'replica', 'db-1': 'primary' })
})

t.test('a primary keeps its role, and hands over when it is to go', async (t) => {
  const pods = [member(0, 'replica'), member(1, 'primary')]
  t.strictSame(changed(pods), {})
  t.strictSame(changed(pods, 1), { 'db-0': 'primary', 'db-1': 'replica' })
})
