// The labels of pods, patched over TLS as the API server takes it.
import { rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { podsOf } from '../../hooks/agent/pod.ts'
import { makeCertificates } from '../server/certificates.ts'

interface Seen {
  method?: string | undefined
  path?: string | undefined
  type?: string | undefined
  token?: string | undefined
  body: unknown
}

const { cert, key } = await makeCertificates('api')
const seen: Seen[] = []
let status = 200
let answer: object = {}
const server = createServer({ cert, key }, (request, response) => {
  let text = ''
  request.on('data', (chunk) => {
    text += chunk
  })
  request.on('end', () => {
    const { method, url, headers } = request
    const { 'content-type': type, authorization } = headers
    seen.push({ method, path: url, type, token: authorization, body: text === '' ? undefined : JSON.parse(text) })
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer))
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
t.teardown(() => server.close())
const listening = server.address()
if (listening === null || typeof listening === 'string') throw new Error('it does not listen')
const folder = t.testdir({ token: 'first\n', 'ca.crt': cert })
const access = { host: '127.0.0.1', port: listening.port, folder, namespace: 'shop', pod: 'db-0' }

t.beforeEach(() => {
  seen.length = 0
  status = 200
})

t.test('the label is set once for each change, and looked after', async (t) => {
  let now = 0
  const pods = podsOf(access, () => now)
  await pods.setRole('primary')
  await pods.setRole('primary')
  t.same(seen, [
    {
      method: 'PATCH',
      path: '/api/v1/namespaces/shop/pods/db-0',
      type: 'application/merge-patch+json',
      token: 'Bearer first',
      body: { metadata: { labels: { 'example.com/role': 'primary' } } },
    },
  ])
  await pods.setRole(undefined)
  t.same(seen[1]?.body, { metadata: { labels: { 'example.com/role': null } } }, 'no role, no label')
  now = 31_000
  await pods.setRole(undefined)
  t.equal(seen.length, 3, 'what a person did to the label is undone')
})

t.test('that its volume is full is a label of its own', async (t) => {
  const pods = podsOf(access)
  await pods.setRole('replica')
  for (const full of [false, true, true, false]) await pods.setFull(full)
  t.same(
    seen.slice(1).map(({ body }) => body),
    [null, 'full', null].map((value) => ({ metadata: { labels: { 'example.com/storage': value } } })),
  )
})

t.test('after a failure it is set again, with the token of that time', async (t) => {
  const pods = podsOf(access)
  await pods.setRole('replica')
  status = 500
  await t.rejects(pods.setRole('primary'), { message: /answered 500 .* of pod db-0/ })
  status = 200
  writeFileSync(join(folder, 'token'), 'second')
  await pods.setRole('replica')
  t.equal(seen.length, 3, 'nobody knows what the label is after a failure')
  t.equal(seen[2]?.token, 'Bearer second')
})

t.test('another pod is demoted only where it is the primary', async (t) => {
  const pods = podsOf(access)
  for (status of [200, 404, 422]) await pods.demote('db-1')
  t.same(seen[0], {
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/pods/db-1',
    type: 'application/json-patch+json',
    token: seen[0]?.token,
    body: [
      { op: 'test', path: '/metadata/labels/example.com~1role', value: 'primary' },
      { op: 'replace', path: '/metadata/labels/example.com~1role', value: 'replica' },
    ],
  })
  status = 403
  await t.rejects(pods.demote('db-1'), { message: /answered 403/ })
})

t.test('another pod is made the primary for Services', async (t) => {
  await podsOf(access).promote('db-1')
  t.match(seen, [
    { path: '/api/v1/namespaces/shop/pods/db-1', body: { metadata: { labels: { 'example.com/role': 'primary' } } } },
  ])
})

t.test('a pod whose containers are well and that is not ready is given up', async (t) => {
  const pods = podsOf(access)
  const saying = (conditions: Record<string, string>) => {
    answer = { status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) } }
  }
  saying({ Ready: 'True', ContainersReady: 'True' })
  t.equal(await pods.givenUp(), false)
  t.equal(await pods.isReady('db-1'), true)
  t.match(seen, [
    { method: 'GET', path: '/api/v1/namespaces/shop/pods/db-0' },
    { path: '/api/v1/namespaces/shop/pods/db-1' },
  ])
  saying({ Ready: 'False', ContainersReady: 'False' })
  t.equal(await pods.givenUp(), false, 'it is not ready by itself')
  saying({ Ready: 'False', ContainersReady: 'True' })
  t.equal(await pods.givenUp(), true)
  t.equal(await pods.isReady('db-1'), false)
  status = 404
  answer = {}
  t.equal(await pods.isReady('db-1'), false, 'nor is one that is not there')
})

t.test('another authority is not believed, and an error holds no token', async (t) => {
  const other = await makeCertificates('other')
  const strange = t.testdir({ token: 'secret', 'ca.crt': other.cert })
  const error: unknown = await podsOf({ ...access, folder: strange })
    .setRole('primary')
    .then(
      () => undefined,
      (error: unknown) => error,
    )
  t.type(error, Error)
  t.notMatch(String(error), /secret/)
  t.equal(seen.length, 0)
  rmSync(join(strange, 'token'))
  await t.rejects(podsOf({ ...access, folder: strange }).setRole('primary'), { code: 'ENOENT' })
})
