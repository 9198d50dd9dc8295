// Decides what becomes of pods. kwok's stages (stages.yaml) obey a pod's annotation; here it gets there: by a
// MutatingAdmissionPolicy for pods yet to be created, so that none is ever seen without it, and by a patch for those
// that exist.
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { Cluster, PodBehaviour } from '../scenarios/cluster.ts'
import { type Client, isApiError } from './client.ts'

type Workload = Parameters<Cluster['behave']>[0]

export type Behave = Cluster['behave']

/**
 * A `behave` for one API server. It resolves when the API server is seen to follow the new rule, which takes up to
 * a second or two: policies are picked up once a second.
 */
export function behaviours(client: Client): Behave {
  const rules = new Map<string, { workload: Workload; behaviour: PodBehaviour }>()
  return async (workload, behaviour) => {
    ownerOf(workload)
    const key = `${workload.namespace}/${workload.kind}/${workload.name}`
    // Taken out first: the latest rule is the one that holds where two prefixes meet.
    rules.delete(key)
    rules.set(key, { workload, behaviour })
    await client.apply(policy([...rules.values()].reverse()))
    await client.apply(policyBinding)
    await untilFollowed(client, workload, behaviour)
    const pods = await client.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace: workload.namespace })
    await Promise.all(pods.filter((pod) => owns(workload, pod)).map((pod) => annotate(client, pod, behaviour)))
  }
}

const annotation = 'cluster.test/behaviour'
const policyName = 'pod-behaviour.cluster.test'
const admission = 'admissionregistration.k8s.io/v1'

/** Which controller's name a pod bears for a workload: a Deployment's pods belong to its ReplicaSets. */
function ownerOf({ kind, name }: Workload): { kind: string; pattern: string } {
  const prefix = name.endsWith('*')
  const start = `^${name.replace(/\*$/, '').replaceAll('.', '[.]')}`
  if (kind === 'Deployment') return { kind: 'ReplicaSet', pattern: `${start}${prefix ? '' : '-[a-z0-9]+$'}` }
  if (kind === 'CronJob') return { kind: 'Job', pattern: `${start}${prefix ? '' : '-[0-9]+$'}` }
  if (kind === 'StatefulSet' || kind === 'Job') return { kind, pattern: `${start}${prefix ? '' : '$'}` }
  throw new Error(`workload.kind is ${kind}; it may be StatefulSet, Deployment, Job or CronJob`)
}

function owns(workload: Workload, pod: KubernetesObject): boolean {
  const { kind, pattern } = ownerOf(workload)
  return (pod.metadata.ownerReferences ?? []).some(
    (owner) => owner.controller && owner.kind === kind && new RegExp(pattern).test(owner.name),
  )
}

/** The same as `owns`, in CEL. */
function expression(workload: Workload): string {
  const { kind, pattern } = ownerOf(workload)
  const owner = `o.kind == '${kind}' && o.name.matches('${pattern}')`
  return `request.namespace == '${workload.namespace}' && has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(o, ${owner})`
}

function policy(rules: { workload: Workload; behaviour: PodBehaviour }[]): KubernetesObject {
  const matches = rules.map(({ workload }) => `(${expression(workload)})`)
  const chosen = rules.reduceRight(
    (otherwise, { behaviour }, index) => `${matches[index]} ? '${behaviour}' : ${otherwise}`,
    `''`,
  )
  return {
    apiVersion: admission,
    kind: 'MutatingAdmissionPolicy',
    metadata: { name: policyName },
    spec: {
      failurePolicy: 'Fail',
      reinvocationPolicy: 'Never',
      matchConstraints: {
        resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
      },
      matchConditions: [{ name: 'has-a-rule', expression: matches.join(' || ') }],
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: {
            expression: `Object{metadata: Object.metadata{annotations: {'${annotation}': ${chosen}}}}`,
          },
        },
      ],
    },
  }
}

const policyBinding: KubernetesObject = {
  apiVersion: admission,
  kind: 'MutatingAdmissionPolicyBinding',
  metadata: { name: policyName },
  spec: { policyName },
}

/** Asks by dry runs of a pod such a workload would create. */
async function untilFollowed(client: Client, workload: Workload, behaviour: PodBehaviour): Promise<void> {
  const pod = sample(workload)
  let last = 'nothing'
  for (const started = Date.now(); Date.now() - started < 15_000; ) {
    try {
      const admitted = await client.create(pod, '?dryRun=All')
      last = String(admitted.metadata.annotations?.[annotation])
      if (last === behaviour) return
    } catch (error) {
      // A young namespace has no service account yet, and without it no pod is admitted.
      if (!isApiError(error)) throw error
      last = error.message
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`pods of ${workload.kind} ${workload.name} are not given ${behaviour}; the last answer was ${last}`)
}

/** A pod that even a namespace under "restricted" admits. */
function sample(workload: Workload): KubernetesObject {
  const { kind } = ownerOf(workload)
  const suffix = { Deployment: '-0', CronJob: '-0' }[workload.kind] ?? ''
  const name = workload.name.endsWith('*') ? workload.name.replace(/\*$/, 'probe') : `${workload.name}${suffix}`
  const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1'
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'probe-',
      namespace: workload.namespace,
      ownerReferences: [{ apiVersion, kind, name, uid: '00000000-0000-0000-0000-000000000000', controller: true }],
    },
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image: 'probe',
          resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1m', memory: '1Mi' } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  }
}

async function annotate(client: Client, pod: KubernetesObject, behaviour: PodBehaviour): Promise<void> {
  const reference = { apiVersion: 'v1', kind: 'Pod', name: String(pod.metadata.name) }
  const at = { ...reference, ...(pod.metadata.namespace === undefined ? {} : { namespace: pod.metadata.namespace }) }
  try {
    await client.patch(at, { metadata: { annotations: { [annotation]: behaviour } } })
  } catch (error) {
    // It is gone in between: its successor gets the annotation at birth.
    if (!(isApiError(error) && error.code === 404)) throw error
  }
}
