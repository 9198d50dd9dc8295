// The API server, working from the generated CRD, and the hook, working from the zod schema, say the same of every
// spec: both take it, with the same defaults, or both refuse it. (The API server is the simulator's, whose schema
// rules test/cluster compares with the real one.)
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import * as z from 'zod'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { composite } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ConfigMap } from '../../hooks/sdk/resources.ts'
import { intOrString, listMap } from '../../hooks/sdk/schema.ts'
import { compileSchema } from '../../hooks/simulator/schema.ts'

/** A schema, and values that have a fair chance to fit it. */
interface Specimen {
  schema: z.ZodType
  value: fc.Arbitrary<unknown>
}

const words = fc.stringMatching(/^[a-c]{0,6}$/)
const numbers = fc.integer({ min: -5, max: 15 })

const scalar: fc.Arbitrary<Specimen> = fc.oneof(
  fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 5 }), fc.boolean()).map(([min, more, pattern]) => {
    const schema = z
      .string()
      .min(min)
      .max(min + more)
    return { schema: pattern ? schema.regex(/^a+b*$/) : schema, value: words }
  }),
  fc.tuple(numbers, fc.nat({ max: 10 })).map(([min, more]) => ({
    schema: z
      .int()
      .min(min)
      .max(min + more),
    value: numbers,
  })),
  fc.constant({ schema: z.number().gt(0).lt(10), value: fc.oneof(numbers, fc.constant(0.5)) }),
  fc.constant({ schema: z.boolean(), value: fc.boolean() }),
  fc.constant({ schema: z.enum(['a', 'ab', 'on']), value: fc.oneof(words, fc.constant('on')) }),
  fc.constant({ schema: z.string().max(3).nullable(), value: fc.oneof(words, fc.constant(null)) }),
  fc.constant({ schema: intOrString(), value: fc.oneof(words, numbers) }),
)

const presence = fc.constantFrom('required', 'optional', 'default')

const { node } = fc.letrec<{ node: Specimen; object: Specimen & { schema: z.ZodObject } }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 4, arbitrary: scalar },
    { weight: 2, arbitrary: tie('object') },
    { weight: 1, arbitrary: tie('node').chain(listOf) },
    { weight: 1, arbitrary: tie('node').map(mapOf) },
    { weight: 1, arbitrary: tie('node').map(listMapOf) },
  ),
  object: fc
    .dictionary(fc.constantFrom('one', 'two', 'three'), fc.tuple(tie('node'), presence), { maxKeys: 3 })
    .chain(objectOf),
}))

function objectOf(fields: Record<string, [Specimen, string]>): fc.Arbitrary<Specimen & { schema: z.ZodObject }> {
  const entries = Object.entries(fields)
  const defaults = fc.tuple(...entries.map(([, [field]]) => field.value))
  return defaults.map((candidates) => {
    const shape = entries.map(([name, [field, how]], index): [string, z.ZodType] => {
      const candidate = candidates[index]
      if (how === 'optional') return [name, field.schema.optional()]
      // Only what fits may be a default: the API server refuses a CRD otherwise.
      if (how === 'default' && field.schema.safeParse(candidate).success && candidate !== null) {
        return [name, field.schema.default(candidate)]
      }
      return [name, field.schema]
    })
    const value = fc.record(Object.fromEntries(entries.map(([name, [field]]) => [name, field.value])), {
      requiredKeys: [],
    })
    return { schema: z.object(Object.fromEntries(shape)), value }
  })
}

function listOf({ schema, value }: Specimen): fc.Arbitrary<Specimen> {
  return fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 2 })).map(([min, more]) => ({
    schema: z
      .array(schema)
      .min(min)
      .max(min + more),
    value: fc.array(value, { maxLength: 4 }),
  }))
}

function mapOf({ schema, value }: Specimen): Specimen {
  return { schema: z.record(z.string(), schema), value: fc.dictionary(fc.constantFrom('x', 'y'), value) }
}

function listMapOf({ schema, value }: Specimen): Specimen {
  const item = z.object({ key: z.string().max(3), value: schema.optional() })
  const items = fc.record({ key: fc.constantFrom('a', 'b', 'toolong'), value }, { requiredKeys: ['key'] })
  return { schema: listMap(item, ['key']), value: fc.array(items, { maxLength: 3 }) }
}

/** Any value, in the place of a fitting one now and then; no integers that a double cannot tell apart. */
const disturbed = (value: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }).map(withoutHuge) })

function withoutHuge(value: unknown): unknown {
  // What is no number stays: an object may have a toString that is none.
  const isHuge = (inner: unknown) => typeof inner === 'number' && Math.abs(inner) > Number.MAX_SAFE_INTEGER
  const text = JSON.stringify(value, (_, inner) => (isHuge(inner) ? 1.5 : inner))
  return JSON.parse(text)
}

t.test('the CRD and the hook agree about every spec', async (t) => {
  const seen = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(
      node.chain(({ schema, value }) => disturbed(value).map((spec) => ({ schema, field: spec }))),
      ({ schema, field }) => {
        const spec = z.object({ field: schema.optional() })
        const kind = composite({
          group: 'test.example.com',
          kind: 'Any',
          plural: 'anys',
          description: 'Any.',
          versions: { v1: { spec, status: z.object({}) } },
          storage: 'v1',
          children: [ConfigMap],
          sync: () => ({ children: [], status: {}, conditions: [] }),
        })
        const crd = JSON.parse(JSON.stringify(customResourceDefinition(kind))) as KubernetesObject
        const object: KubernetesObject = {
          apiVersion: 'test.example.com/v1',
          kind: 'Any',
          metadata: { name: 'a' },
          spec: JSON.parse(JSON.stringify({ field })),
        }
        const { prepare, check } = compileSchema(crd, object.apiVersion)
        prepare(object)
        const causes = check(object)
        const hook = spec.safeParse(object.spec)
        seen[hook.success ? 'taken' : 'refused']++
        if (hook.success !== (causes.length === 0)) {
          throw new Error(
            `the API server says ${JSON.stringify(causes)}, the hook ${JSON.stringify(hook.error?.issues)}`,
          )
        }
        if (hook.success) assert.deepStrictEqual(hook.data, object.spec)
      },
    ),
    { numRuns: 150 },
  )
  t.ok(seen.taken > 25 && seen.refused > 25, JSON.stringify(seen))
})
