// What a kind's validate, default and the allow-list of images do to a sync: the same as at admission, since the API
// server admits without being told when the service is away.
import fc from 'fast-check'
import t from 'tap'
import { decorator, type Settings } from '../../hooks/sdk/definition.ts'
import { evaluateComposite, evaluateDecorator } from '../../hooks/sdk/evaluate.ts'
import { isAllowedImage } from '../../hooks/sdk/images.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { Deployment, Service } from '../../hooks/sdk/resources.ts'
import { applied, environment, present } from './greeting.ts'
import { parcel } from './parcel.ts'

t.test('a problem holds what exists, with its own reason', async (t) => {
  const [child] = sync({ replicas: 2 }).response.children
  const { hold, response } = sync({ replicas: 3, maxReplicas: 1 }, { children: [applied(present(child))] })
  t.same(hold, { reason: 'TooFew', message: 'spec.maxReplicas: must not be below spec.replicas' })
  t.match(response.children, [{ spec: { replicas: 2 } }])
  t.match(sync({ replicas: 1, timeZone: 'x' }).hold, { reason: 'InvalidSpec', message: /^spec\.timeZone: / })
})

t.test('what is counted goes on being counted in a hold, whatever the spec is like', async (t) => {
  const counting: typeof parcel = {
    ...parcel,
    counts: ({ name }, observed) => ({ replicas: observed.get(Deployment, name)?.status?.replicas ?? 0 }),
  }
  const children = [{ ...applied(deployment('box', 'nginx')), status: { replicas: 3 } }]
  t.match(sync({ replicas: 'many' }, { kind: counting, children }), {
    hold: { reason: 'InvalidSpec' },
    response: { status: { replicas: 3 } },
  })
})

t.test('what a default fills in is there without a webhook too, and never changes what is given', async (t) => {
  const seen: unknown[] = []
  const watching = {
    ...parcel,
    sync: (...args: Parameters<typeof parcel.sync>) => {
      seen.push(args[0].spec.maxReplicas)
      return parcel.sync(...args)
    },
  }
  sync({ replicas: 3 }, { kind: watching })
  sync({ replicas: 3, maxReplicas: 4 }, { kind: watching })
  t.same(seen, [6, 4])
})

t.test('an image that may not run holds, and is told with what may', async (t) => {
  const settings = { imageRegistry: 'registry.example.com', allowedImages: ['registry.example.com/nginx'] }
  t.equal(sync({ replicas: 1 }, { settings }).hold, undefined)
  const { hold, response } = sync({ replicas: 1, image: 'evil/miner:1' }, { settings })
  t.match(hold, {
    reason: 'ImageNotAllowed',
    message:
      /^spec\.image: the image registry\.example\.com\/evil\/miner:1 .* may be run here: registry\.example\.com\/nginx$/,
  })
  t.same(response.children, [])
  t.match(response.status.conditions, [{ type: 'Ready', status: 'False', reason: 'ImageNotAllowed' }])
})

t.test('a deletion is held up by no problem, and brings in no image', async (t) => {
  const settings = { imageRegistry: '', allowedImages: ['nginx'] }
  const kind = (names: string[]) => ({
    ...parcel,
    finalize: () => ({
      children: names.map((name) => deployment(name, 'evil/miner:1')),
      status: {},
      conditions: [],
      finalized: false,
    }),
  })
  const children = [applied(deployment('box', 'evil/miner:1'))]
  const spec = { replicas: 1, timeZone: 'x' }
  const kept = sync(spec, { kind: kind(['box']), settings, children, finalizing: true })
  t.equal(kept.hold, undefined, 'what runs may run on until it is gone')
  const brought = sync(spec, { kind: kind(['box', 'backup']), settings, children, finalizing: true })
  t.match(brought.hold, { reason: 'ImageNotAllowed', message: /Deployment\/backup/ })
  const nothing = sync(spec, { kind: kind(['backup']), settings, finalizing: true })
  t.match(nothing.response, { children: [], finalized: true }, 'of which nothing ever ran, nothing is left to do')
})

t.test('a decorator is held to the same images', async (t) => {
  const sidecar = decorator({
    name: 'sidecar',
    description: 'Runs something beside a Service.',
    resources: [{ type: Service }],
    attachments: [Deployment],
    sync: ({ metadata: { name } }) => ({ attachments: [deployment(name, 'nginx', 'evil/miner:1')] }),
  })
  const ask = (allowedImages: string[]) =>
    evaluateDecorator(
      sidecar,
      {
        controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'DecoratorController', metadata: {} },
        object: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'ns', uid: 'u' } },
        attachments: { 'Deployment.apps/v1': {} },
        related: {},
        finalizing: false,
      },
      { ...environment, settings: { imageRegistry: '', allowedImages } },
    )
  t.equal(ask(['**']).response.attachments.length, 1)
  t.match(ask(['nginx']), { hold: { reason: 'ImageNotAllowed', message: /container first of Deployment\/web/ } })
})

t.test('images are compared as a runtime completes them', async (t) => {
  const allowed: [string, string[]][] = [
    ['nginx', ['nginx', 'nginx:1.29', 'nginx@sha256:abc', 'docker.io/library/nginx:1', 'nginx:1@sha256:abc']],
    ['bitnami/*', ['bitnami/redis:7', 'docker.io/bitnami/redis']],
    ['registry.example.com/**', ['registry.example.com/a', 'registry.example.com/a/b/c:1@sha256:d']],
    ['registry.example.com/team-*/*:v*', ['registry.example.com/team-a/web:v1.2']],
    ['localhost:5000/*', ['localhost:5000/a:1']],
    ['nginx:1.29', ['nginx:1.29']],
    ['nginx@sha256:abc', ['nginx@sha256:abc']],
    ['**', ['anything/at/all:1']],
    ['*.example.com/**', ['a.example.com/x']],
  ]
  for (const [pattern, images] of allowed) {
    for (const image of images) t.ok(isAllowedImage(image, [pattern]), `${pattern} takes ${image}`)
  }
  const refused: [string, string[]][] = [
    ['nginx', ['nginx2', 'evil/nginx', 'registry.example.com/nginx', 'docker.io/nginx/nginx', 'nginx/nginx']],
    ['bitnami/*', ['bitnami/a/b', 'registry.example.com/bitnami/redis']],
    [
      'registry.example.com/*',
      ['registry.example.com/a/b', 'registry.example.com.evil.com/a', 'xregistry.example.com/a'],
    ],
    ['registry.example.com/**', ['registry-example.com/a', 'evil.com/registry.example.com/a']],
    ['nginx:1.29', ['nginx', 'nginx:1.290', 'nginx:1.29@sha256:abc', 'nginx:1x29']],
    ['nginx@sha256:abc', ['nginx', 'nginx@sha256:abcd', 'nginx:1']],
    ['*', ['evil/miner', 'evil.com/miner']],
  ]
  for (const [pattern, images] of refused) {
    for (const image of images) t.notOk(isAllowedImage(image, [pattern]), `${pattern} does not take ${image}`)
  }
  t.ok(isAllowedImage('any', []), 'no patterns: all')
  t.ok(isAllowedImage('any', undefined))
  const odd = fc.string({
    unit: fc.constantFrom('a', '.', '+', '(', '[', '$', '^', '\\', '|'),
    minLength: 1,
    maxLength: 6,
  })
  fc.assert(
    fc.property(odd, odd, (name, other) => {
      const [pattern, image] = [`registry.example.com/${name}`, `registry.example.com/${other}`]
      return isAllowedImage(image, [pattern]) === (name === other)
    }),
  )
})

function deployment(name: string, image: string, first?: string): Deployment {
  const initContainers = first === undefined ? [] : [{ name: 'first', image: first }]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { selector: {}, template: { spec: { initContainers, containers: [{ name: 'main', image }] } } },
  }
}

function sync(
  spec: object,
  options: {
    kind?: typeof parcel
    settings?: Settings
    children?: readonly KubernetesObject[]
    finalizing?: boolean
  } = {},
) {
  const { kind = parcel, settings = environment.settings, children = [], finalizing = false } = options
  return evaluateComposite(
    kind,
    {
      controller: { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController', metadata: {} },
      parent: {
        apiVersion: 'test.example.com/v1',
        kind: 'Parcel',
        metadata: { name: 'box', namespace: 'ns', uid: 'u', generation: 1 },
        spec,
      },
      children: {
        'Deployment.apps/v1': Object.fromEntries(children.map((child) => [`ns/${child.metadata.name}`, child])),
      },
      related: {},
      finalizing,
    },
    { ...environment, settings },
  )
}
