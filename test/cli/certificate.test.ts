// operator-hooks certificate: a certificate that the API server and Metacontroller take, and what makes them trust it.
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { certificate } from '../../hooks/cli/certificate.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { parcel } from '../sdk/parcel.ts'
import { recordingShell } from './shell.ts'

const ran = async (args: string[], stdin = '', interactive = false) => {
  const shell = { ...recordingShell(stdin), definitions: [parcel], interactive }
  const code = await certificate(args, shell)
  return { code, output: shell.output(), errors: shell.errors() }
}

t.test('it is signed by an authority that everything else is told of', async (t) => {
  const { code, output } = await ran([])
  t.equal(code, 0)
  const objects = parseAllDocuments(output).map((document) => document.toJS() as KubernetesObject)
  t.same(
    objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    [
      'Secret operator-hooks-authority',
      'Secret operator-hooks-tls',
      'CustomResourceDefinition parcels.test.example.com',
      'ValidatingWebhookConfiguration operator-hooks',
      'MutatingWebhookConfiguration operator-hooks',
    ],
  )
  const authority = certificateIn(objects[0])
  const serving = certificateIn(objects[1])
  t.ok(authority.ca && authority.verify(authority.publicKey))
  t.ok(!serving.ca && serving.verify(authority.publicKey) && serving.checkIssued(authority))
  for (const name of ['operator-hooks.operator-hooks.svc', 'operator-hooks.operator-hooks']) {
    t.equal(serving.checkHost(name), name)
  }
  const days = (Date.parse(serving.validTo) - Date.now()) / 86_400_000
  t.ok(days > 364 && days <= 365, `good for ${days} days`)
  const { 'tls.crt': caBundle } = dataOf(objects[0])
  t.equal(dataOf(objects[1])['ca.crt'], caBundle)
  t.match(objects[2], { spec: { conversion: { webhook: { clientConfig: { caBundle } } } } })
  t.match(objects[3], { webhooks: [{ clientConfig: { caBundle } }] })

  t.comment('later the same authority signs another')
  const folder = t.testdir()
  const file = join(folder, 'authority.yaml')
  writeFileSync(file, JSON.stringify(objects[0]), { mode: 0o600 })
  for (const again of [await ran(['--authority', file, '--days', '30']), await ran(['--authority', '-'], output)]) {
    const [kept, renewed] = parseAllDocuments(again.output).map((document) => document.toJS() as KubernetesObject)
    t.same(kept, objects[0])
    const other = certificateIn(renewed)
    t.ok(other.verify(authority.publicKey))
    t.not(other.serialNumber, serving.serialNumber)
  }
})

t.test('another Service has other names', async (t) => {
  const { output } = await ran(['--service', 'there/hooks'])
  const [, secret, crd] = parseAllDocuments(output).map((document) => document.toJS() as KubernetesObject)
  t.equal(secret?.metadata.namespace, 'there')
  t.equal(certificateIn(secret).checkHost('hooks.there.svc'), 'hooks.there.svc')
  t.match(crd, {
    spec: { conversion: { webhook: { clientConfig: { service: { namespace: 'there', name: 'hooks' } } } } },
  })
})

t.test('outside of the cluster it is for the address that is called', async (t) => {
  const { output } = await ran(['--url', 'https://127.0.0.1:8443'])
  const [, secret, , validating] = parseAllDocuments(output).map((document) => document.toJS() as KubernetesObject)
  t.equal(certificateIn(secret).checkIP('127.0.0.1'), '127.0.0.1')
  t.match(validating, { webhooks: [{ clientConfig: { url: 'https://127.0.0.1:8443/admission/parcel/validate' } }] })
  t.match(await ran(['--url', 'http://a']), { code: 2, errors: /--url takes an https address/ })
})

t.test('keys go to no terminal, and mistakes are told without them', async (t) => {
  const { code, output, errors } = await ran([], '', true)
  t.same([code, output], [2, ''])
  t.match(errors, 'this prints private keys')
  t.match(await ran(['--days', '4000']), { code: 2, errors: /--days takes 1 to 3650, not "4000"/ })
  t.match(await ran(['--service', 'x']), { code: 2, errors: /--service takes NAMESPACE\/NAME/ })
  const secret = (data: object) => JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, data })
  t.match(await ran(['--authority', '-'], secret({})), {
    code: 1,
    errors: /is to hold a Secret with tls\.crt and tls\.key/,
  })
  const odd = { 'tls.crt': btoa('hunter2'), 'tls.key': btoa('hunter2') }
  const refused = await ran(['--authority', '-'], secret(odd))
  t.match(refused, { code: 1, errors: /are no certificate and its key/ })
  t.notMatch(refused.errors, 'hunter2')
  const [, serving] = parseAllDocuments((await ran([])).output).map((document) => document.toJS() as KubernetesObject)
  t.match(await ran(['--authority', '-'], JSON.stringify(serving)), { code: 1, errors: /is none of an authority/ })
})

function certificateIn(secret: KubernetesObject | undefined): X509Certificate {
  return new X509Certificate(Buffer.from(dataOf(secret)['tls.crt'] ?? '', 'base64'))
}

function dataOf(secret: KubernetesObject | undefined): Record<string, string> {
  return { ...(secret?.data as Record<string, string> | undefined) }
}
