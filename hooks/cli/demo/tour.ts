// The tour: what this suite does, shown on any cluster that it is installed in.
import { type Condition, findCondition } from '../../sdk/conditions.ts'
import { isRecord, type KubernetesObject, type ObjectReference, type ObjectType } from '../../sdk/kubernetes.ts'
import { isApiError } from '../../simulator/errors.ts'
import { pictureOf, stateOf } from '../picture.ts'
import { drawTree } from '../present.ts'
import { referenceTo } from '../references.ts'
import type { Paint } from '../shell.ts'
import type { TourCluster } from './cluster.ts'
import type { Screen } from './screen.ts'

export interface TourOptions {
  readonly cluster: TourCluster
  readonly samples: readonly KubernetesObject[]
  /** All kinds of which a sample has children. */
  readonly childTypes: readonly ObjectType[]
  readonly screen: Screen
  readonly paint: Paint
  /** Seconds of the cluster's time between two looks. */
  readonly stepSeconds: number
  /** The cluster's time, in seconds. */
  now(): number
  /** Called between two looks: waits until the picture was seen, and throws when the tour is to end. */
  rest(): Promise<void>
}

/** One step of the tour, and whether it happened. */
export interface Step {
  readonly title: string
  readonly done: boolean
}

/** Goes through the tour. Every step is told in a line; one that does not happen does not stop the others. */
export async function tour(options: TourOptions): Promise<Step[]> {
  const { cluster, samples, screen, paint } = options
  const namespace = await cluster.namespace('demo')
  const parents = samples.map((sample) => hurried({ ...sample, metadata: { ...sample.metadata, namespace } }))
  const databases = parents.filter(({ kind }) => kind === 'Database')
  const [first] = databases
  if (first === undefined) throw new Error('there are no samples of Database')
  const last = databases.at(-1) ?? first
  const app = parents.find(({ kind }) => kind === 'WebApp')
  const steps: Step[] = []
  const step = async (title: string, run: () => Promise<string>) => {
    try {
      const told = await run()
      steps.push({ title, done: true })
      screen.tell(`${paint.green('✓')} ${told}`)
    } catch (error) {
      if (isInterruption(error)) throw error
      steps.push({ title, done: false })
      screen.tell(`${paint.red('✗')} ${title} did not happen: ${error instanceof Error ? error.message : error}`)
    }
  }
  const stage = createStage(options, namespace, parents.map(referenceTo))

  await step('create', () => create(stage, parents, paint))
  await step('drift', () => repairDrift(stage, referenceTo(first), paint))
  await step('scale', () => scaleUp(stage, referenceTo(first), paint))
  await step('refusal', () => refuse(stage, first, paint))
  if (app !== undefined) {
    await step('canary', () => tryCanary(stage, referenceTo(app), paint))
    await step('rollback', () => rollBack(stage, referenceTo(app), paint))
  }
  await step('deletion', () => remove(stage, referenceTo(last), paint))
  screen.draw([])
  screen.tell('')
  for (const line of await stage.picture()) screen.tell(line)
  return steps
}

/** Thrown by `rest` when the tour is to end. */
export function interruption(): Error {
  return Object.assign(new Error('interrupted'), { name: 'Interruption' })
}

/** True for what `interruption` made. */
export function isInterruption(error: unknown): boolean {
  return error instanceof Error && error.name === 'Interruption'
}

interface Stage {
  readonly cluster: TourCluster
  /** Looks again and again, with the picture moving meanwhile, until `probe` finds something. */
  until<T>(what: string, probe: () => Promise<T | undefined | false>, seconds?: number): Promise<T>
  /** The tree of all there is. */
  picture(): Promise<string[]>
  /** The objects that the parent owns; none of a parent that there is not. */
  childrenOf(parent: KubernetesObject | undefined): Promise<KubernetesObject[]>
  /** Seconds of the cluster's time that the last `until` took. */
  readonly took: number
}

function createStage(options: TourOptions, namespace: string, parents: readonly ObjectReference[]): Stage {
  const { cluster, childTypes, screen, paint, stepSeconds, now, rest } = options
  const types = [...childTypes, ...running]
  const look = async () => {
    const [roots, lists] = await Promise.all([
      Promise.all(parents.map((parent) => cluster.get(parent))),
      Promise.all(types.map((type) => cluster.list(type, { namespace }))),
    ])
    return { roots: roots.filter((root) => root !== undefined), objects: lists.flat() }
  }
  const known = new Map<string, string>()
  const note = (roots: readonly KubernetesObject[]) => {
    for (const root of roots) {
      const { text, good } = stateOf(root)
      const title = `${root.kind}/${root.metadata.name}`
      if (text === '' || known.get(title) === text) continue
      known.set(title, text)
      screen.note(`  ${title} ${good === true ? paint.green(text) : paint.yellow(text)}`)
    }
  }
  let took = 0
  return {
    cluster,
    async until(what, probe, seconds = 120) {
      for (const started = now(); ; ) {
        const found = await probe()
        const { roots, objects } = await look()
        note(roots)
        screen.draw(drawTree(pictureOf(roots, objects.filter(isRunning), paint), paint))
        took = now() - started
        if (found) return found
        if (took > seconds) throw new Error(`waited ${seconds} s for ${what}`)
        await rest()
        await cluster.pass(stepSeconds)
      }
    },
    async picture() {
      const { roots, objects } = await look()
      return drawTree(pictureOf(roots, objects, paint), paint)
    },
    async childrenOf(parent) {
      const { objects } = await look()
      return objects.filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === parent?.metadata.uid))
    },
    get took() {
      return Math.round(took * 10) / 10
    },
  }
}

/** What hangs below children. */
const running: readonly ObjectType[] = [
  { apiVersion: 'v1', kind: 'Pod' },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
]

/** What moves: the rest is there from the first moment. */
function isRunning({ kind }: KubernetesObject): boolean {
  return ['StatefulSet', 'Deployment', 'ReplicaSet', 'Job', 'Pod'].includes(kind)
}

async function create(stage: Stage, parents: readonly KubernetesObject[], { bold }: Paint): Promise<string> {
  for (const parent of parents) await stage.cluster.apply(parent)
  await stage.until(`${parents.length} ready resources`, async () => {
    const found = await Promise.all(parents.map((parent) => stage.cluster.get(referenceTo(parent))))
    return found.every((parent) => parent !== undefined && stateOf(parent).good === true)
  })
  const live = await Promise.all(parents.map((parent) => stage.cluster.get(referenceTo(parent))))
  const children = (await Promise.all(live.map(stage.childrenOf))).flat().length
  const groups = [...Map.groupBy(parents, ({ kind }) => kind)].map(([kind, ofKind]) => {
    const names = ofKind.map(({ metadata }) => bold(metadata.name ?? '')).join(', ')
    return `${ofKind.length} ${kind}${ofKind.length === 1 ? '' : 's'} (${names})`
  })
  return `created: ${groups.join(' and ')} run with ${children} children, after ${stage.took} s`
}

async function repairDrift(stage: Stage, parent: ObjectReference, { bold, dim }: Paint): Promise<string> {
  const reference = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    namespace: parent.namespace ?? '',
    name: `${parent.name}-config`,
  }
  const content = async () => recordOf((await stage.cluster.get(reference))?.data)
  const before = await content()
  const [file] = Object.keys(before).filter((key) => /^(postgresql\.conf|my\.cnf|mongod\.conf)$/.test(key))
  if (file === undefined) throw new Error(`ConfigMap/${reference.name} has no configuration file`)
  await stage.cluster.patch(reference, { data: { [file]: 'fsync = off\n' } })
  await stage.until(`the old ${file}`, async () => (await content())[file] === before[file])
  return `drift repaired: somebody wrote ${dim('fsync = off')} over ${bold(`ConfigMap/${reference.name}`)}; ${file} is back after ${stage.took} s`
}

function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {}
}

async function scaleUp(stage: Stage, parent: ObjectReference, { bold }: Paint): Promise<string> {
  const [before, replicas] = [replicasOf(await stage.cluster.get(parent)), 3]
  await stage.cluster.patch(parent, { spec: { replicas } }, 'scale')
  await stage.until(`${replicas} ready replicas`, async () => {
    const object = await stage.cluster.get(parent)
    const status = object?.status
    const ready = isRecord(status) ? status.readyReplicas : undefined
    return object !== undefined && ready === replicas && stateOf(object).good === true
  })
  return `scaled up: kubectl scale ${parent.kind.toLowerCase()}/${bold(parent.name)} --replicas=${replicas}, from ${before}: ${replicas} are ready after ${stage.took} s`
}

function replicasOf(object: KubernetesObject | undefined): unknown {
  return isRecord(object?.spec) ? object.spec.replicas : undefined
}

async function refuse(stage: Stage, parent: KubernetesObject, { bold, dim }: Paint): Promise<string> {
  const live = await stage.cluster.get(referenceTo(parent))
  const storage = recordOf(recordOf(live?.spec).storage)
  const smaller = { ...parent, spec: { ...recordOf(parent.spec), storage: { ...storage, size: '1Mi' } } }
  const error: unknown = await stage.cluster.apply(smaller).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isApiError(error)) throw new Error('the API server let the storage shrink')
  const after = await stage.cluster.get(referenceTo(parent))
  if (JSON.stringify(after?.spec) !== JSON.stringify(live?.spec)) throw new Error('the spec has changed all the same')
  const [cause] = error.causes
  const said = cause === undefined ? error.message : `${cause.field}: ${cause.message}`
  return `refused: ${bold(parent.metadata.name ?? '')} with 1Mi in the place of ${storage.size}: ${dim(said)}`
}

/** A WebApp whose new versions are tried by steps of seconds: nobody wants to watch the minutes that they should take. */
function hurried(parent: KubernetesObject): KubernetesObject {
  if (parent.kind !== 'WebApp') return parent
  const steps = canarySteps.map((weight) => ({ weight, pauseSeconds: 2 }))
  const rollout = { strategy: 'canary', steps, analysis: { intervalSeconds: 1 } }
  return { ...parent, spec: { ...recordOf(parent.spec), rollout } }
}

const canarySteps = [25, 50]

async function tryCanary(stage: Stage, app: ObjectReference, { bold }: Paint): Promise<string> {
  const [before, image] = [imageOf(await stage.cluster.get(app)), 'nginx:1.23']
  const { stable } = revisionsOf(await stage.cluster.get(app))
  await stage.cluster.patch(app, { spec: { image } })
  const seen = new Set<number>()
  await stage.until(`${image} to be promoted`, async () => {
    const object = await stage.cluster.get(app)
    const weight = Number(recordOf(recordOf(object?.status).rollout).weight ?? 0)
    if (canarySteps.includes(weight)) seen.add(weight)
    const revisions = revisionsOf(object)
    const promoted = revisions.stable !== stable && revisions.stable === revisions.current
    return promoted && object !== undefined && stateOf(object).good === true
  })
  if (seen.size < canarySteps.length) throw new Error(`of the steps ${canarySteps} only ${[...seen]} were seen`)
  const shares = [...seen].map((weight) => `${weight} %`).join(', then ')
  return `canary: ${bold(app.name)} went from ${before} to ${image} with ${shares} of the requests, and was promoted after ${stage.took} s`
}

async function rollBack(stage: Stage, app: ObjectReference, { bold, dim }: Paint): Promise<string> {
  const [before, image] = [await stage.cluster.get(app), 'nginx:1.23-broken']
  const canary = { kind: 'Deployment', namespace: app.namespace ?? '', name: `${app.name}-canary` }
  await stage.cluster.behave(canary, 'crash')
  await stage.cluster.patch(app, { spec: { image } })
  let fewest = Number.POSITIVE_INFINITY
  await stage.until(`${image} to be rolled back`, async () => {
    const object = await stage.cluster.get(app)
    const stable = await stage.cluster.get({ apiVersion: 'apps/v1', ...canary, name: app.name })
    fewest = Math.min(fewest, Number(recordOf(stable?.status).readyReplicas ?? 0))
    const revisions = revisionsOf(object)
    return revisions.failed !== undefined && revisions.failed === revisions.current && isRolledBack(object)
  })
  const after = revisionsOf(await stage.cluster.get(app))
  if (after.stable !== revisionsOf(before).stable) throw new Error(`${image} has become the stable revision`)
  if (fewest === 0) throw new Error('no pod of the good version was left')
  return `rolled back: ${bold(app.name)} with ${image}, which crashes; ${imageOf(before)} served with ${fewest} pods all the while, and ${dim('the bad revision is not tried again')}`
}

function isRolledBack(object: KubernetesObject | undefined): boolean {
  const { conditions } = recordOf(object?.status)
  return Array.isArray(conditions) && findCondition(conditions as Condition[], 'RolledBack')?.status === 'True'
}

function imageOf(object: KubernetesObject | undefined): unknown {
  return recordOf(object?.spec).image
}

function revisionsOf(object: KubernetesObject | undefined): { current?: unknown; stable?: unknown; failed?: unknown } {
  return recordOf(recordOf(object?.status).revision)
}

async function remove(stage: Stage, parent: ObjectReference, { bold }: Paint): Promise<string> {
  const live = await stage.cluster.get(parent)
  const children = (await stage.childrenOf(live)).length
  await stage.cluster.delete(parent)
  await stage.until(
    `${parent.kind}/${parent.name} to be gone`,
    async () => (await stage.cluster.get(parent)) === undefined,
  )
  await stage.until('its children to be gone', async () => (await stage.childrenOf(live)).length === 0)
  const claims = await stage.cluster.list(
    { apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
    { namespace: parent.namespace ?? '' },
  )
  const kept = claims.filter(({ metadata }) => metadata.name?.includes(`-${parent.name}-`)).length
  const policy = recordOf(live?.spec).deletionPolicy
  const volumes =
    kept === 0 ? '' : `; its ${kept === 1 ? 'volume stays' : `${kept} volumes stay`}, as deletionPolicy ${policy} says`
  return `deleted: ${parent.kind}/${bold(parent.name)} stopped gracefully and its ${children} children went with it${volumes}`
}
