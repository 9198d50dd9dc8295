// What the simulated API server tells clients about its kinds, so that kubectl finds them by any of their names.
import { listAt } from './json.ts'
import type { Resource } from './resources.ts'

/** The answer to a path of discovery, given its steps; undefined for any other path. */
export function discovery(all: readonly Resource[], steps: readonly string[]): unknown {
  const path = steps.join('/')
  if (path === 'version') return { major: '1', minor: '36', gitVersion: 'v1.36.0-simulated' }
  if (path === 'api') return { kind: 'APIVersions', versions: ['v1'] }
  if (path === 'apis') {
    const groups = Map.groupBy(
      all.filter(({ group }) => group !== ''),
      ({ group }) => group,
    )
    const versionsOf = (group: string, members: readonly Resource[]) => {
      const versions = [...new Set(members.flatMap((member) => member.versions))]
      return versions.map((version) => ({ groupVersion: `${group}/${version}`, version }))
    }
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: [...groups].map(([name, members]) => ({
        name,
        versions: versionsOf(name, members),
        preferredVersion: versionsOf(name, members)[0],
      })),
    }
  }
  const groupVersion =
    path === 'api/v1' ? 'v1' : steps[0] === 'apis' && steps.length === 3 ? `${steps[1]}/${steps[2]}` : undefined
  if (groupVersion === undefined) return undefined
  const [group, version] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion]
  const members = all.filter((resource) => resource.group === group && resource.versions.includes(version ?? ''))
  const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: members.map(({ plural, kind, namespaced, crd }) => ({
      name: plural,
      singularName: kind.toLowerCase(),
      shortNames: crd === undefined ? (shortNames[plural] ?? []) : listAt(crd, 'spec', 'names', 'shortNames'),
      categories: listAt(crd, 'spec', 'names', 'categories'),
      namespaced,
      kind,
      verbs,
    })),
  }
}

/** Of what is built in; a CRD brings its own. */
const shortNames: Record<string, readonly string[]> = {
  configmaps: ['cm'],
  cronjobs: ['cj'],
  customresourcedefinitions: ['crd', 'crds'],
  deployments: ['deploy'],
  events: ['ev'],
  horizontalpodautoscalers: ['hpa'],
  ingresses: ['ing'],
  namespaces: ['ns'],
  networkpolicies: ['netpol'],
  persistentvolumeclaims: ['pvc'],
  poddisruptionbudgets: ['pdb'],
  pods: ['po'],
  replicasets: ['rs'],
  serviceaccounts: ['sa'],
  services: ['svc'],
  statefulsets: ['sts'],
}
