// operator-hooks certificate: what a cluster without cert-manager needs for the API server to trust the service.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { webhookConfigurations } from '../generate/admission.ts'
import { hookService } from '../generate/controllers.ts'
import { customResourceDefinition } from '../generate/crd.ts'
import { definitions } from '../kinds/index.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { inputError, type Manual, runCommand, usageError } from './command.ts'
import { readSources } from './documents.ts'
import { manifestsFlag } from './flags.ts'
import { printManifests, readService } from './print.ts'
import { exitCodes, processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return certificate(args, processShell(definitions))
}

const authoritySecret = 'operator-hooks-authority'
const servingSecret = 'operator-hooks-tls'

const manual = {
  name: 'certificate',
  summary:
    'Makes the certificate that the service shows to the API server and to Metacontroller, and has both trust it.',
  usage: '[flags]',
  flags: {
    authority: {
      type: 'string',
      value: 'FILE',
      help: `the Secret ${authoritySecret} of an earlier time, whose authority signs again; - is standard input`,
    },
    service: {
      type: 'string',
      value: 'NAMESPACE/NAME',
      help: 'the Service that is called (default operator-hooks/operator-hooks)',
    },
    url: {
      type: 'string',
      value: 'URL',
      help: 'where the service is outside of the cluster, such as https://10.0.0.5:8443',
    },
    days: { type: 'string', default: '365', value: 'DAYS', help: 'for how long the certificate is good' },
    output: manifestsFlag,
  },
  notes: [
    `Prints the Secrets ${authoritySecret} and ${servingSecret}, and the webhook configurations (and CRDs of several versions) with the authority in them. There are private keys among it, so that it is not printed to a terminal.`,
    `operator-hooks certificate | kubectl apply --server-side --field-manager=certificate --force-conflicts -f -
kubectl -n operator-hooks get secret ${authoritySecret} -o yaml | operator-hooks certificate --authority - | kubectl apply …  (a new certificate)`,
  ],
} as const satisfies Manual

/** Runs the command in a given shell. */
export function certificate(args: readonly string[], shell: Shell): Promise<number> {
  return runCommand(manual, args, shell, async ({ authority: file, service: at, url, days: text, output }) => {
    if (shell.interactive)
      throw usageError('this prints private keys: pipe it into kubectl, or into a file that only you read')
    const days = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0
    if (days < 1 || days > authorityDays) throw usageError(`--days takes 1 to ${authorityDays}, not "${text}"`)
    if (at !== undefined && url !== undefined) throw usageError('give either --url or --service')
    const service = at === undefined ? hookService : readService(at)
    const names = url === undefined ? namesOf(service) : [hostOf(url)]
    const authority = file === undefined ? await makeAuthority() : await readAuthority(file, shell)
    const serving = await makeServing(authority, names, days)
    const options = { service, ...(url && { url }), caBundle: Buffer.from(authority.cert).toString('base64') }
    const converting = shell.definitions.filter(
      (definition) => definition.controller === 'composite' && definition.conversions !== undefined,
    )
    const manifests = [
      tlsSecret(authoritySecret, service.namespace, authority),
      tlsSecret(servingSecret, service.namespace, serving, authority.cert),
      ...converting.flatMap((one) => (one.controller === 'composite' ? [customResourceDefinition(one, options)] : [])),
      ...webhookConfigurations(shell.definitions, options),
    ]
    printManifests(manifests, output, shell)
    return exitCodes.ok
  })
}

interface Pair {
  /** PEM. */
  cert: string
  key: string
}

/** Ten years: whoever trusts it has to be told of a new one, so that it lives long and signs what is renewed often. */
const authorityDays = 3650

async function makeAuthority(): Promise<Pair> {
  return generated('operator-hooks', authorityDays, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ])
}

// The API server asks for name.namespace.svc, Metacontroller for name.namespace.
function namesOf({ namespace, name }: { namespace: string; name: string }): string[] {
  return [`${name}.${namespace}.svc`, `${name}.${namespace}`, `${name}.${namespace}.svc.cluster.local`]
}

function hostOf(url: string): string {
  const { protocol, hostname = '' } = URL.parse(url) ?? {}
  if (protocol !== 'https:')
    throw usageError(`--url takes an https address such as https://10.0.0.5:8443, not "${url}"`)
  return hostname.replace(/^\[|\]$/g, '')
}

async function makeServing(authority: Pair, names: readonly string[], days: number): Promise<Pair> {
  const [first = ''] = names
  return generated(
    first,
    days,
    [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
      },
    ],
    authority,
  )
}

type Generate = typeof import('selfsigned')['generate']
type Extensions = NonNullable<Parameters<Generate>[1]>['extensions']

async function generated(commonName: string, days: number, extensions: Extensions, ca?: Pair): Promise<Pair> {
  const { generate } = await import('selfsigned')
  // Clocks differ: a certificate of this minute may be one of the future elsewhere.
  const notBeforeDate = new Date(Date.now() - 5 * 60_000)
  const notAfterDate = new Date(Date.now() + days * 86_400_000)
  const made = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate,
    notAfterDate,
    extensions,
    ...(ca && { ca }),
  })
  return { cert: made.cert, key: made.private }
}

/** Reads the Secret; says what is wrong with it without quoting any of it. */
async function readAuthority(file: string, shell: Shell): Promise<Pair> {
  const sources = await readSources([file], shell)
  const secret = sources.map(({ object }) => object).find(({ kind }) => kind === 'Secret')
  const data = isRecord(secret?.data) ? secret.data : {}
  const [cert, key] = ['tls.crt', 'tls.key'].map((name) => Buffer.from(String(data[name] ?? ''), 'base64').toString())
  if (!cert || !key)
    throw inputError(`${file}: is to hold a Secret with tls.crt and tls.key, such as ${authoritySecret}`)
  let parsed: X509Certificate
  try {
    parsed = new X509Certificate(cert)
    if (!parsed.checkPrivateKey(createPrivateKey(key))) throw new Error('they do not belong together')
  } catch {
    throw inputError(`${file}: tls.crt and tls.key of the Secret are no certificate and its key (PEM)`)
  }
  if (!parsed.ca) throw inputError(`${file}: the certificate is none of an authority: it may not sign others`)
  if (Date.parse(parsed.validTo) < Date.now()) {
    throw inputError(`${file}: the authority has expired (${parsed.validTo}); leave --authority out to make a new one`)
  }
  return { cert, key }
}

function tlsSecret(name: string, namespace: string, { cert, key }: Pair, ca?: string): KubernetesObject {
  const encode = (text: string) => Buffer.from(text).toString('base64')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/part-of': 'operator-hooks' } },
    type: 'kubernetes.io/tls',
    data: { ...(ca !== undefined && { 'ca.crt': encode(ca) }), 'tls.crt': encode(cert), 'tls.key': encode(key) },
  }
}
