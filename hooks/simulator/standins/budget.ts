// The disruption controller: a PodDisruptionBudget's numbers (pkg/controller/disruption).
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { controllerOf } from '../claim.ts'
import { at, listAt } from '../json.ts'
import { selectorOf } from '../selectors.ts'
import { type Loop, startLoop, type World, withCondition, writeStatus } from './loop.ts'
import { isReady, isTerminating, podType, wanted } from './pods.ts'

const budgetType = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' }

export function startBudgets(world: World): Loop {
  const { client, clock } = world
  return startLoop(
    world,
    budgetType,
    [],
    (budget): undefined => {
      const matches = selectorOf(at(budget, 'spec', 'selector'))
      const pods = client
        .list(podType, budget.metadata.namespace)
        .filter((pod) => matches(pod.metadata.labels) && !isTerminating(pod))
      const { minAvailable, maxUnavailable } = (budget.spec ?? {}) as {
        minAvailable?: unknown
        maxUnavailable?: unknown
      }
      const scaled = expectedPods(world, pods)
      // minAvailable as a number counts the pods there are; in percent, and for maxUnavailable, what the owners want.
      const expected = typeof minAvailable === 'number' ? pods.length : scaled
      const desired =
        minAvailable === undefined
          ? Math.max(0, expected - resolve(maxUnavailable ?? 0, expected))
          : resolve(minAvailable, expected)
      const healthy = pods.filter(isReady).length
      const allowed = expected === 0 ? 0 : Math.max(0, healthy - desired)
      const condition =
        allowed > 0
          ? { type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', message: '' }
          : { type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', message: '' }
      writeStatus(client, budget, {
        observedGeneration: budget.metadata.generation ?? 0,
        disruptionsAllowed: allowed,
        currentHealthy: healthy,
        desiredHealthy: desired,
        expectedPods: expected,
        conditions: withCondition(listAt(budget, 'status', 'conditions'), condition, clock.stamp()),
      })
      return undefined
    },
    (changed) =>
      changed.kind === 'Pod' && changed.apiVersion === 'v1' ? client.list(budgetType, changed.metadata.namespace) : [],
  )
}

/** What the controllers of these pods want in sum. */
function expectedPods({ client }: World, pods: readonly KubernetesObject[]): number {
  const owners = new Map<string, number>()
  for (const pod of pods) {
    const owner = controllerOf(pod)
    const namespace = pod.metadata.namespace ?? ''
    const found =
      owner === undefined
        ? undefined
        : client.get({ apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, namespace })
    if (found !== undefined) owners.set(found.metadata.uid ?? '', wanted(found))
  }
  return [...owners.values()].reduce((sum, count) => sum + count, 0)
}

/** A count, or a percentage of so many, rounded up. */
function resolve(value: unknown, total: number): number {
  return typeof value === 'string'
    ? Math.ceil((Number.parseInt(value, 10) * total) / 100)
    : typeof value === 'number'
      ? value
      : 0
}
