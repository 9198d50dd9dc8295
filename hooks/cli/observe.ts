// What there is of a resource in a cluster, as far as a plan has to know.
import { type Definition, hookName, storedVersion } from '../sdk/definition.ts'
import { evaluateCustomize } from '../sdk/evaluate.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import type { ResourceType } from '../sdk/resources.ts'
import { resumptionRule } from '../sdk/resumption.ts'
import type { ClusterReader, Listed } from './cluster.ts'
import { desiredChildren, type ForecastOptions } from './forecast.ts'
import { find, identity } from './references.ts'
import type { Subject } from './suite.ts'

/**
 * Reads the resources themselves, their children, what their kinds refer to, and, by name, whatever stands where a
 * child is to be. `options.observed` is not looked at.
 */
export async function observeSubjects(
  reader: ClusterReader,
  options: Omit<ForecastOptions, 'observed'>,
): Promise<KubernetesObject[]> {
  const observed = (await Promise.all(options.subjects.map((subject) => observeSubject(reader, subject)))).flat()
  const desired = await desiredChildren({ ...options, observed })
  const missing = desired.filter((child) => find(observed, child) === undefined)
  const types = options.definitions.flatMap(childTypes)
  const found = await Promise.all(
    missing.map((child) => {
      const type = types.find(({ apiVersion, kind }) => apiVersion === child.apiVersion && kind === child.kind)
      return type && reader.get(type, child.metadata.name ?? '', child.metadata.namespace)
    }),
  )
  const all = [...observed, ...found.filter((object) => object !== undefined)]
  return [...new Map(all.map((object) => [identity(object), object])).values()]
}

async function observeSubject(reader: ClusterReader, { definition, object }: Subject): Promise<KubernetesObject[]> {
  const { name = '', namespace } = object.metadata
  const live = await reader.get(parentResource(definition, object), name, namespace)
  const controller = {
    apiVersion: 'metacontroller.k8s.io/v1alpha1',
    kind: 'CompositeController',
    metadata: { name: hookName(definition) },
    spec: { hooks: { customize: { version: 'v2' } } },
  }
  const { relatedResources } = evaluateCustomize(definition, { controller, parent: object })
  // What tells of an outage says nothing of the resource.
  const rules = relatedResources.filter((rule) => rule !== resumptionRule)
  const related = (await Promise.all(rules.map(reader.related))).flat()
  if (live === undefined) return related
  const { uid = '' } = live.metadata
  const own = (child: KubernetesObject) => child.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true
  // A composite's children carry its uid as a label; a decorator's attachments do not.
  const label = definition.controller === 'composite' ? `controller-uid=${uid}` : undefined
  const lists = await Promise.all(childTypes(definition).map((type) => reader.list(type, namespace, label)))
  return [live, ...lists.flat().filter((child) => label !== undefined || own(child)), ...related]
}

function childTypes(definition: Definition): readonly ResourceType[] {
  return definition.controller === 'composite' ? definition.children : definition.attachments
}

function parentResource(definition: Definition, { apiVersion, kind }: KubernetesObject): Listed {
  if (definition.controller === 'composite') {
    const namespaced = definition.scope === 'Namespaced'
    return { apiVersion: storedVersion(definition).apiVersion, kind, resource: definition.plural, namespaced }
  }
  const decorated = definition.resources.find(({ type }) => type.apiVersion === apiVersion && type.kind === kind)
  if (decorated === undefined) throw new Error(`${definition.name} does not decorate ${kind}`)
  return decorated.type
}
