// Puts manifests into a control plane as an administrator would, except that hooks are called where they run here.
import { existsSync, readdirSync } from 'node:fs'
import { basename, extname, join, sep } from 'node:path'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { Client } from './client.ts'
import { eventsUser, metacontrollerUser } from './controlplane.ts'
import { documents, untilKindServed } from './manifests.ts'

export interface Suite {
  /** Objects, or folders whose YAML files (of all levels) hold them; a folder that does not exist holds none. */
  readonly manifests: readonly (string | KubernetesObject)[]
  /** Where Metacontroller reaches the hook service: the base of every webhook's URL, without a trailing slash. */
  readonly hookUrl: string
  /**
   * CompositeControllers look at what has not changed at least this often: 30 s unless given. What is generated is longer
   * than a test can wait for what Metacontroller 1.5 is not told of, or to see that a look changes nothing.
   */
  readonly longestResyncSeconds?: number
}

/**
 * Applies CRDs (and waits until they are served), then permissions, then controllers. Fields that the installed
 * Metacontroller does not know are pruned, as by `kubectl apply --validate=false`. Where no manifest grants
 * Metacontroller anything, it becomes a cluster administrator; likewise the hook service may then write Events.
 * Returns what it applied.
 */
export async function installSuite(
  client: Client,
  { manifests, hookUrl, longestResyncSeconds = 30 }: Suite,
): Promise<KubernetesObject[]> {
  const objects = manifests.flatMap((item) => (typeof item === 'string' ? folderOf(item) : [item]))
  if (!objects.some((object) => grants(object, metacontrollerUser))) objects.push(administrator)
  if (!objects.some((object) => grants(object, eventsUser))) objects.push(...eventWriter)
  const steps = [
    objects.filter(({ kind }) => kind === 'Namespace'),
    objects.filter(({ kind }) => kind === 'CustomResourceDefinition'),
    objects.filter(({ kind }) => !['Namespace', 'CustomResourceDefinition'].includes(kind) && !isController(kind)),
    objects
      .filter(({ kind }) => isController(kind))
      .map((controller) => resyncedOften(callingHere(controller, hookUrl), longestResyncSeconds)),
  ]
  await ensureNamespaces(client, objects)
  const applied: KubernetesObject[] = []
  for (const step of steps) {
    applied.push(...(await Promise.all(step.map((object) => client.replace(object)))))
    await Promise.all(
      step.filter(({ kind }) => kind === 'CustomResourceDefinition').map((crd) => untilKindServed(client, crd)),
    )
  }
  return applied
}

function folderOf(folder: string): KubernetesObject[] {
  if (!existsSync(folder)) return []
  return (
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => ['.yaml', '.yml'].includes(extname(file)) && basename(file) !== 'kustomization.yaml')
      // Decorators are installed one by one, each by its own folder.
      .filter((file) => file.split(sep)[0] !== 'decorators')
      .sort()
      .flatMap((file) => documents(join(folder, file)))
  )
}

function isController(kind: string): boolean {
  return kind === 'CompositeController' || kind === 'DecoratorController'
}

/** The same controller with every webhook at `hookUrl` + its path; what secures the way there is left out. */
function callingHere(controller: KubernetesObject, hookUrl: string): KubernetesObject {
  const spec = isRecord(controller.spec) ? controller.spec : {}
  const hooks = isRecord(spec.hooks) ? spec.hooks : {}
  const moved = Object.entries(hooks).map(([name, hook]) => {
    if (!isRecord(hook) || !isRecord(hook.webhook)) return [name, hook]
    const { service, path, url, authorization, basicAuth, caBundle, clientTLS, ...webhook } = hook.webhook
    const at = path ?? new URL(String(url)).pathname
    return [name, { ...hook, webhook: { ...webhook, url: `${hookUrl}${at}` } }]
  })
  const { endpointConfigs, ...others } = spec
  return { ...controller, spec: { ...others, hooks: Object.fromEntries(moved) } }
}

function resyncedOften(controller: KubernetesObject, longest: number): KubernetesObject {
  const { kind, spec } = controller
  if (kind !== 'CompositeController' || !isRecord(spec) || typeof spec.resyncPeriodSeconds !== 'number')
    return controller
  return { ...controller, spec: { ...spec, resyncPeriodSeconds: Math.min(spec.resyncPeriodSeconds, longest) } }
}

function grants({ kind, subjects }: KubernetesObject, user: string): boolean {
  if (kind !== 'ClusterRoleBinding' || !Array.isArray(subjects)) return false
  return subjects.some(
    (subject) =>
      isRecord(subject) &&
      (subject.name === user || `system:serviceaccount:${subject.namespace}:${subject.name}` === user),
  )
}

const administrator: KubernetesObject = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'metacontroller' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: metacontrollerUser }],
}

const eventWriter: KubernetesObject[] = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'operator-hooks-events' },
    rules: [{ apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] }],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'operator-hooks-events' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'operator-hooks-events' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: eventsUser }],
  },
]

/** Of the objects to come, those that no manifest creates. */
async function ensureNamespaces(client: Client, objects: readonly KubernetesObject[]): Promise<void> {
  const names = new Set(objects.flatMap(({ metadata: { namespace } }) => namespace ?? []))
  for (const name of names) await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
}
