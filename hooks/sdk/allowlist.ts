// Which images the containers of an answer run, and whether they may: the one check for every kind, since it looks at what
// a resource becomes and not at how its spec is written.
import type { Settings } from './definition.ts'
import { fieldBelow } from './fields.ts'
import { imageRepository, isAllowedImage } from './images.ts'
import { isRecord, type KubernetesObject } from './kubernetes.ts'
import type { Problem } from './schema.ts'

/** The reason of a hold because of an image. */
const imageNotAllowed = 'ImageNotAllowed'

/**
 * The images among the children that the settings do not allow, one problem each. The field is the one of the parent's
 * spec that names the image, or `spec` where the kind has put it together.
 */
export function imageProblems(children: readonly KubernetesObject[], spec: unknown, settings: Settings): Problem[] {
  const { allowedImages = [] } = settings
  if (allowedImages.length === 0) return []
  const problems = new Map<string, Problem>()
  for (const child of children) {
    for (const { image, container } of imagesIn(child)) {
      if (problems.has(image) || isAllowedImage(image, allowedImages)) continue
      const message = `the image ${image} (${container} of ${child.kind}/${child.metadata.name}) is none of those that may be run here: ${allowedImages.join(', ')}`
      problems.set(image, { field: fieldOf(image, spec, 'spec') ?? 'spec', message, reason: imageNotAllowed })
    }
  }
  return [...problems.values()]
}

// Wherever containers stand: in a Pod, in a template, or in a custom resource that holds one.
function imagesIn(value: unknown): { image: string; container: string }[] {
  if (Array.isArray(value)) return value.flatMap(imagesIn)
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([field, inner]) => {
    if (/^(containers|initContainers|ephemeralContainers)$/.test(field) && Array.isArray(inner)) {
      return inner.flatMap((item) =>
        isRecord(item) && typeof item.image === 'string'
          ? [{ image: item.image, container: `container ${item.name}` }]
          : [],
      )
    }
    if (field === 'image' && isRecord(inner) && typeof inner.reference === 'string') {
      return [{ image: inner.reference, container: `volume ${value.name}` }]
    }
    return imagesIn(inner)
  })
}

function fieldOf(image: string, value: unknown, path: string): string | undefined {
  if (typeof value === 'string') return names(value, image) ? path : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = fieldOf(image, inner, fieldBelow(path, Array.isArray(value) ? Number(key) : key))
    if (found !== undefined) return found
  }
  return undefined
}

// As it stands, without its tag, or with the registry of the settings before it.
function names(text: string, image: string): boolean {
  if (text.length < 2) return false
  return [image, imageRepository(image)].some((whole) => whole === text || whole.endsWith(`/${text}`))
}
