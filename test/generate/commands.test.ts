// operator-hooks crds and controllers, and npm run generate as a program.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { controllers } from '../../hooks/cli/controllers.ts'
import { crds } from '../../hooks/cli/crds.ts'
import type { Shell } from '../../hooks/cli/shell.ts'
import { compareFiles } from '../../hooks/generate/files.ts'
import { generateAll } from '../../hooks/generate/index.ts'
import { readSamples } from '../../hooks/generate/samples.ts'
import { suite } from '../../hooks/kinds/index.ts'
import { recordingShell } from '../cli/shell.ts'
import { monitored, specimen } from './specimen.ts'

type Command = (args: readonly string[], shell: Shell) => Promise<number>

const ran = async (command: Command, ...args: string[]) => {
  const shell = { ...recordingShell(), definitions: [specimen, monitored] }
  const code = await command(args, shell)
  return { code, output: shell.output(), errors: shell.errors() }
}

const documents = (text: string) => parseAllDocuments(text).map((document) => document.toJS())

t.test('crds prints those of all kinds, or of those named', async (t) => {
  const { code, output } = await ran(crds)
  t.equal(code, 0)
  t.match(documents(output), [{ kind: 'CustomResourceDefinition', metadata: { name: 'specimens.test.example.com' } }])
  for (const name of ['specimen', 'Specimen', 'specimens', 'spc', 'specimens.test.example.com']) {
    t.equal((await ran(crds, name)).output, output, name)
  }
  const { output: json } = await ran(crds, '-o', 'json')
  t.match(JSON.parse(json), { kind: 'List', items: [{ kind: 'CustomResourceDefinition' }] })
})

t.test('controllers prints them for where the hooks are', async (t) => {
  const { output } = await ran(controllers, 'specimen', '--url', 'http://127.0.0.1:8080')
  t.match(documents(output), [
    {
      kind: 'CompositeController',
      spec: { hooks: { sync: { webhook: { url: 'http://127.0.0.1:8080/hooks/specimen/sync' } } } },
    },
  ])
  const { output: elsewhere } = await ran(controllers, 'monitored-services', '--service', 'there/hooks:8443')
  const service = { namespace: 'there', name: 'hooks', port: 8443 }
  t.match(documents(elsewhere), [{ kind: 'DecoratorController', spec: { hooks: { sync: { webhook: { service } } } } }])
})

t.test('the token that Metacontroller shows is one of a Secret', async (t) => {
  const { output } = await ran(controllers, 'specimen', '--token-secret', 'hooks/tokens')
  const [controller] = documents(output)
  t.same(controller.spec.endpointConfigs, [
    {
      host: 'operator-hooks.operator-hooks',
      authorization: { type: 'Bearer', secretRef: { namespace: 'hooks', name: 'tokens', key: 'token' } },
    },
  ])
})

t.test('one that needs an API which not every cluster has is printed only where it is asked for', async (t) => {
  const { output } = await ran(controllers)
  t.same(
    documents(output).map(({ kind }) => kind),
    ['CompositeController'],
  )
})

t.test('--rbac puts the permissions before the controllers', async (t) => {
  const { output } = await ran(controllers, 'specimen', 'monitored-services', '--rbac')
  const kinds = documents(output).map(({ kind }) => kind)
  t.ok(kinds.indexOf('ClusterRoleBinding') < kinds.indexOf('CompositeController'))
  t.ok(kinds.includes('DecoratorController'))
})

t.test('mistakes are told with what is right', async (t) => {
  const cases: [Command, string[], RegExp][] = [
    [crds, ['specimem'], /there is no kind "specimem": there is specimen \(did you mean "specimen"\?\)/],
    [crds, ['--output', 'xml'], /--output takes .*yaml/],
    [controllers, ['--url', 'localhost:8080'], /--url takes an address such as http:/],
    [controllers, ['--service', 'hooks'], /--service takes NAMESPACE\/NAME/],
    [controllers, ['--url', 'http://a', '--service', 'a/b'], /either --url or --service/],
    [controllers, ['--token-secret', 'token'], /--token-secret takes NAMESPACE\/NAME or NAMESPACE\/NAME:KEY/],
    [controllers, ['--context', 'prod'], /say which cluster --for-cluster is about/],
  ]
  for (const [command, args, message] of cases) {
    const { code, output, errors } = await ran(command, ...args)
    t.equal(code, 2, args.join(' '))
    t.equal(output, '')
    t.match(errors, message)
  }
})

t.test('generate --check exits 1 and names the files when one is not as it should be', async (t) => {
  const root = join(import.meta.dirname, '..', '..')
  const generate = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'hooks/generate/main.ts'), ...args], { encoding: 'utf8' })
  const samples = readSamples(join(root, 'hooks', 'kinds'))
  const stale = compareFiles(root, generateAll(suite, { samples })).map(({ path }) => path)
  const { status, stderr } = generate('--check')
  t.equal(status, stale.length > 0 ? 1 : 0)
  t.ok(stale.every((path) => stderr.includes(path)))
  const { status: mistaken, stderr: message } = generate('--chek')
  t.equal(mistaken, 1)
  t.match(message, /--chek/)
})
