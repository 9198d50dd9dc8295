// What the image's last stage holds and does, tried without an engine: the same files in a bare root of their own,
// owned by another user and read-only, with no environment but the image's. It says nothing of the base image itself.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { makeBundle } from '../../scripts/build.ts'

const root = join(import.meta.dirname, '..', '..')
const nonroot = 65532

if (process.getuid?.() !== 0 || process.platform !== 'linux') {
  t.plan(0, 'needs Linux and root, to become another user in another root')
  process.exit()
}

const image = t.testdir()
const environment = environmentOfImage()
await layTheImage()

t.test('it serves as the image does, and stops in time', async (t) => {
  const service = start(['serve', '--auth=none', '--ephemeral-credential-keys', '--drain-seconds=0'], {
    OPERATOR_HOOKS_PORT: '0',
  })
  t.teardown(() => service.kill('SIGKILL'))
  const { url } = await listening(service)
  const base = url.replace('0.0.0.0', '127.0.0.1')
  t.equal((await fetch(`${base}/readyz`)).status, 200)
  const version = (await (await fetch(`${base}/version`)).json()) as { build: string }
  t.match(version.build, /^[0-9a-f]{16}$/)
  const status = readFileSync(`/proc/${service.pid}/status`, 'utf8')
  t.match(status, new RegExp(`^Uid:\\t${nonroot}\\t${nonroot}\\t`, 'm'), 'it is nobody in particular')
  const gone = once(service, 'exit')
  service.kill('SIGTERM')
  const [code] = await gone
  t.equal(code, 0)
})

t.test('the compile cache is read, and nothing is written', async (t) => {
  const before = cacheFiles()
  t.ok(before.length > 0, 'it was made')
  const { stderr, status } = run(['version'], { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' })
  t.equal(status, 0)
  t.match(stderr, /reading cache from .*success/)
  t.same(cacheFiles(), before)
})

t.test('without keys or anybody who may call it does not start, and says why', async (t) => {
  const { stderr, status } = run(['serve'])
  t.equal(status, 2)
  t.match(stderr, /there are no keys to derive credentials with/)
  t.match(stderr, /nothing says who may call the hooks/)
})

t.test('it has no shell', async (t) => {
  t.notOk(existsSync(join(image, 'bin')) || existsSync(join(image, 'usr', 'bin')))
})

/** Node with the libraries it is linked to, and what the Dockerfile copies. */
async function layTheImage(): Promise<void> {
  await makeBundle(join(image, 'app'))
  chmodSync(image, 0o755)
  const node = join(image, 'nodejs', 'bin', 'node')
  mkdirSync(dirname(node), { recursive: true })
  copyFileSync(process.execPath, node)
  const { stdout } = spawnSync('ldd', [process.execPath], { encoding: 'utf8' })
  for (const [library] of stdout.matchAll(/\/\S+(?= \(0x)/g)) {
    mkdirSync(dirname(join(image, library)), { recursive: true })
    copyFileSync(library, join(image, library))
  }
  copyFileSync(join(root, 'scripts', 'warm.mjs'), join(image, 'warm.mjs'))
  mkdirSync(join(image, 'app', 'compile-cache'))
  chmodSync(join(image, 'app', 'compile-cache'), 0o777)
  const { status, stderr } = execute(['/warm.mjs', '/app/operator-hooks.mjs'], {})
  if (status !== 0) throw new Error(`the warm stage failed: ${stderr}`)
  // COPY --chown=0:0 --chmod=0555
  spawnSync('chown', ['-R', '0:0', join(image, 'app')])
  spawnSync('chmod', ['-R', '0555', join(image, 'app')])
  t.teardown(() => spawnSync('chmod', ['-R', 'u+w', image]))
}

/** ENV of the Dockerfile's last stage. */
function environmentOfImage(): Record<string, string> {
  const last =
    readFileSync(join(root, 'Dockerfile'), 'utf8')
      .split(/^FROM /m)
      .at(-1) ?? ''
  const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(last) ?? []
  return Object.fromEntries([...block.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]))
}

function run(args: string[], env: Record<string, string> = {}) {
  return execute(['/app/operator-hooks.mjs', ...args], env)
}

function execute(args: string[], env: Record<string, string>) {
  const [program, ...words] = inImage(args, env)
  return spawnSync(program, words, { encoding: 'utf8' })
}

function start(args: string[], env: Record<string, string>): ChildProcess {
  const [program, ...words] = inImage(['/app/operator-hooks.mjs', ...args], env)
  return spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Without `env -i` the test runner would hand its own NODE_OPTIONS on. */
function inImage(args: string[], env: Record<string, string>): [string, ...string[]] {
  const variables = Object.entries({ ...environment, ...env }).map(([name, value]) => `${name}=${value}`)
  const chroot = ['/usr/sbin/chroot', `--userspec=${nonroot}:${nonroot}`, image, '/nodejs/bin/node']
  return ['env', '-i', ...variables, ...chroot, ...args]
}

async function listening(service: ChildProcess): Promise<{ url: string }> {
  if (service.stdout === null) throw new Error('no standard output')
  for await (const line of createInterface(service.stdout)) {
    const entry = JSON.parse(line) as { msg: string; url: string }
    if (entry.msg === 'listening') return entry
  }
  throw new Error('it ended without listening')
}

function cacheFiles(): string[] {
  return readdirSync(join(image, 'app', 'compile-cache'), { recursive: true, encoding: 'utf8' }).sort()
}
