// Who may do what they like in a tenant's namespace.
import type { Subject } from 'kubernetes-types/rbac/v1.js'
import { dnsLabelPattern, dnsSubdomainPattern } from '../../sdk/names.ts'
import type { RoleBinding } from '../../sdk/resources.ts'
import { annotations, labels, names } from './names.ts'

/** The ClusterRole that owners hold in their namespaces: every cluster has it, and this suite's kinds are part of it. */
export const ownerRole = 'admin'

const rbac = 'rbac.authorization.k8s.io'

/**
 * Reads `user:jane,group:team-a,serviceaccount:ci/deployer`, or the same as a JSON list where a name has a comma in it.
 * Answers a sentence when it cannot.
 */
export function ownersOf(text = ''): Subject[] | string {
  const entries = entriesOf(text)
  if (typeof entries === 'string') return entries
  const subjects: Subject[] = []
  for (const entry of entries) {
    const subject = subjectOf(entry)
    if (typeof subject === 'string') return `${annotations.owners}: "${entry.slice(0, 100)}" ${subject}`
    // The API server keeps a subject that is there twice, and nobody would know why.
    if (!subjects.some((other) => JSON.stringify(other) === JSON.stringify(subject))) subjects.push(subject)
  }
  return subjects
}

/** The RoleBinding of the owners; undefined when there are none. */
export function ownerBinding(tenant: string, namespace: string, subjects: Subject[]): RoleBinding | undefined {
  if (subjects.length === 0) return undefined
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: names.owners, namespace, labels: labels(tenant) },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: ownerRole },
    subjects,
  }
}

function entriesOf(text: string): string[] | string {
  if (!text.trimStart().startsWith('[')) {
    const entries = text.split(',').map((entry) => entry.trim())
    return entries.filter((entry) => entry !== '')
  }
  const problem = `${annotations.owners}: must be a JSON list of strings such as ["group:cn=team-a,ou=groups"]`
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? value : problem
  } catch {
    return problem
  }
}

function subjectOf(entry: string): Subject | string {
  const colon = entry.indexOf(':')
  const [kind, name] = [entry.slice(0, colon), entry.slice(colon + 1).trim()]
  if (kind === 'serviceaccount') {
    const [namespace = '', account = '', ...rest] = name.split('/')
    const right = dnsLabel(namespace) && dnsSubdomainPattern.test(account) && rest.length === 0
    return right
      ? { kind: 'ServiceAccount', name: account, namespace }
      : 'must name a service account as serviceaccount:NAMESPACE/NAME'
  }
  if ((kind !== 'user' && kind !== 'group') || name === '') {
    return 'must be user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME'
  }
  // system:authenticated would be everybody, and the others are parts of the cluster.
  if (name.startsWith('system:')) return 'is one of the cluster itself, which owns no tenant'
  return { kind: kind === 'user' ? 'User' : 'Group', name, apiGroup: rbac }
}

// A namespace's name may begin with a digit, which that of a Service may not.
function dnsLabel(text: string): boolean {
  return text.length <= 63 && dnsLabelPattern.test(`a${text}`) && /^[a-z0-9]/.test(text)
}
