// What the benchmarks on the real control plane share: a cluster with the image's hook service, Databases that are
// applied by several hands at once, and who used how much CPU meanwhile.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type ControlPlaneCluster, createControlPlaneCluster } from '../cluster/cluster.ts'
import { manifestsOf } from '../simulator/service.ts'
import { databaseName, fullDatabase } from './databases.ts'
import { databaseDefinition } from './requests.ts'
import type { Image } from './service.ts'

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

/** A cluster whose Databases are looked at again only after `resyncPeriodSeconds`, an hour unless given. */
export function startCluster(
  image: Image,
  metacontrollerFlags: readonly string[],
  resyncPeriodSeconds = 3600,
): Promise<ControlPlaneCluster> {
  const manifests = manifestsOf([databaseDefinition()]).flatMap((object) =>
    object.kind === 'CompositeController'
      ? [withResyncPeriod(object, resyncPeriodSeconds)]
      : [object, plainCrd(object)],
  )
  const args = [image.bundle, 'serve', '--auth=none', '--ephemeral-credential-keys']
  return createControlPlaneCluster({
    hook: { command: process.execPath, args, env: image.env },
    manifests,
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

/**
 * Applies so many Databases at once to a new namespace and waits until the status of each says that every child is
 * there. They are suspended: no pod runs, so that what is measured is the operator's work and not that of the nodes.
 */
export async function runDatabases(
  cluster: ControlPlaneCluster,
  count: number,
  seconds: number,
): Promise<Run & { namespace: string }> {
  const namespace = await newNamespace(cluster, 'databases')
  const run = await timed(cluster, async () => {
    await inParallel(count, async (index) => {
      await cluster.create(fullDatabase(namespace, index, { suspend: true, replicas: 1 }))
    })
    await untilEach(cluster, namespace, count, 'Applied', seconds)
  })
  return { ...run, namespace, children: (await childrenIn(cluster, namespace)).length }
}

/**
 * The same objects by a plain client: copies of the Databases 0, 1 and 2 of that namespace, and of their children. The
 * parents are of a kind of the same schema that no controller watches; each gets its children and then its status.
 */
export async function runPlainClient(cluster: ControlPlaneCluster, from: string, count: number): Promise<Run> {
  const namespace = await newNamespace(cluster, 'plain')
  const all = await childrenIn(cluster, from)
  const templates = await Promise.all(
    [0, 1, 2].map(async (index) => {
      const parent = await cluster.get({ ...databaseType, namespace: from, name: databaseName(index) })
      if (parent === undefined) throw new Error(`there is no Database ${index} to copy`)
      const { name = '', uid = '' } = parent.metadata
      const own = all.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid))
      const text = JSON.stringify({ parent: asNew(parent), children: own.map(asNew), status: parent.status })
      return {
        name,
        uid,
        text: text.replaceAll(`"${from}"`, `"${namespace}"`).replaceAll(databaseType.apiVersion, plain),
      }
    }),
  )
  let children = 0
  const run = await timed(cluster, () =>
    inParallel(count, async (index) => {
      const template = templates[index % templates.length]
      if (template === undefined) throw new Error('there is no template')
      const name = databaseName(index)
      const copy = JSON.parse(template.text.replaceAll(template.name, name)) as Copy
      const { metadata } = await cluster.create(copy.parent)
      const owned = JSON.stringify(copy.children).replaceAll(template.uid, metadata.uid ?? '')
      for (const child of JSON.parse(owned) as KubernetesObject[]) {
        await cluster.create(child)
        children++
      }
      await cluster.patch({ ...databaseType, apiVersion: plain, namespace, name }, { status: copy.status }, 'status')
    }),
  )
  return { ...run, children }
}

const databaseType = { apiVersion: 'example.com/v1', kind: 'Database' }

/** The group and version of the plain client's parents. */
const plain = 'plain.example.com/v1'

interface Copy {
  parent: KubernetesObject
  children: KubernetesObject[]
  status: object
}

function plainCrd(crd: KubernetesObject): KubernetesObject {
  const spec = crd.spec as { names: object }
  const { shortNames: _, categories: __, ...names } = spec.names as Record<string, unknown>
  const metadata = { name: `databases.${plain.split('/')[0]}` }
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

/** Waits until a condition of each Database is True: one is asked for at a time, so that asking costs next to nothing. */
export async function untilEach(
  cluster: ControlPlaneCluster,
  namespace: string,
  count: number,
  condition: string,
  seconds: number,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  for (let index = 0; index < count; index++) {
    const reference = { ...databaseType, namespace, name: databaseName(index) }
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

/** A namespace in which pods and service accounts can be made at once. */
export async function newNamespace(cluster: ControlPlaneCluster, hint: string): Promise<string> {
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

/** Every object of the namespace that a Database owns. */
async function childrenIn(cluster: ControlPlaneCluster, namespace: string): Promise<KubernetesObject[]> {
  const lists = await Promise.all(databaseDefinition().children.map((type) => cluster.list(type, { namespace })))
  return lists.flat().filter(({ metadata }) => metadata.ownerReferences?.some(({ kind }) => kind === 'Database'))
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
