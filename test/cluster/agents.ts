// Stands in for the agents of replicated databases where kwok plays the pods: nothing runs in them, so nobody would say
// who is the primary. It follows the same rules as the simulator's.
import { setTimeout as wait } from 'node:timers/promises'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { replicationLabel, roleLabel } from '../../hooks/sdk/roles.ts'
import { changedRoles, configurationOf, membersIn, replicatedBy } from '../../hooks/simulator/standins/agents.ts'
import { type Client, isApiError } from './client.ts'

/** Looks twice a second, until `stop`. */
export function startAgents(client: Client): { stop(): Promise<void> } {
  const ending = new AbortController()
  const running = (async () => {
    while (!ending.signal.aborted) {
      // The API server may be gone or not there yet: as agents do, try again.
      await assign(client).catch(() => undefined)
      await wait(500, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  })()
  return {
    stop() {
      ending.abort()
      return running
    },
  }
}

async function assign(client: Client): Promise<void> {
  const pods = await client.list({ apiVersion: 'v1', kind: 'Pod' }, { labelled: replicationLabel })
  const groups = Map.groupBy(pods, (pod) => `${pod.metadata.namespace}/${replicatedBy(pod)}`)
  for (const group of groups.values()) {
    const [first] = group
    const set = first && replicatedBy(first)
    if (set === undefined) continue
    const members = membersIn(await client.get(configurationOf(set, first?.metadata.namespace)))
    for (const [pod, role] of changedRoles(group, members)) await label(client, pod, role)
  }
}

async function label(client: Client, { metadata }: KubernetesObject, role: string | null): Promise<void> {
  const reference = { apiVersion: 'v1', kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
  try {
    await client.patch(reference, { metadata: { labels: { [roleLabel]: role } } })
  } catch (error) {
    // It is gone in between.
    if (!(isApiError(error) && error.code === 404)) throw error
  }
}
