// The Pod Security labels of a tenant's Namespace, and what was there before them.
// https://kubernetes.io/docs/concepts/security/pod-security-admission/
import { isRecord } from '../../sdk/kubernetes.ts'
import type { Namespace } from '../../sdk/resources.ts'
import { annotations, beforeAnnotation } from './names.ts'

const levels = ['restricted', 'baseline', 'privileged'] as const
type Level = (typeof levels)[number]

const prefix = 'pod-security.kubernetes.io'
const modes = ['enforce', 'audit', 'warn'] as const

/** Every label that is set, by its name. `latest`: what the API server's own version means by the level. */
export function podSecurityLabels(level: Level): Record<string, string> {
  return Object.fromEntries(
    modes.flatMap((mode) => [
      [`${prefix}/${mode}`, level],
      [`${prefix}/${mode}-version`, 'latest'],
    ]),
  )
}

/** Reads the annotation; none is restricted. Answers a sentence when it is no level. */
export function levelOf(text: string | undefined): { level: Level; problem?: undefined } | { problem: string } {
  const level = levels.find((one) => one === (text ?? 'restricted'))
  if (level !== undefined) return { level }
  return { problem: `${annotations.podSecurity}: must be ${levels.join(', ')}, but is "${text?.slice(0, 100)}"` }
}

/** The level that the labels say now; undefined when they say none. */
export function currentLevel({ metadata: { labels = {} } }: Namespace): Level | undefined {
  return levels.find((level) => level === labels[`${prefix}/enforce`])
}

/**
 * What is to be remembered of the labels that were there before, as the annotation's text. `isNew`: nothing of the
 * tenant's is in the namespace yet. Where the annotation was taken off later, what the labels were is lost.
 */
export function rememberedLabels({ metadata: { labels = {}, annotations = {} } }: Namespace, isNew: boolean): string {
  const remembered = annotations[beforeAnnotation]
  if (remembered !== undefined && isRecord(parsed(remembered))) return remembered
  const keys = Object.keys(podSecurityLabels('restricted'))
  const before = isNew ? Object.entries(labels).filter(([key]) => keys.includes(key)) : []
  return JSON.stringify(Object.fromEntries(before.sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** The labels as they were before; null for one that was not there. Undefined when they were never changed. */
export function labelsBefore({ metadata: { annotations = {} } }: Namespace): Record<string, string | null> | undefined {
  const remembered = annotations[beforeAnnotation]
  if (remembered === undefined) return undefined
  const before = parsed(remembered)
  const was = (key: string) => (isRecord(before) && typeof before[key] === 'string' ? before[key] : null)
  return Object.fromEntries(Object.keys(podSecurityLabels('restricted')).map((key) => [key, was(key)]))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
