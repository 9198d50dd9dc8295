// 304: an answer that Metacontroller still has is not made again, and a wrong one is never vouched for.
import t from 'tap'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { etagSalt, tagger } from '../../hooks/server/etag.ts'
import { credentials, testServer } from './harness.ts'
import { calls, noteRequest, observedAfter } from './kinds.ts'

// A request whose children are all there: its answer may be kept.
async function settled() {
  const { app } = await testServer()
  const first = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  await app.close()
  return JSON.stringify(
    noteRequest({ text: 'hello' }, { children: observedAfter(first.json<CompositeResponse>().children) }),
  )
}

const post = (payload: string, etag?: string) => ({
  method: 'POST' as const,
  url: '/hooks/note/sync',
  payload,
  headers: etag === undefined ? {} : { 'if-none-match': etag },
})

t.test('the same request is answered 304, and the kind is not asked', async (t) => {
  const { app } = await testServer()
  const body = await settled()
  const first = await app.inject(post(body))
  const etag = String(first.headers.etag)
  t.match(etag, /^"[\w-]{43}"$/)
  const asked = calls.sync
  for (const given of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await app.inject(post(body, given))
    t.equal(again.statusCode, 304, given)
    t.equal(again.body, '')
    t.equal(again.headers.etag, etag)
  }
  t.equal(calls.sync, asked)
  for (const given of ['*', '"other"', `${etag}x`, '']) {
    t.equal((await app.inject(post(body, given))).statusCode, 200, `${given} does not count`)
  }
  t.match(await (await app.inject('/metrics')).body, /operator_hooks_etag_hits_total\{kind="note",hook="sync"\} 3/)
  await app.close()
})

t.test('it is answered before anything is parsed', async (t) => {
  const { app } = await testServer({ build: { version: '1', id: 'x' } })
  // Nobody is ever given a tag for such a body: it stands for one that would be expensive to parse.
  const body = '{"not": json'
  const tag = tagger(etagSalt(['1', 'x'], { imageRegistry: '' }, credentials), '/hooks/note/sync')
  t.equal((await app.inject(post(body))).statusCode, 400)
  const known = tag([Buffer.from(body)])
  t.equal(tag([Buffer.from(body.slice(0, 5)), Buffer.from(body.slice(5))]), known, 'whatever pieces it comes in')
  t.equal((await app.inject(post(body, known))).statusCode, 304)
  await app.close()
})

t.test('another body, hook, build, setting or key has another tag', async (t) => {
  const body = await settled()
  const tagOf = async (options: Parameters<typeof testServer>[0] = {}, payload = body) => {
    const { app } = await testServer(options)
    const { etag } = (await app.inject(post(payload))).headers
    await app.close()
    return String(etag)
  }
  const usual = await tagOf()
  t.equal(await tagOf(), usual, 'two copies agree')
  const otherKey = createCredentials([{ id: 'k1', secret: new Uint8Array(32).fill(8) }])
  const others = [
    await tagOf({}, body.replace('"hello"', '"hellp"')),
    await tagOf({ build: { version: '1.2.3', id: 'other' } }),
    await tagOf({ environment: { credentials, settings: { imageRegistry: 'mirror' } } }),
    await tagOf({ environment: { credentials: otherKey, settings: { imageRegistry: '' } } }),
    await tagOf({ salt: ['k0'] }),
  ]
  t.equal(new Set([usual, ...others]).size, 6)
  await t.test('a tag of sync does not count for finalize', async (t) => {
    const { app } = await testServer()
    const finalize = { ...post(body, usual), url: '/hooks/note/finalize' }
    t.equal((await app.inject(finalize)).statusCode, 200)
    await app.close()
  })
})

t.test('an answer that may be another one later has no tag', async (t) => {
  const { app } = await testServer()
  const missing = await app.inject(post(JSON.stringify(noteRequest())))
  t.equal(missing.headers.etag, undefined, 'children that have not appeared yet')
  const alarm = {
    parent: { apiVersion: 'test.example.com/v1', kind: 'Alarm', metadata: { name: 'a', namespace: 'b', uid: 'c' } },
    children: { 'ConfigMap.v1': {} },
  }
  const timed = await app.inject({ method: 'POST', url: '/hooks/alarm/sync', payload: alarm })
  t.equal(timed.statusCode, 200)
  t.equal(timed.headers.etag, undefined, 'a kind that reads the clock')
  const failed = await app.inject(post(JSON.stringify(noteRequest({ text: 'x', fail: 'throw' }))))
  t.equal(failed.headers.etag, undefined, 'a failure')
  await app.close()
})
