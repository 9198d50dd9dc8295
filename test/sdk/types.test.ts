// What the types refuse, each time beside what the same mistake comes to when it gets past them. The compiler reads the
// lines marked @ts-expect-error (`npm run check`): one that is no error any more is one.
import t from 'tap'
import * as z from 'zod'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { evaluateDefaults } from '../../hooks/sdk/admit.ts'
import { convertObject } from '../../hooks/sdk/convert.ts'
import { composite, decorator } from '../../hooks/sdk/definition.ts'
import { evaluateComposite, evaluateDecorator } from '../../hooks/sdk/evaluate.ts'
import { ConfigMap, Secret, Service } from '../../hooks/sdk/resources.ts'
import { environment, requestFor } from './greeting.ts'

const v1 = {
  spec: z.object({ text: z.string().max(10).default('hello') }),
  status: z.object({ said: z.string().optional() }),
}
const kind = {
  group: 'test.example.com',
  kind: 'Greeting',
  plural: 'greetings',
  description: 'Says something.',
  versions: { v1 },
} as const
const text: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'hi' } }

t.test('a child that is not declared', async (t) => {
  const definition = composite({
    ...kind,
    storage: 'v1',
    children: [Secret],
    // @ts-expect-error a ConfigMap is not among the children
    sync: () => ({ children: [text], status: {}, conditions: [] }),
  })
  t.match(evaluateComposite(definition, requestFor({}), environment).hold, {
    reason: 'InvalidChild',
    message: 'ConfigMap/hi: v1 ConfigMap is not among the declared children',
  })
})

t.test('an attachment that is not declared', async (t) => {
  const definition = decorator({
    name: 'greetings',
    description: 'Says something.',
    resources: [{ type: Service }],
    attachments: [Secret],
    // @ts-expect-error a ConfigMap is not among the attachments
    sync: () => ({ attachments: [text] }),
  })
  const { controller } = requestFor({})
  const object = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'ns' } }
  const request = { controller, object, attachments: {}, related: {}, finalizing: false }
  t.match(evaluateDecorator(definition, request, environment).hold, { reason: 'InvalidChild' })
})

t.test('what sync is given and answers follows from the definition', async (t) => {
  const definition = composite({
    ...kind,
    storage: 'v1',
    children: [ConfigMap],
    sync(parent, context) {
      const said: string = parent.spec.text
      // @ts-expect-error the spec has no such field
      const missing: unknown = parent.spec.txet
      // @ts-expect-error only declared kinds are observed
      const foreign: Secret | undefined = context.observed.get(Secret, 'hi')
      const own: ConfigMap | undefined = context.observed.get(ConfigMap, 'hi')
      t.same([missing, foreign, own], [undefined, undefined, undefined])
      return { children: [text], status: { said }, conditions: [] }
    },
  })
  t.match(evaluateComposite(definition, requestFor({}), environment).response.status, { said: 'hello' })
})

t.test('the time, without saying that the answer depends on it', async (t) => {
  const definition = composite({
    ...kind,
    storage: 'v1',
    children: [ConfigMap],
    sync(_parent, context) {
      // @ts-expect-error the definition has no `clock: true`
      return { children: [], status: { said: String(context.now) }, conditions: [] }
    },
  })
  t.throws(() => evaluateComposite(definition, requestFor({}), environment), { message: /without declaring/ })
})

t.test('a status that the schema has not, and a stored version that there is not', async (t) => {
  composite({
    ...kind,
    storage: 'v1',
    children: [ConfigMap],
    // @ts-expect-error `said` is a string
    sync: () => ({ children: [], status: { said: 1 }, conditions: [] }),
  })
  const definition = composite({
    ...kind,
    // @ts-expect-error there is no v2
    storage: 'v2',
    children: [ConfigMap],
    sync: () => ({ children: [], status: {}, conditions: [] }),
  })
  t.throws(() => evaluateComposite(definition, requestFor({}), environment), { message: /has no version "v2"/ })
})

t.test('a field of a child that its API has not', async (t) => {
  // @ts-expect-error a Service has no `replicas`
  const service: Service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hi' }, spec: { replicas: 1 } }
  // @ts-expect-error and a child has a name
  const nameless: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} }
  const definition = composite({
    ...kind,
    storage: 'v1',
    children: [ConfigMap, Service],
    sync: () => ({ children: [service, nameless], status: {}, conditions: [] }),
  })
  t.match(evaluateComposite(definition, requestFor({}), environment).hold, { message: /metadata\.name is missing/ })
})

const versions = { v1, v1beta1: { spec: z.object({ words: z.string() }), status: z.object({}) } }
const silent = { children: [ConfigMap], sync: () => ({ children: [], status: {}, conditions: [] }) }

t.test('a conversion to what the other version does not take', async (t) => {
  const definition = composite({
    ...kind,
    ...silent,
    versions,
    storage: 'v1',
    conversions: {
      v1beta1: {
        // @ts-expect-error the text of v1 is no number
        toStorage: ({ spec }) => ({ spec: { text: spec?.words?.length } }),
        fromStorage: ({ spec }) => ({ spec: { words: spec?.text } }),
      },
    },
  })
  const old = { apiVersion: 'test.example.com/v1beta1', kind: 'Greeting', metadata: {}, spec: { words: 'hi' } }
  const { object } = convertObject(definition, old, 'v1')
  t.same(object?.spec, { text: 2 })
  t.match(evaluateComposite(definition, requestFor(object?.spec), environment).hold, { reason: 'InvalidSpec' })
})

t.test('a conversion of a version that there is not', async (t) => {
  const definition = composite({
    ...kind,
    ...silent,
    versions,
    storage: 'v1',
    // @ts-expect-error there is no such version
    conversions: { v2: { toStorage: () => ({}), fromStorage: () => ({}) } },
  })
  t.throws(() => customResourceDefinition(definition), { message: /conversions has "v2"/ })
})

t.test('a default for a field that there is not', async (t) => {
  const definition = composite({
    ...kind,
    storage: 'v1',
    children: [ConfigMap],
    // @ts-expect-error the spec has no such field
    default: () => ({ txet: 'hi' }),
    sync: () => ({ children: [], status: {}, conditions: [] }),
  })
  const { parent: object } = requestFor({})
  t.same(evaluateDefaults(definition, { operation: 'CREATE', object }, environment), [
    { op: 'add', path: '/spec/txet', value: 'hi' },
  ])
})
