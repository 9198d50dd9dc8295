// What kube-controller-manager, the scheduler and the kubelets do in a cluster, as far as hooks come to see it.
import type { Clock } from '../clock.ts'
import type { Store } from '../store.ts'
import { startAgents } from './agents.ts'
import { startAutoscalers } from './autoscaler.ts'
import { startBudgets } from './budget.ts'
import { startCronJobs } from './cronjob.ts'
import { startDeployments, startReplicaSets } from './deployment.ts'
import { startEndpointSlices } from './endpointslices.ts'
import { startJobs } from './job.ts'
import { startLoop, type World } from './loop.ts'
import { type Kubelets, type PodTimes, startKubelets } from './pods.ts'
import { startQuotas } from './quota.ts'
import { startStatefulSets } from './statefulset.ts'
import { startVolumes } from './volumes.ts'

export type { PodBehaviour, PodTimes, Workload } from './pods.ts'

const usualTimes: PodTimes = { start: 2, run: 3, stop: 1 }

/** Starts them all. */
export function startStandIns(store: Store, clock: Clock, times: PodTimes = usualTimes): Kubelets {
  const world: World = { store, clock, client: store.client('kube-controller-manager') }
  const kubelets = startKubelets({ ...world, client: store.client('kubelet') }, times)
  const loops = [
    startVolumes,
    startReplicaSets,
    startDeployments,
    startStatefulSets,
    startAgents,
    startEndpointSlices,
    startJobs,
    startCronJobs,
    startBudgets,
    startQuotas,
    startAutoscalers,
    startNamespaces,
  ]
  const running = loops.map((start) => start(world))
  return {
    behave: kubelets.behave,
    stop() {
      kubelets.stop()
      for (const loop of running) loop.stop()
    },
  }
}

/** Every namespace has a default ServiceAccount and the cluster's root certificates. */
function startNamespaces(world: World) {
  const { client } = world
  const loop = startLoop(world, { apiVersion: 'v1', kind: 'Namespace' }, [], ({ metadata }): undefined => {
    if (metadata.deletionTimestamp !== undefined) return
    const namespace = metadata.name ?? ''
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } }
    const roots = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-root-ca.crt', namespace },
      data: { 'ca.crt': '' },
    }
    for (const object of [account, roots]) {
      if (client.get({ apiVersion: 'v1', kind: object.kind, name: object.metadata.name, namespace }) === undefined)
        client.create(object)
    }
  })
  for (const namespace of client.list({ apiVersion: 'v1', kind: 'Namespace' })) loop.add(namespace)
  return loop
}
