// What a spec can ask for that is well formed and cannot be done.
import type { Findings } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import type { Problem } from '../../sdk/schema.ts'
import { containerName } from './pod.ts'
import { maxNameLength, type WebApp } from './schema.ts'

/** Metacontroller keeps a copy of each child in an annotation, and an object's annotations have 256 KiB in all. */
const mostConfigBytes = 200_000

/** Why the WebApp cannot become what its spec says. Much of it the API server would refuse with the Deployment, later. */
export function validate(app: WebApp): Findings {
  return {
    problems: [...nameProblems(app), ...sizeProblems(app), ...mountProblems(app), ...containerProblems(app)],
  }
}

function nameProblems({ metadata: { name } }: WebApp): Problem[] {
  if (name.length <= maxNameLength && dnsLabelPattern.test(name)) return []
  const message = `must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Services are named after it; create the WebApp under another name`
  return [{ field: 'metadata.name', message, reason: 'InvalidName' }]
}

function sizeProblems({ spec }: WebApp): Problem[] {
  const bytes = (spec.configFiles ?? []).reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
  if (bytes <= mostConfigBytes) return []
  const message = `${bytes} bytes in all, and at most ${mostConfigBytes} fit into one ConfigMap that is kept in step; put large files into the image or a volume`
  return [{ field: 'spec.configFiles', message, reason: 'ConfigTooLarge' }]
}

function mountProblems({ spec }: WebApp): Problem[] {
  const reason = 'MountClash'
  const mounted = new Set((spec.volumeMounts ?? []).map(({ mountPath }) => mountPath))
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name))
  const files = (spec.configFiles ?? []).flatMap(({ path }) => {
    const clash = mounted.has(path)
      ? 'the mountPath of one of spec.volumeMounts'
      : spec.security.writablePaths?.includes(path) && 'one of spec.security.writablePaths'
    return clash ? [{ field: 'spec.configFiles', message: `${path} is ${clash} too`, reason }] : []
  })
  const helpers = helpersOf(spec).flatMap(({ field, helper }) =>
    (helper.volumeMounts ?? [])
      .filter(({ name }) => !volumes.has(name))
      .map(({ name }) => ({ field, message: `${helper.name} mounts ${name}, which is none of spec.volumes`, reason })),
  )
  return [...files, ...helpers]
}

function containerProblems({ spec }: WebApp): Problem[] {
  const taken = new Set([containerName])
  return helpersOf(spec).flatMap(({ field, helper: { name } }) => {
    const clash = taken.has(name)
    taken.add(name)
    const message = `${name} is the name of another container; ${containerName} is the application's own`
    return clash ? [{ field, message, reason: 'ContainerClash' }] : []
  })
}

function helpersOf({ initContainers = [], sidecars = [] }: WebApp['spec']) {
  return [
    ...initContainers.map((helper) => ({ field: 'spec.initContainers', helper })),
    ...sidecars.map((helper) => ({ field: 'spec.sidecars', helper })),
  ]
}
