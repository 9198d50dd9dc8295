// What is in the repository is what would be generated now, and the comparison tells when it is not.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import t from 'tap'
import { customResourceDefinition } from '../../hooks/generate/crd.ts'
import { compareFiles, writeFiles } from '../../hooks/generate/files.ts'
import { generateAll } from '../../hooks/generate/index.ts'
import { readSamples } from '../../hooks/generate/samples.ts'
import { generatedMark } from '../../hooks/generate/yaml.ts'
import { suite } from '../../hooks/kinds/index.ts'
import { monitored, specimen } from './specimen.ts'

const root = join(import.meta.dirname, '..', '..')

t.test('no generated file in the repository is stale (else run npm run generate)', async (t) => {
  const samples = readSamples(join(root, 'hooks', 'kinds'))
  const differences = compareFiles(root, generateAll(suite, { samples }))
  t.same(
    differences.map(({ path, problem }) => `${path}: ${problem}`),
    [],
  )
})

t.test('every CRD is small enough for kubectl apply, which keeps a copy in an annotation', async (t) => {
  for (const definition of suite) {
    if (definition.controller !== 'composite') continue
    const bytes = Buffer.byteLength(JSON.stringify(customResourceDefinition(definition)))
    t.ok(bytes < 200_000, `${definition.kind}: ${bytes} bytes, and annotations have 262144 in all`)
  }
})

t.test('every sample is right for editors too', async (t) => {
  const ajv = new Ajv({ allErrors: true, strict: false })
  formats.default(ajv)
  const samples = readSamples(join(root, 'hooks', 'kinds'))
  t.ok(samples.length > 0)
  for (const { file, object } of samples) {
    const [group, version] = object.apiVersion.split('/')
    const schema = readFileSync(
      join(root, 'schemas', group ?? '', `${object.kind.toLowerCase()}_${version}.json`),
      'utf8',
    )
    const validate = ajv.compile(JSON.parse(schema))
    validate(object)
    t.same(validate.errors ?? [], [], `${file}: ${object.metadata.name}`)
  }
})

t.test('the same definitions give the same files, each with the generated mark at its top', async (t) => {
  const files = generateAll([specimen, monitored])
  t.same([...generateAll([specimen, monitored])], [...files])
  for (const [path, content] of files) {
    const [first = '', , third = ''] = content.split('\n')
    t.ok((path.endsWith('.json') ? third : first).includes(generatedMark), path)
    t.ok(content.endsWith('\n') && !content.endsWith('\n\n'), `${path} ends with one line feed`)
  }
})

t.test('missing, stale and left-over files are told and brought in line', async (t) => {
  const folder = t.testdir({})
  const files = generateAll([specimen, monitored])
  const differences = compareFiles(folder, files)
  t.equal(differences.length, files.size)
  t.ok(differences.every(({ problem }) => problem === 'missing'))
  writeFiles(folder, differences)
  t.same(compareFiles(folder, files), [])

  const crd = join(folder, 'crds/test.example.com_specimens.yaml')
  writeFileSync(crd, `${readFileSync(crd, 'utf8')}# edited\n`)
  rmSync(join(folder, 'docs/api/README.md'))
  const withoutDecorator = generateAll([specimen])
  const found = compareFiles(folder, withoutDecorator).map(({ path, problem }) => `${path}: ${problem}`)
  t.ok(found.includes('crds/test.example.com_specimens.yaml: stale'))
  t.ok(found.includes('docs/api/README.md: missing'))
  t.ok(found.includes('metacontroller/decorators/monitored-services/controller.yaml: left over'))
  writeFiles(folder, compareFiles(folder, withoutDecorator))
  t.same(compareFiles(folder, withoutDecorator), [])
})

t.test("somebody's own file among the generated ones is never deleted", async (t) => {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'crds'))
  writeFileSync(join(folder, 'crds', 'mine.yaml'), 'kind: Mine\n')
  t.throws(() => compareFiles(folder, generateAll([specimen])), { message: /crds\/mine\.yaml: .* was not generated/ })
})

t.test('samples are read with their comments, several from a file', async (t) => {
  const folder = t.testdir({
    specimen: {
      'sample.yaml':
        '# The least.\napiVersion: test.example.com/v1\nkind: Specimen\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: b\n',
      samples: { 'more.yaml': 'apiVersion: test.example.com/v1\nkind: Specimen\nmetadata:\n  name: c\n' },
      'other.yaml': 'not: a sample\n',
    },
  })
  const samples = readSamples(folder)
  t.same(
    samples.map(({ file, object }) => `${file} ${object.kind}/${object.metadata.name}`),
    ['specimen/sample.yaml Specimen/a', 'specimen/sample.yaml Secret/b', 'specimen/samples/more.yaml Specimen/c'],
  )
  t.match(samples[0]?.text, /^# The least\.\n/)
  const page = generateAll([specimen], { samples }).get('docs/api/specimen.md')
  t.match(page, /^ {2}name: c$/m, 'the shortest is shown')
  t.notMatch(page, '# The least.')
  t.match(page, '(../../hooks/kinds/specimen/samples/more.yaml)')
  writeFileSync(join(folder, 'specimen', 'sample.yaml'), 'kind: [\n')
  t.throws(() => readSamples(folder), { message: /^specimen\/sample\.yaml: .* at line 2/s })
})
