// Names, labels and hashes that every kind needs.
import { createHash } from 'node:crypto'

/** A DNS label as Services must have it (RFC 1035): it starts with a letter. */
export const dnsLabelPattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/

/** A DNS subdomain (RFC 1123), as most objects are named. */
export const dnsSubdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** The recommended labels: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/ */
export interface RecommendedLabels {
  /** What it is: `postgresql`. */
  name: string
  /** Which one: the parent's name. */
  instance: string
  /** Its part in the whole: `database`, `backup`. */
  component: string
  version?: string
}

/** The recommended labels, plus who manages the object. */
export function recommendedLabels({ name, instance, component, version }: RecommendedLabels): Record<string, string> {
  return {
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/instance': instance,
    'app.kubernetes.io/component': component,
    'app.kubernetes.io/managed-by': 'operator-hooks',
    ...(version === undefined ? {} : { 'app.kubernetes.io/version': version }),
  }
}

/** Ten hexadecimal digits that stand for a text: for names and annotations that must change with it. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10)
}

/** Labels as a selector in one string, as `kubectl -l` and the scale subresource have it. */
export function selectorText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}
