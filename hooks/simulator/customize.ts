// Related objects: what a customize hook asks to see beside the children (pkg/controller/common/customize).
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { isProcessEnd } from './children.ts'
import type { Clock } from './clock.ts'
import type { Informers } from './informer.ts'
import { at, listAt, textAt } from './json.ts'
import { createGroups, type ObjectGroups } from './objects.ts'
import type { Resource, Resources } from './resources.ts'
import { selectorOf } from './selectors.ts'
import type { Webhook } from './webhook.ts'

/** The related objects of one controller's parents. */
export interface Customize {
  /** What the parent's rules select now. Asks the hook once per uid and generation, for 20 minutes. */
  related(parent: KubernetesObject): Promise<ObjectGroups>
}

export interface CustomizeSettings {
  readonly hook: Webhook | undefined
  readonly controller: KubernetesObject
  readonly informers: Informers
  readonly resources: Resources
  readonly clock: Clock
  /** The parents there are. */
  parents(): KubernetesObject[]
  enqueue(parent: KubernetesObject): void
  /** True once the controller has stopped. */
  stopped(): boolean
}

const cacheSeconds = 20 * 60

export function createCustomize(settings: CustomizeSettings): Customize {
  const { hook, controller, informers, resources, clock } = settings
  const answers = new Map<string, { rules: Promise<readonly unknown[]>; until: number }>()
  const watched = new Set<string>()

  const rulesOf = async (parent: KubernetesObject): Promise<readonly unknown[]> => {
    if (hook === undefined) return []
    const key = `${parent.metadata.uid}/${parent.metadata.generation}`
    const known = answers.get(key)
    if (known !== undefined && known.until > clock.now()) return known.rules
    // Kept while it is under way: Metacontroller's informers ask one after the other, so that each finds the first's.
    const rules = hook.call(parent, { controller, parent }).then((answer) => listAt(answer, 'relatedResources'))
    answers.set(key, { rules, until: clock.now() + cacheSeconds * 1000 })
    rules.catch(() => answers.delete(key))
    return rules
  }
  const notify = (changed: readonly KubernetesObject[]) => {
    for (const parent of settings.parents()) {
      clock.run(async () => {
        if (settings.stopped()) return
        try {
          const rules = await rulesOf(parent)
          if (rules.some((rule) => changed.some((object) => isSelected(rule, object, parent)))) settings.enqueue(parent)
        } catch (error) {
          // The hook could not be asked, or a rule makes no sense: the parent's own sync says so.
          if (isProcessEnd(error)) throw error
        }
      })
    }
  }
  const isSelected = (rule: unknown, object: KubernetesObject, parent: KubernetesObject) => {
    const resource = resourceOf(rule)
    return (
      object.apiVersion === at(rule, 'apiVersion') &&
      object.kind === resource.kind &&
      select(rule, resource, parent, [object]).length > 0
    )
  }
  const resourceOf = (rule: unknown): Resource => {
    const apiVersion = textAt(rule, 'apiVersion') ?? ''
    const plural = textAt(rule, 'resource') ?? ''
    const resource = resources.byPlural(apiVersion, plural)
    if (resource === undefined) throw new Error(`discovery: can't find resource ${plural} in apiVersion ${apiVersion}`)
    return resource
  }
  const select = (
    rule: unknown,
    resource: Resource,
    parent: KubernetesObject,
    objects: readonly KubernetesObject[],
  ): KubernetesObject[] => {
    const names = listAt(rule, 'names')
    const namespace = textAt(rule, 'namespace') ?? ''
    const byNamespace = at(rule, 'namespaceSelector')
    const byLabels = at(rule, 'labelSelector')
    if (names.length > 0 && (isRecord(byLabels) || isRecord(byNamespace))) {
      throw new Error('related rule cannot have both names and labelSelector/namespaceSelector specified')
    }
    if (namespace !== '' && isRecord(byNamespace)) {
      throw new Error('related rule cannot have both namespace and namespaceSelector specified')
    }
    const own = parent.metadata.namespace
    const confined = hook?.version === 'v1' && own !== undefined && resource.namespaced
    if (confined && isRecord(byNamespace))
      throw new Error('namespaceSelector is not supported for namespaced parent in v1 hook version')
    if (confined && namespace !== '' && namespace !== own) {
      throw new Error(`requested related object namespace ${namespace} differs from parent object namespace ${own}`)
    }
    if (isRecord(byNamespace) && !resource.namespaced)
      throw new Error('namespaceSelector is only supported for namespaced related resources')
    const matches = selectorOf(byLabels, 'everything')
    const inNamespace = selectorOf(byNamespace, 'everything')
    const labelsOf = (name = '') => informers.of({ apiVersion: 'v1', kind: 'Namespace' }).get(name)?.metadata.labels
    return objects.filter(
      ({ metadata }) =>
        matches(metadata.labels) &&
        (names.length === 0 || names.includes(metadata.name)) &&
        (!resource.namespaced || namespace === '' || metadata.namespace === namespace) &&
        // A v1 rule by labels alone stays in the parent's namespace; one by names is filtered on the wire.
        (!confined || names.length > 0 || namespace !== '' || metadata.namespace === own) &&
        (!isRecord(byNamespace) || inNamespace(labelsOf(metadata.namespace))),
    )
  }
  return {
    async related(parent) {
      const groups = createGroups()
      for (const rule of await rulesOf(parent)) {
        const resource = resourceOf(rule)
        const type = { apiVersion: textAt(rule, 'apiVersion') ?? '', kind: resource.kind }
        const informer = informers.of(type)
        if (!watched.has(`${resource.group}/${resource.kind}`)) {
          watched.add(`${resource.group}/${resource.kind}`)
          informer.onChange(({ object, previous }) => notify(previous === undefined ? [object] : [previous, object]))
        }
        groups.init(type)
        for (const object of select(rule, resource, parent, informer.list())) groups.add(object)
      }
      return groups
    },
  }
}
