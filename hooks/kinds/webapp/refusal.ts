// What a spec can ask for that is well formed and cannot be done.
import type { Hold } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { containerName } from './pod.ts'
import { maxNameLength, type WebApp } from './schema.ts'

/** Metacontroller keeps a copy of each child in an annotation, and an object's annotations have 256 KiB in all. */
const mostConfigBytes = 200_000

/** Why the WebApp cannot become what its spec says. */
export function refusal(app: WebApp): Hold['hold'] | undefined {
  const { name } = app.metadata
  if (name.length > maxNameLength || !dnsLabelPattern.test(name)) {
    const message = `metadata.name: must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Services are named after it; create the WebApp under another name`
    return { reason: 'InvalidName', message }
  }
  const bytes = (app.spec.configFiles ?? []).reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
  if (bytes > mostConfigBytes) {
    const message = `spec.configFiles: ${bytes} bytes in all, and at most ${mostConfigBytes} fit into one ConfigMap that is kept in step; put large files into the image or a volume`
    return { reason: 'ConfigTooLarge', message }
  }
  const mount = mountClash(app)
  if (mount !== undefined) return { reason: 'MountClash', message: mount }
  const container = containerClash(app)
  return container === undefined ? undefined : { reason: 'ContainerClash', message: container }
}

// What follows would be refused with the Deployment, long after the spec was taken.

function mountClash({ spec }: WebApp): string | undefined {
  const mounted = new Set((spec.volumeMounts ?? []).map(({ mountPath }) => mountPath))
  const file = (spec.configFiles ?? []).find(({ path }) => mounted.has(path))
  if (file !== undefined) return `spec.configFiles: ${file.path} is the mountPath of one of spec.volumeMounts too`
  const folder = (spec.configFiles ?? []).find(({ path }) => spec.security.writablePaths?.includes(path))
  if (folder !== undefined) return `spec.configFiles: ${folder.path} is one of spec.security.writablePaths too`
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name))
  for (const { field, helper } of helpersOf(spec)) {
    const missing = (helper.volumeMounts ?? []).find(({ name }) => !volumes.has(name))
    if (missing !== undefined) return `${field}: ${helper.name} mounts ${missing.name}, which is none of spec.volumes`
  }
  return undefined
}

function containerClash({ spec }: WebApp): string | undefined {
  const taken = new Set([containerName])
  for (const { field, helper } of helpersOf(spec)) {
    if (taken.has(helper.name)) {
      return `${field}: ${helper.name} is the name of another container; ${containerName} is the application's own`
    }
    taken.add(helper.name)
  }
  return undefined
}

function helpersOf({ initContainers = [], sidecars = [] }: WebApp['spec']) {
  return [
    ...initContainers.map((helper) => ({ field: 'spec.initContainers', helper })),
    ...sidecars.map((helper) => ({ field: 'spec.sidecars', helper })),
  ]
}
