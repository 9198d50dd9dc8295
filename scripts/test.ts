// Runs the tests of a tier with tap: everything that needs only Node (the default), or with
// --tier=control-plane the scenarios on a real Kubernetes API server and Metacontroller.
// Other arguments go to tap: files to run, --reporter=…
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const tiers: Record<string, { files: string[]; jobs: number; timeoutSeconds: number }> = {
  // Simulator and server included: nothing here needs more than Node. The longest file takes 20 s on a quiet machine; the
  // time is for one that is busy.
  local: { files: ['test/!(cluster|bench)/**/*.test.ts'], jobs: 2, timeoutSeconds: 300 },
  'control-plane': { files: ['test/cluster/**/*.test.ts'], jobs: 1, timeoutSeconds: 1800 },
}

const { values, positionals, tokens } = parseArgs({
  options: { tier: { type: 'string', default: 'local' } },
  allowPositionals: true,
  strict: false,
  tokens: true,
})
const tier = tiers[String(values.tier)]
if (tier === undefined) {
  process.stderr.write(`--tier: "${values.tier}" is none of ${Object.keys(tiers).join(', ')}\n`)
  process.exit(2)
}
const files = positionals.filter((path) => existsSync(path))
const passed = tokens.flatMap((token) =>
  token.kind === 'option' && token.name !== 'tier'
    ? [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`]
    : [],
)
const tap = join(dirname(createRequire(import.meta.url).resolve('tap/package.json')), 'dist', 'esm', 'run.mjs')
buildTap()
const child = spawn(
  process.execPath,
  [
    tap,
    `--jobs=${tier.jobs}`,
    `--timeout=${tier.timeoutSeconds}`,
    ...passed,
    ...(files.length > 0 ? files : longestFirst(tier.files.flatMap((pattern) => globSync(pattern)).sort())),
  ],
  { stdio: 'inherit' },
)
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))

// What takes longest begins first: a long file that begins last leaves the other cores idle.
function longestFirst(paths: string[]): string[] {
  const long = ['scenarios', 'rollout', 'demo', 'scripts', 'main', 'bundle', 'process', 'properties', 'image']
  const rank = (path: string) => {
    const index = long.indexOf(basename(path, '.test.ts'))
    return index < 0 ? long.length : index
  }
  return paths.sort((one, other) => rank(one) - rank(other))
}

// tap compiles its test class from the plugins of .taprc, and a first run that has to do so still uses the old one.
function buildTap(): void {
  const marker = join('node_modules', '.tap-built-for')
  const wanted = readFileSync('.taprc', 'utf8')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return
  const { status } = spawnSync(process.execPath, [tap, 'build'], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) process.exit(status ?? 1)
  writeFileSync(marker, wanted)
}
