// What `npm run build` makes: the same bytes for the same sources, complete in itself, and nothing loaded before its time.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { loadedBy, makeBundle, sizeReport } from '../../scripts/build.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = t.testdir()
const first = await makeBundle(join(folder, 'first'))
const programs = first.files.filter((name) => name.endsWith('.mjs'))

t.test('two builds are the same, byte by byte', async (t) => {
  const second = await makeBundle(join(folder, 'other'))
  t.same(second.files, first.files)
  t.equal(second.identity, first.identity)
  for (const name of first.files) {
    const same = readFileSync(join(first.outdir, name)).equals(readFileSync(join(second.outdir, name)))
    t.ok(same, name)
  }
})

t.test('another program has another identity', async (t) => {
  const other = await makeBundle(join(folder, 'another'), join(root, 'hooks', 'cli', 'version.ts'))
  t.not(other.identity, first.identity)
})

t.test('it is told by the program itself', async (t) => {
  const { stdout } = node(['version', '--output', 'json'])
  t.match(JSON.parse(stdout), { version: first.version, build: first.identity })
  const left = programs.filter((name) => readFileSync(join(first.outdir, name), 'utf8').includes('@build-identity@'))
  t.same(left, [], 'no placeholder is left')
})

t.test('it holds nothing of the machine that it was made on, and all that it needs', async (t) => {
  const written = readdirSync(first.outdir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  t.equal(written.length, first.files.length, 'a former build leaves nothing behind')
  for (const name of first.files) {
    t.notOk(readFileSync(join(first.outdir, name), 'utf8').includes(root), `${name} names no folder of this machine`)
  }
  const external = Object.values(first.metafile.outputs).flatMap(({ imports }) => imports.filter((one) => one.external))
  const packages = new Set(
    external.map(({ path }) => path).filter((path) => process.getBuiltinModule(path) === undefined),
  )
  // Each is asked for only where somebody installed it: two make WebSockets faster, one colours MySQL's debug output, and
  // the others are further ways to log in to MongoDB and to compress what it says.
  const optional = [
    ...['@aws-sdk/credential-providers', '@mongodb-js/zstd', 'bufferutil', 'cardinal', 'gcp-metadata', 'kerberos'],
    ...['mongodb-client-encryption', 'snappy', 'utf-8-validate'],
  ]
  t.same([...packages].sort(), optional, 'it asks for no package')
})

t.test('serving loads neither the Kubernetes client nor what only other commands need', async (t) => {
  const loaded = loadedBy(first, 'hooks/cli/serve.ts')
  t.ok(loaded.length > 0)
  const inputs = new Set(
    Object.entries(first.metafile.outputs)
      .filter(([path]) => loaded.some((name) => path.endsWith(name)))
      .flatMap(([, output]) => Object.keys(output.inputs)),
  )
  t.ok(inputs.has('hooks/server/serve.ts'), 'the inputs are those of the service')
  for (const unwanted of [
    'node_modules/@kubernetes/client-node/',
    'node_modules/@opentelemetry/exporter',
    'hooks/agent/',
    'hooks/simulator/',
  ]) {
    t.same(
      [...inputs].filter((input) => input.startsWith(unwanted)),
      [],
      `nothing of ${unwanted}`,
    )
  }
  const bytes = loaded.reduce((sum, name) => sum + readFileSync(join(first.outdir, name)).length, 0)
  // It grows with the kinds. A library that only other commands need would add more at once.
  t.ok(bytes < 1_650_000, `${bytes} bytes are loaded`)
})

t.test('every package in it is there with its licence', async (t) => {
  const licences = readFileSync(join(first.outdir, 'THIRD-PARTY-LICENSES.txt'), 'utf8')
  for (const name of ['fastify', 'zod', 'pino', '@kubernetes/client-node']) {
    t.match(licences, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\([\\w.-]+\\)$`, 'm'), name)
  }
  const nameless = licences.split('\n').filter((line) => line.endsWith('(see below)'))
  t.same(nameless, [], 'each states which')
})

t.test('what the image is built from is let through to the build', async (t) => {
  const sources = Object.keys(first.metafile.inputs).filter(
    (path) => /^[\w.]/.test(path) && !path.includes('node_modules/'),
  )
  t.ok(sources.length > 20)
  const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
  t.ok(ignored.includes('*'), 'all else is kept out')
  const allowed = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  const missing = [...sources, 'scripts/build.ts', 'scripts/warm.mjs', 'package-lock.json', 'LICENSE', '.npmrc'].filter(
    (path) => !allowed.some((one) => path === one || path.startsWith(`${one}/`)),
  )
  t.same(missing, [])
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
  for (const [, image = ''] of dockerfile.matchAll(/^ARG \w+_IMAGE=(.*)$/gm)) {
    t.match(image, /^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/, 'base images are pinned')
  }
  t.match(dockerfile, /\nUSER 65532:65532\n/, 'a number, so that runAsNonRoot can be checked')
})

t.test('it exports the handler that Lambda calls', async (t) => {
  const bundle = (await import(pathToFileURL(join(first.outdir, 'operator-hooks.mjs')).href)) as { handler?: unknown }
  t.type(bundle.handler, 'function')
})

t.test('an error is shown with a line that fits a screen', async (t) => {
  const long = programs.filter((name) =>
    readFileSync(join(first.outdir, name), 'utf8')
      .split('\n')
      .some((line) => line.length > 20_000),
  )
  t.same(long, [], 'no line of a program is endless')
})

t.test('the report names what is large', async (t) => {
  const report = sizeReport(first)
  t.match(report, `operator-hooks ${first.version}, build ${first.identity}`)
  t.match(report, /`serve` loads +\d+\.\d kB/)
  t.match(report, /fastify +\d+\.\d kB/)
})

function node(args: string[]) {
  return spawnSync(process.execPath, [join(first.outdir, 'operator-hooks.mjs'), ...args], {
    encoding: 'utf8',
    cwd: '/',
    env: {},
  })
}
