import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { replay } from '../../hooks/cli/replay.ts'
import { answerHook } from '../../hooks/cli/transport.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import { createServer } from '../../hooks/server/index.ts'
import { cache } from './cache.ts'
import { recordingShell } from './shell.ts'

const now = '2026-01-01T00:00:00Z'
const credentials = createCredentials([{ id: 'k1', secret: Buffer.alloc(32, 7) }])
const settings = { imageRegistry: '' }

const request = {
  controller: {
    apiVersion: 'metacontroller.k8s.io/v1alpha1',
    kind: 'CompositeController',
    metadata: { name: 'caches' },
  },
  parent: {
    apiVersion: 'test.example.com/v1',
    kind: 'Cache',
    metadata: { name: 'c', namespace: 'default', uid: 'u1', generation: 1 },
    spec: { engine: 'redis' },
  },
  children: { 'ConfigMap.v1': {}, 'CronJob.batch/v1': {}, 'Secret.v1': {}, 'StatefulSet.apps/v1': {} },
  related: {},
  finalizing: false,
}

const recording = () => ({
  hook: 'cache/sync',
  now,
  request,
  response: answerHook([cache], 'cache/sync', request, { now: new Date(now), credentials, settings }).response,
})

const replayed = async (...args: string[]) => {
  const shell = recordingShell()
  const code = await replay(args, shell)
  return { code, output: shell.output(), errors: shell.errors() }
}

t.test('recordings and bare bodies are answered; passwords come from the recording', async (t) => {
  const dir = t.testdir({
    'a.json': JSON.stringify(recording()),
    cache: { 'body.json': JSON.stringify(request) },
    keys: `k1:${Buffer.alloc(32, 7).toString('base64')}\n`,
  })
  for (const args of [[], ['--credential-keys-file', `${dir}/keys`]]) {
    const { code, output } = await replayed(dir, ...args)
    t.equal(code, 0, output)
    t.match(output, /✓ .*a\.json cache\/sync as recorded: 3 children, Creating/)
    t.match(output, /✓ .*cache\/body\.json cache\/sync answered/)
    t.match(output, 'Replay: 1 as recorded, 1 answered')
  }
})

t.test('a difference is told by child and field, and --update takes it up', async (t) => {
  const changed = JSON.parse(JSON.stringify(recording()))
  changed.response.status.phase = 'Running'
  changed.response.children[2].spec.replicas = 5
  changed.response.children[1].data.uri = Buffer.from('another').toString('base64')
  changed.response.children.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'old' }, data: {} })
  const dir = t.testdir({ 'a.json': JSON.stringify(changed) })
  const { code, output } = await replayed(dir)
  t.equal(code, 1)
  t.match(output, 'status.phase: Running → Creating')
  t.match(output, 'StatefulSet/c spec.replicas: 5 → 1')
  t.match(output, 'Secret/c-secret data.uri: <masked> → <masked>')
  t.match(output, /ConfigMap\/old.*only the recorded answer has/)
  const json = JSON.parse((await replayed(dir, '-o', 'json')).output)
  t.match(json, { results: [{ outcome: 'different', hook: 'cache/sync' }] })
  t.match((await replayed(dir, '--update')).output, '1 updated')
  t.match((await replayed(dir)).output, '1 as recorded')
  t.match(JSON.parse(readFileSync(`${dir}/a.json`, 'utf8')), {
    hook: 'cache/sync',
    now,
    response: { status: { phase: 'Creating' } },
  })
})

t.test('a running service is asked', async (t) => {
  const app = await createServer({
    definitions: [cache],
    environment: { credentials, settings },
    authentication: 'none',
  })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const dir = t.testdir({ 'a.json': JSON.stringify(recording()) })
  t.match(await replayed(dir, '--url', url), { code: 0, output: /1 as recorded/ })
  writeFileSync(`${dir}/b.json`, JSON.stringify({ hook: 'cache/finalize', request }))
  t.match(await replayed(dir, '--url', url), { code: 1, output: /b\.json cache\/finalize fails: status 404/ })
  await app.close()
  t.match(await replayed(dir, '--url', url), { code: 1, output: /cannot be reached: .*ECONNREFUSED/ })
})

t.test('what cannot be replayed is said', async (t) => {
  const dir = t.testdir({
    'bad.json': '{',
    'other.json': '{"parent": {"kind": "Nothing"}}',
    'faulty.json': JSON.stringify({ hook: 'cache/sync', request: { ...request, children: [] } }),
    empty: {},
  })
  t.match(await replayed(`${dir}/bad.json`), { code: 1, errors: /bad\.json: is not JSON/ })
  t.match(await replayed(`${dir}/other.json`), { code: 1, errors: /other\.json: is neither/ })
  t.match(await replayed(`${dir}/faulty.json`), { code: 1, output: /fails: .*children/ })
  t.match(await replayed(`${dir}/empty`), { code: 1, errors: /has no \*\.json/ })
  t.match(await replayed(`${dir}/none`), { code: 1, errors: /no such file/ })
  t.match(await replayed(), { code: 2, errors: /which recordings/ })
  t.match(await replayed('--help'), { code: 0, output: /A recording is/ })
})
