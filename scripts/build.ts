// Makes dist/: the whole product as one bundle that needs nothing but Node 24. `npm run build`.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Metafile, type OutputFile } from 'esbuild'

const root = join(import.meta.dirname, '..')

export interface Bundle {
  /** Of package.json. */
  readonly version: string
  /** The first 16 hex digits of the SHA-256 of the programs: what tells one build from another, wherever it was made. */
  readonly identity: string
  readonly outdir: string
  /** What was written, relative to `outdir`. */
  readonly files: readonly string[]
  readonly metafile: Metafile
}

/**
 * Writes operator-hooks.mjs, the parts that it loads when they are needed (chunks/), source maps and the licences of
 * what is in it to `outdir`, and nothing else is left there. The same sources give the same bytes. `entry` is
 * hooks/main.ts unless given.
 */
export async function makeBundle(outdir = join(root, 'dist'), entry = join(root, 'hooks', 'main.ts')): Promise<Bundle> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const { outputFiles, metafile } = await build({
    entryPoints: { 'operator-hooks': entry },
    outdir,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    absWorkingDir: root,
    bundle: true,
    // What is imported lazily becomes a file of its own: to have the Kubernetes client's 4 MB in the program costs
    // every cold start 80 ms (40 ms with a compile cache), used or not.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    // Node shows the line that an uncaught error was thrown on: it should not be a megabyte long.
    lineLimit: 160,
    sourcemap: 'external',
    sourcesContent: false,
    // The whole licences go to a file of their own, below.
    legalComments: 'none',
    define: { 'globalThis.operatorHooksBuild': JSON.stringify({ version, id: placeholder }) },
    banner: { js: banner },
    logLevel: 'warning',
    metafile: true,
    write: false,
  })
  const identity = identityOf(outputFiles)
  rmSync(outdir, { recursive: true, force: true })
  const written = new Map<string, Uint8Array | string>(
    outputFiles.map((file) => [relative(outdir, file.path), stamped(file, identity)]),
  )
  written.set('THIRD-PARTY-LICENSES.txt', licences(metafile))
  for (const [name, contents] of written) {
    mkdirSync(dirname(join(outdir, name)), { recursive: true })
    writeFileSync(join(outdir, name), contents)
  }
  return { version, identity, outdir, files: [...written.keys()].sort(), metafile }
}

// As long as the identity, so that source maps stay right when one takes the other's place.
const placeholder = '@build-identity@'

// CommonJS packages in an ES module ask for `require` and, some, for where they are.
const banner = `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname
`

function identityOf(files: readonly OutputFile[]): string {
  const hash = createHash('sha256')
  const programs = files.filter(isProgram).sort((a, b) => (a.path < b.path ? -1 : 1))
  for (const { contents } of programs) hash.update(contents)
  return hash.digest('hex').slice(0, placeholder.length)
}

function stamped(file: OutputFile, identity: string): Uint8Array | string {
  return isProgram(file) ? file.text.replaceAll(placeholder, identity) : file.contents
}

function isProgram({ path }: { path: string }): boolean {
  return path.endsWith('.mjs')
}

/** The licence of every package that has code in the bundle, as the package itself states it. */
function licences(metafile: Metafile): string {
  const folders = new Set(inputs(metafile).flatMap(([input]) => packageFolder(input) ?? []))
  const parts = [...folders].sort().map((folder) => {
    const about = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
      name: string
      version: string
      license?: string
    }
    const texts = readdirSync(join(root, folder))
      .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
      .sort()
      .map((file) =>
        readFileSync(join(root, folder, file), 'utf8')
          .replaceAll('\r\n', '\n')
          .trim(),
      )
    const title = `${about.name} ${about.version} (${about.license ?? 'see below'})`
    return [title, '-'.repeat(title.length), ...texts].join('\n\n')
  })
  return `${parts.join('\n\n\n')}\n`
}

/** Each input with its bytes in the outputs. */
function inputs(metafile: Metafile): [string, number][] {
  return Object.values(metafile.outputs).flatMap((output) =>
    Object.entries(output.inputs).map(([input, { bytesInOutput }]): [string, number] => [input, bytesInOutput]),
  )
}

function packageFolder(input: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]
}

/**
 * The files that importing a source file loads at once, relative to `outdir`: its own, and what it imports other than
 * lazily. Empty when the bundle has no such entry.
 */
export function loadedBy({ metafile, outdir }: Bundle, source: string): string[] {
  const files = new Set<string>()
  const visit = (path: string) => {
    if (files.has(path)) return
    files.add(path)
    for (const { path: next, kind, external } of metafile.outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && external !== true) visit(next)
    }
  }
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) if (entryPoint === source) visit(path)
  return [...files].map((path) => relative(outdir, join(root, path))).sort()
}

/** What is how large: the programs, what `serve` loads of them, and what weighs most in all. */
export function sizeReport(bundle: Bundle): string {
  const { version, identity, outdir, files, metafile } = bundle
  const sizes = new Map(
    files
      .filter((name) => isProgram({ path: name }))
      .map((name): [string, Buffer] => [name, readFileSync(join(outdir, name))]),
  )
  const sum = (names: Iterable<string>) => [...names].reduce((total, name) => total + (sizes.get(name)?.length ?? 0), 0)
  const large = [...sizes].sort(([, a], [, b]) => b.length - a.length).slice(0, 8)
  const small = [...sizes.keys()].filter((name) => !large.some(([other]) => other === name))
  const packages = new Map<string, number>()
  for (const [input, bytes] of inputs(metafile)) {
    const name = packageFolder(input)?.replace(/^.*node_modules\//, '') ?? 'operator-hooks itself'
    packages.set(name, (packages.get(name) ?? 0) + bytes)
  }
  const heaviest = [...packages].sort(([, a], [, b]) => b - a).slice(0, 12)
  return [
    `operator-hooks ${version}, build ${identity}`,
    ...large.map(([name, contents]) => row(name, contents.length, `, ${kilobytes(gzipSync(contents).length)} gzipped`)),
    row(`${small.length} smaller ones`, sum(small)),
    row('of these, `serve` loads', sum(loadedBy(bundle, 'hooks/cli/serve.ts'))),
    'by package:',
    ...heaviest.map(([name, bytes]) => row(name, bytes)),
    '',
  ].join('\n')
}

function row(name: string, bytes: number, more = ''): string {
  return `  ${name.padEnd(36)} ${kilobytes(bytes).padStart(10)}${more}`
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`
}

if (import.meta.main) {
  process.stdout.write(sizeReport(await makeBundle()))
  process.stdout.write('Try it: node dist/operator-hooks.mjs --help\n')
}
