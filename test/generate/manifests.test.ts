// CRDs, controllers and permissions that follow from a definition.
import t from 'tap'
import * as z from 'zod'
import { webhookConfigurations } from '../../hooks/generate/admission.ts'
import { type Controller, controllerName, controllerOf } from '../../hooks/generate/controllers.ts'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { generateAll } from '../../hooks/generate/index.ts'
import { controllerRbac, eventsRbac, metacontrollerRbac, quotasRbac, userRbac } from '../../hooks/generate/rbac.ts'
import { type Column, type Composite, composite, type Scale } from '../../hooks/sdk/definition.ts'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ConfigMap, Job, type ResourceType, Role, Secret } from '../../hooks/sdk/resources.ts'
import { parcel } from '../sdk/parcel.ts'
import { monitored, specimen } from './specimen.ts'

t.test('a CRD has every version, its columns, scale and rules', async (t) => {
  const { metadata, spec } = customResourceDefinition(specimen)
  t.equal(metadata.name, 'specimens.test.example.com')
  t.same(spec.names, {
    kind: 'Specimen',
    listKind: 'SpecimenList',
    plural: 'specimens',
    singular: 'specimen',
    shortNames: ['spc'],
    categories: ['all'],
  })
  t.match(spec.versions, [
    { name: 'v1alpha1', served: true, storage: false, deprecated: true, deprecationWarning: /use v1/ },
    {
      name: 'v1',
      served: true,
      storage: true,
      additionalPrinterColumns: [{ name: 'Engine' }, { name: 'Ready', priority: 1 }, { name: 'Age' }],
      subresources: { status: {}, scale: { labelSelectorPath: '.status.selector' } },
    },
  ])
  t.notOk(spec.conversion, 'no conversion is asked for')
  const [old, current] = spec.versions.map(({ schema }) => schema.openAPIV3Schema)
  t.same(current?.required, ['spec'])
  t.same(old?.required, undefined, 'a spec that may be empty may be left out')
  t.same(old?.properties?.spec?.default, {})
  t.match(current?.['x-kubernetes-validations'], [{ rule: /metadata\.name\.size/ }])
  const status = current?.properties?.status
  t.same(status?.required, undefined, 'nothing in a status is required')
  t.match(status?.properties?.observedGeneration, { type: 'integer', format: 'int64' })
  t.match(status?.properties?.conditions, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
})

t.test('a kind with conversions has them asked for where the service is', async (t) => {
  t.same(customResourceDefinition(parcel).spec.conversion, {
    strategy: 'Webhook',
    webhook: {
      conversionReviewVersions: ['v1'],
      clientConfig: {
        service: { name: 'operator-hooks', namespace: 'operator-hooks', path: '/conversion/parcel', port: 443 },
      },
    },
  })
  const { conversion } = customResourceDefinition(parcel, { url: 'https://127.0.0.1:8443/', caBundle: 'LS0t' }).spec
  t.same(conversion?.webhook.clientConfig, { url: 'https://127.0.0.1:8443/conversion/parcel', caBundle: 'LS0t' })
  const { conversions } = parcel
  const stray = { ...parcel, conversions: { v2: conversions?.v1beta1 } }
  t.throws(() => customResourceDefinition(stray), { message: /^Parcel: conversions has "v2", and must have versions/ })
  const own = { ...parcel, conversions: { v1: conversions?.v1beta1 } }
  t.throws(() => customResourceDefinition(own), { message: /other than the stored one/ })
})

t.test('webhooks are as narrow as can be, and no longer in the way than they must be', async (t) => {
  const [validating, mutating, ...others] = webhookConfigurations([parcel, specimen, monitored])
  t.same(others, [])
  t.same(
    validating?.webhooks.map(({ name }) => name),
    ['validate.parcels.test.example.com', 'validate.specimens.test.example.com'],
  )
  t.same(
    mutating?.webhooks.map(({ name }) => name),
    ['default.parcels.test.example.com'],
  )
  t.equal(mutating?.webhooks[0]?.reinvocationPolicy, 'IfNeeded')
  const [webhook] = validating?.webhooks ?? []
  t.match(webhook, {
    clientConfig: { service: { path: '/admission/parcel/validate' } },
    rules: [
      {
        apiGroups: ['test.example.com'],
        apiVersions: ['v1'],
        resources: ['parcels'],
        operations: ['CREATE', 'UPDATE'],
        scope: 'Namespaced',
      },
    ],
    matchPolicy: 'Equivalent',
    failurePolicy: 'Ignore',
    sideEffects: 'None',
    namespaceSelector: {
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'operator-hooks'] },
      ],
    },
  })
  t.ok(webhook && webhook.timeoutSeconds <= 5)
  t.equal(webhookConfigurations([specimen]).length, 1, 'nobody is asked for defaults that there are not')
  t.same(webhookConfigurations([monitored]), [])
})

t.test('the service may read quotas, and nothing else, when it is to warn of them', async (t) => {
  const [role, binding] = quotasRbac()
  t.same([...permissions(role)], [['/resourcequotas', ['list', 'watch']]])
  t.match(binding?.subjects, [{ name: 'operator-hooks' }, { name: 'operator-hooks-events' }])
})

t.test('columns and scale point at fields that exist', async (t) => {
  const column = (jsonPath: string) =>
    customResourceDefinition(small({ columns: [{ name: 'C', type: 'string', jsonPath }] }))
  t.throws(() => column('.spec.sise'), {
    message: /Small \(v1\): the column "C": "\.spec\.sise" points at no field, "sise"/,
  })
  t.throws(() => column('spec.size'), { message: /must start with a dot/ })
  t.ok(column('.metadata.labels.x'))
  t.ok(column('.status.conditions[?(@.type=="Ready")].status'))
  const scale = { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' }
  t.throws(() => customResourceDefinition(small({ scale })), { message: /scale subresource's statusReplicasPath/ })
})

t.test('a CompositeController declares every hook that the kind has', async (t) => {
  const controller = controllerOf(specimen)
  t.equal(controller.kind, 'CompositeController')
  t.match(controller.spec, {
    generateSelector: true,
    resyncPeriodSeconds: 600,
    parentResource: { apiVersion: 'test.example.com/v1', resource: 'specimens' },
    hooks: {
      sync: {
        version: 'v2',
        webhook: {
          service: { name: 'operator-hooks', namespace: 'operator-hooks' },
          path: '/hooks/specimen/sync',
          timeout: '10s',
        },
      },
      finalize: { version: 'v2', webhook: { path: '/hooks/specimen/finalize' } },
      customize: { version: 'v2', webhook: { path: '/hooks/specimen/customize' } },
    },
  })
  t.same(Object.keys(controllerOf(small({})).spec.hooks), ['sync', 'customize'], 'every kind is told of outages')
})

t.test('children are never left to OnDelete, which is the default', async (t) => {
  const Recreated: ResourceType<Job> = { ...Job, updateMethod: 'Recreate' }
  const { spec } = controllerOf(small({ children: [ConfigMap, Recreated] }))
  t.same('childResources' in spec && spec.childResources, [
    { apiVersion: 'v1', resource: 'configmaps', updateStrategy: { method: 'InPlace' } },
    { apiVersion: 'batch/v1', resource: 'jobs', updateStrategy: { method: 'Recreate' } },
  ])
})

t.test('ETags come with both of their times, and not for customize, which has a cache of its own', async (t) => {
  const etag = (controller: Controller) => controller.spec.hooks.sync.webhook.etag
  t.match(etag(controllerOf(specimen)), { enabled: true, cacheTimeoutSeconds: Number, cacheCleanupSeconds: Number })
  // Which of its answers may be kept, a kind that reads the clock tells with each.
  t.ok(etag(controllerOf(small({ clock: true }))))
  t.ok(etag(controllerOf(monitored)))
  t.equal(controllerOf(specimen).spec.hooks.customize?.webhook.etag, undefined)
})

t.test('hooks are called at a URL or at another Service', async (t) => {
  const at = (controller: Controller) => controller.spec.hooks.sync.webhook
  t.match(at(controllerOf(specimen, { url: 'http://127.0.0.1:8080/' })), {
    url: 'http://127.0.0.1:8080/hooks/specimen/sync',
    service: undefined,
    path: undefined,
  })
  const service = { name: 'hooks', namespace: 'there', port: 8443, protocol: 'https' as const }
  t.match(at(controllerOf(specimen, { service })), { service, path: '/hooks/specimen/sync' })
})

t.test('a DecoratorController has its selectors and attachments', async (t) => {
  const controller = controllerOf(monitored)
  t.match(controller, {
    kind: 'DecoratorController',
    metadata: { name: 'monitored-services' },
    spec: {
      resources: [{ apiVersion: 'v1', resource: 'services', annotationSelector: { matchExpressions: [{}] } }],
      attachments: [{ resource: 'monitors', updateStrategy: { method: 'InPlace' } }, { resource: 'networkpolicies' }],
    },
  })
})

t.test('a controller whose finalizer would be too long is refused', async (t) => {
  t.throws(() => controllerName(small({ group: `${'a'.repeat(40)}.example.com` })), {
    message: /at most 43 characters/,
  })
})

t.test('Metacontroller may do what these kinds need, and no more', async (t) => {
  const [role, binding] = controllerRbac('suite', [specimen])
  t.match(binding, { kind: 'ClusterRoleBinding', roleRef: { name: 'suite' }, subjects: [{ name: 'metacontroller' }] })
  const may = permissions(role)
  t.same(may.get('test.example.com/specimens'), ['get', 'list', 'watch', 'update'])
  t.same(may.get('test.example.com/specimens/status'), ['update'])
  t.same(may.get('test.example.com/specimens/finalizers'), ['update'])
  t.same(may.get('apps/deployments'), ['get', 'list', 'watch', 'create', 'update', 'delete'])
  t.same(may.get('/secrets'), ['get', 'list', 'watch'], 'related objects are read only')
  t.same(may.get('/pods'), ['get', 'list', 'patch'], 'what Roles hand out is held')
  t.equal(may.get('/services'), undefined)
  const all = permissions(controllerRbac('suite', [specimen, monitored])[0])
  t.same(all.get('/services'), ['get', 'list', 'watch', 'update'], 'what is decorated is never deleted')
  for (const object of [...metacontrollerRbac(), ...controllerRbac('suite', [specimen, monitored])]) {
    t.notMatch(JSON.stringify(object), /"\*"|escalate|"bind"|impersonate/, `${object.metadata.name} has no wildcard`)
  }
})

t.test('verbs for a kind that is a child here and related there are one rule', async (t) => {
  const reader = small({ children: [Secret], relatedTypes: [Secret], related: () => [] })
  t.same(permissions(controllerRbac('suite', [reader])[0]).get('/secrets'), [
    'get',
    'list',
    'watch',
    'create',
    'update',
    'delete',
  ])
})

t.test('what cannot be known from a function must be declared', async (t) => {
  t.throws(() => controllerRbac('suite', [small({ related: () => [] })]), { message: /Small: .* no "relatedTypes"/ })
  t.throws(() => controllerRbac('suite', [small({ children: [Role] })]), { message: /Small: has Role .* no "grants"/ })
})

t.test('people get the kinds with the roles that every cluster has', async (t) => {
  const [view, edit] = userRbac([specimen, small({})])
  t.equal(view?.metadata.labels?.['rbac.authorization.k8s.io/aggregate-to-view'], 'true')
  t.equal(edit?.metadata.labels?.['rbac.authorization.k8s.io/aggregate-to-view'], undefined)
  t.same(permissions(view).get('test.example.com/specimens'), ['get', 'list', 'watch'])
  t.same(permissions(edit).get('test.example.com/specimens/scale'), ['get', 'update', 'patch'])
  t.equal(permissions(edit).get('test.example.com/smalls/scale'), undefined, 'nothing to scale')
  t.same(permissions(eventsRbac()[0]).get('events.k8s.io/events'), ['create', 'patch'])
})

t.test('definitions that would overwrite each other are refused', async (t) => {
  t.throws(() => generateAll([small({}), small({ group: 'other.example.com' })]), {
    message: /Small\.other\.example\.com and Small\.test\.example\.com both have the hook name "small"/,
  })
})

t.test('names that the API server would refuse are told at once', async (t) => {
  const crd = (changes: Partial<Composite>) => customResourceDefinition(small(changes))
  const [version] = Object.values(small({}).versions)
  t.throws(() => crd({ kind: 'small' }), { message: 'small: kind is "small", and must be CamelCase, such as Database' })
  t.throws(() => crd({ plural: 'Smalls' }), { message: /plural is "Smalls", and must be lower case/ })
  t.throws(() => crd({ group: 'example' }), { message: /group is "example"/ })
  t.throws(() => crd({ shortNames: ['S'] }), { message: /shortNames is "S"/ })
  t.throws(() => crd({ storage: 'v2' }), { message: /storage is "v2", and must be one of v1/ })
  if (version === undefined) throw new Error('small has a version')
  t.throws(() => crd({ versions: { one: version }, storage: 'one' }), { message: /versions is "one"/ })
  t.throws(() => crd({ versions: { v1: { ...version, served: false } } }), {
    message: /must be a version that is served/,
  })
  const sibling = small({ kind: 'Other', plural: 'others', shortNames: ['small'] })
  t.throws(() => generateAll([small({}), sibling]), {
    message: /both have the name "small" in the group test\.example\.com/,
  })
})

function permissions(role: KubernetesObject | undefined): Map<string, string[]> {
  const rules = Array.isArray(role?.rules) ? role.rules.filter(isRecord) : []
  const strings = (value: unknown) => (Array.isArray(value) ? value.map(String) : [])
  const order = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']
  return new Map(
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      strings(apiGroups).flatMap((group) =>
        strings(resources).map((resource): [string, string[]] => [
          `${group}/${resource}`,
          strings(verbs).sort((a, b) => order.indexOf(a) - order.indexOf(b)),
        ]),
      ),
    ),
  )
}

function small(changes: Partial<Composite> & { columns?: Column[]; scale?: Scale }): Composite {
  const { columns = [], scale, ...others } = changes
  const base = composite({
    group: 'test.example.com',
    kind: 'Small',
    plural: 'smalls',
    description: 'Small.',
    versions: {
      v1: { spec: z.object({ size: z.int().default(1) }), status: z.object({}), columns, ...(scale && { scale }) },
    },
    storage: 'v1',
    children: [ConfigMap],
    sync: () => ({ children: [], status: {}, conditions: [] }),
  })
  return { ...base, ...others }
}
