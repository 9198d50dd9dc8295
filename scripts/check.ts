// Everything about the tree that is not behaviour: types, style, unused code, stale generated files, and what must
// not be in a lock file. Prints a line a check and what the failed ones said; exits 1 when one failed.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

interface Outcome {
  name: string
  passed: boolean
  output: string
}

const outcomes = await Promise.all([
  command('types', 'node_modules/typescript/bin/tsc', []),
  command('style and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings']),
  command('unused code', 'node_modules/knip/bin/knip.js', ['--no-progress']),
  command('generated files', 'hooks/generate/main.ts', ['--check']),
  lockFile(),
])
for (const { name, passed, output } of outcomes) {
  process.stdout.write(`${passed ? '✓' : '✗'} ${name}\n`)
  if (!passed) process.stdout.write(`${output.trimEnd().replaceAll(/^/gm, '    ')}\n`)
}
const failed = outcomes.filter(({ passed }) => !passed).length
process.stdout.write(`checks: ${outcomes.length - failed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)

function command(name: string, program: string, args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    child.on('close', (code) => resolve({ name, passed: code === 0, output }))
  })
}

// A registry's host in the lock file would tie every clone to that registry.
async function lockFile(): Promise<Outcome> {
  const named = readFileSync('package-lock.json', 'utf8')
    .split('\n')
    .filter((line) => line.includes('"resolved"'))
  return { name: 'lock file names no registry', passed: named.length === 0, output: named.slice(0, 5).join('\n') }
}
