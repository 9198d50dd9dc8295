// The hook service as a process of its own, as the image runs it, and what it costs: CPU and memory from /proc.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { makeBundle } from '../../scripts/build.ts'

const root = join(import.meta.dirname, '..', '..')

/** The program from source, as `npm run dev` starts it. */
export const unbundled = join(root, 'hooks', 'main.ts')

/** Accepted by every service that is started here: a bearer token is checked on each request, as in production. */
export const token = 'benchmark-token-0123456789abcdef0123456789'

export interface Image {
  /** The bundle made from the sources as they are now. */
  readonly bundle: string
  /** The environment that Dockerfile and Deployment give it. */
  readonly env: Readonly<Record<string, string>>
  remove(): void
}

/** What the Dockerfile makes, in a temporary folder: the bundle and its compile cache. */
export async function makeImage(): Promise<Image> {
  const folder = mkdtempSync(join(tmpdir(), 'operator-hooks-bench-'))
  const { outdir } = await makeBundle(join(folder, 'app'))
  const bundle = join(outdir, 'operator-hooks.mjs')
  const env = {
    ...imageEnvironment(),
    NODE_COMPILE_CACHE: join(folder, 'compile-cache'),
    NODE_OPTIONS: deployedNodeOptions(),
    OPERATOR_HOOKS_HOST: '127.0.0.1',
  }
  const warmed = spawnSync(process.execPath, [join(root, 'scripts', 'warm.mjs'), bundle], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (warmed.status !== 0) throw new Error('the compile cache could not be made; what it said is above')
  return { bundle, env, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface Service {
  readonly url: string
  readonly pid: number
  /** Milliseconds of CPU since its start, all threads. */
  cpuMs(): number
  memory(): { residentMiB: number; peakMiB: number }
  stop(): Promise<void>
}

/** Starts a program's `serve` and resolves once it listens; throws when it ends instead. */
export function startService(program: string, env: Readonly<Record<string, string>> = {}): Promise<Service> {
  const args = [program, 'serve', '--port=0', '--ephemeral-credential-keys', '--drain-seconds=0']
  return start(args, { ...env, OPERATOR_HOOKS_TOKENS: token })
}

/** Starts bare.ts with the answers that it is to give, by the parent's name. */
export async function startBareServer(answers: Readonly<Record<string, unknown>>): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'operator-hooks-bench-'))
  try {
    const file = join(folder, 'answers.json')
    writeFileSync(file, JSON.stringify(answers))
    return await start([fileURLToPath(import.meta.resolve('./bare.ts')), file], {})
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function start(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Service> {
  if (process.platform !== 'linux') throw new Error('this benchmark reads /proc: it runs on Linux only')
  const { NODE_COMPILE_CACHE: _, ...inherited } = process.env
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...inherited, ...env } })
  const url = await listening(child)
  // What it logs from here on is drained, not read.
  child.stdout?.resume()
  const pid = child.pid ?? Number.NaN
  return {
    url,
    pid,
    cpuMs: () => cpuMs(pid),
    memory: () => memory(pid),
    async stop() {
      const gone = once(child, 'exit')
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      else return
      await gone
    },
  }
}

async function listening(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the service has no standard output')
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000)
  try {
    for await (const line of createInterface(child.stdout)) {
      const { msg, url } = JSON.parse(line) as { msg: string; url: string }
      if (msg === 'listening') return url
    }
    throw new Error('the service did not listen within 20 s')
  } finally {
    clearTimeout(tooLong)
  }
}

/** In nanoseconds, where the clock ticks of /proc/<pid>/stat are 10 ms each. */
function cpuMs(pid: number): number {
  const tasks = `/proc/${pid}/task`
  const spent = readdirSync(tasks).map((task) => {
    try {
      return Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // A thread that ended in between: those that do have done next to nothing.
      return 0
    }
  })
  return spent.reduce((sum, one) => sum + one, 0) / 1e6
}

function memory(pid: number): { residentMiB: number; peakMiB: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024
  return { residentMiB: field('VmRSS'), peakMiB: field('VmHWM') }
}

/** ENV of the Dockerfile's last stage. */
function imageEnvironment(): Record<string, string> {
  const stages = readFileSync(join(root, 'Dockerfile'), 'utf8').split(/^FROM /m)
  const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(stages.at(-1) ?? '') ?? []
  return Object.fromEntries([...block.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]))
}

interface Container {
  name: string
  env?: { name: string; value?: string }[]
}

function deployedNodeOptions(): string {
  const path = join(root, 'deploy', 'kustomize', 'base', 'deployment.yaml')
  const [deployment] = parseAllDocuments(readFileSync(path, 'utf8')).map(
    (document) => document.toJS() as { spec: { template: { spec: { containers: Container[] } } } },
  )
  const variables = deployment?.spec.template.spec.containers.flatMap(({ env = [] }) => env) ?? []
  return variables.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? ''
}
