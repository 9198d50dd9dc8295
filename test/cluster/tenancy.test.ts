// Tenancy where it counts: what the real API server lets a tenant's owners do, what it refuses them by quota, limits, Pod
// Security and the policies of deploy/policies/tenancy, and that the suite's own kinds run under all of that.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { at, database, databaseAt, untilGone, untilPhase } from '../scenarios/database.ts'
import { webapp, webappAt } from '../scenarios/webapp.ts'
import { createControlPlaneCluster } from './cluster.ts'
import { documents } from './manifests.ts'

const root = join(import.meta.dirname, '..', '..')
const controllers = join(root, 'metacontroller')
const policies = join(root, 'deploy', 'policies', 'tenancy')
const key = (name: string) => `tenancy.example.com/${name}`
const rbac = 'rbac.authorization.k8s.io'

const cluster = await createControlPlaneCluster({
  hook: {
    command: process.execPath,
    args: [join(root, 'hooks', 'main.ts'), 'serve', '--auth=none', '--ephemeral-credential-keys'],
  },
  manifests: [
    join(root, 'crds'),
    ...documents(join(controllers, 'databases.example.com.yaml')),
    ...documents(join(controllers, 'webapps.platform.example.com.yaml')),
    join(controllers, 'decorators', 'tenancy'),
    join(root, 'deploy', 'generated', 'rbac'),
    policies,
    // Roles and rules of an administrator's own.
    bound('tenancy-admins', 'operator-hooks-tenancy-admin', 'ada'),
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'namespaces' },
      rules: [{ apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'create', 'update', 'patch'] }],
    },
    bound('namespaces', 'namespaces', 'joe'),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'operator-hooks', name: 'tenant-strict', labels: { [key('tenant')]: 'strict' } },
      data: { registries: 'registry.example.com/strict\ndocker.io/library/', storageClasses: 'standard\n' },
    },
  ],
  faults: false,
})
t.teardown(() => cluster.stop())
const { client, kubectl } = cluster.controlPlane

t.test('owners may do in their namespaces what an administrator of a namespace may, and nothing else', async (t) => {
  const namespace = await tenant('owned', { owners: 'user:jane,group:acme-developers,serviceaccount:ci/deployer' })
  const jane = { user: 'jane', groups: [] }
  for (const who of [
    jane,
    { user: 'joan', groups: ['acme-developers'] },
    { user: 'system:serviceaccount:ci:deployer', groups: [] },
  ]) {
    t.ok(await may(who, 'create', 'apps', 'deployments', namespace), who.user)
    t.ok(await may(who, 'update', 'example.com', 'databases', namespace), who.user)
    t.ok(await may(who, 'create', 'platform.example.com', 'webapps', namespace), who.user)
    t.ok(await may(who, 'create', rbac, 'rolebindings', namespace), who.user)
    t.notOk(await may(who, 'create', 'apps', 'deployments', 'default'), who.user)
    t.notOk(await may(who, 'update', '', 'resourcequotas', namespace), who.user)
    t.notOk(await may(who, 'update', '', 'namespaces', undefined), who.user)
  }
  t.notOk(await may({ user: 'joe', groups: [] }, 'create', 'apps', 'deployments', namespace))
  await annotate(namespace, { owners: null })
  await cluster.until('the binding is gone', async () => !(await may(jane, 'create', 'apps', 'deployments', namespace)))
})

t.test('Pod Security, limits and quota hold for what owners start', async (t) => {
  const namespace = await tenant('limited', { owners: 'user:jane', plan: '{"pods": 2}' })
  t.match(
    as('jane', 'create', pod(namespace, 'root', { securityContext: undefined })),
    /violates PodSecurity "restricted:latest"/,
  )
  t.equal(as('jane', 'create', pod(namespace, 'plain')), '')
  const plain = await client.get({ apiVersion: 'v1', kind: 'Pod', namespace, name: 'plain' })
  t.match(at(plain, 'spec', 'containers', 0, 'resources'), {
    requests: { cpu: '100m', memory: '128Mi' },
    limits: { memory: '512Mi' },
  })
  t.equal(as('jane', 'create', pod(namespace, 'second')), '')
  t.match(
    as('jane', 'create', pod(namespace, 'third')),
    /exceeded quota: tenant-quota, requested: pods=1, used: pods=2/,
  )
  t.match(as('jane', 'create', claim(namespace, 'huge', { storage: '60Gi' })), /maximum storage usage .* is 50Gi/)
  await annotate(namespace, { 'pod-security': 'baseline', plan: null })
  await cluster.until('the level is baseline', async () => {
    const found = await client.get({ apiVersion: 'v1', kind: 'Namespace', name: namespace })
    const quota = await client.get({ apiVersion: 'v1', kind: 'ResourceQuota', namespace, name: 'tenant-quota' })
    const level = found?.metadata.labels?.['pod-security.kubernetes.io/enforce']
    return level === 'baseline' && at(quota, 'status', 'hard', 'pods') === '20'
  })
  t.equal(as('jane', 'create', pod(namespace, 'root', { securityContext: undefined })), '')
})

t.test('the suite’s own kinds run in a tenant’s namespace', async (t) => {
  const namespace = await tenant('suite', { owners: 'user:jane', plan: 'medium' })
  const backup = { enabled: true, schedule: '0 2 * * *', destination: { claim: { name: 'dumps' } } }
  const monitoring = { enabled: true }
  t.equal(as('jane', 'create', database(namespace, 'db', { replicas: 2, backup, monitoring })), '')
  t.equal(as('jane', 'create', webapp(namespace, 'shop', { replicas: 2, monitoring })), '')
  await untilPhase(cluster, databaseAt(namespace, 'db'), 'Running', 120)
  await untilPhase(cluster, webappAt(namespace, 'shop'), 'Running', 120)
})

t.test('only those who may assign a tenant make a namespace one of its', async (t) => {
  await followed()
  const namespace = await cluster.namespace('assigned')
  const change = (user: string, labels: object, annotations: object = {}) =>
    as(user, 'patch', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, { labels, annotations })
  t.equal(change('joe', { team: 'shop' }), '', 'other labels are nobody’s concern')
  t.match(change('joe', { [key('tenant')]: 'acme' }), /may "assign" tenants\.tenancy\.example\.com acme/)
  t.equal(change('ada', { [key('tenant')]: 'acme' }), '')
  t.match(change('joe', {}, { [key('plan')]: 'large' }), /may "assign"/)
  t.match(change('joe', {}, { [key('owners')]: 'user:joe' }), /may "assign"/)
  t.match(change('joe', { [key('tenant')]: null }), /may "assign"/)
  t.match(change('joe', { 'pod-security.kubernetes.io/enforce': 'privileged' }), /may "assign"/)
  t.equal(change('joe', { team: 'other' }), '')
  t.equal(change('ada', {}, { [key('plan')]: 'medium' }), '')
  const created = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'assigned-new', labels: { [key('tenant')]: 'acme' } },
  }
  t.match(as('joe', 'create', created), /may "assign"/)
})

t.test('owners cannot change what their namespace was given, and it goes with the namespace', async (t) => {
  await followed()
  const namespace = await tenant('guarded', { owners: 'user:jane' })
  const denial = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }
  const given = { ...denial, metadata: { namespace, name: 'tenant-default-deny' } }
  const why = /the tenant "acme" was given/
  t.match(as('jane', 'delete', given), why)
  t.match(as('jane', 'patch', given, { labels: { 'app.kubernetes.io/part-of': null } }), why)
  const binding = { apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata: { namespace, name: 'tenant-owners' } }
  t.match(as('jane', 'delete', binding), why)
  const own = { ...denial, metadata: { namespace, name: 'own' }, spec: { podSelector: {}, policyTypes: ['Ingress'] } }
  t.equal(as('jane', 'create', own), '')
  t.equal(as('jane', 'delete', own), '')
  const reference = { apiVersion: 'v1', kind: 'Namespace', name: namespace }
  await cluster.delete(reference)
  await untilGone(cluster, [reference])
})

t.test('a tenant has the registries and storage classes that are named for it', async (t) => {
  await followed()
  const strict = await tenant('strict', { owners: 'user:jane', tenant: 'strict' })
  const free = await tenant('free', { owners: 'user:jane' })
  const from = (namespace: string, name: string, image: string) => as('jane', 'create', pod(namespace, name, { image }))
  t.match(
    from(strict, 'a', 'ghcr.io/else/x:1'),
    /the tenant "strict" may use images of registry\.example\.com\/strict\/, docker\.io\/library\/ only, and not ghcr\.io\/else\/x:1/,
  )
  t.match(from(strict, 'b', 'registry.example.com/strictly/x:1'), /and not registry\.example\.com\/strictly\/x:1/)
  t.match(from(strict, 'c', 'someone/nginx:1'), /and not docker\.io\/someone\/nginx:1/)
  t.equal(from(strict, 'd', 'registry.example.com/strict/x:1'), '')
  t.equal(from(strict, 'e', 'nginx:1.29'), '')
  t.equal(from(free, 'a', 'ghcr.io/else/x:1'), '')
  t.match(
    as('jane', 'create', claim(strict, 'a', { storageClassName: 'fixed' })),
    /classes standard only, and not of "fixed"/,
  )
  t.equal(as('jane', 'create', claim(strict, 'b', {})), '', 'the default class is one of them')
  t.equal(as('jane', 'create', claim(free, 'a', { storageClassName: 'fixed' })), '')
})

/** A new namespace with everything that a tenant is given. */
async function tenant(hint: string, given: { owners: string; plan?: string; tenant?: string }): Promise<string> {
  const namespace = await cluster.namespace(hint)
  const { tenant = 'acme', ...rest } = given
  const reference = { apiVersion: 'v1', kind: 'Namespace', name: namespace }
  const annotations = Object.fromEntries(Object.entries(rest).map(([name, value]) => [key(name), value]))
  await client.patch(reference, { metadata: { labels: { [key('tenant')]: tenant }, annotations } })
  await cluster.until(`${namespace} has what it needs`, async () => {
    const binding = await client.get({
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      namespace,
      name: 'tenant-owners',
    })
    const quota = await client.get({ apiVersion: 'v1', kind: 'ResourceQuota', namespace, name: 'tenant-quota' })
    const account = await client.get({ apiVersion: 'v1', kind: 'ServiceAccount', namespace, name: 'default' })
    return binding !== undefined && at(quota, 'status', 'used') !== undefined && account !== undefined
  })
  return namespace
}

async function annotate(namespace: string, given: Record<string, string | null>): Promise<void> {
  const annotations = Object.fromEntries(Object.entries(given).map(([name, value]) => [key(name), value]))
  await client.patch({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, { metadata: { annotations } })
}

/** Policies are picked up a moment after they were written. */
async function followed(): Promise<void> {
  const name = 'tenancy-probe'
  await cluster.until('the policies are followed', async () => {
    const labels = { [key('tenant')]: 'probe', 'app.kubernetes.io/part-of': 'tenancy' }
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
    return /may "assign"/.test(as('joe', 'create', namespace, undefined, '--dry-run=server'))
  })
}

async function may(
  { user, groups }: { user: string; groups: string[] },
  verb: string,
  group: string,
  resource: string,
  namespace: string | undefined,
): Promise<boolean> {
  const review = await client.create({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: { user, groups, resourceAttributes: { verb, group, resource, ...(namespace && { namespace }) } },
  })
  return at(review, 'status', 'allowed') === true
}

/** Does it as that user; the answer is what the API server says against it, or empty. */
function as(
  user: string,
  verb: 'create' | 'delete' | 'patch',
  object: KubernetesObject,
  metadata?: object,
  ...more: string[]
) {
  const patch = verb === 'patch' ? ['--type=merge', `--patch=${JSON.stringify({ metadata })}`] : []
  const args = [`--as=${user}`, verb, ...patch, ...more, '-f', '-']
  const { stderr, status } = spawnSync(kubectl, args, { input: JSON.stringify(object), encoding: 'utf8' })
  return status === 0 ? '' : stderr
}

function pod(namespace: string, name: string, { image = 'nginx:1.29', ...changes }: Record<string, unknown> = {}) {
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const containers = [{ name: 'main', image, securityContext, ...changes }]
  return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name }, spec: { containers } }
}

function claim(namespace: string, name: string, given: { storage?: string; storageClassName?: string }) {
  const { storage = '1Gi', ...rest } = given
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...rest }
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { namespace, name }, spec }
}

function bound(name: string, role: string, user: string): KubernetesObject {
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: rbac, kind: 'User', name: user }],
  }
}
