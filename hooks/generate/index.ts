// Everything that follows from the registry of kinds, as files: pure, so that a test can tell whether what is in the
// repository is still what would be written.
import { type Composite, type Definition, hookName } from '../sdk/definition.ts'
import { webhookConfigurations } from './admission.ts'
import { type ControllerOptions, controllerName, controllerOf, hookService } from './controllers.ts'
import { customResourceDefinition, resourceSchema } from './crd.ts'
import { referenceIndex, referencePage } from './docs.ts'
import { editorSchema } from './jsonschema.ts'
import { controllerRbac, eventsRbac, metacontrollerRbac, quotasRbac, userRbac } from './rbac.ts'
import type { Sample } from './samples.ts'
import { generatedYaml } from './yaml.ts'

/** The folders that hold generated files and nothing else. */
export const generatedFolders = ['crds', 'metacontroller', 'docs/api', 'schemas', 'deploy/generated'] as const

/** The content of every generated file by its path from the repository's root, slashes forward. */
export function generateAll(
  definitions: readonly Definition[],
  options: ControllerOptions & { samples?: readonly Sample[] } = {},
): Map<string, string> {
  refuseClashes(definitions)
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  const files = new Map<string, string>()
  for (const definition of composites) {
    files.set(`crds/${crdFile(definition)}`, generatedYaml(customResourceDefinition(definition)))
  }
  for (const definition of composites) {
    for (const [name, version] of Object.entries(definition.versions)) {
      const path = `schemas/${definition.group}/${definition.kind.toLowerCase()}_${name}.json`
      const schema = resourceSchema(definition, name, version)
      const editor = editorSchema(schema, `${definition.group}/${name}`, definition.kind)
      files.set(path, `${JSON.stringify(editor, null, 2)}\n`)
    }
  }
  for (const definition of definitions) {
    files.set(`docs/api/${hookName(definition)}.md`, referencePage(definition, options.samples ?? []))
  }
  files.set('docs/api/README.md', referenceIndex(definitions))
  files.set('crds/kustomization.yaml', kustomization(composites.map(crdFile)))
  for (const composite of composites) {
    files.set(`metacontroller/${controllerName(composite)}.yaml`, generatedYaml(controllerOf(composite, options)))
  }
  // The same where the service speaks TLS: kustomize cannot change a field of every hook that happens to be there.
  const https = { service: { ...hookService, port: 443, protocol: 'https' as const } }
  for (const composite of composites) {
    files.set(`deploy/generated/https/${controllerName(composite)}.yaml`, generatedYaml(controllerOf(composite, https)))
  }
  files.set(
    'deploy/generated/https/kustomization.yaml',
    kustomization(composites.map((one) => `${controllerName(one)}.yaml`)),
  )
  files.set('metacontroller/kustomization.yaml', kustomization(composites.map((one) => `${controllerName(one)}.yaml`)))
  // Each decorator names APIs that not every cluster has, so each is installed by itself, permissions included.
  for (const decorator of definitions.filter((definition) => definition.controller === 'decorator')) {
    const rbac = generatedYaml(...controllerRbac(`operator-hooks-${decorator.name}`, [decorator]))
    const variants = { 'metacontroller/decorators': options, 'deploy/generated/https/decorators': https }
    for (const [folder, to] of Object.entries(variants)) {
      files.set(`${folder}/${decorator.name}/controller.yaml`, generatedYaml(controllerOf(decorator, to)))
      files.set(`${folder}/${decorator.name}/rbac.yaml`, rbac)
      files.set(`${folder}/${decorator.name}/kustomization.yaml`, kustomization(['rbac.yaml', 'controller.yaml']))
    }
  }
  const rbac = {
    metacontroller: metacontrollerRbac(),
    suite: controllerRbac('operator-hooks-metacontroller', composites),
    users: userRbac(composites),
  }
  for (const [name, objects] of Object.entries(rbac)) {
    files.set(`deploy/generated/rbac/${name}.yaml`, generatedYaml(...objects))
  }
  // Without metacontroller.yaml: a Metacontroller may serve other suites too, so narrowing it is a step of its own.
  files.set('deploy/generated/rbac/kustomization.yaml', kustomization(['suite.yaml', 'users.yaml']))
  const webhooks = webhookConfigurations(composites).map((configuration) => {
    return { file: `${configuration.kind.toLowerCase()}.yaml`, configuration }
  })
  for (const { file, configuration } of webhooks) {
    files.set(`deploy/generated/admission/${file}`, generatedYaml(configuration))
  }
  files.set('deploy/generated/admission/kustomization.yaml', kustomization(webhooks.map(({ file }) => file)))
  files.set('deploy/generated/quotas/rbac.yaml', generatedYaml(...quotasRbac()))
  files.set('deploy/generated/quotas/kustomization.yaml', kustomization(['rbac.yaml']))
  files.set('deploy/generated/events/rbac.yaml', generatedYaml(...eventsRbac()))
  files.set('deploy/generated/events/kustomization.yaml', kustomization(['rbac.yaml']))
  return files
}

function crdFile(definition: Composite): string {
  return `${definition.group}_${definition.plural}.yaml`
}

function kustomization(resources: readonly string[]): string {
  return generatedYaml({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources })
}

// Two of a name would overwrite each other's files, routes or objects in the cluster; of two kinds that share a plural
// or short name in a group, the API server serves one.
function refuseClashes(definitions: readonly Definition[]): void {
  const seen = new Map<string, string>()
  for (const definition of definitions) {
    const title = definition.controller === 'composite' ? `${definition.kind}.${definition.group}` : definition.name
    for (const key of uniqueNames(definition)) {
      const other = seen.get(key)
      if (other !== undefined) throw new Error(`${title} and ${other} both have ${key}: rename one of them`)
      seen.set(key, title)
    }
  }
}

function uniqueNames(definition: Definition): string[] {
  const shared = [`the hook name "${hookName(definition)}"`, `the controller "${controllerName(definition)}"`]
  if (definition.controller === 'decorator') return shared
  const { group, kind, plural, shortNames = [] } = definition
  const names = new Set([plural, kind.toLowerCase(), ...shortNames])
  return [...shared, ...[...names].map((name) => `the name "${name}" in the group ${group}`)]
}
