// zod → structural schema: what comes out, and what is refused with the field's name.
import t from 'tap'
import * as z from 'zod'
import { structuralSchema } from '../../hooks/generate/schema.ts'
import { immutable, intOrString, listMap, passthrough, quantity, rule } from '../../hooks/sdk/schema.ts'

const convert = (schema: z.ZodType) => structuralSchema(schema, 'spec')
const property = (schema: z.ZodType) => convert(z.object({ field: schema })).properties?.field

t.test('scalars', async (t) => {
  t.same(property(z.string().min(1).max(5).regex(/^a+$/).describe('A few.')), {
    description: 'A few.',
    type: 'string',
    pattern: '^a+$',
    minLength: 1,
    maxLength: 5,
  })
  t.same(property(z.int().min(1).max(10)), { type: 'integer', format: 'int32', minimum: 1, maximum: 10 })
  t.same(property(z.int()), { type: 'integer', format: 'int64' }, "a double's bounds are no bounds of the field")
  t.same(property(z.int().min(0)), { type: 'integer', format: 'int64', minimum: 0 })
  t.same(property(z.int32()), { type: 'integer', format: 'int32' })
  t.same(property(z.number().gt(0).lt(1)), {
    type: 'number',
    format: 'double',
    minimum: 0,
    exclusiveMinimum: true,
    maximum: 1,
    exclusiveMaximum: true,
  })
  t.same(property(z.boolean()), { type: 'boolean' })
  t.same(property(z.enum(['a', 'b'])), { type: 'string', enum: ['a', 'b'] })
  t.same(property(z.literal('a')), { type: 'string', enum: ['a'] })
  t.same(property(z.union([z.literal('a'), z.enum(['b', 'c'])])), { type: 'string', enum: ['a', 'b', 'c'] })
  t.same(property(z.string().max(9).nullable()), { type: 'string', nullable: true, maxLength: 9 })
  t.same(property(z.string().regex(/^a/).regex(/b$/)), {
    type: 'string',
    allOf: [{ pattern: '^a' }, { pattern: 'b$' }],
  })
})

t.test('formats that the API server checks replace the pattern; unknown ones are left out', async (t) => {
  t.same(property(z.iso.datetime()), { type: 'string', format: 'date-time' })
  t.same(property(z.iso.date()), { type: 'string', format: 'date' })
  t.same(property(z.uuid()), { type: 'string', format: 'uuid' })
  t.same(property(z.ipv4()), { type: 'string', format: 'ipv4' })
  t.equal(property(z.email())?.format, 'email')
  t.notMatch(property(z.cuid2()), { format: String })
  t.same(property(z.int().meta({ format: 'int32' })), { type: 'integer', format: 'int32' })
})

t.test('what the suite adds to zod', async (t) => {
  t.match(property(quantity()), {
    type: undefined,
    pattern: /\[KMGTPE\]i/,
    maxLength: 32,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    'x-kubernetes-int-or-string': true,
  })
  t.same(property(intOrString()), {
    maxLength: 256,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    'x-kubernetes-int-or-string': true,
  })
  t.same(property(passthrough()), { type: 'object', 'x-kubernetes-preserve-unknown-fields': true })
  const ports = listMap(z.object({ name: z.string(), protocol: z.enum(['TCP', 'UDP']).default('TCP') }), [
    'name',
    'protocol',
  ])
  t.match(property(ports.max(3)), {
    type: 'array',
    maxItems: 3,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name', 'protocol'],
    items: { type: 'object', required: ['name'] },
  })
  const twice = rule(rule(z.string(), { rule: 'a', message: '1' }), {
    rule: 'b',
    message: '2',
    reason: 'FieldValueForbidden',
  })
  t.same(property(twice.optional())?.['x-kubernetes-validations'], [
    { rule: 'a', message: '1' },
    { rule: 'b', message: '2', reason: 'FieldValueForbidden' },
  ])
  t.same(property(immutable(z.string(), 'the engine').describe('Which.')), {
    description: 'Which.',
    type: 'string',
    'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'the engine cannot be changed' }],
  })
})

t.test('objects, maps and lists', async (t) => {
  t.same(convert(z.object({ a: z.string(), b: z.string().optional(), c: z.string().default('x') })), {
    type: 'object',
    required: ['a'],
    properties: { a: { type: 'string' }, b: { type: 'string' }, c: { type: 'string', default: 'x' } },
  })
  t.same(property(z.record(z.string(), z.string().max(3))), {
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 3 },
  })
  t.same(property(z.record(z.string(), z.unknown())), {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
  })
  t.same(property(z.looseObject({ a: z.string().optional() })), {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
    properties: { a: { type: 'string' } },
  })
  t.same(property(z.strictObject({ a: z.string() })), {
    type: 'object',
    required: ['a'],
    properties: { a: { type: 'string' } },
  })
  t.same(property(z.array(z.string()).min(1).max(4)), {
    type: 'array',
    minItems: 1,
    maxItems: 4,
    items: { type: 'string' },
  })
  t.same(property(z.unknown()), { 'x-kubernetes-preserve-unknown-fields': true })
})

t.test('a default holds the defaults below it', async (t) => {
  const inner = z.object({ on: z.boolean().default(false), at: z.string().default('noon'), key: z.string().optional() })
  const nested = z.object({ inner: inner.prefault({}), list: z.array(inner).default([{ on: true, at: 'night' }]) })
  const schema = convert(z.object({ nested: nested.prefault({}) }))
  t.same(schema.properties?.nested?.default, {
    inner: { on: false, at: 'noon' },
    list: [{ on: true, at: 'night' }],
  })
  t.same(schema.properties?.nested?.properties?.inner?.default, { on: false, at: 'noon' })
})

t.test('a discriminated union becomes one object and its rules', async (t) => {
  const union = z.discriminatedUnion('type', [
    z.object({ type: z.literal('Git'), url: z.string(), depth: z.int().optional() }),
    z.object({ type: z.literal('Image'), url: z.string() }),
    z.object({ type: z.literal('None') }),
  ])
  const schema = property(union.optional())
  t.match(schema, { type: 'object', required: ['type'] })
  t.same(schema?.properties?.type, { type: 'string', enum: ['Git', 'Image', 'None'] })
  t.same(
    schema?.['x-kubernetes-validations']?.map(({ rule }) => rule),
    [
      "self.type != 'Git' || has(self.url)",
      "self.type != 'Image' || has(self.url)",
      "!has(self.url) || self.type in ['Git', 'Image']",
      "!has(self.depth) || self.type in ['Git']",
    ],
  )
})

t.test('what a structural schema cannot hold is refused by the name of the field', async (t) => {
  const refused: Record<string, [z.ZodType, RegExp]> = {
    date: [z.date(), /spec\.field: z\.date\(\) has no form in JSON/],
    bigint: [z.bigint(), /z\.bigint\(\) has no form/],
    tuple: [z.tuple([z.string()]), /a tuple is not structural/],
    union: [z.union([z.string(), z.boolean()]), /a union of types is not structural: use intOrString\(\)/],
    'objects without discriminator': [
      z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]),
      /needs a discriminator/,
    ],
    'one field of two kinds': [
      z.discriminatedUnion('t', [
        z.object({ t: z.literal('a'), v: z.string() }),
        z.object({ t: z.literal('b'), v: z.int() }),
      ]),
      /"v" is not the same in every variant/,
    ],
    intersection: [
      z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() })),
      /an intersection is not structural: use \.extend\(\)/,
    ],
    flags: [z.string().regex(/^a$/i), /the flags of \/\^a\$\/i would be lost/],
    lookahead: [z.string().regex(/^(?!x)a/), /lookaround/],
    'back-reference': [z.string().regex(/(a)\1/), /back-references/],
    keys: [z.record(z.enum(['a', 'b']), z.string()), /a map's keys cannot be limited/],
    'patterned keys': [z.record(z.string().regex(/^a/), z.string()), /a map's keys cannot be limited/],
    catchall: [z.object({ a: z.string() }).catchall(z.int()), /either named fields or a catchall/],
    custom: [z.custom<string>(() => true), /what z\.custom\(\) takes is not known/],
    transform: [z.transform((value) => value), /what z\.transform\(\) takes is not known/],
    'misspelt keyword': [
      z.string().meta({ 'x-kubernetes-listtype': 'set' }),
      /"x-kubernetes-listtype" is not a keyword/,
    ],
    'a reference': [z.string().meta({ id: 'Name' }), /leave out the id Name/],
    'a rule about no field': [
      rule(z.object({ a: z.string() }), { rule: 'true', message: 'm', fieldPath: '.b' }),
      /the rule's fieldPath "\.b" points at no field/,
    ],
    'no such key': [
      z
        .array(z.object({ a: z.string() }))
        .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['b'] }),
      /the list's key "b" is not a field of its items/,
    ],
    'an optional key': [
      listMap(z.object({ a: z.string().optional() }), ['a']),
      /the list's key "a" must be required or have a default/,
    ],
    'an enum with null': [z.enum(['a']).nullable(), /refuses null for an enum/],
  }
  for (const [title, [schema, message]] of Object.entries(refused)) {
    t.throws(() => convert(z.object({ field: schema })), { message }, title)
  }
  t.throws(
    () => convert(z.object({ list: z.array(z.object({ when: z.date() })) })),
    { message: /^spec\.list\[\]\.when: / },
    'the path goes through lists',
  )
})
