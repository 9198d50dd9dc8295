// What the benchmarks on the real control plane share: a cluster with the image's hook service, Databases that are
// applied by several hands at once, and who used how much CPU meanwhile.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { resumption } from '../../hooks/decorators/resumption/index.ts'
import { type Composite, parentType } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type ControlPlaneCluster, createControlPlaneCluster } from '../cluster/cluster.ts'
import { manifestsOf } from '../simulator/service.ts'
import { databaseName, fullDatabase } from './databases.ts'
import { databaseDefinition } from './requests.ts'
import type { Image } from './service.ts'

/** Parents of one kind that are applied in numbers. */
export interface Workload {
  readonly definition: Composite
  /** Names of one length, so that one's objects can be told as another's by putting one name in the place of the other. */
  name(index: number): string
  parent(namespace: string, index: number): KubernetesObject
  /** Parents repeat after so many: the plain client copies one of each. */
  readonly variants: number
  /** The condition that says of a parent that all is done. */
  readonly until: string
  /** How many namespaces they are spread over: one unless given. */
  readonly namespaces?: number
}

/** Databases, suspended: no pod runs, so that what is measured is the operator's work and not that of the nodes. */
export function databases(): Workload {
  return {
    definition: databaseDefinition(),
    name: databaseName,
    parent: (namespace, index) => fullDatabase(namespace, index, { suspend: true, replicas: 1 }),
    variants: 3,
    until: 'Applied',
  }
}

/** How many parents are worked on at a time, by Metacontroller's workers and by the plain client alike. */
export const workers = 20

/** The flags that deploy/ gives Metacontroller, of those that say how fast it may be. */
export function shippedFlags(): string[] {
  const path = join(import.meta.dirname, '../../deploy/kustomize/components/metacontroller/statefulset.yaml')
  const [patch] = parseAllDocuments(readFileSync(path, 'utf8')).map(
    (document) => document.toJS() as { spec: { template: { spec: { containers: { args: string[] }[] } } } },
  )
  const args = patch?.spec.template.spec.containers.flatMap(({ args }) => args) ?? []
  return args.filter((arg) => /^--(client-go-|workers|discovery-interval)/.test(arg))
}

/** A cluster whose parents are looked at again only after `resyncPeriodSeconds`, an hour unless given. */
export function startCluster(
  image: Image,
  metacontrollerFlags: readonly string[],
  { definition }: Workload,
  resyncPeriodSeconds = 3600,
): Promise<ControlPlaneCluster> {
  const manifests = manifestsOf([definition, resumption]).flatMap((object) => {
    if (object.kind === 'CompositeController') return [withResyncPeriod(object, resyncPeriodSeconds)]
    return object.kind === 'CustomResourceDefinition' ? [object, plainCrd(object, definition.plural)] : [object]
  })
  // Where resumption keeps its Lease.
  manifests.unshift({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'operator-hooks' } })
  const args = [image.bundle, 'serve', '--auth=none', '--ephemeral-credential-keys']
  return createControlPlaneCluster({
    hook: { command: process.execPath, args, env: image.env },
    manifests,
    longestResyncSeconds: Number.POSITIVE_INFINITY,
    faults: false,
    metacontrollerFlags,
  })
}

/** CPU seconds by component, `client` being this process. */
export type Cpu = Record<string, number>

export interface Run {
  /** Seconds on the clock until the last object was there, and told of. */
  readonly seconds: number
  readonly children: number
  /** Until a moment later, so that what follows from the last object is in it. */
  readonly cpu: Cpu
  /** Requests that the API server answered meanwhile, watches aside, by verb and resource: `PUT databases/status`. */
  readonly requests: Readonly<Record<string, number>>
}

/** Applies so many parents at once to a new namespace and waits until the status of each says that all is done. */
export async function runOperator(
  cluster: ControlPlaneCluster,
  workload: Workload,
  count: number,
  seconds: number,
): Promise<Run & { namespaces: Namespaces }> {
  const { definition, parent } = workload
  const namespaces = await newNamespaces(cluster, workload, definition.plural)
  const run = await timed(cluster, async () => {
    await inParallel(count, async (index) => {
      await cluster.create(parent(namespaces(index), index))
    })
    await untilEach(cluster, workload, namespaces, count, seconds)
  })
  return { ...run, namespaces, children: (await childrenIn(cluster, definition, namespaces.all)).length }
}

/**
 * The same objects by a plain client: copies of the first parents of that namespace, and of their children. The parents
 * are of a kind of the same schema that no controller watches; each gets its children and then its status.
 */
export async function runPlainClient(
  cluster: ControlPlaneCluster,
  workload: Workload,
  from: Namespaces,
  count: number,
  afterwards: (namespaces: Namespaces) => Promise<void> = async () => {},
): Promise<Run> {
  const { definition, variants } = workload
  const { apiVersion, kind } = parentType(definition)
  const namespaces = await newNamespaces(cluster, workload, 'plain')
  const all = await childrenIn(cluster, definition, from.all)
  const templates = await Promise.all(
    Array.from({ length: variants }, async (_, index) => {
      const namespace = from(index)
      const parent = await cluster.get({ apiVersion, kind, namespace, name: workload.name(index) })
      if (parent === undefined) throw new Error(`there is no ${kind} ${index} to copy`)
      const { name = '', uid = '' } = parent.metadata
      const own = all.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid))
      const text = JSON.stringify({ parent: asNew(parent), children: own.map(asNew), status: parent.status })
      return { namespace, name, uid, text: text.replaceAll(apiVersion, plain) }
    }),
  )
  let children = 0
  const run = await timed(cluster, async () => {
    await inParallel(count, async (index) => {
      const template = templates[index % templates.length]
      if (template === undefined) throw new Error('there is no template')
      const name = workload.name(index)
      const namespace = namespaces(index)
      const text = template.text.replaceAll(`"${template.namespace}"`, `"${namespace}"`)
      const copy = JSON.parse(text.replaceAll(template.name, name)) as Copy
      const { metadata } = await cluster.create(copy.parent)
      const owned = JSON.stringify(copy.children).replaceAll(template.uid, metadata.uid ?? '')
      for (const child of JSON.parse(owned) as KubernetesObject[]) {
        await cluster.create(child)
        children++
      }
      await cluster.patch({ apiVersion: plain, kind, namespace, name }, { status: copy.status }, 'status')
    })
    await afterwards(namespaces)
  })
  return { ...run, children }
}

/** The group and version of the plain client's parents. */
const plain = 'plain.example.com/v1'

interface Copy {
  parent: KubernetesObject
  children: KubernetesObject[]
  status: object
}

function plainCrd(crd: KubernetesObject, plural: string): KubernetesObject {
  const spec = crd.spec as { names: object }
  const { shortNames: _, categories: __, ...names } = spec.names as Record<string, unknown>
  const metadata = { name: `${plural}.${plain.split('/')[0]}` }
  return { ...crd, metadata, spec: { ...spec, group: plain.split('/')[0], names } }
}

/** Does something, and tells what it took of each component. */
export async function timed(cluster: ControlPlaneCluster, work: () => Promise<void>): Promise<Omit<Run, 'children'>> {
  // What came before has to come to rest first.
  await wait(3000)
  const requestsBefore = await requestsOf(cluster)
  const before = cpuOf(cluster)
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  await wait(3000)
  const cpu = less(cpuOf(cluster), before)
  return { seconds, cpu, requests: less(await requestsOf(cluster), requestsBefore) }
}

/** Waits until each parent says that all is done: one is asked for at a time, so that asking costs next to nothing. */
export async function untilEach(
  cluster: ControlPlaneCluster,
  { definition, name, until: condition }: Workload,
  namespaces: Namespaces,
  count: number,
  seconds: number,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  for (let index = 0; index < count; index++) {
    const reference = { ...parentType(definition), namespace: namespaces(index), name: name(index) }
    const left = (deadline - performance.now()) / 1000
    await cluster.until(
      `${condition} of ${reference.name}`,
      async () => {
        const { conditions } = ((await cluster.get(reference))?.status ?? {}) as {
          conditions?: { type: string; status: string }[]
        }
        return conditions?.some(({ type, status }) => type === condition && status === 'True')
      },
      left,
    )
  }
}

export function total(cpu: Cpu): number {
  return Object.values(cpu).reduce((sum, one) => sum + one, 0)
}

/** The namespace of each parent, in turns, and all of them. */
export interface Namespaces {
  (index: number): string
  readonly all: readonly string[]
}

export async function newNamespaces(
  cluster: ControlPlaneCluster,
  { namespaces = 1 }: Workload,
  hint: string,
): Promise<Namespaces> {
  const all: string[] = []
  for (let made = 0; made < namespaces; made++) all.push(await newNamespace(cluster, hint))
  return Object.assign((index: number) => all[index % all.length] ?? '', { all })
}

/** A namespace in which pods and service accounts can be made at once. */
async function newNamespace(cluster: ControlPlaneCluster, hint: string): Promise<string> {
  const namespace = await cluster.namespace(hint)
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name: 'default' }
  await cluster.until('the default service account', () => cluster.get(account))
  return namespace
}

/** Calls `work` for 0 … count - 1, `workers` at a time. */
export async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: workers }, worker))
}

function cpuOf(cluster: ControlPlaneCluster): Cpu {
  const { user, system } = process.cpuUsage()
  const components = Object.entries(cluster.usage()).map(([name, { cpuSeconds }]) => [name, cpuSeconds])
  return { ...Object.fromEntries(components), client: (user + system) / 1e6 }
}

function less(after: Record<string, number>, before: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]))
}

async function requestsOf(cluster: ControlPlaneCluster): Promise<Record<string, number>> {
  const metrics = String(await cluster.controlPlane.client.request('GET', '/metrics'))
  const sums: Record<string, number> = {}
  for (const line of metrics.split('\n')) {
    if (!line.startsWith('apiserver_request_total{')) continue
    const label = (name: string) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? ''
    if (label('verb') === 'WATCH') continue
    const subresource = label('subresource') === '' ? '' : `/${label('subresource')}`
    const key = `${label('verb')} ${label('resource')}${subresource}`
    sums[key] = (sums[key] ?? 0) + Number(line.slice(line.lastIndexOf(' ')))
  }
  return sums
}

/** Every object of these namespaces that a parent of the kind owns. */
async function childrenIn(
  cluster: ControlPlaneCluster,
  { children, kind }: Composite,
  namespaces: readonly string[],
): Promise<KubernetesObject[]> {
  const lists: KubernetesObject[][] = []
  for (const namespace of namespaces) {
    lists.push(...(await Promise.all(children.map((type) => cluster.list(type, { namespace })))))
  }
  return lists.flat().filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.kind === kind))
}

// As the client of a person would create it: without what only the API server sets.
function asNew({ status: _, metadata, ...object }: KubernetesObject): KubernetesObject {
  const { name, namespace, labels, annotations, ownerReferences } = metadata
  const { clusterIP, clusterIPs, ...spec } = (object.spec ?? {}) as { clusterIP?: string; clusterIPs?: string[] }
  const headless = clusterIP === 'None' ? { clusterIP } : {}
  return {
    ...object,
    metadata: { name, namespace, labels, annotations, ownerReferences } as KubernetesObject['metadata'],
    ...(object.spec === undefined ? {} : { spec: { ...spec, ...headless } }),
  }
}

function withResyncPeriod(controller: KubernetesObject, resyncPeriodSeconds: number): KubernetesObject {
  return { ...controller, spec: { ...(controller.spec as object), resyncPeriodSeconds } }
}
