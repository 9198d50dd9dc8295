import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import manifest from '../../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..', '..')
const sample = 'hooks/kinds/database/samples/postgresql.yaml'

interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs the program as people do. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const options = { cwd: root, env: { ...process.env, ...env }, maxBuffer: 1 << 26 }
  return promisify(execFile)(process.execPath, ['hooks/main.ts', ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
}

t.test('a plan without a cluster to ask says so', async (t) => {
  const { code, stderr } = await run(['plan', '-f', sample], { HOME: t.testdir({}), KUBECONFIG: undefined })
  t.equal(code, 1)
  t.equal(stderr, 'error: there is no kubeconfig: give --kubeconfig or KUBECONFIG, or what there is with --observed\n')
})

t.test('every command is listed and explains itself', async (t) => {
  const { code, stdout } = await run(['--help'])
  t.equal(code, 0)
  const commands = [...stdout.matchAll(/^ {2}(\w+) {2,}\w/gm)].map(([, name = '']) => name)
  t.same([...commands].sort(), [
    'abort',
    'agent',
    'analyze',
    'binlogs',
    'certificate',
    'controllers',
    'crds',
    'demo',
    'plan',
    'promote',
    'render',
    'replay',
    'serve',
    'simulate',
    'version',
  ])
  const helps = await Promise.all(commands.map((command) => run([command, '--help'])))
  helps.forEach((help, index) => {
    t.equal(help.code, 0)
    t.match(help.stdout, commands[index])
    t.equal(help.stderr, '')
  })
})

t.test('a command that there is not is answered with the one that was meant', async (t) => {
  const { code, stdout, stderr } = await run(['rendr'])
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, 'there is no command "rendr" (did you mean "render"?)')
})

t.test('the samples are rendered, planned and simulated', async (t) => {
  const [rendered, planned, simulated] = await Promise.all([
    run(['render', '-f', sample]),
    run(['plan', '-f', sample, '--observed', '/dev/null', '--detailed-exitcode']),
    run(['simulate', '-f', sample, '--for', '2m', '-o', 'json']),
  ])
  t.equal(rendered.code, 0)
  t.match(rendered.stdout, 'image: postgres:13.8')
  t.match(rendered.stdout, 'password: <masked>')
  t.equal(planned.code, 2)
  t.match(planned.stdout, '+ DatabaseBackup/e2e-test-db-backup is created')
  t.equal(simulated.code, 0, simulated.stderr)
  t.match(JSON.parse(simulated.stdout), { ready: true, resources: [{ status: { phase: 'Running' } }] })
})

t.test('colours only where they are wanted', async (t) => {
  const args = ['plan', '-f', sample, '--observed', '/dev/null']
  const [forced, refused] = await Promise.all([
    run(args, { FORCE_COLOR: '1', NO_COLOR: undefined }),
    run(args, { FORCE_COLOR: undefined, NO_COLOR: '1' }),
  ])
  t.match(forced.stdout, '\u001b[')
  t.notMatch(refused.stdout, '\u001b[')
})

t.test('the version tells what is installed', async (t) => {
  t.match(JSON.parse((await run(['version', '-o', 'json'])).stdout), {
    version: manifest.version,
    kinds: [{ name: 'database', apiVersion: 'example.com/v1', kind: 'Database' }],
  })
  t.match((await run(['version'])).stdout, `operator-hooks ${manifest.version}`)
})

t.test('the fixtures are answered', async (t) => {
  const { code, stdout } = await run(['replay', 'test/fixtures/database', 'test/fixtures/webapp'])
  t.equal(code, 0, stdout)
  t.match(stdout, /database\/finalize answered/)
  t.match(stdout, /webapp\/customize answered/)
})

t.test('a reader that goes away is no error', async (t) => {
  const child = spawn(process.execPath, ['hooks/main.ts', 'render', '-f', sample], { cwd: root })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (part) => {
    errors += part
  })
  child.stdout.once('data', () => child.stdout.destroy())
  const [code] = await once(child, 'close')
  t.equal(code, 0)
  t.notMatch(errors, 'EPIPE')
})
