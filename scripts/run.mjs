#!/usr/bin/env node
// Runs a program of this project on Node 24 with its dependencies there, whatever machine it is called on: it needs
// only Node >= 20 and npm. npm runs when node_modules is not what the lock file says; the npm package
// `node` brings Node 24 along.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'node_modules', '.set-up-for')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) setUp()
run(node24(), process.argv.slice(2))

function setUp() {
  process.stderr.write('Installing dependencies (once) …\n')
  const started = Date.now()
  // `npm ci` empties node_modules first: right for a fresh clone, unkind to whatever runs from an older one.
  const command = existsSync(join(root, 'node_modules')) ? ['install', '--no-save'] : ['ci']
  const npm = spawnSync('npm', [...command, '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (npm.status !== 0) {
    process.stderr.write(
      `npm ${command[0]} failed${npm.error ? `: ${npm.error.message}` : ''}; its messages are above\n`,
    )
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
  process.stderr.write(`Dependencies are there (${((Date.now() - started) / 1000).toFixed(1)} s).\n`)
}

function node24() {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const bundled = join(root, 'node_modules', 'node', 'bin', `node${suffix}`)
  if (existsSync(bundled)) return bundled
  if (Number.parseInt(process.versions.node, 10) >= 24) return process.execPath
  process.stderr.write(
    `This needs Node 24, and Node ${process.versions.node} runs it. The npm package "node" should have brought it, ` +
      'but its install script did not run (is ignore-scripts set?). Install Node 24, or allow that script.\n',
  )
  return process.exit(1)
}

function run(node, args) {
  const binaries = join(root, 'node_modules', '.bin')
  const separator = process.platform === 'win32' ? ';' : ':'
  const child = spawn(node, args, {
    stdio: 'inherit',
    env: {
      // Half of a start is compiling the same files again.
      NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compile'),
      ...process.env,
      PATH: `${dirname(node)}${separator}${binaries}${separator}${process.env.PATH}`,
    },
  })
  // The terminal sends Ctrl-C to the whole group; a signal from elsewhere has to be handed on.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT')
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
  child.on('error', (error) => {
    process.stderr.write(`${node}: ${error.message}\n`)
    process.exit(1)
  })
}
