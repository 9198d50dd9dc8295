// Whatever is posted, the service answers: what is no hook request is refused, and nothing but a kind's own bug is a 500.
import fc from 'fast-check'
import t from 'tap'
import type { CompositeResponse } from '../../hooks/sdk/wire.ts'
import { testServer } from './harness.ts'
import { noteRequest, observedAfter } from './kinds.ts'

type Path = readonly (string | number)[]

t.test('any JSON at all', async (t) => {
  const { app } = await testServer()
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.constantFrom('note/sync', 'note/finalize', 'note/customize', 'companion/sync'),
      async (value, hook) => {
        const { statusCode } = await app.inject({
          method: 'POST',
          url: `/hooks/${hook}`,
          payload: JSON.stringify(value),
        })
        return statusCode === 400
      },
    ),
    { numRuns: 300 },
  )
  await app.close()
  t.pass('is refused')
})

t.test('any bytes at all', async (t) => {
  const { app } = await testServer()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const { statusCode } = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: Buffer.from(bytes) })
      return statusCode === 400
    }),
    { numRuns: 200 },
  )
  await app.close()
  t.pass('are refused')
})

t.test('a request with anything in the place of one of its fields', async (t) => {
  const { app } = await testServer()
  const first = await app.inject({ method: 'POST', url: '/hooks/note/sync', payload: noteRequest() })
  const { children, status } = first.json<CompositeResponse>()
  const request = noteRequest({ text: 'hello' }, { children: observedAfter(children), status })
  const paths = pathsOf(request)
  const replacement = fc.oneof(fc.jsonValue(), fc.constant(undefined))
  const seen = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      replacement,
      fc.constantFrom('sync', 'finalize', 'customize'),
      async (path, value, hook) => {
        const payload = JSON.stringify(replaced(request, path, value))
        const { statusCode } = await app.inject({ method: 'POST', url: `/hooks/note/${hook}`, payload })
        seen.set(statusCode, (seen.get(statusCode) ?? 0) + 1)
        return statusCode === 200 || statusCode === 400
      },
    ),
    { numRuns: 3000 },
  )
  t.ok((seen.get(200) ?? 0) > 100 && (seen.get(400) ?? 0) > 100, `both were seen: ${JSON.stringify([...seen])}`)
  await app.close()
})

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const fields = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [path, ...fields.flatMap(([field, inner]) => pathsOf(inner, [...path, field]))].filter((one) => one.length > 0)
}

function replaced(value: unknown, [field, ...rest]: Path, replacement: unknown): unknown {
  if (field === undefined) return replacement
  if (Array.isArray(value))
    return value.map((item, index) => (index === field ? replaced(item, rest, replacement) : item))
  const record = value as Record<string, unknown>
  return { ...record, [field]: replaced(record[field], rest, replacement) }
}
