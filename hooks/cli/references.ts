// Telling objects apart by what they are and what they are called.
import type { KubernetesObject, ObjectReference } from '../sdk/kubernetes.ts'

/** A child where it will be: in its parent's namespace unless it names one. */
export function placed(child: KubernetesObject, namespace: string | undefined): KubernetesObject {
  if (namespace === undefined || child.metadata.namespace !== undefined) return child
  return { ...child, metadata: { ...child.metadata, namespace } }
}

/** The object of the same kind, namespace and name. */
export function find(objects: readonly KubernetesObject[], wanted: KubernetesObject): KubernetesObject | undefined {
  const id = identity(wanted)
  return objects.find((object) => identity(object) === id)
}

/** What names an object. */
export function referenceTo({
  apiVersion,
  kind,
  metadata: { name = '', namespace },
}: KubernetesObject): ObjectReference {
  return namespace === undefined ? { apiVersion, kind, name } : { apiVersion, kind, name, namespace }
}

/** An object's kind, namespace and name in one text. */
export function identity(object: KubernetesObject): string {
  return identityOf(referenceTo(object))
}

/** The same of a reference. */
export function identityOf({ apiVersion, kind, name, namespace = '' }: ObjectReference): string {
  return `${kind}.${apiVersion} ${namespace}/${name}`
}
