// The manifests under deploy/, as far as reading them tells: that they agree with the program, with each other and with
// what is generated. Whether kustomize renders them and an API server takes them is for test/cluster/deploy.test.ts.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { metacontrollerRbac } from '../../hooks/generate/rbac.ts'
import { isRecord } from '../../hooks/sdk/kubernetes.ts'
import { configurationHelp, readConfiguration } from '../../hooks/server/configuration.ts'

const root = join(import.meta.dirname, '..', '..')
const deploy = join(root, 'deploy')
const files = globSync('**/*.yaml', { cwd: deploy })
  .filter((path) => !path.startsWith('generated'))
  .sort()

t.test('every file of a kustomization is there, and every file is in one', async (t) => {
  const kustomizations = files.filter((path) => path.endsWith('kustomization.yaml'))
  t.ok(kustomizations.length >= 8)
  const used = new Set<string>()
  for (const path of kustomizations) {
    const [kustomization] = read(path)
    const { resources, components, patches } = kustomization as Record<string, unknown>
    const paths = [...strings(resources), ...strings(components), ...list(patches).map((patch) => String(patch.path))]
    for (const one of paths) {
      const target = join(dirname(path), one)
      const found = existsSync(join(deploy, target))
      t.ok(found, `${path}: ${one}`)
      used.add(target)
    }
  }
  const unused = files.filter((path) => path.startsWith('kustomize/') && !path.endsWith('kustomization.yaml'))
  t.same(
    unused.filter((path) => !used.has(path)),
    [],
    'none is left out',
  )
})

t.test('the variables are settings of the service, and together they start it', async (t) => {
  const help = configurationHelp()
  const [deployment] = read('kustomize/base/deployment.yaml')
  const base = variables(container(deployment))
  const variants = {
    token: ['token'],
    tls: ['token', 'tls'],
    open: ['open'],
    events: ['token', 'events'],
    admission: ['token', 'tls', 'admission', 'quotas'],
  }
  for (const [name, components] of Object.entries(variants)) {
    const added = components.flatMap((component) => patchValues(`kustomize/components/${component}/deployment.yaml`))
    const env = { ...base, ...Object.fromEntries(added.filter(isVariable).map(({ name, value }) => [name, value])) }
    for (const variable of Object.keys(env).filter((one) => one.startsWith('OPERATOR_HOOKS_'))) {
      t.ok(known(help, variable), `${name}: ${variable} is a setting`)
    }
    const configuration = readConfiguration([], env)
    t.equal(configuration.host, '0.0.0.0', name)
    t.equal(configuration.port, 8080, name)
  }
  t.throws(() => readConfiguration([], base), /nothing says who may call/, 'the base alone does not start')
})

t.test('ports, probes and pauses fit', async (t) => {
  const [deployment] = read('kustomize/base/deployment.yaml')
  const main = container(deployment)
  const env = variables(main)
  const ports = Object.fromEntries(list(main.ports).map(({ name, containerPort }) => [name, containerPort]))
  const { metricsPort, graceSeconds, port } = readConfiguration(['--auth=none'], env)
  t.same(ports, { hooks: port, metrics: metricsPort })
  for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
    t.equal(at(main, probe, 'httpGet', 'port'), 'metrics', probe)
  }
  const pause = Number(at(main, 'lifecycle', 'preStop', 'sleep', 'seconds'))
  const allowed = Number(at(deployment, 'spec', 'template', 'spec', 'terminationGracePeriodSeconds'))
  t.ok(pause + graceSeconds < allowed, `${pause} + ${graceSeconds} s end before ${allowed} s`)
  const limit = Number.parseInt(String(at(main, 'resources', 'limits', 'memory')), 10)
  const heap = Number(/--max-old-space-size=(\d+)/.exec(env.NODE_OPTIONS ?? '')?.[1])
  t.ok(heap < limit * 0.75, `a heap of ${heap} MiB leaves room within ${limit} MiB`)
})

t.test('selectors and names agree', async (t) => {
  const label = { 'app.kubernetes.io/name': 'operator-hooks' }
  const [deployment] = read('kustomize/base/deployment.yaml')
  t.same(at(deployment, 'spec', 'selector', 'matchLabels'), label)
  t.same(at(deployment, 'spec', 'template', 'metadata', 'labels'), label)
  t.same(at(read('kustomize/base/service.yaml')[0], 'spec', 'selector'), label)
  t.same(at(read('kustomize/base/poddisruptionbudget.yaml')[0], 'spec', 'selector', 'matchLabels'), label)
  t.same(at(read('kustomize/base/networkpolicy.yaml')[0], 'spec', 'podSelector', 'matchLabels'), label)
})

t.test('every image is of this version', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const images = files.flatMap((path) =>
    [...readFileSync(join(deploy, path), 'utf8').matchAll(/image: (\S+)$/gm)].map(([, image = '']) => image),
  )
  t.ok(images.length >= 3)
  for (const image of images) t.match(image, new RegExp(`(^|/)operator-hooks:${version.replaceAll('.', '\\.')}$`))
  t.match(readFileSync(join(root, 'Dockerfile'), 'utf8'), `ARG VERSION=${version}\n`)
  t.match(readFileSync(join(root, 'deploy/postgresql-agent/Dockerfile'), 'utf8'), `ARG VERSION=${version}\n`)
  t.match(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), `\n## [${version}] - `)
})

t.test("Metacontroller's narrowed role is the generated one", async (t) => {
  const [patch] = read('kustomize/components/metacontroller/clusterrole.yaml')
  const generated = metacontrollerRbac().find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'metacontroller',
  )
  t.ok(generated)
  t.same(at(patch, 'rules'), generated?.rules)
})

t.test('serverless settings start the service as well', async (t) => {
  for (const path of ['serverless/knative.yaml', 'serverless/cloud-run.yaml']) {
    const [service] = read(path)
    const [main] = list(at(service, 'spec', 'template', 'spec', 'containers'))
    t.ok(main)
    const env = variables(main ?? {})
    // What comes from a Secret, and the port that the platform gives.
    const secrets = { OPERATOR_HOOKS_CREDENTIAL_KEYS: 'id:key', OPERATOR_HOOKS_TOKENS: 'token' }
    const names = list(main?.env).filter(({ valueFrom }) => valueFrom !== undefined)
    t.same(names.map(({ name }) => name).sort(), Object.keys(secrets).sort(), path)
    t.equal(readConfiguration([], { ...env, ...secrets, PORT: '9999' }).port, 9999, path)
  }
  const [template] = read('serverless/lambda/template.yaml')
  const properties = at(template, 'Resources', 'Hooks', 'Properties')
  const settings = at(properties, 'Environment', 'Variables')
  t.ok(isRecord(settings))
  for (const name of Object.keys(settings as object).filter((one) => one.startsWith('OPERATOR_HOOKS_'))) {
    t.ok(known(configurationHelp(), name), name)
  }
  t.equal(at(properties, 'Handler'), 'operator-hooks.handler')
})

function read(path: string): Record<string, unknown>[] {
  // Tags of CloudFormation (!Ref) are left as text.
  return parseAllDocuments(readFileSync(join(deploy, path), 'utf8'), { logLevel: 'silent' }).map((document) => {
    const [problem] = document.errors
    if (problem) throw new Error(`${path}: ${problem.message}`)
    return document.toJS() as Record<string, unknown>
  })
}

function container(deployment: unknown): Record<string, unknown> {
  const [first] = list(at(deployment, 'spec', 'template', 'spec', 'containers'))
  if (first === undefined) throw new Error('no container')
  return first
}

/** The variables with a value of their own. */
function variables(container: Record<string, unknown>): Record<string, string> {
  const entries = list(container.env).map(({ name, value }): [string, unknown] => [String(name), value])
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** The values that a JSON patch adds or puts in place. */
function patchValues(path: string): unknown[] {
  const [operations] = read(path)
  return list(operations).map(({ value }) => value)
}

function isVariable(value: unknown): value is { name: string; value: string } {
  return isRecord(value) && typeof value.name === 'string' && typeof value.value === 'string'
}

function known(help: string, variable: string): boolean {
  const flag = `--${variable.replace('OPERATOR_HOOKS_', '').toLowerCase().replaceAll('_', '-')}`
  return new RegExp(`^  (${flag}|${variable})( |$)`, 'm').test(help)
}

function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value)
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
