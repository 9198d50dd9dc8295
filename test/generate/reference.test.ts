// The pages and schemas that people and editors read.
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import t from 'tap'
import { parse } from 'yaml'
import { resourceSchema } from '../../hooks/generate/crd.ts'
import { referenceIndex, referencePage } from '../../hooks/generate/docs.ts'
import { editorSchema } from '../../hooks/generate/jsonschema.ts'
import { toYaml } from '../../hooks/generate/yaml.ts'
import { storedVersion } from '../../hooks/sdk/definition.ts'
import { monitored, specimen, validSpec } from './specimen.ts'

t.test('a page tells every field, rule, column and child', async (t) => {
  const page = referencePage(specimen, [])
  const row = (field: string) => page.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${field}\``))
  t.equal(row('engine'), '| **`engine`** | string |  | `on`, `off`, `hybrid` | Which engine runs. |')
  t.equal(row('replicas'), '| `replicas` | integer | `1` | 0 to 10 | How many run. |')
  t.match(row('memory'), '| quantity |')
  t.match(row('port'), '| integer or string |')
  t.match(row('backup.destination.region'), '| `local` |')
  t.match(row('ports[].number'), '| 1 to 65535 |')
  t.match(row('ports'), 'one for each name and protocol')
  t.match(row('parameters'), '| map of strings |')
  t.match(row('note'), '| string or null |')
  t.match(row('share'), '| more than 0, at most 1 |')
  t.match(row('old'), 'Deprecated: Use note.')
  t.match(page, '| `spec.engine` | the engine cannot be changed<br>`self == oldSelf` |')
  t.match(
    page,
    "| `spec.replicas` | must be 0 when the engine is off<br>`self.engine != 'off' \\|\\| self.replicas == 0` |",
  )
  t.match(page, '## Spec (v1alpha1)')
  t.match(page, 'kubectl scale specimen/NAME')
  t.match(page, '| `apps/v1` | `Deployment` | in place |')
  for (const line of page.split('\n').filter((line) => line.startsWith('|'))) {
    t.ok([3, 4, 6].includes(line.replaceAll('\\|', '').split('|').length - 1), `whole row: ${line}`)
  }
})

t.test('a decorator has a page, and the index lists all', async (t) => {
  t.match(referencePage(monitored, []), 'example.com/monitor')
  const index = referenceIndex([specimen, monitored])
  t.match(index, '[Specimen](specimen.md)')
  t.match(index, '[monitored-services](monitored-services.md)')
})

t.test("an editor's schema takes what the API server takes and shows what it would refuse", async (t) => {
  const ajv = formats.default(
    new Ajv({
      allErrors: true,
      strict: true,
      allowUnionTypes: true,
      formats: { int32: true, int64: true, double: true },
    }),
  )
  const { version, apiVersion } = storedVersion(specimen)
  const validate = ajv.compile(editorSchema(resourceSchema(specimen, 'v1', version), apiVersion, 'Specimen'))
  const problems = (spec: object, changes: object = {}) => {
    validate({ apiVersion, kind: 'Specimen', metadata: { name: 'a' }, spec, ...changes })
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }
  t.same(problems(validSpec), [])
  t.same(problems({ ...validSpec, port: 8080, memory: 2, note: 'x' }), [])
  t.same(problems({ ...validSpec, replikas: 2 }), ['/spec must NOT have additional properties'])
  t.match(problems({ ...validSpec, version: 'x' }), [/\/spec\/version must match pattern/])
  t.same(problems({ ...validSpec, share: 0 }), ['/spec/share must be > 0'])
  t.same(problems({ ...validSpec, engine: 'of' }), ['/spec/engine must be equal to one of the allowed values'])
  t.same(problems(validSpec, { kind: 'Specimens' }), ['/kind must be equal to one of the allowed values'])
  t.same(problems({ engine: 'on' }), ["/spec must have required property 'version'"])
  t.same(problems({ ...validSpec, loose: { other: 1 }, anything: 3 }), [])
})

t.test('YAML that kubectl, which reads YAML 1.1, understands as it was meant', async (t) => {
  const object = {
    words: ['on', 'yes', 'n', '0777', '1_000', '1e3', '12:30', 'null', '~', '2026-01-01', '1.0', ''],
    long: 'word '.repeat(60).trim(),
    lines: 'a\nb\n',
    twice: { a: 1 },
  }
  const text = toYaml({ ...object, again: object.twice })
  for (const version of ['1.1', '1.2'] as const) t.same(parse(text, { version }), { ...object, again: object.twice })
  t.match(text, /^long: (word ?){60}$/m, 'long strings stay on one line')
  t.notMatch(text, /[&*]/, 'no anchors')
})
