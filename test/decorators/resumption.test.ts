// What tells of an outage: a Lease that is renewed, and the mark that has everything looked at again.
import t from 'tap'
import { resumption } from '../../hooks/decorators/resumption/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ask, found } from './ask.ts'

const since = 'decorators.example.com/answering-since'
const began = '2026-03-01T11:00:00.000000Z'

function controller(annotations: Record<string, string> = {}, name = 'resumption'): KubernetesObject {
  return { apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'DecoratorController', metadata: { name, annotations } }
}

function lease(acquireTime: string, renewTime: string, namespace = 'operator-hooks'): KubernetesObject {
  const spec = { holderIdentity: 'operator-hooks', acquireTime, renewTime, leaseDurationSeconds: 30 }
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'resumption', namespace }, spec }
}

t.test('the first answer begins the time without a break', async (t) => {
  const { response, cacheable } = ask(resumption, controller(), { now: '2026-03-01T12:00:00.25Z' })
  t.match(found(response, 'Lease', 'resumption'), {
    metadata: { namespace: 'operator-hooks' },
    spec: { acquireTime: '2026-03-01T12:00:00.250000Z', renewTime: '2026-03-01T12:00:00.250000Z' },
  })
  t.match(response.annotations, { [since]: '2026-03-01T12:00:00.250000Z' })
  t.notOk(cacheable)
})

t.test('a tick renews it, and its being seen is no reason for another', async (t) => {
  const marked = controller({ [since]: began })
  const at = (renewTime: string) =>
    ask(resumption, marked, { attachments: [lease(began, renewTime)], now: '2026-03-01T12:00:00Z' }).response
  const renewed = at('2026-03-01T11:59:50.000000Z')
  t.match(found(renewed, 'Lease', 'resumption').spec, { acquireTime: began, renewTime: '2026-03-01T12:00:00.000000Z' })
  t.match(renewed.annotations, { [since]: began })
  const fresh = at('2026-03-01T11:59:58.000000Z')
  t.match(found(fresh, 'Lease', 'resumption').spec, { acquireTime: began, renewTime: '2026-03-01T11:59:58.000000Z' })
})

t.test('after half a minute without an answer a new time begins, once', async (t) => {
  const old = lease(began, '2026-03-01T11:55:00.000000Z')
  const now = '2026-03-01T12:00:00.000Z'
  const first = ask(resumption, controller({ [since]: began }), { attachments: [old], now }).response
  t.match(first.annotations, { [since]: '2026-03-01T12:00:00.000000Z' })
  // The mark is seen, the Lease not yet.
  const marked = controller({ [since]: '2026-03-01T12:00:00.000000Z' })
  const again = ask(resumption, marked, { attachments: [old], now: '2026-03-01T12:00:01Z' }).response
  t.match(again.annotations, { [since]: '2026-03-01T12:00:00.000000Z' })
  t.match(found(again, 'Lease', 'resumption').spec, { acquireTime: '2026-03-01T12:00:00.000000Z' })
})

t.test('a mark that is no time is put right', async (t) => {
  const { response } = ask(resumption, controller({ [since]: 'now' }), {
    attachments: [lease(began, '2026-03-01T11:59:50.000000Z')],
  })
  t.match(response.annotations, { [since]: began })
})

t.test('the Lease lies where the administrator says, and other controllers are left alone', async (t) => {
  const parameters = { 'decorators.example.com/lease-namespace': 'hooks' }
  const { response } = ask(resumption, controller(), { parameters })
  t.match(found(response, 'Lease', 'resumption'), { metadata: { namespace: 'hooks' } })
  t.same(ask(resumption, controller({}, 'keda')).response, { attachments: [] })
})
