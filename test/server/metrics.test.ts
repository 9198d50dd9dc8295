// What is counted, and where it can be read.
import t from 'tap'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { createTokens } from '../../hooks/server/authentication.ts'
import { testServer } from './harness.ts'
import { noteRequest, observedAfter } from './kinds.ts'

t.test('answers, children, drift and holds are counted by kind', async (t) => {
  const { app } = await testServer()
  const sync = async (payload: object | string) => app.inject({ method: 'POST', url: '/hooks/note/sync', payload })
  const desired = (await sync(noteRequest())).json<CompositeResponse>().children
  const children = observedAfter(desired)
  const live = children['ConfigMap.v1']?.first
  if (live === undefined) throw new Error('the ConfigMap is not there')
  live.metadata.annotations = { 'metacontroller.k8s.io/last-applied-configuration': JSON.stringify(desired[2]) }
  live.data = { text: 'changed by hand' }
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'old', namespace: 'default' } }
  await sync(noteRequest({ text: 'hello' }, { children: { ...children, 'Service.v1': { old: service } } }))
  await sync(noteRequest({ text: 7 }, { children }))
  await sync(noteRequest({ text: 'x', fail: 'throw' }))
  await sync('{')
  const lines = (await app.inject('/metrics')).body.split('\n')
  for (const line of [
    'operator_hooks_requests_total{kind="note",hook="sync",outcome="answered"} 2',
    'operator_hooks_requests_total{kind="note",hook="sync",outcome="held"} 1',
    'operator_hooks_requests_total{kind="note",hook="sync",outcome="failed"} 1',
    'operator_hooks_requests_total{kind="note",hook="sync",outcome="invalid"} 1',
    'operator_hooks_request_duration_seconds_count{kind="note",hook="sync",outcome="answered"} 2',
    'operator_hooks_children_desired_total{kind="note"} 9',
    'operator_hooks_children_created_total{kind="note",child="Deployment"} 1',
    'operator_hooks_children_changed_total{kind="note",child="ConfigMap"} 1',
    'operator_hooks_children_removed_total{kind="note",child="Service"} 1',
    'operator_hooks_drift_total{kind="note",child="ConfigMap"} 1',
    'operator_hooks_holds_total{kind="note",reason="InvalidSpec"} 1',
    'operator_hooks_in_flight 0',
  ]) {
    t.ok(lines.includes(line), line)
  }
  for (const name of [
    'operator_hooks_event_loop_delay_seconds',
    'process_resident_memory_bytes',
    'operator_hooks_build_info',
  ]) {
    t.ok(
      lines.some((line) => line.startsWith(`# TYPE ${name} `)),
      name,
    )
  }
  t.notOk(
    lines.some((line) => line.includes('first')),
    'no label tells of an object',
  )
  await app.close()
})

t.test('two servers in one process count for themselves', async (t) => {
  const [one, two] = await Promise.all([testServer(), testServer()])
  await one.app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  t.match((await one.app.inject('/metrics')).body, /outcome="answered"\} 1/)
  t.notMatch((await two.app.inject('/metrics')).body, /outcome="answered"/)
  await Promise.all([one.app.close(), two.app.close()])
})

t.test('metrics can have a listener of their own', async (t) => {
  const tokens = createTokens(['first-token-of-test'])
  const { app } = await testServer({ metricsApart: true, authentication: 'token', tokens })
  t.equal((await app.inject('/metrics')).statusCode, 404)
  t.notMatch((await app.inject('/')).json().message, /metrics/)
  t.equal((await app.inject('/healthz')).statusCode, 200)
  const probes = app.probes
  t.equal((await probes?.inject('/metrics'))?.statusCode, 200)
  t.equal((await probes?.inject('/readyz'))?.statusCode, 200)
  t.equal((await probes?.inject({ method: 'POST', url: '/hooks/note/sync', payload: {} }))?.statusCode, 404)
  app.stop()
  t.equal((await probes?.inject('/readyz'))?.statusCode, 429)
  await app.close()
})
