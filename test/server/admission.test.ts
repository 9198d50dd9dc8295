// What the API server asks before it stores a resource, through the routes.

import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { definitions as kinds } from '../../hooks/kinds/index.ts'
import type { ResourceQuota } from '../../hooks/sdk/resources.ts'
import { parcel } from '../sdk/parcel.ts'
import { makeCertificates } from './certificates.ts'
import { credentials, testServer } from './harness.ts'
import { definitions } from './kinds.ts'

const served = [parcel, ...definitions, ...kinds]
const settings = { imageRegistry: '' }

t.test('a resource that is right is let in, with the uid and the version of the review', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const { statusCode, json } = await app.inject(validating(parcelReview({ replicas: 2 })))
  t.equal(statusCode, 200)
  t.same(json(), {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'review-1', allowed: true },
  })
})

t.test('what only the hook can tell is refused as the API server itself refuses: field by field', async (t) => {
  const { app, logged } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const spec = { replicas: 3, maxReplicas: 1, timeZone: 'Europe/Atlantis' }
  const { statusCode, json } = await app.inject(validating(parcelReview(spec)))
  t.equal(statusCode, 200)
  t.same(json().response, {
    uid: 'review-1',
    allowed: false,
    status: {
      code: 422,
      reason: 'Invalid',
      message:
        'spec.timeZone: Europe/Atlantis is not a time zone that is known; spec.maxReplicas: must not be below spec.replicas',
      details: {
        name: 'box',
        group: 'test.example.com',
        kind: 'Parcel',
        causes: [
          {
            reason: 'FieldValueInvalid',
            field: 'spec.timeZone',
            message: 'Europe/Atlantis is not a time zone that is known',
          },
          { reason: 'FieldValueInvalid', field: 'spec.maxReplicas', message: 'must not be below spec.replicas' },
        ],
      },
    },
  })
  t.match(logged().at(-1), { kind: 'parcel', hook: 'validate', name: 'box', decision: 'denied' })
})

t.test('what the schema checks beyond CEL is checked too', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const base = { engine: 'postgresql', version: '17.2', storage: { size: '10Gi' } }
  const ask = async (spec: object, name = 'orders') => {
    const object = { apiVersion: 'example.com/v1', kind: 'Database', metadata: { name, namespace: 'shop' }, spec }
    const { json } = await app.inject(validating(review({ object, name }), 'database'))
    return json().response
  }
  t.match(await ask(base), { allowed: true, warnings: undefined })
  t.match(await ask({ ...base, backup: { schedule: '0 2 31 2 *' } }), {
    allowed: false,
    status: { message: /^spec\.backup\.schedule: never comes round/ },
  })
  t.match(await ask({ ...base, backup: { timeZone: 'Europe/Atlantis' } }), {
    status: { details: { causes: [{ field: 'spec.backup.timeZone', message: /is not a time zone/ }] } },
  })
  t.match(await ask({ ...base, parameters: { port: 1, listen_addresses: '*' } }), {
    status: { details: { causes: [{ field: 'spec.parameters.port' }, { field: 'spec.parameters.listen_addresses' }] } },
  })
  const unnamed = { apiVersion: 'example.com/v1', kind: 'Database', metadata: { generateName: 'orders-' }, spec: base }
  const generated = await app.inject(validating(review({ object: unnamed, name: '' }), 'database'))
  t.match(generated.json().response, { allowed: true }, 'a name that is generated will do')
  t.match(await ask(base, 'x'.repeat(50)), { status: { message: /^metadata\.name: must be at most 45/ } })
  t.match(await ask({ engine: 'mysql', version: '8.4', storage: { size: '1Gi' }, replicas: 4 }), {
    allowed: true,
    warnings: ['spec.replicas: 4 vote no better than 3, no more than 1 of them may fail; take an odd number'],
  })
})

t.test('a WebApp is refused for what its Deployment would be refused for later', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const spec = {
    image: 'nginx:1.29',
    configFiles: [{ path: '/etc/app.conf', content: 'a' }],
    volumes: [{ name: 'data', emptyDir: {} }],
    volumeMounts: [{ name: 'data', mountPath: '/etc/app.conf' }],
    initContainers: [{ name: 'proxy', image: 'envoy:1', volumeMounts: [{ name: 'logs', mountPath: '/logs' }] }],
    sidecars: [{ name: 'proxy', image: 'envoy:2' }],
  }
  const object = { apiVersion: 'platform.example.com/v1', kind: 'WebApp', metadata: { name: 'web' }, spec }
  const { json } = await app.inject(validating(review({ object, name: 'web' }), 'webapp'))
  t.match(json().response, {
    allowed: false,
    status: {
      details: {
        causes: [
          { field: 'spec.configFiles', message: '/etc/app.conf is the mountPath of one of spec.volumeMounts too' },
          { field: 'spec.initContainers', message: 'proxy mounts logs, which is none of spec.volumes' },
          { field: 'spec.sidecars', message: /^proxy is the name of another container/ },
        ],
      },
    },
  })
})

t.test('whoever applies what its kind would hold is told so', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const ask = async (fail: string | undefined) => {
    const metadata = { name: 'first', namespace: 'shop' }
    const object = { apiVersion: 'test.example.com/v1', kind: 'Note', metadata, spec: { text: 'a', fail } }
    return (await app.inject(validating(review({ object }), 'note'))).json().response
  }
  t.match(await ask(undefined), { allowed: true, warnings: undefined })
  const held = await ask('hold')
  const none = '0'.repeat(43)
  t.match(held, { allowed: true, warnings: [`it would be held: the note waits; ${none} is not told`] }, 'no password')
})

t.test('what was wrong before an update and is the same still refuses nothing', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const ask = async (before: object, after: object) =>
    (await app.inject(validating(parcelReview(after, before)))).json().response
  const wrong = { replicas: 1, timeZone: 'Europe/Atlantis' }
  t.match(await ask(wrong, { ...wrong, fragile: true }), {
    allowed: true,
    warnings: ['spec.timeZone: Europe/Atlantis is not a time zone that is known (as before)'],
  })
  t.match(await ask(wrong, { ...wrong, timeZone: 'Europe/Mordor' }), { allowed: false }, 'another fault is a new one')
  t.match(await ask(wrong, { replicas: 1 }), { allowed: true, warnings: undefined })
  t.match(await ask({ replicas: 'many' }, { replicas: 1 }), { allowed: true }, 'whatever it was before')
  t.match(await ask({ replicas: 3 }, { replicas: 2 }), {
    allowed: true,
    warnings: ['spec.replicas: fewer than before'],
  })
  t.match(await ask({ replicas: 2 }, { replicas: 2, fragile: true }), { warnings: undefined })
})

t.test('images outside the allow-list are refused, whoever wrote them into the answer', async (t) => {
  const allowedImages = ['registry.example.com/**', 'nginx']
  const environment = { credentials, settings: { ...settings, allowedImages } }
  const { app } = await testServer({ definitions: served, environment, admission: 'open' })
  t.teardown(() => app.close())
  const ask = async (image: string, before?: string) => {
    const earlier = before === undefined ? undefined : { replicas: 1, image: before }
    return (await app.inject(validating(parcelReview({ replicas: 1, image }, earlier)))).json().response
  }
  t.match(await ask('nginx:1.29'), { allowed: true })
  t.match(await ask('registry.example.com/team/web@sha256:1'), { allowed: true })
  t.match(await ask('evil/miner:1'), {
    allowed: false,
    status: {
      details: {
        causes: [
          {
            field: 'spec.image',
            message:
              'the image evil/miner:1 (container parcel of Deployment/box) is none of those that may be run here: registry.example.com/**, nginx',
          },
        ],
      },
    },
  })
  t.match(await ask('evil/miner:1', 'evil/miner:1'), { allowed: true, warnings: [/^spec\.image: .* \(as before\)$/] })
  t.match(await ask('evil/miner:2', 'evil/miner:1'), { allowed: false })

  t.comment('an image that a kind has put together of parts is found as well')
  const spec = { engine: 'postgresql', version: '17.2', storage: { size: '1Gi' } }
  const object = { apiVersion: 'example.com/v1', kind: 'Database', metadata: { name: 'a', namespace: 'b' }, spec }
  t.match((await app.inject(validating(review({ object }), 'database'))).json().response, {
    status: { details: { causes: [{ field: 'spec', message: /^the image postgres:17\.2 / }] } },
  })
  const named = { ...object, spec: { ...spec, image: { repository: 'evil/postgres' } } }
  t.match((await app.inject(validating(review({ object: named }), 'database'))).json().response, {
    status: { details: { causes: [{ field: 'spec.image.repository' }] } },
  })
})

t.test('who asks for more than the quotas leave is warned, and not refused', async (t) => {
  const quota = (name: string, hard: object, used: object, spec = {}): ResourceQuota => {
    const status = { hard, used } as NonNullable<ResourceQuota['status']>
    return { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name }, spec, status }
  }
  const known: Record<string, ResourceQuota[]> = {
    shop: [
      quota('team', { 'requests.cpu': '4', pods: '10' }, { 'requests.cpu': '2500m', pods: '3' }),
      quota('best-effort', { pods: '1' }, { pods: '1' }, { scopes: ['BestEffort'] }),
      quota('new', {}, {}),
    ],
  }
  const quotas = { of: (namespace: string) => known[namespace] ?? [], close: async () => undefined }
  const { app } = await testServer({ definitions: served, admission: 'open', quotas })
  t.teardown(() => app.close())
  const ask = async (after: object, before?: object) =>
    (await app.inject(validating(parcelReview(after, before)))).json().response
  const resources = { cpu: '500m' }
  t.match(await ask({ replicas: 3, resources }), { allowed: true, warnings: undefined }, 'all of what is left')
  t.match(await ask({ replicas: 4, resources }), {
    allowed: true,
    warnings: ['ResourceQuota/team leaves too little: requests.cpu: 2500m of 4 used, 2 more needed'],
  })
  t.match(await ask({ replicas: 8, resources }), {
    warnings: [/requests\.cpu: 2500m of 4 used, 4 more needed; pods: 3 of 10 used, 8 more needed$/],
  })
  t.match(
    await ask({ replicas: 5, resources }, { replicas: 2, resources }),
    { warnings: undefined },
    'only what is new',
  )
  t.match(await ask({ replicas: 6, resources }, { replicas: 2, resources }), { warnings: [/2 more needed/] })
  t.match(await ask({ replicas: 1 }), { warnings: [/^ResourceQuota\/best-effort leaves too little: pods/] })

  t.comment('volumes of a Database count too')
  known.shop = [quota('storage', { 'requests.storage': '25Gi', persistentvolumeclaims: '9' }, {})]
  const spec = { engine: 'postgresql', version: '17.2', storage: { size: '10Gi' }, replicas: 3 }
  const object = { apiVersion: 'example.com/v1', kind: 'Database', metadata: { name: 'a', namespace: 'shop' }, spec }
  t.match((await app.inject(validating(review({ object }), 'database'))).json().response, {
    allowed: true,
    warnings: ['ResourceQuota/storage leaves too little: requests.storage: 0 of 25Gi used, 30Gi more needed'],
  })
})

t.test('subresources and deletions are let through unseen', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const object = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'box' }, spec: { replicas: 99 } }
  for (const request of [
    { operation: 'UPDATE', subResource: 'scale', object, oldObject: object },
    { operation: 'DELETE', object: null, oldObject: object },
    { operation: 'CONNECT' },
  ]) {
    const { json } = await app.inject(validating(review(request)))
    t.same(json().response, { uid: 'review-1', allowed: true }, request.operation)
  }
})

t.test('defaults that depend on other fields are a JSON patch, and only of what is left out', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const ask = async (spec: object | undefined) => {
    const { json } = await app.inject({ ...validating(parcelReview(spec)), url: '/admission/parcel/default' })
    return json().response
  }
  const patchOf = ({ patch }: { patch: string }) => JSON.parse(Buffer.from(patch, 'base64').toString())
  const first = await ask({ replicas: 3 })
  t.match(first, { uid: 'review-1', allowed: true, patchType: 'JSONPatch' })
  t.same(patchOf(first), [{ op: 'add', path: '/spec/maxReplicas', value: 6 }])
  const again = await ask({ replicas: 3, maxReplicas: 6 })
  t.same(again, { uid: 'review-1', allowed: true }, 'asked again it has nothing to add')
  t.same(await ask({ replicas: 3, maxReplicas: 1 }), { uid: 'review-1', allowed: true }, 'what is given stays')
  t.same(await ask({ replicas: 'three' }), { uid: 'review-1', allowed: true }, 'what is invalid is not for it to say')
  t.equal((await app.inject({ method: 'POST', url: '/admission/database/default' })).statusCode, 404)
})

t.test('what is no review of this kind is refused with the reason', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  const good = parcelReview({ replicas: 1 })
  const { object } = good.request
  const bad: [unknown, string][] = [
    ['', 'the body is empty; a hook request is a JSON object'],
    ['{"request":', 'the body (11 bytes) is not JSON'],
    [[], 'the body: must be an object, but is a list'],
    [{ ...good, kind: 'ConversionReview' }, 'kind: must be AdmissionReview here, but is ConversionReview'],
    [{ ...good, apiVersion: 'admission.k8s.io/v1beta1' }, /^apiVersion: must be admission\.k8s\.io\/v1 here/],
    [{ ...good, request: undefined }, 'request: is missing; it must be an object'],
    [review({ uid: '', object }), 'request.uid: must be a string, but is empty'],
    [review({ operation: 7, object }), 'request.operation: must be a string, but is a number'],
    [review({ object: undefined }), 'request.object: is missing; it must be an object'],
    [review({ object: { ...object, kind: 'Pod' } }), 'request.object.kind: must be Parcel here, but is Pod'],
    [
      review({ object: { ...object, apiVersion: 'test.example.com/v1beta1' } }),
      /^request\.object\.apiVersion: must be test\.example\.com\/v1 here, but is test\.example\.com\/v1beta1; the rule/,
    ],
    [review({ object: { ...object, spec: 'x' } }), 'request.object.spec: must be an object, but is a string'],
    [review({ operation: 'UPDATE', object }), 'request.oldObject: is missing; it must be an object'],
    [
      review({ object: { ...object, metadata: { labels: [] } } }),
      /^request\.object\.metadata\.labels: must be an object/,
    ],
  ].map(([body, message]) => [body, message] as [unknown, string])
  for (const [body, message] of bad) {
    const payload = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await app.inject({ method: 'POST', url: '/admission/parcel/validate', payload })
    t.equal(response.statusCode, 400, response.body)
    t.match(response.json(), { error: 'Bad Request', message })
  }
})

t.test('a fault of the kind is no verdict, and its log tells no values', async (t) => {
  const broken = {
    ...parcel,
    validate: () => {
      throw new Error('cannot read hunter2-hunter2')
    },
    default: () => ({ replicas: 1, maxReplicas: 'many' }),
  }
  const { app, logged, lines } = await testServer({ definitions: [broken], admission: 'open' })
  t.teardown(() => app.close())
  const review = parcelReview({ replicas: 1, maxReplicas: 1, notes: ['hunter2-hunter2'] })
  const response = await app.inject(validating(review))
  t.equal(response.statusCode, 500)
  t.match(response.json().message, /^an error of the hook service itself/)
  t.match(logged().at(-1), { kind: 'parcel', hook: 'validate', name: 'box', message: 'cannot read [redacted]' })
  const patched = await app.inject({ ...validating(parcelReview({ replicas: 1 })), url: '/admission/parcel/default' })
  t.equal(patched.statusCode, 500)
  t.match(logged().at(-1), { message: /its own defaults make the spec invalid: spec\.maxReplicas/ })
  t.notMatch(lines.join(''), 'hunter2')
})

t.test('reviews are counted by kind, hook and outcome', async (t) => {
  const { app } = await testServer({ definitions: served, admission: 'open' })
  t.teardown(() => app.close())
  await app.inject(validating(parcelReview({ replicas: 1 })))
  await app.inject(validating(parcelReview({ replicas: 1, timeZone: 'x' })))
  await app.inject({ ...validating(parcelReview({ replicas: 1 })), url: '/admission/parcel/default' })
  await app.inject({ ...validating(parcelReview({ replicas: 1 })), payload: '{}' })
  const { body } = await app.inject('/metrics')
  for (const [hook, outcome] of [
    ['validate', 'allowed'],
    ['validate', 'denied'],
    ['validate', 'invalid'],
    ['default', 'patched'],
  ]) {
    t.match(body, `operator_hooks_requests_total{kind="parcel",hook="${hook}",outcome="${outcome}"} 1`)
  }
})

t.test('without --admission there is nothing to ask, with it the hooks stay closed', async (t) => {
  const { app } = await testServer({ definitions: served })
  t.teardown(() => app.close())
  const absent = await app.inject(validating(parcelReview({ replicas: 1 })))
  t.equal(absent.statusCode, 404)
  t.notMatch(absent.json().message, '/admission/parcel/{')
  const open = await testServer({ definitions: served, admission: 'open', authentication: 'token' })
  t.teardown(() => open.app.close())
  t.equal((await open.app.inject(validating(parcelReview({ replicas: 1 })))).statusCode, 200)
  t.equal((await open.app.inject({ method: 'POST', url: '/hooks/parcel/sync' })).statusCode, 401)
  t.match((await open.app.inject('/x')).json().message, '/admission/parcel/{validate,default}, /conversion/parcel')
})

t.test('it may be for client certificates only', async (t) => {
  const ours = await makeCertificates('hooks')
  const tls = { cert: ours.cert, key: ours.key, ca: ours.cert }
  const { app } = await testServer({ definitions: [parcel], admission: 'mtls', tls })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const status = (certificate: object) =>
    new Promise<number | undefined>((resolve, reject) => {
      const agent = new Agent({ ca: ours.cert, ...certificate })
      const options = { host: '127.0.0.1', port, method: 'POST', path: '/admission/parcel/validate', agent }
      request(options, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end(JSON.stringify(parcelReview({ replicas: 1 })))
    })
  t.equal(await status({}), 401)
  t.equal(await status({ cert: ours.clientCert, key: ours.clientKey }), 200)
})

function review<Request extends object>(request: Request) {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'review-1', operation: 'CREATE', namespace: 'shop', name: 'box', ...request },
  }
}

function parcelReview(spec: object | undefined, before?: object) {
  const object = (spec: object | undefined) => ({
    apiVersion: 'test.example.com/v1',
    kind: 'Parcel',
    metadata: { name: 'box', namespace: 'shop' },
    ...(spec && { spec }),
  })
  if (before === undefined) return review({ object: object(spec), oldObject: null })
  return review({ operation: 'UPDATE', object: object(spec), oldObject: object(before) })
}

function validating(body: object, kind = 'parcel') {
  return { method: 'POST' as const, url: `/admission/${kind}/validate`, payload: JSON.stringify(body) }
}
