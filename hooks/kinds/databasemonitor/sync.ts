// What a DatabaseMonitor is: the children it consists of, and what it says of itself.
import { oneAtATime, tokenlessAccount } from '../../sdk/companions.ts'
import type { ConditionInput } from '../../sdk/conditions.ts'
import type { Answer, Context, Hold } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { NetworkPolicy, PodDisruptionBudget, Service, ServiceAccount, StatefulSet } from '../../sdk/resources.ts'
import { databaseOf } from '../database/reference.ts'
import { childName, labels, selectorLabels } from './names.ts'
import { type DatabaseMonitor, type DatabaseMonitorStatus, maxNameLength } from './schema.ts'
import { networkPolicy, service } from './service.ts'
import { statefulSet } from './statefulset.ts'

export const children = [NetworkPolicy, PodDisruptionBudget, Service, ServiceAccount, StatefulSet] as const

type MonitorChildren = (typeof children)[number]

export function sync(
  monitor: DatabaseMonitor,
  { observed, related, settings }: Context<MonitorChildren>,
): Answer<MonitorChildren, DatabaseMonitorStatus> | Hold<DatabaseMonitorStatus> {
  const { name } = monitor.metadata
  if (name.length > maxNameLength || !dnsLabelPattern.test(name)) {
    const message = `metadata.name: must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter`
    return { hold: { reason: 'InvalidName', message } }
  }
  const { db, missing } = databaseOf(related, monitor.spec.databaseRef)
  if (db === undefined) return { hold: missing }
  const shared = { name: childName(monitor), labels: labels(monitor) }
  const live = observed.get(StatefulSet, childName(monitor))
  const wanted = db.spec.suspend ? 0 : db.spec.replicas
  const { readyReplicas: ready = 0, replicas = 0, observedGeneration = 0, updatedReplicas } = live?.status ?? {}
  const settled =
    live !== undefined &&
    observedGeneration >= (live.metadata.generation ?? 0) &&
    ready === wanted &&
    replicas === wanted &&
    (updatedReplicas ?? wanted) === wanted
  return {
    children: [
      tokenlessAccount(shared),
      service(monitor, db),
      networkPolicy(monitor, db),
      oneAtATime({ ...shared, selector: selectorLabels(monitor) }),
      statefulSet(monitor, db, settings),
    ],
    status: {
      phase: live === undefined ? 'Pending' : settled ? 'Running' : 'Updating',
      replicas: wanted,
      readyReplicas: ready,
      service: childName(monitor),
    },
    conditions: [readiness(settled, ready, wanted)],
  }
}

function readiness(settled: boolean, ready: number, wanted: number): ConditionInput {
  const message = `${ready} of ${wanted} exporters answer`
  return settled
    ? { type: 'Ready', status: 'True', reason: 'Running', message }
    : { type: 'Ready', status: 'False', reason: 'Starting', message }
}
