// docs/writing-a-kind.md cannot rot: its code is taken out of the page, compiled, generated from and run.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { generateAll } from '../../hooks/generate/index.ts'
import { readSamples } from '../../hooks/generate/samples.ts'
import { evaluateValidation } from '../../hooks/sdk/admit.ts'
import { createCredentials } from '../../hooks/sdk/credentials.ts'
import type { Composite, Conversion, Decorator, Version } from '../../hooks/sdk/definition.ts'
import { evaluateComposite } from '../../hooks/sdk/evaluate.ts'
import type { CompositeRequest } from '../../hooks/sdk/wire.ts'
import { ask } from '../decorators/ask.ts'

const root = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs', 'writing-a-kind.md'), 'utf8')
const files = new Map(
  [...page.matchAll(/^```\w+ title=(\S+)\n(.*?)^```$/gms)].map(([, path = '', text = '']) => [path, text]),
)

// Inside of the repository, so that packages are found; the SDK is the real one.
const folder = t.testdir({})
for (const [path, text] of files) {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}
symlinkSync(join(root, 'hooks', 'sdk'), join(folder, 'hooks', 'sdk'))

const load = async (path: string): Promise<Record<string, unknown>> => import(join(folder, path))
const { site } = (await load('hooks/kinds/site/index.ts')) as { site: Composite }
const { finalize } = (await load('hooks/kinds/site/finalize.ts')) as { finalize: Composite['finalize'] }
const { validate } = (await load('hooks/kinds/site/validate.ts')) as { validate: NonNullable<Composite['validate']> }
const { v1beta1, conversion } = (await load('hooks/kinds/site/v1beta1.ts')) as {
  v1beta1: Version
  conversion: Conversion
}
const { budgets } = (await load('hooks/kinds/budgets/index.ts')) as { budgets: Decorator }
const { siteProbes } = (await load('hooks/kinds/site-probes/index.ts')) as { siteProbes: Decorator }

t.test('the code compiles and is formatted as the project is', { timeout: 120_000 }, async (t) => {
  t.ok(files.size >= 9)
  const config = join(folder, 'tsconfig.json')
  writeFileSync(config, JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['hooks/kinds', 'test'] }))
  const compiled = untapped('tsc', ['--project', config])
  t.equal(compiled.stdout + compiled.stderr, '')
  t.equal(compiled.status, 0)
  for (const [path, text] of files) {
    if (!path.endsWith('.ts')) continue
    const { stdout, stderr } = untapped('biome', ['check', '--write', `--stdin-file-path=${path}`], text)
    t.equal(stdout, text, `${path} is as biome would have it ${stderr}`)
  }
})

t.test('its tests pass', { timeout: 60_000 }, async (t) => {
  for (const file of ['site.test.ts', 'site-versions.test.ts']) {
    const { status, stdout } = untapped('node', [join(folder, 'test/kinds', file)])
    t.equal(status, 0, stdout)
  }
})

t.test('everything is generated from it', async (t) => {
  const samples = readSamples(join(folder, 'hooks', 'kinds'))
  const generated = generateAll([{ ...site, ...(finalize ? { finalize } : {}) }, budgets, siteProbes], { samples })
  t.match(parse(generated.get('crds/example.com_sites.yaml') ?? ''), { spec: { names: { kind: 'Site' } } })
  t.match(parse(generated.get('metacontroller/sites.example.com.yaml') ?? ''), {
    spec: { hooks: { sync: {}, finalize: { webhook: { path: '/hooks/site/finalize' } } } },
  })
  t.ok(generated.has('metacontroller/decorators/deployment-budgets/rbac.yaml'))
  t.match(parse(generated.get('metacontroller/decorators/deployment-budgets/controller.yaml') ?? ''), {
    spec: { hooks: { finalize: { webhook: { path: '/hooks/deployment-budgets/finalize' } } } },
  })
  t.match(parse(generated.get('metacontroller/decorators/site-probes/controller.yaml') ?? ''), {
    metadata: { annotations: { 'example.com/prober': 'blackbox-exporter.monitoring:9115' } },
    spec: { resources: [{ apiVersion: 'example.com/v1', resource: 'sites' }] },
  })
  t.match(generated.get('docs/api/site.md'), 'kind: Site')
})

const environment = {
  now: new Date('2026-01-01T00:00:00Z'),
  credentials: createCredentials([{ id: 'test', secret: new Uint8Array(32) }]),
  settings: { imageRegistry: 'registry.example.com/mirror' },
}

t.test('the body that the page gives to curl is answered as it says', async (t) => {
  const body = /-d '(\{.*?\n\})'/s.exec(page)?.[1]
  const request = JSON.parse(body ?? '') as CompositeRequest
  const kinds = evaluateComposite(site, request, environment).response.children.map(({ kind }) => kind)
  t.same(kinds, ['ConfigMap', 'Deployment', 'Service'])
  const parent = { ...request.parent, spec: { ...(request.parent.spec as object), replicas: 11 } }
  const { response } = evaluateComposite(site, { ...request, parent }, environment)
  t.same(response.children, [])
  const stalled = (response.status.conditions as { type: string; message: string }[]).find(
    ({ type }) => type === 'Stalled',
  )
  t.ok(page.includes(`\`${stalled?.message}\``), `the page quotes: ${stalled?.message}`)
})

t.test('finalize takes the Service first, then the web servers, then lets go', async (t) => {
  const definition = { ...site, ...(finalize ? { finalize } : {}) }
  const [sample] = readSamples(join(folder, 'hooks', 'kinds'))
  const parent = {
    ...sample?.object,
    metadata: { name: 'hello', namespace: 'shop', uid: '1' },
  } as CompositeRequest['parent']
  const step = (children: CompositeRequest['children']) =>
    evaluateComposite(definition, { controller: parent, parent, children, related: {}, finalizing: true }, environment)
      .response
  const deployment = (replicas: number) => ({
    'shop/hello': { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'hello' }, status: { replicas } },
  })
  const service = { 'shop/hello': { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hello' } } }
  t.match(step({ 'Deployment.apps/v1': deployment(2), 'Service.v1': service }), {
    children: [{ kind: 'Deployment', spec: { replicas: 2 } }],
    finalized: false,
  })
  t.match(step({ 'Deployment.apps/v1': deployment(2), 'Service.v1': {} }), {
    children: [{ kind: 'Deployment', spec: { replicas: 0 } }],
    finalized: false,
  })
  t.match(step({ 'Deployment.apps/v1': deployment(0), 'Service.v1': {} }), { finalized: true })
  t.match(step({ 'Deployment.apps/v1': {}, 'Service.v1': {} }), { children: [], finalized: true })
})

t.test('links that lead nowhere are refused, and held by a sync', async (t) => {
  const definition = { ...site, validate }
  const admit = (pages: Record<string, string>) => {
    const object = { apiVersion: 'example.com/v1', kind: 'Site', metadata: { name: 'hello' }, spec: { pages } }
    return evaluateValidation(definition, { operation: 'CREATE', object }, environment)
  }
  const linked = '<title>Home</title> <a href="about.html">'
  const { problems } = admit({ 'index.html': linked })
  t.same(problems, [{ field: 'spec.pages[index.html]', message: 'links to about.html, which is none of the pages' }])
  t.match(admit({ 'index.html': linked, 'about.html': '' }), { problems: [], warnings: ['about.html has no title'] })
  const body = /-d '(\{.*?\n\})'/s.exec(page)?.[1]
  const request = JSON.parse(body ?? '') as CompositeRequest
  const parent = { ...request.parent, spec: { pages: { 'index.html': linked } } }
  t.match(evaluateComposite(definition, { ...request, parent }, environment).hold, { reason: 'InvalidSpec' })
})

t.test('a second version has the API server ask for conversions', async (t) => {
  const definition = { ...site, versions: { v1beta1, ...site.versions }, conversions: { v1beta1: conversion } }
  const crd = parse(generateAll([definition]).get('crds/example.com_sites.yaml') ?? '')
  t.match(crd.spec.conversion, {
    strategy: 'Webhook',
    webhook: { clientConfig: { service: { path: '/conversion/site' } } },
  })
  t.match(crd.spec.versions, [
    { name: 'v1beta1', storage: false, deprecated: true },
    { name: 'v1', storage: true },
  ])
})

t.test('the decorator gives a budget to those that ask for one', async (t) => {
  const asked = (value: string) => {
    const metadata = { name: 'web', namespace: 'shop', annotations: { 'example.com/max-unavailable': value } }
    return ask(budgets, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { selector: { matchLabels: { app: 'web' } } },
    }).response
  }
  t.match(asked('1').attachments, [{ spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'web' } } } }])
  t.match(asked('25%').attachments, [{ spec: { maxUnavailable: '25%' } }])
  t.match(asked('many'), {
    attachments: [],
    annotations: { 'decorators.example.com/deployment-budgets': /^InvalidAnnotation: .*"many" is neither/ },
  })
})

t.test('a Site is probed where its status says', async (t) => {
  const site = (status?: object) => ({
    apiVersion: 'example.com/v1',
    kind: 'Site',
    metadata: { name: 'hello', namespace: 'shop', uid: '1' },
    spec: { pages: { 'index.html': 'x' } },
    ...(status && { status }),
  })
  t.same(ask(siteProbes, site()).response.attachments, [])
  const { response } = ask(siteProbes, site({ url: 'http://hello.shop.svc' }), {
    parameters: { 'example.com/prober': 'p:1' },
  })
  t.match(response.attachments, [
    {
      kind: 'Probe',
      spec: { prober: { url: 'p:1' }, targets: { staticConfig: { static: ['http://hello.shop.svc'] } } },
    },
  ])
})

// tap puts itself into every Node process that is started from here, which tsc does not bear.
function untapped(program: string, args: readonly string[], input = '') {
  const path = join(root, 'node_modules', '.bin', program)
  return spawnSync('env', ['-u', 'NODE_OPTIONS', 'TAP=1', path, ...args], { cwd: root, encoding: 'utf8', input })
}
