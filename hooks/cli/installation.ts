// What has to be installed for kinds to work, as a cluster is given it.
import { controllerOf } from '../generate/controllers.ts'
import { customResourceDefinition } from '../generate/crd.ts'
import type { Definition } from '../sdk/definition.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'

/** The CRDs and controllers of kinds, CRDs first; hooks are called below `url`. */
export function installationOf(definitions: readonly Definition[], url: string): KubernetesObject[] {
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  return [
    ...composites.map((definition) => ({ ...customResourceDefinition(definition) })),
    ...definitions.map((definition) => ({ ...controllerOf(definition, { url }) })),
  ]
}
