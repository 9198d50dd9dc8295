// References to container images: https://pkg.go.dev/github.com/distribution/reference
import * as z from 'zod'
import type { Settings } from './definition.ts'
import { remembering } from './remember.ts'

/** Where an image is taken from, when not from its usual place. */
export const imageSchema = z.object({
  registry: z
    .string()
    .min(1)
    .max(253)
    .regex(
      /^[a-zA-Z0-9.-]+(:[0-9]+)?(\/[a-z0-9._/-]+)?$/,
      'must be a registry such as registry.example.com:5000/mirror',
    )
    .optional()
    .describe("Registry, and a path in it if need be; instead of the service's own setting."),
  repository: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-z0-9]+([._/-][a-z0-9]+|__[a-z0-9]+)*$/, 'must be a repository such as library/postgres')
    .optional()
    .describe('Repository, instead of the official image.'),
  tag: z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'must be an image tag')
    .optional()
    .describe('Tag, instead of the one that follows from the version.'),
  digest: z
    .string()
    .max(135)
    .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits')
    .optional()
    .describe('Digest of exactly the image to run; the tag then only informs.'),
  pullPolicy: z
    .enum(['Always', 'IfNotPresent', 'Never'])
    .optional()
    .describe('When nodes pull the image; Kubernetes decides by the tag when this is not given.'),
})

/** The output of `imageSchema`. */
export type Image = z.output<typeof imageSchema>

/**
 * Composes `registry/repository:tag@digest`. The suite's registry prefix is put before images that name no
 * registry of their own; `fallback` is what holds where `image` says nothing.
 */
export function imageReference(
  image: Image | undefined,
  fallback: { repository: string; tag: string },
  settings: Settings,
): string {
  const repository = image?.repository ?? fallback.repository
  const registry = image?.registry ?? (namesRegistry(repository) ? '' : settings.imageRegistry)
  const prefix = registry === '' ? '' : `${registry.replace(/\/+$/, '')}/`
  const digest = image?.digest === undefined ? '' : `@${image.digest}`
  return `${prefix}${repository}:${image?.tag ?? fallback.tag}${digest}`
}

/** A whole reference given in one string, with the suite's registry prefix where it names no registry. */
export function prefixedImage(reference: string, settings: Settings): string {
  if (settings.imageRegistry === '' || namesRegistry(reference)) return reference
  return `${settings.imageRegistry.replace(/\/+$/, '')}/${reference}`
}

/** The suite's own image. */
export function suiteImage(settings: Settings): string {
  return prefixedImage(settings.suiteImage ?? 'operator-hooks', settings)
}

/** The image with Patroni and pgBackRest. */
export function postgresqlAgentImage(settings: Settings): string {
  return prefixedImage(settings.postgresqlAgentImage ?? 'operator-hooks-postgresql-agent', settings)
}

// As Docker tells them apart: the first part is a registry when it has a dot or a port, or is localhost.
function namesRegistry(reference: string): boolean {
  const [first = '', ...rest] = reference.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
}

/**
 * Whether an image may be run. Reference and patterns are compared in full, the way a container runtime completes them
 * (`nginx` is `docker.io/library/nginx`). In a pattern `*` stands for anything within one part of the path, `**` for
 * anything at all, and a pattern without tag and digest takes every one. No patterns: every image may.
 */
export function isAllowedImage(reference: string, patterns: readonly string[] | undefined): boolean {
  if (patterns === undefined || patterns.length === 0) return true
  const whole = completed(reference)
  return patterns.some((pattern) => matcherOf(pattern).test(whole))
}

/** `docker.io/library/nginx:1.29@sha256:…` without tag and digest. */
export function imageRepository(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
}

const matcherOf = remembering((pattern: string): RegExp => {
  const whole = completed(pattern)
  const text = whole
    .split(/(\*+)/)
    .map((part) => (part.startsWith('*') ? wildcard(part) : escaped(part)))
    .join('')
  // Behind a tag no digest is let in by the way: it alone would say what runs.
  const anyTag = imageRepository(whole) === whole ? '(:[^/@:]+)?(@[^/@]+)?' : ''
  return new RegExp(`^${text}${anyTag}$`)
})

// A colon and an at sign begin the tag and the digest: `*` must not reach into them, or `nginx*` would let any digest in.
function wildcard(stars: string): string {
  return stars.length === 1 ? '[^/:@]*' : '.*'
}

function escaped(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
}

// https://pkg.go.dev/github.com/distribution/reference#ParseNormalizedNamed
function completed(reference: string): string {
  const [first = ''] = reference.split('/')
  if (namesRegistry(reference) || (first.includes('*') && reference !== first) || first === '**') return reference
  return `docker.io/${reference.includes('/') ? '' : 'library/'}${reference}`
}
